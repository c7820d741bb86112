//! Deleting in batches, and one by one where the server does not know batches.

use std::sync::atomic::Ordering;

use aws_sdk_s3::types::{Delete, Error as Refusal, ObjectIdentifier};
use futures::{StreamExt, stream};

use crate::model::ObjectKey;
use crate::storage::{Deadline, DeleteReport, StoreError, StoreErrorKind, StoreOp, StoreResult};

use super::bucket::Bucket;
use super::errors::{failed, of_answer};

/// The most keys that a server takes at once.
const BATCH: usize = 1000;

/// Single deletes at once.
const AT_ONCE: usize = 16;

/// Deletes; what is left is in the report. No request begins after its deadline.
pub(super) async fn delete(
    bucket: &Bucket,
    keys: &[ObjectKey],
    deadline: Option<Deadline>,
) -> StoreResult<DeleteReport> {
    let mut report = DeleteReport::default();
    for batch in keys.chunks(BATCH) {
        if bucket.deletes_singly.load(Ordering::Relaxed) {
            singly(bucket, batch, deadline, &mut report).await;
            continue;
        }
        match at_once(bucket, batch, deadline, &mut report).await {
            Ok(again) => singly(bucket, &again, deadline, &mut report).await,
            Err(error) if is_dialect(&error) => {
                let before = report.deleted;
                singly(bucket, batch, deadline, &mut report).await;
                // It is the batches that are refused, not this user.
                if report.deleted > before {
                    let why = super::errors::chain(&error);
                    tracing::info!(bucket = %bucket.name, %why, "deleting one by one from now on");
                    bucket.deletes_singly.store(true, Ordering::Relaxed);
                }
            }
            Err(error) => return Err(error),
        }
    }
    let late = report.failed.iter().position(|(_, why)| why.kind() == StoreErrorKind::Expired);
    match late {
        Some(late) => Err(report.failed.swap_remove(late).1),
        None => Ok(report),
    }
}

/// Servers refuse batches in many words: as unknown, forbidden, or malformed.
fn is_dialect(error: &StoreError) -> bool {
    match error.kind() {
        StoreErrorKind::PermissionDenied
        | StoreErrorKind::Unsupported
        | StoreErrorKind::NotFound
        | StoreErrorKind::AlreadyExists
        | StoreErrorKind::Other => true,
        StoreErrorKind::Full
        | StoreErrorKind::ReadOnly
        | StoreErrorKind::Misconfigured
        | StoreErrorKind::Transient
        | StoreErrorKind::Expired => false,
    }
}

/// Deletes a batch by one request. Returns the keys that are worth another try.
async fn at_once(
    bucket: &Bucket,
    keys: &[ObjectKey],
    deadline: Option<Deadline>,
    report: &mut DeleteReport,
) -> StoreResult<Vec<ObjectKey>> {
    let place = || bucket.place(&bucket.prefix);
    deadline.map_or(Ok(()), |deadline| deadline.begin(StoreOp::Delete, place()))?;
    let broken = |error: aws_sdk_s3::error::BuildError| {
        StoreError::new(StoreOp::Delete, place(), StoreErrorKind::Other, error)
    };
    let names = keys.iter().map(|key| ObjectIdentifier::builder().key(bucket.full(key)).build());
    let names = names.collect::<Result<Vec<_>, _>>().map_err(broken)?;
    let batch = Delete::builder().set_objects(Some(names)).quiet(true).build().map_err(broken)?;
    let request = bucket.client.delete_objects().bucket(&bucket.name).delete(batch);
    let answer = request.send().await.map_err(|error| failed(StoreOp::Delete, place(), &error))?;
    let mut again = Vec::new();
    let mut left = 0;
    for refusal in answer.errors() {
        let key = refusal.key().and_then(|name| name.strip_prefix(bucket.prefix.as_str()));
        let key = key.and_then(|key| keys.iter().find(|known| known.as_str() == key));
        let (kind, hint) = verdict(refusal);
        match key {
            _ if kind == StoreErrorKind::NotFound => {}
            Some(key) if kind == StoreErrorKind::Transient => {
                left += 1;
                again.push(key.clone());
            }
            Some(key) => {
                left += 1;
                let cause = refusal.message().or(refusal.code()).unwrap_or("refused");
                let error = bucket.error(StoreOp::Delete, key, kind, cause).with_hint(hint);
                report.failed.push((key.clone(), error));
            }
            // An error that names no key: nothing of this batch is certain.
            None => return Ok(keys.to_vec()),
        }
    }
    report.deleted += keys.len() - left;
    Ok(again)
}

fn verdict(refusal: &Refusal) -> (StoreErrorKind, Option<&'static str>) {
    of_answer(refusal.code(), 0)
}

async fn singly(
    bucket: &Bucket,
    keys: &[ObjectKey],
    deadline: Option<Deadline>,
    report: &mut DeleteReport,
) {
    let deletes: Vec<_> = keys.iter().map(|key| one(bucket, key.clone(), deadline)).collect();
    let mut done = stream::iter(deletes).buffer_unordered(AT_ONCE);
    while let Some((key, deleted)) = done.next().await {
        match deleted {
            Err(error) if error.kind() != StoreErrorKind::NotFound => {
                report.failed.push((key, error));
            }
            Ok(()) | Err(_) => report.deleted += 1,
        }
    }
}

async fn one(
    bucket: &Bucket,
    key: ObjectKey,
    deadline: Option<Deadline>,
) -> (ObjectKey, StoreResult<()>) {
    let place = || bucket.place(bucket.full(&key));
    if let Some(Err(late)) = deadline.map(|deadline| deadline.begin(StoreOp::Delete, place())) {
        return (key, Err(late));
    }
    let request = bucket.client.delete_object().bucket(&bucket.name).key(bucket.full(&key));
    let deleted = request.send().await.map(drop);
    let deleted = deleted.map_err(|error| bucket.failed(StoreOp::Delete, &key, &error));
    (key, deleted)
}
