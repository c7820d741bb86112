//! Folders with exactly the files of one import.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use crate::catalog::Cluster;
use crate::job::{JobError, JobResult};
use crate::manifest::{FileEntry, FileId};
use crate::model::{ErrorKind, KeyPrefix, ObjectKey};
use crate::plan::Batch;
use crate::storage::{ObjectStore, ObjectStoreExt, PutMode, StoreErrorKind, StoreResult};

use crate::transfer::{Content, check_content};

use super::session::Staging;

/// The name of the folder that no import can read. Milvus says it when it has seen it.
pub(super) const PROBE: &str = "probe";

/// Keys deleted at once.
const DELETE_BATCH: usize = 1000;

/// What one import reads, as Milvus sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StagedFolders {
    pub(super) insert: String,
    pub(super) delta: Option<String>,
}

/// The staging folder of one restore.
#[derive(Debug, Clone)]
pub(crate) struct StagingArea {
    store: Arc<dyn ObjectStore>,
    seen_by_milvus: String,
    folder: KeyPrefix,
    links: usize,
}

impl StagingArea {
    pub(crate) fn new(staging: &Staging, restore: &str, links: usize) -> Self {
        Self {
            store: Arc::clone(&staging.store),
            seen_by_milvus: staging.seen_by_milvus.clone(),
            folder: KeyPrefix::root().join(format_args!("restore-{restore}")),
            links,
        }
    }

    /// The folder, for the ledger and for people.
    pub(crate) fn place(&self) -> String {
        format!("{}/{}", self.store, self.folder)
    }

    /// The folder as Milvus sees it, ending in `/`.
    pub(super) fn seen(&self, below: &str) -> String {
        format!("{}/{}{below}", self.seen_by_milvus.trim_end_matches('/'), self.folder)
    }

    /// Stages the files of one import under a number of its own.
    pub(super) async fn stage(
        &self,
        from: &Cluster,
        batch: &Batch,
        number: usize,
    ) -> JobResult<StagedFolders> {
        let folder = self.folder.join(number);
        let copies =
            batch.files.iter().map(|(id, entry)| self.stage_one(from, &folder, *id, entry));
        stream::iter(copies).buffer_unordered(self.links).try_collect::<()>().await?;
        let (collection, partition) = batch.source;
        let seen = |kind: &str| self.seen(&format!("{number}/{kind}/{collection}/{partition}/"));
        Ok(StagedFolders {
            insert: seen("insert_log"),
            delta: batch.has_deltas().then(|| seen("delta_log")),
        })
    }

    /// A hard link or server-side copy where the stores allow it, else the bytes; but first
    /// proves that the file is what was written. Milvus is about to read it anyway, and
    /// would take a flipped byte in a vector for a vector.
    async fn stage_one(
        &self,
        from: &Cluster,
        folder: &KeyPrefix,
        id: FileId,
        entry: &FileEntry,
    ) -> JobResult<()> {
        let source = from.repository.store();
        let key = from.layout.segment_file(&id);
        let to = folder.key(id.tail());
        if let Content::Other(how) = check_content(source.get(&key).await?, entry).await? {
            let place = from.repository.place(&key);
            let message = format!("`{place}` is not what was written: {how}");
            return Err(JobError::new(ErrorKind::Damaged, message)
                .hint("`verify --depth content` shows every damaged file of the backup"));
        }
        if let Some(direct) = source.copy_source(&key) {
            match self.store.copy_from(&direct, &to).await {
                Err(error) if error.kind() == StoreErrorKind::Unsupported => {}
                other => return Ok(other.map(drop)?),
            }
        }
        let object = source.get(&key).await?;
        Ok(self.store.put_stream(&to, object.meta.size, object).await.map(drop)?)
    }

    /// Stages what no import can read: a segment folder whose name is no number. Returns the
    /// folder as Milvus sees it.
    pub(super) async fn stage_probe(&self) -> StoreResult<String> {
        let key = self.folder.join(PROBE).join("insert_log/1/2").join(PROBE).join("0").key("0");
        self.store.put(&key, Bytes::from_static(b"0"), PutMode::Overwrite).await?;
        Ok(self.seen(&format!("{PROBE}/insert_log/1/2/")))
    }

    /// Removes what [`Self::stage_probe`] staged.
    pub(super) async fn clear_probe(&self) -> StoreResult<()> {
        self.remove(&self.folder.join(PROBE)).await
    }

    /// Removes the folder of one import.
    pub(super) async fn clear(&self, number: usize) -> StoreResult<()> {
        self.remove(&self.folder.join(number)).await
    }

    /// Removes everything that this restore staged.
    pub(crate) async fn clear_all(&self) -> StoreResult<()> {
        self.remove(&self.folder).await
    }

    async fn remove(&self, folder: &KeyPrefix) -> StoreResult<()> {
        let keys: Vec<ObjectKey> =
            self.store.list_all(folder).await?.into_iter().map(|meta| meta.key).collect();
        for batch in keys.chunks(DELETE_BATCH) {
            let report = self.store.delete(batch).await?;
            if let Some((_, error)) = report.failed.into_iter().next() {
                return Err(error);
            }
        }
        Ok(())
    }
}
