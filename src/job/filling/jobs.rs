//! Rows into a new collection of a Milvus since 2.4, by import jobs of many segments.
//!
//! Every segment is staged in a folder of its own, as milvus-backup lays it out, since such a
//! server takes what lies directly in a folder for segments. Whether it reads the staging
//! folder cannot be asked for as of 2.3 (`probe`): what such servers say of what they cannot
//! import was never seen. So a job that brings back nothing, where something must come back, is
//! a failure.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::milvus::{
    FOLDERS_PER_JOB, ImportState, JobContent, JobRequest, MilvusErrorKind, RowFolders,
};
use crate::model::ErrorKind;
use crate::plan::{CollectionRestore, JobBatch, JobKind, JobLimits, has_deltas, import_jobs};

use super::fill::{Filled, check_readable};
use super::import::partition_named;
use super::state::Filling;
use crate::job::{JobError, JobResult};

/// Between the first two looks at a job, and how long it grows: a small job ends soon.
const FIRST_POLL: Duration = Duration::from_millis(50);
const LAST_POLL: Duration = Duration::from_secs(2);

/// How long a job may stand still before it is given up.
const STALL: Duration = Duration::from_mins(30);

/// Fills the collection, job by job.
pub(super) async fn import_all(
    filling: &Filling<'_>,
    collection: &CollectionRestore,
    filled: &mut Filled,
) -> JobResult<()> {
    let list = filling.backup.list(&collection.content.list).await?;
    check_readable(filling, collection, list.segments())?;
    let deletes = filling.version.dialect().deletes_per_job;
    let jobs = import_jobs(list.segments(), JobLimits { rows: FOLDERS_PER_JOB, deletes });
    for (batch, number) in jobs.iter().zip(1..) {
        filled.staged += batch.bytes();
        let rows = import(filling, collection, batch, number).await?;
        if batch.kind == JobKind::Rows {
            check_rows(collection, batch, (rows, bound(filling, collection)))?;
            filled.stored += batch.rows();
            filled.imported += rows;
        }
        filling.context.progress.advance(batch.bytes());
    }
    if filled.stored > 0 && filled.imported == 0 {
        return Err(nothing_came(collection, filled.stored));
    }
    Ok(())
}

async fn import(
    filling: &Filling<'_>,
    collection: &CollectionRestore,
    batch: &JobBatch,
    number: usize,
) -> JobResult<u64> {
    let partition = batch.partition.map(|id| partition_named(collection, id)).transpose()?;
    let staged = filling.staging.stage_segments(&filling.backup, &batch.segments, number).await?;
    let folders = batch.segments.iter().zip(staged);
    let content = match batch.kind {
        JobKind::Rows => JobContent::Rows(
            folders
                .map(|(segment, [insert, delta])| RowFolders {
                    insert,
                    delta: has_deltas(segment).then_some(delta),
                })
                .collect(),
        ),
        JobKind::Deletes => JobContent::Deletes(folders.map(|(_, [_, delta])| delta).collect()),
    };
    let request = JobRequest {
        namespace: collection.restoring.clone(),
        partition,
        content,
        storage_version: batch.storage_version,
        end_ts: end_ts(filling, collection),
    };
    let ended = watch(filling, &request).await;
    filling.staging.clear(number).await?;
    ended
}

/// Whether Milvus is told where the collection ends, so that what is beyond stays out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Told,
    NotTold,
}

fn bound(filling: &Filling<'_>, collection: &CollectionRestore) -> Bound {
    match end_ts(filling, collection) {
        Some(_) => Bound::Told,
        None => Bound::NotTold,
    }
}

fn end_ts(filling: &Filling<'_>, collection: &CollectionRestore) -> Option<u64> {
    let boundary = collection.content.boundary?;
    filling.version.import_end_ts(boundary.timestamp)
}

/// Starts a job and waits for its end: its rows.
async fn watch(filling: &Filling<'_>, request: &JobRequest) -> JobResult<u64> {
    let milvus = &filling.context.milvus;
    let job = milvus.import_job(request).await?;
    let failed = |how: String| {
        let message = format!("import job {} into {} {how}", job.id, request.namespace);
        JobError::new(ErrorKind::Failed, message)
    };
    let mut seen = (0, Instant::now());
    let mut poll = FIRST_POLL;
    loop {
        match milvus.job_state(&job).await {
            Ok(ImportState::Completed { rows }) => return Ok(rows.unsigned_abs()),
            Ok(ImportState::Failed { reason }) => return Err(failed(format!("failed: {reason}"))),
            Ok(ImportState::Running { percent }) if percent > seen.0 => {
                seen = (percent, Instant::now());
            }
            Ok(ImportState::Running { .. }) => {}
            Err(error) if error.kind() == MilvusErrorKind::Transient => {}
            Err(error) => return Err(error.into()),
        }
        if seen.1.elapsed() > STALL {
            let minutes = STALL.as_secs() / 60;
            let how = format!("stands at {} % for {minutes} minutes", seen.0);
            return Err(failed(how).hint("see Milvus's log"));
        }
        sleep(poll).await;
        poll = (poll * 2).min(LAST_POLL);
    }
}

/// Only deletes, and writes beyond a boundary that Milvus was told, may make the imported rows
/// fewer. How many rows milvus-backup counted is not how many are in its files.
fn check_rows(
    collection: &CollectionRestore,
    batch: &JobBatch,
    (imported, bound): (u64, Bound),
) -> JobResult<()> {
    let stored = batch.rows();
    if imported > stored && collection.content.boundary.is_some() {
        let place = &collection.restoring;
        let message =
            format!("{imported} rows were imported into {place} where the backup has {stored}");
        return Err(JobError::new(ErrorKind::Failed, message));
    }
    let may_be_none = bound == Bound::Told || batch.has_deltas();
    if imported == 0 && stored > 0 && !may_be_none {
        return Err(nothing_came(collection, stored));
    }
    Ok(())
}

fn nothing_came(collection: &CollectionRestore, stored: u64) -> JobError {
    let message = format!("none of {stored} rows came into {}", collection.restoring);
    JobError::new(ErrorKind::Failed, message).hint(
        "Milvus must see the staging folder: set `repository.staging` to a folder that it reads, \
         and `milvus.storage.local.milvus_path` or `milvus.storage.s3.*` to what it calls it. If \
         all its rows were deleted, leave the collection out",
    )
}
