//! Writing: bytes to a temp file, the temp file to the disk, then its name.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;

use crate::model::ObjectKey;
use crate::storage::{
    ByteStream, Deadline, ObjectMeta, PutMode, StoreError, StoreErrorKind, StoreOp, StoreResult,
};

use super::blocking::blocking;
use super::durable::{in_its_folder, sync_name};
use super::errors::At;
use super::reading::{CHUNK_BYTES, meta_of};
use super::root::Root;
use super::temp::TempFile;

/// Writes a whole object and makes it durable. It gets its name in time or not at all.
pub(super) fn put(
    root: &Root,
    key: ObjectKey,
    body: &Bytes,
    (mode, deadline): (PutMode, Option<Deadline>),
) -> StoreResult<ObjectMeta> {
    let path = root.to_write(StoreOp::Put, &key)?;
    let temp = root.temp(StoreOp::Put)?;
    let write = || {
        let mut temp = temp.file()?;
        temp.file.write_all(body)?;
        let meta = flush(&temp, key)?;
        Ok((temp, meta))
    };
    let (temp, meta) = write().at(StoreOp::Put, &path)?;
    deadline.map_or(Ok(()), |deadline| deadline.begin(StoreOp::Put, path.display()))?;
    let publish = || match name(root, &temp, &path, mode) {
        // What is in the way may be as young: a caller that takes it for its own needs it to last.
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        named => sync_name(&root.folder, &path).and(named),
    };
    publish().at(StoreOp::Put, &path).map(|()| meta)
}

/// Writes an object of `size` bytes as they come.
pub(super) async fn put_stream(
    root: Arc<Root>,
    key: ObjectKey,
    size: u64,
    body: ByteStream,
) -> StoreResult<ObjectMeta> {
    let path = root.to_write(StoreOp::Put, &key)?;
    let written = grow(Arc::clone(&root), (key, path.clone()), size, body).await;
    root.unsynced.touch_found(&root.folder, &path, &written);
    written
}

async fn grow(
    root: Arc<Root>,
    (key, path): (ObjectKey, PathBuf),
    size: u64,
    mut body: ByteStream,
) -> StoreResult<ObjectMeta> {
    let mut growing = {
        let (root, path) = (Arc::clone(&root), path.clone());
        blocking(move || Growing::start(&root, &path)).await?
    };
    let mut came = 0;
    while let Some(chunk) = body.try_next().await? {
        came += chunk.len() as u64;
        if came > size {
            return Err(wrong_length(&path, size, "more"));
        }
        growing.push(chunk);
        if growing.waiting_bytes >= CHUNK_BYTES {
            let path = path.clone();
            growing = blocking(move || growing.flush().at(StoreOp::Put, &path)).await?;
        }
    }
    if came < size {
        return Err(wrong_length(&path, size, &came.to_string()));
    }
    blocking(move || {
        let finish = || {
            let temp = growing.flush()?.temp;
            let meta = publish(&root, &temp, &path, key, PutMode::IfAbsent)?;
            root.unsynced.touch(&root.folder, &path);
            Ok(meta)
        };
        finish().at(StoreOp::Put, &path)
    })
    .await
}

/// Flushes the bytes, then gives them their name.
pub(super) fn publish(
    root: &Root,
    temp: &TempFile,
    path: &Path,
    key: ObjectKey,
    mode: PutMode,
) -> io::Result<ObjectMeta> {
    let meta = flush(temp, key)?;
    name(root, temp, path, mode)?;
    Ok(meta)
}

fn flush(temp: &TempFile, key: ObjectKey) -> io::Result<ObjectMeta> {
    temp.file.sync_all()?;
    Ok(meta_of(key, &temp.file.metadata()?))
}

fn name(root: &Root, temp: &TempFile, path: &Path, mode: PutMode) -> io::Result<()> {
    in_its_folder(&root.folder, path, || match mode {
        PutMode::IfAbsent => fs::hard_link(&temp.path, path),
        PutMode::Overwrite => fs::rename(&temp.path, path),
    })
}

/// A temp file and the chunks that are still on their way to it.
struct Growing {
    temp: TempFile,
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
}

impl Growing {
    /// Refuses at once what could not get its name in the end.
    fn start(root: &Root, path: &Path) -> StoreResult<Self> {
        if fs::symlink_metadata(path).is_ok_and(|found| !found.is_dir()) {
            return Err(ErrorKind::AlreadyExists.into()).at(StoreOp::Put, path);
        }
        let temp = root.temp(StoreOp::Put)?.file().at(StoreOp::Put, path)?;
        Ok(Self { temp, waiting: Vec::new(), waiting_bytes: 0 })
    }

    fn push(&mut self, chunk: Bytes) {
        self.waiting_bytes += chunk.len();
        self.waiting.push(chunk);
    }

    fn flush(mut self) -> io::Result<Self> {
        for chunk in self.waiting.drain(..) {
            self.temp.file.write_all(&chunk)?;
        }
        self.waiting_bytes = 0;
        Ok(self)
    }
}

fn wrong_length(path: &Path, size: u64, came: &str) -> StoreError {
    let cause = format!("the stream has {came} bytes, not {size}");
    StoreError::new(StoreOp::Put, path.display(), StoreErrorKind::Other, cause)
}
