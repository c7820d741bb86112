//! Folders with exactly the files of one import.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use crate::catalog::Cluster;
use crate::manifest::FileId;
use crate::model::{KeyPrefix, ObjectKey};
use crate::plan::Batch;
use crate::storage::{ObjectStore, ObjectStoreExt, StoreErrorKind, StoreResult};

use super::session::Staging;

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
pub(super) struct StagingArea {
    store: Arc<dyn ObjectStore>,
    seen_by_milvus: String,
    folder: KeyPrefix,
    links: usize,
}

impl StagingArea {
    pub(super) fn new(staging: &Staging, restore: &str, links: usize) -> Self {
        Self {
            store: Arc::clone(&staging.store),
            seen_by_milvus: staging.seen_by_milvus.clone(),
            folder: KeyPrefix::root().join(format_args!("restore-{restore}")),
            links,
        }
    }

    /// The folder, for the ledger and for people.
    pub(super) fn place(&self) -> String {
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
    ) -> StoreResult<StagedFolders> {
        let folder = self.folder.join(number);
        let copies = batch.files.iter().map(|(id, _)| self.stage_one(from, &folder, *id));
        stream::iter(copies).buffer_unordered(self.links).try_collect::<()>().await?;
        let (collection, partition) = batch.source;
        let seen = |kind: &str| self.seen(&format!("{number}/{kind}/{collection}/{partition}/"));
        Ok(StagedFolders {
            insert: seen("insert_log"),
            delta: batch.has_deltas().then(|| seen("delta_log")),
        })
    }

    /// A hard link or server-side copy where the stores allow it, else the bytes.
    async fn stage_one(&self, from: &Cluster, folder: &KeyPrefix, id: FileId) -> StoreResult<()> {
        let source = from.repository.store();
        let key = from.layout.segment_file(&id);
        let to = folder.key(id.tail());
        if let Some(direct) = source.copy_source(&key) {
            match self.store.copy_from(&direct, &to).await {
                Err(error) if error.kind() == StoreErrorKind::Unsupported => {}
                other => return other.map(drop),
            }
        }
        let object = source.get(&key).await?;
        self.store.put_stream(&to, object.meta.size, object).await.map(drop)
    }

    /// Removes the folder of one import.
    pub(super) async fn clear(&self, number: usize) -> StoreResult<()> {
        self.remove(&self.folder.join(number)).await
    }

    /// Removes everything that this restore staged.
    pub(super) async fn clear_all(&self) -> StoreResult<()> {
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
