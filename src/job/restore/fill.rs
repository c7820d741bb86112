//! Rows into a new collection, import by import.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::catalog;
use crate::milvus::{ImportRequest, ImportState, MilvusErrorKind};
use crate::model::ErrorKind;
use crate::plan::{Batch, BatchLimit, CollectionRestore, next_batch};

use super::probe::probe;
use super::session::Session;
use crate::job::{JobError, JobResult};

/// Between two looks at an import.
const IMPORT_POLL: Duration = Duration::from_millis(250);

/// What Milvus says of an import that passed `rootCoord.importTaskExpiration`.
const TIMED_OUT: &str = "timed out";

/// How often a collection is filled anew with smaller imports after a time-out.
const REFILLS: u32 = 4;

/// How a collection was filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Filled {
    pub(super) stored: u64,
    pub(super) imported: u64,
}

/// How one pass over a collection ended.
enum Pass {
    Whole(Filled),
    /// An import ran out of time; what it left behind is unknown.
    TimedOut,
}

/// Makes the collection and fills it; after a time-out anew, with smaller imports.
pub(super) async fn fill(
    session: &Session<'_>,
    collection: &CollectionRestore,
) -> JobResult<Filled> {
    for _ in 0..REFILLS {
        super::collection::create(session, collection).await?;
        match pass(session, collection).await? {
            Pass::Whole(filled) => return Ok(filled),
            Pass::TimedOut => {
                let mut limit = session.limit.lock().await;
                *limit = limit.halved();
                tracing::warn!(
                    collection = %collection.to,
                    bytes = limit.bytes,
                    "an import ran out of time, filling anew with smaller ones"
                );
                session.context.milvus.drop_collection(&collection.restoring).await?;
            }
        }
    }
    Err(JobError::new(
        ErrorKind::Failed,
        format!("imports into {} ran out of time {REFILLS} times", collection.restoring),
    )
    .hint("raise `rootCoord.importTaskExpiration` in milvus.yaml"))
}

async fn pass(session: &Session<'_>, collection: &CollectionRestore) -> JobResult<Pass> {
    let list = catalog::load_list(&session.from, &collection.content.list).await?;
    let mut rest = list.segments();
    let mut filled = Filled { stored: 0, imported: 0 };
    let mut number = 0;
    loop {
        let limit = *session.limit.lock().await;
        let Some(batch) = next_batch(rest, limit) else { break };
        rest = &rest[batch.segments..];
        number += 1;
        let Some(rows) = import(session, collection, &batch, number).await? else {
            return Ok(Pass::TimedOut);
        };
        check_rows(collection, &batch, rows)?;
        filled.stored += batch.rows;
        filled.imported += rows;
        session.context.progress.advance(batch.bytes);
    }
    Ok(Pass::Whole(filled))
}

/// Stages and imports one batch; `None` if it ran out of time.
async fn import(
    session: &Session<'_>,
    collection: &CollectionRestore,
    batch: &Batch,
    number: usize,
) -> JobResult<Option<u64>> {
    let partition = partition_name(collection, batch)?;
    let milvus = &*session.context.milvus;
    let readable = probe(milvus, &session.staging, &collection.restoring, &partition);
    session.readable.get_or_try_init(|| readable).await?;
    let folders = session.staging.stage(&session.from, batch, number).await?;
    let request = ImportRequest {
        namespace: collection.restoring.clone(),
        partition,
        insert_folder: folders.insert,
        delta_folder: folders.delta,
        end_ts: session.version.import_end_ts(collection.content.boundary.timestamp),
    };
    let started = Instant::now();
    let mut rows = wait(session, &request, started).await;
    if let Ok(Some(imported)) = rows
        && imported < batch.rows
    {
        // A folder that Milvus no longer sees imports fewer rows, too.
        let seen = probe(milvus, &session.staging, &collection.restoring, &request.partition);
        rows = seen.await.map(|()| Some(imported));
    }
    session.staging.clear(number).await?;
    if let Ok(Some(_)) = rows {
        let mut limit = session.limit.lock().await;
        *limit = limit.after(batch.bytes, started.elapsed());
    }
    rows
}

async fn wait(
    session: &Session<'_>,
    request: &ImportRequest,
    started: Instant,
) -> JobResult<Option<u64>> {
    let milvus = &session.context.milvus;
    let task = milvus.import(request).await?;
    loop {
        let state = match milvus.import_state(task).await {
            Err(error) if error.kind() == MilvusErrorKind::Transient => {
                ImportState::Running { percent: 0 }
            }
            state => state?,
        };
        match state {
            ImportState::Completed { rows } => return Ok(Some(rows.unsigned_abs())),
            ImportState::Failed { reason } if reason.contains(TIMED_OUT) => return Ok(None),
            ImportState::Failed { reason } => {
                let place = &request.insert_folder;
                return Err(JobError::new(
                    ErrorKind::Failed,
                    format!("Milvus could not import `{place}`: {reason}"),
                ));
            }
            // The server should have ended it by itself by now.
            ImportState::Running { .. } if started.elapsed() > BatchLimit::SERVER_LIMIT * 2 => {
                return Ok(None);
            }
            ImportState::Running { .. } => sleep(IMPORT_POLL).await,
        }
    }
}

fn partition_name(collection: &CollectionRestore, batch: &Batch) -> JobResult<String> {
    let id = batch.source.1;
    let partition = collection.content.partitions.iter().find(|partition| partition.id == id);
    partition.map(|partition| partition.name.clone()).ok_or_else(|| {
        let message = format!("the backup of {} names no partition {id}", collection.from);
        JobError::new(ErrorKind::Damaged, message)
    })
}

/// Only deletes, and writes beyond the boundary, may make the imported rows fewer.
fn check_rows(collection: &CollectionRestore, batch: &Batch, imported: u64) -> JobResult<()> {
    if imported <= batch.rows {
        return Ok(());
    }
    let message = format!(
        "{imported} rows were imported into {} where the backup has {}",
        collection.restoring, batch.rows
    );
    Err(JobError::new(ErrorKind::Failed, message))
}
