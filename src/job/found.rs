//! Whether a backup has been made already.

use std::sync::Arc;

use crate::catalog::{self, Repository};
use crate::model::{BackupName, BackupState, ErrorKind, RunOutcome};

use super::{JobContext, JobResult};

/// How the backup of this name in the context's own cluster turned out; `None` if there is
/// none to restore.
pub async fn find_backup(context: &JobContext, name: &BackupName) -> JobResult<Option<RunOutcome>> {
    let repository = match Repository::open(Arc::clone(&context.repository)).await {
        Ok(repository) => repository,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let cluster = repository.cluster(&context.cluster);
    let record = catalog::read_record(&cluster, name, &*context.clock).await?;
    Ok(match record.state {
        BackupState::Complete => Some(RunOutcome::Complete),
        BackupState::Partial => Some(RunOutcome::Partial),
        BackupState::Failed
        | BackupState::Running
        | BackupState::Tombstoned
        | BackupState::Damaged => None,
    })
}
