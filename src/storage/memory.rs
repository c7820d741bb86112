//! The reference implementation: the contract in a map.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use crc_fast::CrcAlgorithm;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;

use crate::model::{Clock, KeyPrefix, ObjectKey};

use super::{
    CopySource, DeleteReport, ObjectMeta, ObjectStore, ObjectStream, PutMode, Space, StoreError,
    StoreErrorKind, StoreOp, StoreResult,
};

/// Small, so that tests see objects of several chunks.
const CHUNK_BYTES: usize = 64 * 1024;

/// Objects in memory. Clones share their content.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    content: Arc<Mutex<Content>>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct Content {
    objects: BTreeMap<String, Stored>,
    space: Option<Space>,
    without_fingerprints: bool,
}

#[derive(Debug)]
struct Stored {
    meta: ObjectMeta,
    body: Bytes,
}

impl MemoryStore {
    /// An empty store that takes the times of its objects from `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { content: Arc::default(), clock }
    }

    /// Sets what [`ObjectStore::space`] answers.
    pub fn set_space(&self, space: Option<Space>) {
        self.content().space = space;
    }

    /// What is written from now on has no fingerprint, as in a folder.
    pub fn omit_fingerprints(&self) {
        self.content().without_fingerprints = true;
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().expect("no holder of this lock panics")
    }

    fn write(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> StoreResult<ObjectMeta> {
        let mut content = self.content();
        if mode == PutMode::IfAbsent && content.objects.contains_key(key.as_str()) {
            return Err(failed(StoreOp::Put, key, StoreErrorKind::AlreadyExists));
        }
        let etag = || format!("{:016x}", crc_fast::checksum(CrcAlgorithm::Crc64Nvme, &body));
        let meta = ObjectMeta {
            key: key.clone(),
            size: body.len() as u64,
            etag: (!content.without_fingerprints).then(etag),
            opaque: false,
            modified: self.clock.now(),
        };
        content.objects.insert(key.as_str().to_owned(), Stored { meta: meta.clone(), body });
        Ok(meta)
    }

    fn under(&self, prefix: &KeyPrefix) -> Vec<ObjectMeta> {
        let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        let content = self.content();
        let objects = content.objects.range::<str, _>(from);
        objects
            .take_while(|(key, _)| key.starts_with(prefix.as_str()))
            .map(|(_, stored)| stored.meta.clone())
            .collect()
    }
}

impl Default for MemoryStore {
    /// Every object is one second younger than the one before it.
    fn default() -> Self {
        Self::new(Arc::new(Ticks::default()))
    }
}

impl fmt::Display for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory")
    }
}

#[async_trait]
impl ObjectStore for MemoryStore {
    fn list(&self, under: &KeyPrefix) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        stream::iter(self.under(under)).map(Ok).boxed()
    }

    async fn list_folders(&self, under: &KeyPrefix) -> StoreResult<Vec<String>> {
        let mut names: Vec<String> = self
            .under(under)
            .iter()
            .filter_map(|object| under.strip(&object.key)?.split_once('/'))
            .map(|(folder, _)| folder.to_owned())
            .collect();
        // In key order `a.b/` comes before `a/`.
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    async fn head(&self, key: &ObjectKey) -> StoreResult<ObjectMeta> {
        let content = self.content();
        let stored = content.objects.get(key.as_str());
        let stored = stored.ok_or_else(|| failed(StoreOp::Head, key, StoreErrorKind::NotFound))?;
        Ok(stored.meta.clone())
    }

    async fn get(&self, key: &ObjectKey) -> StoreResult<ObjectStream> {
        let content = self.content();
        let stored = content.objects.get(key.as_str());
        let stored = stored.ok_or_else(|| failed(StoreOp::Get, key, StoreErrorKind::NotFound))?;
        let body = stored.body.clone();
        let starts = (0..body.len()).step_by(CHUNK_BYTES);
        let chunks = starts.map(move |at| Ok(body.slice(at..body.len().min(at + CHUNK_BYTES))));
        Ok(ObjectStream { meta: stored.meta.clone(), body: stream::iter(chunks).boxed() })
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> StoreResult<ObjectMeta> {
        self.write(key, body, mode)
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
        if whole.len() as u64 != size {
            let cause = format!("the stream has {} bytes, not {size}", whole.len());
            return Err(StoreError::new(StoreOp::Put, place(key), StoreErrorKind::Other, cause));
        }
        self.write(key, whole.freeze(), PutMode::IfAbsent)
    }

    async fn copy_from(&self, _source: &CopySource, to: &ObjectKey) -> StoreResult<ObjectMeta> {
        Err(failed(StoreOp::Copy, to, StoreErrorKind::Unsupported))
    }

    async fn delete(&self, keys: &[ObjectKey]) -> StoreResult<DeleteReport> {
        let mut content = self.content();
        for key in keys {
            content.objects.remove(key.as_str());
        }
        Ok(DeleteReport { deleted: keys.len(), failed: Vec::new() })
    }

    async fn sync(&self) -> StoreResult<()> {
        Ok(())
    }

    async fn space(&self) -> StoreResult<Option<Space>> {
        Ok(self.content().space)
    }

    fn copy_source(&self, _key: &ObjectKey) -> Option<CopySource> {
        None
    }

    async fn settle(&self) {}
}

/// A clock that moves by a second whenever it is read.
#[derive(Debug, Default)]
struct Ticks(AtomicI64);

impl Clock for Ticks {
    fn now(&self) -> Timestamp {
        let second = self.0.fetch_add(1, Ordering::Relaxed);
        Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
    }
}

fn place(key: &ObjectKey) -> String {
    format!("memory/{key}")
}

fn failed(op: StoreOp, key: &ObjectKey, kind: StoreErrorKind) -> StoreError {
    let cause = match kind {
        StoreErrorKind::NotFound => "no such object",
        StoreErrorKind::AlreadyExists => "there is an object of this name",
        StoreErrorKind::Unsupported
        | StoreErrorKind::PermissionDenied
        | StoreErrorKind::Full
        | StoreErrorKind::ReadOnly
        | StoreErrorKind::Misconfigured
        | StoreErrorKind::Transient
        | StoreErrorKind::Expired
        | StoreErrorKind::Other => "memory cannot do this",
    };
    StoreError::new(op, place(key), kind, cause)
}
