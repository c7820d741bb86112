//! Counts what a store is asked, how it answers, and the bytes that pass.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use jiff::Timestamp;

use crate::metrics::{CodeClass, Direction, Metrics, Side, StorageCall};
use crate::model::{KeyPrefix, ObjectKey};

use super::{
    ByteStream, CopySource, Deadline, DeleteReport, ObjectMeta, ObjectStore, ObjectStream, PutMode,
    Space, StoreErrorKind, StoreResult, UnfinishedWrite,
};

/// Passes every call on and counts it once, when its answer is known. What is dropped before
/// that is not counted; a stream counts as what it had come to when its reader was done.
#[derive(Debug)]
pub struct MeteredStore {
    inner: Arc<dyn ObjectStore>,
    meter: Meter,
}

impl MeteredStore {
    /// Counts what is asked of `inner`, under `side`.
    pub fn new(inner: Arc<dyn ObjectStore>, metrics: Metrics, side: Side) -> Self {
        Self { inner, meter: Meter { metrics, side } }
    }
}

impl fmt::Display for MeteredStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// Where one store's calls are counted.
#[derive(Debug, Clone)]
struct Meter {
    metrics: Metrics,
    side: Side,
}

impl Meter {
    fn count(&self, call: StorageCall, class: CodeClass) {
        self.metrics.storage_request(self.side, call, class);
    }

    fn answered<T>(&self, call: StorageCall, answer: StoreResult<T>) -> StoreResult<T> {
        self.count(call, class(&answer));
        answer
    }

    fn put(&self, size: u64, written: StoreResult<ObjectMeta>) -> StoreResult<ObjectMeta> {
        if written.is_ok() {
            self.metrics.transferred(Direction::Written, size);
        }
        self.answered(StorageCall::Put, written)
    }

    /// Counts the call when the stream ends, fails or is dropped.
    fn watched<T: Send + 'static>(
        &self,
        call: StorageCall,
        items: BoxStream<'static, StoreResult<T>>,
    ) -> BoxStream<'static, StoreResult<T>> {
        let mut reading = Reading { meter: self.clone(), call, class: CodeClass::Success };
        let noted = move |item: &StoreResult<T>| reading.note(item);
        items.inspect(noted).boxed()
    }

    fn passing(&self, direction: Direction, body: ByteStream) -> ByteStream {
        let metrics = self.metrics.clone();
        let counted = move |chunk: &StoreResult<Bytes>| {
            if let Ok(chunk) = chunk {
                metrics.transferred(direction, chunk.len() as u64);
            }
        };
        body.inspect(counted).boxed()
    }
}

/// A stream that is being read.
struct Reading {
    meter: Meter,
    call: StorageCall,
    class: CodeClass,
}

impl Reading {
    /// A method, so that a closure takes the whole of it along and not its class alone.
    fn note<T>(&mut self, item: &StoreResult<T>) {
        if item.is_err() {
            self.class = class(item);
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.meter.count(self.call, self.class);
    }
}

fn class<T>(answer: &StoreResult<T>) -> CodeClass {
    let Err(error) = answer else { return CodeClass::Success };
    match error.kind() {
        StoreErrorKind::NotFound
        | StoreErrorKind::AlreadyExists
        | StoreErrorKind::PermissionDenied
        | StoreErrorKind::ReadOnly
        | StoreErrorKind::Unsupported
        | StoreErrorKind::Misconfigured => CodeClass::Refused,
        StoreErrorKind::Full
        | StoreErrorKind::Transient
        | StoreErrorKind::Expired
        | StoreErrorKind::Other => CodeClass::Failed,
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl ObjectStore for MeteredStore {
    fn list(&self, under: &KeyPrefix) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.meter.watched(StorageCall::List, self.inner.list(under))
    }

    async fn list_folders(&self, under: &KeyPrefix) -> StoreResult<Vec<String>> {
        self.meter.answered(StorageCall::List, self.inner.list_folders(under).await)
    }

    async fn head(&self, key: &ObjectKey) -> StoreResult<ObjectMeta> {
        self.meter.answered(StorageCall::Head, self.inner.head(key).await)
    }

    async fn get(&self, key: &ObjectKey) -> StoreResult<ObjectStream> {
        let opened = self.inner.get(key).await;
        let Ok(ObjectStream { meta, body }) = opened else {
            return self.meter.answered(StorageCall::Get, opened);
        };
        let body = self.meter.passing(Direction::Read, body);
        Ok(ObjectStream { meta, body: self.meter.watched(StorageCall::Get, body) })
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> StoreResult<ObjectMeta> {
        let size = body.len() as u64;
        self.meter.put(size, self.inner.put(key, body, mode).await)
    }

    async fn put_before(
        &self,
        key: &ObjectKey,
        body: Bytes,
        mode: PutMode,
        deadline: Deadline,
    ) -> StoreResult<ObjectMeta> {
        let size = body.len() as u64;
        self.meter.put(size, self.inner.put_before(key, body, mode, deadline).await)
    }

    async fn put_stream(
        &self,
        key: &ObjectKey,
        size: u64,
        body: ObjectStream,
    ) -> StoreResult<ObjectMeta> {
        let ObjectStream { meta, body } = body;
        let body = self.meter.passing(Direction::Written, body);
        let written = self.inner.put_stream(key, size, ObjectStream { meta, body }).await;
        self.meter.answered(StorageCall::Put, written)
    }

    async fn copy_from(&self, source: &CopySource, to: &ObjectKey) -> StoreResult<ObjectMeta> {
        self.meter.answered(StorageCall::Copy, self.inner.copy_from(source, to).await)
    }

    async fn delete(&self, keys: &[ObjectKey]) -> StoreResult<DeleteReport> {
        self.meter.answered(StorageCall::Delete, self.inner.delete(keys).await)
    }

    async fn delete_before(
        &self,
        keys: &[ObjectKey],
        deadline: Deadline,
    ) -> StoreResult<DeleteReport> {
        let deleted = self.inner.delete_before(keys, deadline).await;
        self.meter.answered(StorageCall::Delete, deleted)
    }

    async fn sync(&self) -> StoreResult<()> {
        self.meter.answered(StorageCall::Sync, self.inner.sync().await)
    }

    async fn space(&self) -> StoreResult<Option<Space>> {
        self.meter.answered(StorageCall::Space, self.inner.space().await)
    }

    fn copy_source(&self, key: &ObjectKey) -> Option<CopySource> {
        self.inner.copy_source(key)
    }

    async fn unfinished(
        &self,
        under: &KeyPrefix,
        before: Timestamp,
    ) -> StoreResult<Vec<UnfinishedWrite>> {
        self.meter.answered(StorageCall::List, self.inner.unfinished(under, before).await)
    }

    async fn abort(&self, write: &UnfinishedWrite) -> StoreResult<()> {
        self.meter.answered(StorageCall::Delete, self.inner.abort(write).await)
    }

    async fn abort_before(&self, write: &UnfinishedWrite, deadline: Deadline) -> StoreResult<()> {
        let aborted = self.inner.abort_before(write, deadline).await;
        self.meter.answered(StorageCall::Delete, aborted)
    }

    async fn settle(&self) {
        self.inner.settle().await;
    }
}
