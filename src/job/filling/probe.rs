//! Whether Milvus can read the staging folder, found out before the first import.
//!
//! Milvus takes a folder that it cannot see for an empty one: an import of it completes
//! with 0 rows (measured on 2.3.5). So it is asked to import something that cannot be
//! imported: what fails was seen, what completes was not. Neither leaves a row.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::milvus::{ImportRequest, ImportState, MilvusApi};
use crate::model::{ErrorKind, Namespace};

use super::staging::{PROBE, StagingArea};
use crate::job::{JobError, JobResult};

const POLL: Duration = Duration::from_millis(50);

/// Both answers came within 3 s (measured on 2.3.5); imports before it may be in the way.
const DEADLINE: Duration = Duration::from_mins(5);

/// Fails unless Milvus reads the staging folder. The collection and partition must exist.
pub(crate) async fn probe(
    milvus: &dyn MilvusApi,
    staging: &StagingArea,
    namespace: &Namespace,
    partition: &str,
) -> JobResult<()> {
    let request = ImportRequest {
        namespace: namespace.clone(),
        partition: partition.to_owned(),
        insert_folder: staging.stage_probe().await?,
        delta_folder: None,
        end_ts: None,
    };
    let seen = is_seen(milvus, &request).await;
    staging.clear_probe().await?;
    if seen? {
        return Ok(());
    }
    let (place, folder) = (staging.place(), &request.insert_folder);
    let message =
        format!("Milvus cannot read the staging folder `{place}`, which it was told is `{folder}`");
    Err(JobError::new(ErrorKind::Usage, message).hint(
        "with local storage: if Milvus runs in a container, set `repository.staging` to a folder \
         that it mounts, below `milvus.storage.local.path`, and \
         `milvus.storage.local.milvus_path` to what it calls that; else let Milvus's user read \
         the folder. On S3: set `milvus.storage.s3.*` to the bucket that this Milvus uses",
    ))
}

async fn is_seen(milvus: &dyn MilvusApi, request: &ImportRequest) -> JobResult<bool> {
    let task = milvus.import(request).await?;
    let started = Instant::now();
    loop {
        match milvus.import_state(task).await? {
            ImportState::Failed { reason } if reason.contains(PROBE) => return Ok(true),
            ImportState::Failed { reason } => {
                let message = format!("Milvus could not look into the staging folder: {reason}");
                return Err(JobError::new(ErrorKind::Failed, message));
            }
            ImportState::Completed { .. } => return Ok(false),
            ImportState::Running { .. } if started.elapsed() > DEADLINE => {
                let message = "Milvus does not get to a small import within 5 minutes";
                return Err(JobError::new(ErrorKind::Failed, message));
            }
            ImportState::Running { .. } => sleep(POLL).await,
        }
    }
}
