//! Looking up and reading one file.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::{StreamExt, stream};
use jiff::Timestamp;

use crate::model::ObjectKey;
use crate::storage::{ByteStream, ObjectMeta, ObjectStream, StoreOp, StoreResult};

use super::blocking::blocking;
use super::errors::{At, is_absent};
use super::root::absent;

/// Bytes in one step: large enough to keep a disk busy, small enough for many at a time.
pub(super) const CHUNK_BYTES: usize = 512 * 1024;

/// What a file's status tells of its object.
pub(super) fn meta_of(key: ObjectKey, status: &Metadata) -> ObjectMeta {
    // Below one second by definition; a time that jiff cannot hold is as good as none.
    let nanoseconds = i32::try_from(status.mtime_nsec()).unwrap_or_default();
    let modified = Timestamp::new(status.mtime(), nanoseconds).unwrap_or(Timestamp::UNIX_EPOCH);
    ObjectMeta { key, size: status.len(), etag: None, opaque: false, modified }
}

/// The object at `path`, unopened.
pub(super) fn head(op: StoreOp, path: &Path, key: ObjectKey) -> StoreResult<ObjectMeta> {
    match fs::metadata(path) {
        Ok(status) if status.is_file() => Ok(meta_of(key, &status)),
        Ok(_) => Err(absent(op, path)),
        Err(error) if is_absent(&error) => Err(absent(op, path)),
        Err(error) => Err(error).at(op, path),
    }
}

/// The object at `path` and its bytes. A pipe or a folder is never opened.
pub(super) fn get(path: PathBuf, key: ObjectKey) -> StoreResult<ObjectStream> {
    let key = head(StoreOp::Get, &path, key)?.key;
    let file = File::open(&path).at(StoreOp::Get, &path)?;
    let meta = meta_of(key, &file.metadata().at(StoreOp::Get, &path)?);
    let left = meta.size;
    Ok(ObjectStream { meta, body: Reading { file, path, left }.into_stream() })
}

/// A file that is being read; its size was fixed when it was opened.
struct Reading {
    file: File,
    path: PathBuf,
    left: u64,
}

impl Reading {
    fn into_stream(self) -> ByteStream {
        stream::try_unfold(self, |mut reading| async {
            if reading.left == 0 {
                return Ok(None);
            }
            blocking(move || {
                let chunk = reading.chunk().at(StoreOp::Get, &reading.path)?;
                Ok(Some((chunk, reading)))
            })
            .await
        })
        .boxed()
    }

    fn chunk(&mut self) -> io::Result<Bytes> {
        let wanted = usize::try_from(self.left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        let mut chunk = Vec::with_capacity(wanted);
        (&self.file).take(wanted as u64).read_to_end(&mut chunk)?;
        if chunk.len() < wanted {
            let cause = "the file is shorter than it was when it was opened";
            return Err(io::Error::new(ErrorKind::UnexpectedEof, cause));
        }
        self.left -= wanted as u64;
        Ok(chunk.into())
    }
}
