//! What the clauses share.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use crate::model::{KeyPrefix, ObjectKey};
use crate::storage::{
    ByteStream, ObjectMeta, ObjectStore, ObjectStoreExt, ObjectStream, PutMode, StoreErrorKind,
    StoreResult,
};

/// More than a store hands on at once.
pub(super) const LARGE_BYTES: usize = 3 * 1024 * 1024;

const CLOCKS_APART: SignedDuration = SignedDuration::from_secs(2);

/// A clause's own corner of the store.
pub(super) struct Case {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) folder: KeyPrefix,
}

impl Case {
    pub(super) fn new(store: &Arc<dyn ObjectStore>, name: &str) -> Self {
        let folder = KeyPrefix::root().join("conformance").join(name);
        Self { store: Arc::clone(store), folder }
    }

    pub(super) fn key(&self, name: &str) -> ObjectKey {
        self.folder.key(name)
    }

    pub(super) async fn try_put(
        &self,
        name: &str,
        body: &str,
        mode: PutMode,
    ) -> StoreResult<ObjectMeta> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        self.store.put(&self.key(name), body, mode).await
    }

    pub(super) async fn put(&self, name: &str, body: &str) -> ObjectMeta {
        self.try_put(name, body, PutMode::Overwrite).await.expect("an object is written")
    }

    pub(super) async fn read(&self, name: &str) -> Bytes {
        self.store.get_bytes(&self.key(name)).await.expect("an object is read")
    }

    pub(super) async fn head_kind(&self, name: &str) -> Option<StoreErrorKind> {
        self.store.head(&self.key(name)).await.err().map(|error| error.kind())
    }

    /// The keys under `prefix`, without the case's folder.
    pub(super) async fn names(&self, prefix: &KeyPrefix) -> Vec<String> {
        let objects = self.store.list_all(prefix).await.expect("a folder is listed");
        let name = |object: &ObjectMeta| self.folder.strip(&object.key).map(str::to_owned);
        objects.iter().map(|object| name(object).expect("a list stays in its folder")).collect()
    }

    pub(super) async fn stream(
        &self,
        name: &str,
        size: u64,
        body: ByteStream,
    ) -> StoreResult<ObjectMeta> {
        let key = self.key("source");
        let modified = Timestamp::UNIX_EPOCH;
        let meta = ObjectMeta { key, size, etag: None, opaque: false, modified };
        self.store.put_stream(&self.key(name), size, ObjectStream { meta, body }).await
    }

    pub(super) async fn holds_nothing(&self, why: &str) {
        assert_eq!(self.names(&self.folder).await, [""; 0], "{why} is listed");
    }
}

/// What a write answers is what is found, but for a second or two between two clocks.
pub(super) fn assert_written(found: &ObjectMeta, written: &ObjectMeta) {
    let apart = found.modified.duration_since(written.modified).abs();
    assert!(apart <= CLOCKS_APART, "written at {}, found {}", written.modified, found.modified);
    let modified = found.modified;
    assert_eq!(found, &ObjectMeta { modified, ..written.clone() }, "found is not what was written");
}

/// How a call failed, if it did.
pub(super) fn kind<T>(result: StoreResult<T>) -> Option<StoreErrorKind> {
    result.err().map(|error| error.kind())
}

/// A stream of text.
pub(super) fn chunks(parts: &[&str]) -> ByteStream {
    let parts: Vec<_> =
        parts.iter().map(|part| Ok(Bytes::copy_from_slice(part.as_bytes()))).collect();
    stream::iter(parts).boxed()
}
