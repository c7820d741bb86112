//! Indexes and load state of a filled collection.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::milvus::MilvusErrorKind;
use crate::model::{ErrorKind, LoadState};
use crate::plan::CollectionRestore;

use super::state::Filling;
use crate::job::{JobError, JobResult};

/// Between two looks at a load.
const LOAD_POLL: Duration = Duration::from_millis(500);

/// How long a load may stand still. Loading waits for indexes, which is what takes long.
const LOAD_STALL: Duration = Duration::from_mins(30);

/// Makes the indexes that it had.
pub(in crate::job) async fn index(
    filling: &Filling<'_>,
    collection: &CollectionRestore,
) -> JobResult<()> {
    for index in &collection.content.indexes {
        filling.context.milvus.create_index(&collection.restoring, index).await?;
    }
    Ok(())
}

/// Loads it, and waits until it is.
pub(in crate::job) async fn load(
    filling: &Filling<'_>,
    collection: &CollectionRestore,
    state: &LoadState,
) -> JobResult<()> {
    let milvus = &filling.context.milvus;
    milvus.load(&collection.restoring, state).await?;
    let mut seen = (0, Instant::now());
    loop {
        let percent = match milvus.load_percent(&collection.restoring, state).await {
            Ok(percent) => percent,
            Err(error) if error.kind() == MilvusErrorKind::Transient => seen.0,
            Err(error) => return Err(error.into()),
        };
        if percent >= 100 {
            return Ok(());
        }
        if percent > seen.0 {
            seen = (percent, Instant::now());
        }
        if seen.1.elapsed() > LOAD_STALL {
            let minutes = LOAD_STALL.as_secs() / 60;
            let message = format!("loading stands at {percent} % for {minutes} minutes");
            return Err(JobError::new(ErrorKind::Failed, message)
                .hint("see Milvus's log; --skip-load restores without loading"));
        }
        sleep(LOAD_POLL).await;
    }
}
