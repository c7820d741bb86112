//! The innermost store: whatever happens to it is written down.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use futures::stream::BoxStream;
use milvus_backup_agent::model::{KeyPrefix, ObjectKey};
use milvus_backup_agent::storage::{
    CopySource, DeleteReport, MemoryStore, ObjectMeta, ObjectStore, ObjectStream, PutMode, Space,
    StoreResult,
};

use super::book::{Book, JobId};

/// Whether a conditional put keeps its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Honesty {
    Honest,
    Lying,
}

/// The repository as it is, written to by one job.
#[derive(Debug, Clone)]
pub(super) struct TruthStore {
    pub(super) inner: MemoryStore,
    pub(super) honesty: Honesty,
    pub(super) book: Arc<Mutex<Book>>,
    pub(super) by: JobId,
}

impl TruthStore {
    fn note(&self, note: impl FnOnce(&mut Book, JobId)) {
        note(&mut self.book.lock().expect("no holder of this lock panics"), self.by);
    }
}

impl fmt::Display for TruthStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for TruthStore {
    fn list(&self, under: &KeyPrefix) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list(under)
    }

    async fn list_folders(&self, under: &KeyPrefix) -> StoreResult<Vec<String>> {
        self.inner.list_folders(under).await
    }

    async fn head(&self, key: &ObjectKey) -> StoreResult<ObjectMeta> {
        self.inner.head(key).await
    }

    async fn get(&self, key: &ObjectKey) -> StoreResult<ObjectStream> {
        self.inner.get(key).await
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> StoreResult<ObjectMeta> {
        let mode = match self.honesty {
            Honesty::Honest => mode,
            Honesty::Lying => PutMode::Overwrite,
        };
        let meta = self.inner.put(key, body.clone(), mode).await?;
        self.note(|book, by| book.put(by, key, &body));
        Ok(meta)
    }

    async fn put_stream(
        &self,
        key: &ObjectKey,
        size: u64,
        mut body: ObjectStream,
    ) -> StoreResult<ObjectMeta> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = body.body.try_next().await? {
            whole.extend_from_slice(&chunk);
        }
        assert_eq!(whole.len() as u64, size, "the stream of {key}");
        let whole = whole.freeze();
        let meta = self.inner.put(key, whole.clone(), PutMode::IfAbsent).await?;
        self.note(|book, by| book.put(by, key, &whole));
        Ok(meta)
    }

    async fn copy_from(&self, source: &CopySource, to: &ObjectKey) -> StoreResult<ObjectMeta> {
        self.inner.copy_from(source, to).await
    }

    async fn delete(&self, keys: &[ObjectKey]) -> StoreResult<DeleteReport> {
        let report = self.inner.delete(keys).await?;
        for key in keys {
            self.note(|book, by| book.deleted(by, key));
        }
        Ok(report)
    }

    async fn sync(&self) -> StoreResult<()> {
        self.inner.sync().await
    }

    async fn space(&self) -> StoreResult<Option<Space>> {
        self.inner.space().await
    }

    fn copy_source(&self, key: &ObjectKey) -> Option<CopySource> {
        self.inner.copy_source(key)
    }

    async fn settle(&self) {
        self.inner.settle().await;
    }
}
