//! That a file is what was written, proved before Milvus reads it: it would take a flipped
//! byte in a vector for a vector.

use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use crate::catalog::Readable;
use crate::job::error::Damage;
use crate::job::{JobContext, JobError, JobResult};
use crate::manifest::{FileEntry, FileId};
use crate::storage::StoreErrorKind;
use crate::transfer::{Content, check_content, retrying};

/// Reads one file of the repository to its end.
pub(super) async fn prove(
    backup: &Readable,
    retries: u32,
    id: FileId,
    entry: &FileEntry,
) -> JobResult<()> {
    let (key, store) = (backup.key(&id), backup.cluster.repository.store());
    let read = || async { check_content(store.get(&key).await?, entry).await };
    let place = backup.place(&id);
    let how = match retrying(retries, read).await {
        Ok(Content::Other(how)) => how,
        Ok(Content::Same | Content::Unchecked) => return Ok(()),
        Err(error) if error.kind() == StoreErrorKind::NotFound => "it is missing".to_owned(),
        Err(error) => return Err(error.into()),
    };
    let message = format!("`{place}` is not what was written");
    Err(JobError::damage(message, Damage { key, how })
        .hint("`verify --depth content` shows every damaged file of the backup"))
}

/// The same for many, several at once.
pub(super) async fn prove_all(
    context: &JobContext,
    backup: &Readable,
    files: impl IntoIterator<Item = (FileId, &FileEntry)>,
) -> JobResult<()> {
    let mut proofs = Vec::new();
    for (id, entry) in files {
        proofs.push(prove(backup, context.retries, id, entry).boxed());
    }
    stream::iter(proofs).buffer_unordered(context.concurrency).try_collect().await
}
