//! Parts of files that a killed run was writing: invisible, and paid for.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::catalog::{Cluster, Lease};
use crate::job::{JobContext, JobError, JobResult};
use crate::model::{ErrorKind, KeyPrefix};
use crate::plan::Verdict;
use crate::storage::{ObjectStore, StoreErrorKind, StoreResult, UnfinishedWrite};

use super::report::{StagingRoot, VerdictRow};
use super::sweep::Found;

/// Younger ones may be written to, whatever is configured: a file on a slow line.
const LONGEST_WRITE: SignedDuration = SignedDuration::from_hours(24);

/// An upload and the store that it goes to.
pub(super) type Upload = (Arc<dyn ObjectStore>, UnfinishedWrite);

/// Tells of the uploads in the cluster's folder, and where its restores stage files, that are
/// older than any write takes.
pub(super) async fn find(
    context: &JobContext,
    (cluster, staging): (&Cluster, Option<&StagingRoot>),
    now: Timestamp,
    found: &mut Found,
) -> JobResult<Vec<Upload>> {
    let grace = context.retention.orphan_grace.max(LONGEST_WRITE);
    let Ok(before) = now.checked_sub(grace) else { return Ok(Vec::new()) };
    let root = KeyPrefix::root();
    let own = ("unfinished uploads", cluster.repository.store(), cluster.layout.root());
    let staged = staging.map(|staging| ("unfinished uploads in staging", &staging.store, &root));
    let mut uploads = Vec::new();
    for (name, store, under) in [Some(own), staged].into_iter().flatten() {
        let listed = listed(&**store, under, before).await?;
        if listed.is_empty() {
            continue;
        }
        let files = if listed.len() == 1 { "file" } else { "files" };
        let reason = format!("parts of {} {files}, begun {grace:#} ago or earlier", listed.len());
        let (name, reasons) = (name.to_owned(), vec![reason]);
        found.rows.push(VerdictRow { name, verdict: Verdict::Delete, reasons });
        uploads.extend(listed.into_iter().map(|upload| (Arc::clone(store), upload)));
    }
    Ok(uploads)
}

/// A credential that may not ask costs nobody his prune.
async fn listed(
    store: &dyn ObjectStore,
    under: &KeyPrefix,
    before: Timestamp,
) -> StoreResult<Vec<UnfinishedWrite>> {
    match store.unfinished(under, before).await {
        Err(error)
            if matches!(
                error.kind(),
                StoreErrorKind::PermissionDenied | StoreErrorKind::Unsupported
            ) =>
        {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(
                %error,
                cause,
                "uploads that a killed run left cannot be listed: allow \
                 s3:ListBucketMultipartUploads, or set a lifecycle rule"
            );
            Ok(Vec::new())
        }
        listed => listed,
    }
}

/// Takes them away.
pub(super) async fn abort(lease: &Lease, uploads: &[Upload], found: &mut Found) -> JobResult<()> {
    let mut refused: Option<String> = None;
    for (store, upload) in uploads {
        // What this one has, the others of its store will have, too.
        if refused.as_ref() == Some(&store.to_string()) {
            continue;
        }
        let aborted = lease.abort_in(store, upload).await.map_err(JobError::from);
        if let Err(error) = aborted {
            if error.kind() == ErrorKind::Locked {
                return Err(error);
            }
            found.errors.push(error);
            refused = Some(store.to_string());
        }
    }
    Ok(())
}
