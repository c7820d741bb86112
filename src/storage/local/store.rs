//! The store: what each call does is in the files beside this one.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{self, Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::model::{KeyPrefix, ObjectKey};
use crate::storage::{
    CopySource, Deadline, DeleteReport, ObjectMeta, ObjectStore, ObjectStream, PutMode, Space,
    StoreOp, StoreResult,
};

use super::blocking::blocking;
use super::durable::make_root;
use super::errors::At;
use super::root::Root;
use super::{copying, deleting, listing, reading, writing};

/// Objects as files in a folder. The module's essay says how it keeps the contract.
#[derive(Debug)]
pub struct LocalStore {
    pub(super) root: Arc<Root>,
}

impl LocalStore {
    /// A folder to read and write; it is made if it is missing.
    pub async fn open(root: &Path) -> StoreResult<Self> {
        let folder = path::absolute(root).at(StoreOp::Open, root)?;
        blocking(move || {
            make_root(&folder).at(StoreOp::Open, &folder)?;
            Ok(Self { root: Arc::new(Root::writable(folder)) })
        })
        .await
    }

    /// Someone else's folder, which must exist: every call that writes is refused.
    pub async fn read_only(root: &Path) -> StoreResult<Self> {
        let folder = path::absolute(root).at(StoreOp::Open, root)?;
        blocking(move || {
            let found = fs::metadata(&folder).at(StoreOp::Open, &folder)?;
            if !found.is_dir() {
                return Err(ErrorKind::NotADirectory.into()).at(StoreOp::Open, &folder);
            }
            Ok(Self { root: Arc::new(Root::read_only(folder)) })
        })
        .await
    }

    /// Runs `work` on a blocking thread.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Root) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let root = Arc::clone(&self.root);
        blocking(move || work(&root)).await
    }
}

impl fmt::Display for LocalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.folder.display().fmt(f)
    }
}

#[async_trait]
impl ObjectStore for LocalStore {
    fn list(&self, under: &KeyPrefix) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        listing::list(Arc::clone(&self.root), under.clone())
    }

    async fn list_folders(&self, under: &KeyPrefix) -> StoreResult<Vec<String>> {
        let under = under.clone();
        self.run(move |root| listing::list_folders(root, &under)).await
    }

    async fn head(&self, key: &ObjectKey) -> StoreResult<ObjectMeta> {
        let key = key.clone();
        self.run(move |root| {
            let path = root.to_read(StoreOp::Head, &key)?;
            reading::head(StoreOp::Head, &path, key)
        })
        .await
    }

    async fn get(&self, key: &ObjectKey) -> StoreResult<ObjectStream> {
        let key = key.clone();
        self.run(move |root| reading::get(root.to_read(StoreOp::Get, &key)?, key)).await
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> StoreResult<ObjectMeta> {
        let key = key.clone();
        self.run(move |root| writing::put(root, key, &body, (mode, None))).await
    }

    async fn put_before(
        &self,
        key: &ObjectKey,
        body: Bytes,
        mode: PutMode,
        deadline: Deadline,
    ) -> StoreResult<ObjectMeta> {
        let (place, key) = (format!("{self}/{key}"), key.clone());
        let work = self.run(move |root| writing::put(root, key, &body, (mode, Some(deadline))));
        deadline.keep(StoreOp::Put, place, work).await
    }

    async fn put_stream(
        &self,
        key: &ObjectKey,
        size: u64,
        body: ObjectStream,
    ) -> StoreResult<ObjectMeta> {
        writing::put_stream(Arc::clone(&self.root), key.clone(), size, body.body).await
    }

    async fn copy_from(&self, source: &CopySource, to: &ObjectKey) -> StoreResult<ObjectMeta> {
        let source = match source {
            CopySource::File(source) => source.clone(),
            CopySource::S3(_) => return Err(copying::unreachable(&self.root, to)),
        };
        let to = to.clone();
        self.run(move |root| copying::copy(root, &source, to)).await
    }

    async fn delete(&self, keys: &[ObjectKey]) -> StoreResult<DeleteReport> {
        let keys = keys.to_vec();
        self.run(move |root| deleting::delete(root, keys, None)).await
    }

    async fn delete_before(
        &self,
        keys: &[ObjectKey],
        deadline: Deadline,
    ) -> StoreResult<DeleteReport> {
        let keys = keys.to_vec();
        let work = self.run(move |root| deleting::delete(root, keys, Some(deadline)));
        deadline.keep(StoreOp::Delete, self, work).await
    }

    async fn sync(&self) -> StoreResult<()> {
        self.run(|root| {
            root.temp(StoreOp::Sync)?;
            root.unsynced.sync()
        })
        .await
    }

    async fn space(&self) -> StoreResult<Option<Space>> {
        self.run(|root| space(&root.folder).map(Some).at(StoreOp::Space, &root.folder)).await
    }

    fn copy_source(&self, key: &ObjectKey) -> Option<CopySource> {
        self.root.to_read(StoreOp::Copy, key).ok().map(CopySource::File)
    }

    async fn settle(&self) {}
}

/// What a user without privileges can still write where the folder is or would be.
fn space(folder: &Path) -> io::Result<Space> {
    let existing: PathBuf = folder.ancestors().find(|path| path.exists()).unwrap_or(folder).into();
    let found = rustix::fs::statvfs(&existing)?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Ok(Space { free: bytes(found.f_bavail), total: bytes(found.f_blocks) })
}
