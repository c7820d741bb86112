//! Folders with exactly the files of one import.

use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use crate::catalog::Readable;
use crate::job::{JobContext, JobResult};
use crate::manifest::{FileEntry, FileId, Placement, SegmentFiles};
use crate::model::{KeyPrefix, ObjectKey};
use crate::plan::Batch;
use crate::storage::{
    CopySource, ObjectStore, ObjectStoreExt, PutMode, StoreError, StoreErrorKind, StoreOp,
    StoreResult,
};
use crate::transfer::{ServerSide, SpaceGuard, retrying};

use super::import::Folders;
use super::proof::prove;
use super::state::Staging;

/// The name of the folder that no import can read. Milvus says it when it has seen it.
pub(super) const PROBE: &str = "probe";

/// Keys deleted at once.
const DELETE_BATCH: usize = 1000;

/// The staging folder of one restore or drill.
#[derive(Debug, Clone)]
pub(crate) struct StagingArea {
    store: Arc<dyn ObjectStore>,
    seen_by_milvus: String,
    folder: KeyPrefix,
    /// Files staged at once.
    concurrency: usize,
    retries: u32,
    server_side: Arc<ServerSide>,
    space: Arc<SpaceGuard>,
}

impl StagingArea {
    pub(crate) fn new(staging: &Staging, folder: &str, context: &JobContext) -> Self {
        Self {
            store: Arc::clone(&staging.store),
            seen_by_milvus: staging.seen_by_milvus.clone(),
            folder: KeyPrefix::root().join(folder),
            concurrency: context.concurrency,
            retries: context.retries,
            server_side: Arc::default(),
            space: Arc::new(SpaceGuard::new(context.min_free)),
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
        backup: &Readable,
        batch: &Batch,
        number: usize,
    ) -> JobResult<Folders> {
        let folder = self.folder.join(number);
        let files: Vec<(FileId, &FileEntry)> = batch.files().collect();
        let copies: Vec<_> = files
            .into_iter()
            .map(|(id, entry)| self.stage_one(backup, folder.key(id.tail()), id, entry).boxed())
            .collect();
        stream::iter(copies).buffer_unordered(self.concurrency).try_collect::<()>().await?;
        let (collection, partition) = batch.source;
        let seen = |kind: &str| self.seen(&format!("{number}/{kind}/{collection}/{partition}/"));
        Ok(Folders {
            insert: seen("insert_log"),
            delta: batch.has_deltas().then(|| seen("delta_log")),
        })
    }

    /// Stages segments under a number of their own, each in a folder of its own that holds the
    /// segment's: the folders of insert and delta logs of each, as Milvus sees them.
    pub(super) async fn stage_segments(
        &self,
        backup: &Readable,
        segments: &[SegmentFiles],
        number: usize,
    ) -> JobResult<Vec<[String; 2]>> {
        let placement = Placement::own(self.folder.join(number));
        let files: Vec<(FileId, &FileEntry)> =
            segments.iter().flat_map(SegmentFiles::files).collect();
        let copies: Vec<_> = files
            .into_iter()
            .map(|(id, entry)| self.stage_one(backup, placement.key(&id), id, entry).boxed())
            .collect();
        stream::iter(copies).buffer_unordered(self.concurrency).try_collect::<()>().await?;
        let root = self.seen_by_milvus.trim_end_matches('/');
        let folders = |segment: &SegmentFiles| {
            let ids = (segment.collection, segment.partition, segment.segment);
            placement.segment_folders(ids).map(|folder| format!("{root}/{folder}"))
        };
        Ok(segments.iter().map(folders).collect())
    }

    async fn stage_one(
        &self,
        backup: &Readable,
        to: ObjectKey,
        id: FileId,
        entry: &FileEntry,
    ) -> JobResult<()> {
        prove(backup, self.retries, id, entry).await?;
        let (source, key) = (backup.cluster.repository.store(), backup.key(&id));
        let place = || self.place_file(&**source, (&key, &to), entry.size);
        Ok(retrying(self.retries, place).await?)
    }

    /// A hard link or server-side copy where the stores allow it, else the bytes.
    async fn place_file(
        &self,
        source: &dyn ObjectStore,
        (key, to): (&ObjectKey, &ObjectKey),
        size: u64,
    ) -> StoreResult<()> {
        let store = &*self.store;
        let placed = match source.copy_source(key) {
            Some(file @ CopySource::File(_)) => match store.copy_from(&file, to).await {
                Err(error) if error.kind() == StoreErrorKind::Unsupported => None,
                linked => Some(linked),
            },
            Some(CopySource::S3(_)) => self.server_side.copy((source, key), (store, to)).await,
            None => None,
        };
        let failed = |kind, cause| Err(StoreError::new(StoreOp::Put, self.place(), kind, cause));
        let placed = match placed {
            Some(placed) => placed,
            None => match self.space.fits(store, size).await? {
                Ok(()) => store.put_stream(to, size, source.get(key).await?).await,
                Err(refused) => return failed(StoreErrorKind::Full, refused.to_string()),
            },
        };
        let found = match placed {
            // Nobody else writes here: it came of an earlier try whose answer was lost.
            Err(error) if error.kind() == StoreErrorKind::AlreadyExists => store.head(to).await?,
            placed => placed?,
        };
        if found.size == size {
            return Ok(());
        }
        failed(StoreErrorKind::Other, format!("{to} has {} bytes and not {size}", found.size))
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

    /// Removes everything that was staged.
    pub(crate) async fn clear_all(&self) -> StoreResult<()> {
        self.remove(&self.folder).await
    }

    async fn remove(&self, folder: &KeyPrefix) -> StoreResult<()> {
        remove(&*self.store, folder).await.map(drop)
    }
}

/// Removes a folder of staged files; how many they were, and their bytes.
pub(in crate::job) async fn remove(
    store: &dyn ObjectStore,
    folder: &KeyPrefix,
) -> StoreResult<(u64, u64)> {
    let files = store.list_all(folder).await?;
    let bytes = files.iter().map(|meta| meta.size).sum();
    let keys: Vec<ObjectKey> = files.into_iter().map(|meta| meta.key).collect();
    for batch in keys.chunks(DELETE_BATCH) {
        let report = store.delete(batch).await?;
        if let Some((_, error)) = report.failed.into_iter().next() {
            return Err(error);
        }
    }
    Ok((keys.len() as u64, bytes))
}
