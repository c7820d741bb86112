//! A store that fails on a script.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;

use crate::model::{KeyPrefix, ObjectKey};
use crate::storage::{
    ByteStream, CopySource, Deadline, DeleteReport, ObjectMeta, ObjectStore, ObjectStoreExt,
    ObjectStream, PutMode, Space, StoreErrorKind, StoreOp, StoreResult, UnfinishedWrite,
};

use super::script::{Cut, Script, failed};

/// Passes every call on, but for what it has been told to do otherwise.
///
/// A write is one `put`, `put_stream`, `copy_from` or `sync`, or the deletion of one key:
/// a process can die in the middle of a batch.
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    script: Arc<Mutex<Script>>,
}

impl FaultyStore {
    /// A store without faults so far.
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, script: Arc::default() }
    }

    /// The next process on the same machine. A power cut still takes what the one before it
    /// did not sync, unless this one makes that durable.
    #[must_use]
    pub fn restarted(&self) -> Self {
        let script = self.script();
        let inherited = script.inherited.iter().chain(&script.unsynced).cloned().collect();
        let next = Self::new(Arc::clone(&self.inner));
        next.script().inherited = inherited;
        let deleted = script.inherited_deleted.iter().chain(&script.deleted).cloned().collect();
        next.script().inherited_deleted = deleted;
        next
    }

    /// How many writes have reached the inner store.
    pub fn writes(&self) -> u64 {
        self.script().writes
    }

    /// Lets `writes` writes through from now on; every later call, reads too, fails as if
    /// the process had died.
    pub fn stop_after_writes(&self, writes: u64) {
        let mut script = self.script();
        script.lives_for = Some(script.writes + writes);
    }

    /// What a power cut takes: everything streamed or copied since the last sync. What was
    /// deleted since then is back.
    pub async fn lose_unsynced(&self) -> StoreResult<()> {
        self.lose_deletes(|_| true).await?;
        let lost = {
            let mut script = self.script();
            let mut lost = std::mem::take(&mut script.unsynced);
            lost.append(&mut script.inherited);
            lost
        };
        self.inner.delete(&lost).await.map(drop)
    }

    /// Brings back some of what was deleted since the last sync, by its number from the oldest:
    /// a disk may lose an earlier deletion and keep a later one.
    pub async fn lose_deletes(&self, is_lost: impl Fn(usize) -> bool) -> StoreResult<()> {
        let deleted: Vec<(ObjectKey, Bytes)> = {
            let mut script = self.script();
            let mut deleted = std::mem::take(&mut script.inherited_deleted);
            deleted.append(&mut script.deleted);
            deleted
        };
        for (index, (key, content)) in deleted.into_iter().enumerate() {
            if is_lost(index) {
                let put = self.inner.put(&key, content, PutMode::IfAbsent).await;
                if let Err(error) = put
                    && error.kind() != StoreErrorKind::AlreadyExists
                {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Fails the next `times` calls of `op` whose key or prefix contains `key_contains`.
    /// A failed deletion is in the report, as any store has it.
    pub fn fail(&self, op: StoreOp, key_contains: &str, kind: StoreErrorKind, times: u32) {
        self.script().fail(op, key_contains, kind, times);
    }

    /// Fails the next `times` reads of a key that contains `key_contains`, as a bad disk does.
    pub fn spoil(&self, key_contains: &str, times: u32) {
        self.script().spoil(key_contains, times);
    }

    /// Breaks off the next `get` of a key that contains `key_contains` after `keep_bytes`.
    pub fn truncate(&self, key_contains: &str, keep_bytes: u64, cut: Cut) {
        self.script().truncate(key_contains, keep_bytes, cut);
    }

    /// Forgets the condition of every put from now on.
    pub fn lie_about_conditions(&self) {
        self.script().lies = true;
    }

    /// Refuses every write from now on.
    pub fn make_read_only(&self) {
        self.script().read_only = true;
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        lock(&self.script)
    }

    /// What a sync has to make durable now.
    fn written(
        &self,
        key: &ObjectKey,
        written: StoreResult<ObjectMeta>,
    ) -> StoreResult<ObjectMeta> {
        match &written {
            Ok(_) => self.script().unsynced.push(key.clone()),
            Err(error) if error.kind() == StoreErrorKind::AlreadyExists => self.script().meet(key),
            Err(_) => {}
        }
        written
    }

    async fn delete_one_by_one(
        &self,
        keys: &[ObjectKey],
        deadline: Option<Deadline>,
    ) -> StoreResult<DeleteReport> {
        self.script().alive(StoreOp::Delete, "")?;
        let mut report = DeleteReport::default();
        for key in keys {
            let admitted = self.script().write(StoreOp::Delete, key.as_str());
            match admitted {
                Ok(()) => {
                    let content = self.inner.find_bytes(key).await?;
                    let one = std::slice::from_ref(key);
                    let one = match deadline {
                        Some(deadline) => self.inner.delete_before(one, deadline).await?,
                        None => self.inner.delete(one).await?,
                    };
                    match content {
                        Some(content) => self.script().deleted.push((key.clone(), content)),
                        None => self.script().meet_deleted(key),
                    }
                    report.deleted += one.deleted;
                    report.failed.extend(one.failed);
                }
                Err(error) if error.kind() == StoreErrorKind::ReadOnly => return Err(error),
                Err(error) => {
                    self.script().alive(StoreOp::Delete, key.as_str())?;
                    report.failed.push((key.clone(), error));
                }
            }
        }
        Ok(report)
    }

    /// The same stream, which fails at its next item once the process is dead.
    fn while_alive<T: Send + 'static>(
        &self,
        op: StoreOp,
        name: String,
        items: BoxStream<'static, StoreResult<T>>,
    ) -> BoxStream<'static, StoreResult<T>> {
        let script = Arc::clone(&self.script);
        items.map(move |item| lock(&script).alive(op, &name).and(item)).boxed()
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty({})", self.inner)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl ObjectStore for FaultyStore {
    fn list(&self, under: &KeyPrefix) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        match self.script().read(StoreOp::List, under.as_str()) {
            Ok(()) => {}
            Err(error) => return stream::once(async { Err(error) }).boxed(),
        }
        let items = self.inner.list(under);
        self.while_alive(StoreOp::List, under.to_string(), items)
    }

    async fn list_folders(&self, under: &KeyPrefix) -> StoreResult<Vec<String>> {
        self.script().read(StoreOp::List, under.as_str())?;
        self.inner.list_folders(under).await
    }

    async fn head(&self, key: &ObjectKey) -> StoreResult<ObjectMeta> {
        self.script().read(StoreOp::Head, key.as_str())?;
        self.inner.head(key).await
    }

    async fn get(&self, key: &ObjectKey) -> StoreResult<ObjectStream> {
        self.script().read(StoreOp::Get, key.as_str())?;
        let ObjectStream { meta, mut body } = self.inner.get(key).await?;
        if let Some((keep_bytes, cut)) = self.script().cut(key.as_str()) {
            body = cut_off(key, body, keep_bytes, cut);
        }
        let body = self.while_alive(StoreOp::Get, key.to_string(), body);
        Ok(ObjectStream { meta, body })
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> StoreResult<ObjectMeta> {
        let mode = self.script().put(key, mode)?;
        let meta = self.inner.put(key, body, mode).await?;
        self.script().unsynced.retain(|unsynced| unsynced != key);
        Ok(meta)
    }

    async fn put_before(
        &self,
        key: &ObjectKey,
        body: Bytes,
        mode: PutMode,
        deadline: Deadline,
    ) -> StoreResult<ObjectMeta> {
        let mode = self.script().put(key, mode)?;
        let meta = self.inner.put_before(key, body, mode, deadline).await?;
        self.script().unsynced.retain(|unsynced| unsynced != key);
        Ok(meta)
    }

    async fn put_stream(
        &self,
        key: &ObjectKey,
        size: u64,
        body: ObjectStream,
    ) -> StoreResult<ObjectMeta> {
        self.script().write(StoreOp::Put, key.as_str())?;
        let put = self.inner.put_stream(key, size, body).await;
        self.written(key, put)
    }

    async fn copy_from(&self, source: &CopySource, to: &ObjectKey) -> StoreResult<ObjectMeta> {
        self.script().write(StoreOp::Copy, to.as_str())?;
        let copied = self.inner.copy_from(source, to).await;
        self.written(to, copied)
    }

    async fn delete(&self, keys: &[ObjectKey]) -> StoreResult<DeleteReport> {
        self.delete_one_by_one(keys, None).await
    }

    async fn delete_before(
        &self,
        keys: &[ObjectKey],
        deadline: Deadline,
    ) -> StoreResult<DeleteReport> {
        self.delete_one_by_one(keys, Some(deadline)).await
    }

    async fn sync(&self) -> StoreResult<()> {
        let before = {
            let mut script = self.script();
            script.write(StoreOp::Sync, "")?;
            let deleted = std::mem::take(&mut script.deleted);
            (std::mem::take(&mut script.unsynced), deleted)
        };
        let synced = self.inner.sync().await;
        if synced.is_err() {
            self.script().unsynced.extend(before.0);
            self.script().deleted.extend(before.1);
        }
        synced
    }

    async fn space(&self) -> StoreResult<Option<Space>> {
        self.script().read(StoreOp::Space, "")?;
        self.inner.space().await
    }

    fn copy_source(&self, key: &ObjectKey) -> Option<CopySource> {
        self.inner.copy_source(key)
    }

    async fn unfinished(
        &self,
        under: &KeyPrefix,
        before: Timestamp,
    ) -> StoreResult<Vec<UnfinishedWrite>> {
        self.script().read(StoreOp::List, under.as_str())?;
        self.inner.unfinished(under, before).await
    }

    async fn abort(&self, write: &UnfinishedWrite) -> StoreResult<()> {
        self.script().write(StoreOp::Delete, write.key.as_str())?;
        self.inner.abort(write).await
    }

    async fn abort_before(&self, write: &UnfinishedWrite, deadline: Deadline) -> StoreResult<()> {
        self.script().write(StoreOp::Delete, write.key.as_str())?;
        self.inner.abort_before(write, deadline).await
    }

    async fn settle(&self) {
        self.inner.settle().await;
    }
}

fn lock(script: &Mutex<Script>) -> MutexGuard<'_, Script> {
    script.lock().expect("no holder of this lock panics")
}

/// The first `keep_bytes` of a body, then an error or nothing.
fn cut_off(key: &ObjectKey, body: ByteStream, keep_bytes: u64, cut: Cut) -> ByteStream {
    let kept = stream::try_unfold((body, keep_bytes), |(mut body, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let Some(mut chunk) = body.try_next().await? else {
            return Ok(None);
        };
        chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left - chunk.len() as u64;
        Ok(Some((chunk, (body, left))))
    });
    match cut {
        Cut::Silently => kept.boxed(),
        Cut::WithError => {
            let kind = StoreErrorKind::Transient;
            let error = failed(StoreOp::Get, key, kind, "scripted to break off");
            kept.chain(stream::once(async { Err(error) })).boxed()
        }
    }
}
