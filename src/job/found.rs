//! Whether a backup has been made already.

use std::sync::Arc;

use crate::catalog::{self, Repository};
use crate::manifest::Manifest;
use crate::model::{BackupName, ErrorKind};

use super::{JobContext, JobResult};

/// The manifest of the backup of this name in the context's own cluster; `None` if there is
/// none to restore.
pub async fn find_backup(context: &JobContext, name: &BackupName) -> JobResult<Option<Manifest>> {
    let repository = match Repository::open(Arc::clone(&context.repository)).await {
        Ok(repository) => repository,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let cluster = repository.cluster(&context.cluster);
    let record = catalog::read_record(&cluster, name, &*context.clock).await?;
    let usable = record.is_committed();
    Ok(record.manifest.filter(|_| usable))
}
