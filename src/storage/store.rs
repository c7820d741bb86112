//! The trait that every store keeps.

use std::fmt::{Debug, Display};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use futures::stream::BoxStream;
use jiff::Timestamp;

use crate::model::{KeyPrefix, ObjectKey};

use super::{
    CopySource, Deadline, DeleteReport, ObjectMeta, ObjectStream, PutMode, Space, StoreErrorKind,
    StoreOp, StoreResult, UnfinishedWrite,
};

/// Objects by key. The module's contract says what every method promises.
///
/// Required methods only; conveniences are in [`ObjectStoreExt`]. `Display` names the
/// place for people: `/var/lib/x`, `s3://bucket/prefix`.
#[async_trait]
pub trait ObjectStore: Debug + Display + Send + Sync + 'static {
    /// Every object under a prefix, in key order.
    fn list(&self, under: &KeyPrefix) -> BoxStream<'static, StoreResult<ObjectMeta>>;

    /// The names of the folders right under a prefix, sorted, without a trailing `/`.
    async fn list_folders(&self, under: &KeyPrefix) -> StoreResult<Vec<String>>;

    /// Size and fingerprint of one object.
    async fn head(&self, key: &ObjectKey) -> StoreResult<ObjectMeta>;

    /// The bytes of one object. A stream that ends early yields an error, never a short read.
    async fn get(&self, key: &ObjectKey) -> StoreResult<ObjectStream>;

    /// Writes a small object. With [`PutMode::IfAbsent`] an existing key is
    /// [`StoreErrorKind::AlreadyExists`].
    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> StoreResult<ObjectMeta>;

    /// The same, if it begins and ends in time.
    async fn put_before(
        &self,
        key: &ObjectKey,
        body: Bytes,
        mode: PutMode,
        deadline: Deadline,
    ) -> StoreResult<ObjectMeta> {
        let place = format!("{self}/{key}");
        deadline.keep(StoreOp::Put, place, self.put(key, body, mode)).await
    }

    /// Writes a large object from a stream of exactly `size` bytes, if the key is absent.
    ///
    /// The stream can be read once, so this call is never retried below its caller.
    async fn put_stream(
        &self,
        key: &ObjectKey,
        size: u64,
        body: ObjectStream,
    ) -> StoreResult<ObjectMeta>;

    /// Copies without passing the bytes through the agent (a hard link, a server-side copy),
    /// if the key is absent. Called on the destination; [`StoreErrorKind::Unsupported`] when
    /// this store cannot reach the source that way.
    async fn copy_from(&self, source: &CopySource, to: &ObjectKey) -> StoreResult<ObjectMeta>;

    /// Deletes a batch. Partial success is data, not an error.
    async fn delete(&self, keys: &[ObjectKey]) -> StoreResult<DeleteReport>;

    /// The same, as far as it begins and ends in time: [`StoreErrorKind::Expired`] if not all of
    /// it does.
    async fn delete_before(
        &self,
        keys: &[ObjectKey],
        deadline: Deadline,
    ) -> StoreResult<DeleteReport> {
        deadline.keep(StoreOp::Delete, self, self.delete(keys)).await
    }

    /// Makes everything durable that streams, copies and deletes have done so far.
    async fn sync(&self) -> StoreResult<()>;

    /// How full the store's place is, where it knows.
    async fn space(&self) -> StoreResult<Option<Space>>;

    /// This object as another store of the same family can reach it, if any can.
    fn copy_source(&self, key: &ObjectKey) -> Option<CopySource>;

    /// The writes under a prefix that were begun before a moment of the store's clock and have
    /// not ended: left by a process that was killed, if that is long ago. None where the store
    /// tidies up by itself.
    async fn unfinished(
        &self,
        _under: &KeyPrefix,
        _before: Timestamp,
    ) -> StoreResult<Vec<UnfinishedWrite>> {
        Ok(Vec::new())
    }

    /// Takes away what came of such a write. Succeeds for one that has ended meanwhile.
    async fn abort(&self, _write: &UnfinishedWrite) -> StoreResult<()> {
        Ok(())
    }

    /// The same, if it begins and ends in time.
    async fn abort_before(&self, write: &UnfinishedWrite, deadline: Deadline) -> StoreResult<()> {
        let place = format!("{self}/{}", write.key);
        deadline.keep(StoreOp::Delete, place, self.abort(write)).await
    }

    /// Waits, for a bounded time, until what dropped calls had begun is cleaned up. The last
    /// call before the process ends.
    async fn settle(&self);
}

/// What can be said in terms of [`ObjectStore`]; nobody implements this.
#[async_trait]
pub trait ObjectStoreExt {
    /// A whole small object in memory.
    async fn get_bytes(&self, key: &ObjectKey) -> StoreResult<Bytes>;

    /// As [`Self::get_bytes`], with `None` for an absent object.
    async fn find_bytes(&self, key: &ObjectKey) -> StoreResult<Option<Bytes>>;

    /// A whole listing in memory.
    async fn list_all(&self, under: &KeyPrefix) -> StoreResult<Vec<ObjectMeta>>;
}

#[async_trait]
impl<S: ObjectStore + ?Sized> ObjectStoreExt for S {
    async fn get_bytes(&self, key: &ObjectKey) -> StoreResult<Bytes> {
        let object = self.get(key).await?;
        let mut whole = BytesMut::new();
        let mut body = object.body;
        while let Some(chunk) = body.try_next().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    async fn find_bytes(&self, key: &ObjectKey) -> StoreResult<Option<Bytes>> {
        match self.get_bytes(key).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == StoreErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn list_all(&self, under: &KeyPrefix) -> StoreResult<Vec<ObjectMeta>> {
        self.list(under).try_collect().await
    }
}
