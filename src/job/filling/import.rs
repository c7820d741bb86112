//! One import: asked for and watched to its end.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::milvus::{ImportRequest, ImportState, MilvusErrorKind};
use crate::model::ErrorKind;
use crate::plan::{Batch, BatchLimit, CollectionRestore};

use super::state::Filling;
use crate::job::{JobError, JobResult};

/// Between two looks at an import.
const POLL: Duration = Duration::from_millis(250);

/// What Milvus says of an import that passed `rootCoord.importTaskExpiration`.
const TIMED_OUT: &str = "timed out";

/// The folders that an import reads, as Milvus sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folders {
    pub(super) insert: String,
    pub(super) delta: Option<String>,
}

/// How an import ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// So many rows are in the collection.
    Rows(u64),
    /// It ran out of time; what it left behind is unknown.
    TimedOut,
    /// Milvus gave it up.
    Failed(String),
}

/// Imports what lies in the folders into the batch's partition.
pub(super) async fn import(
    filling: &Filling<'_>,
    collection: &CollectionRestore,
    batch: &Batch,
    folders: Folders,
) -> JobResult<Ended> {
    let request = ImportRequest {
        namespace: collection.restoring.clone(),
        partition: partition_name(collection, batch)?,
        insert_folder: folders.insert,
        delta_folder: folders.delta,
        end_ts: collection
            .content
            .boundary
            .and_then(|boundary| filling.version.import_end_ts(boundary.timestamp)),
    };
    let started = Instant::now();
    let ended = watch(filling, &request, started).await?;
    // An import that found nothing says nothing of how fast the server is.
    if matches!(ended, Ended::Rows(rows) if rows > 0) {
        let mut limit = filling.limit.lock().await;
        *limit = limit.after(batch.bytes(), started.elapsed());
    }
    Ok(ended)
}

async fn watch(
    filling: &Filling<'_>,
    request: &ImportRequest,
    started: Instant,
) -> JobResult<Ended> {
    let milvus = &filling.context.milvus;
    let task = milvus.import(request).await?;
    loop {
        let state = match milvus.import_state(task).await {
            Err(error) if error.kind() == MilvusErrorKind::Transient => {
                ImportState::Running { percent: 0 }
            }
            state => state?,
        };
        match state {
            ImportState::Completed { rows } => return Ok(Ended::Rows(rows.unsigned_abs())),
            ImportState::Failed { reason } if reason.contains(TIMED_OUT) => {
                return Ok(Ended::TimedOut);
            }
            ImportState::Failed { reason } => {
                let place = &request.insert_folder;
                return Ok(Ended::Failed(format!("Milvus could not import `{place}`: {reason}")));
            }
            // The server should have ended it by itself by now.
            ImportState::Running { .. } if started.elapsed() > BatchLimit::SERVER_LIMIT * 2 => {
                return Ok(Ended::TimedOut);
            }
            ImportState::Running { .. } => sleep(POLL).await,
        }
    }
}

/// The partition of the batch, by its name.
pub(super) fn partition_name(collection: &CollectionRestore, batch: &Batch) -> JobResult<String> {
    partition_named(collection, batch.source.1)
}

/// A partition of the backup, by its name.
pub(super) fn partition_named(collection: &CollectionRestore, id: i64) -> JobResult<String> {
    let partition = collection.content.partitions.iter().find(|partition| partition.id == id);
    partition.map(|partition| partition.name.clone()).ok_or_else(|| {
        let message = format!("the backup of {} names no partition {id}", collection.from);
        JobError::new(ErrorKind::Damaged, message)
    })
}
