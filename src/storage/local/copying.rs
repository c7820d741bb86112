//! Copying from another folder: a second name for the same file, else its bytes.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, linkat};
use rustix::io::Errno;

use crate::model::ObjectKey;
use crate::storage::{ObjectMeta, PutMode, StoreErrorKind, StoreOp, StoreResult};

use super::durable::in_its_folder;
use super::errors::At;
use super::reading::{head, meta_of};
use super::root::{Root, absent};
use super::writing::publish;

/// Copies `source`, which is not written to any more, if the key is absent.
pub(super) fn copy(root: &Root, source: &Path, key: ObjectKey) -> StoreResult<ObjectMeta> {
    let path = root.to_write(StoreOp::Copy, &key)?;
    let key = head(StoreOp::Copy, source, key)?.key;
    let mut file = File::open(source).at(StoreOp::Copy, source)?;
    // Whoever wrote the file may never have flushed it.
    file.sync_all().at(StoreOp::Copy, source)?;
    let meta = match link(root, source, &path) {
        Ok(()) => meta_of(key, &file.metadata().at(StoreOp::Copy, source)?),
        Err(error) if error.kind() == ErrorKind::NotFound => match head(StoreOp::Copy, source, key)
        {
            Ok(_) => return Err(error).at(StoreOp::Copy, &path),
            Err(vanished) if vanished.kind() == StoreErrorKind::NotFound => {
                return Err(absent(StoreOp::Copy, source));
            }
            Err(other) => return Err(other),
        },
        Err(error) if needs_bytes(&error) => copy_bytes(root, &mut file, &path, key)?,
        Err(error) => return Err(error).at(StoreOp::Copy, &path),
    };
    root.unsynced.touch(&root.folder, &path);
    Ok(meta)
}

/// Links what a symbolic link means, not the symbolic link.
fn link(root: &Root, source: &Path, path: &Path) -> io::Result<()> {
    in_its_folder(&root.folder, path, || {
        Ok(linkat(CWD, source, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
    })
}

/// Another file system, a foreign owner under `fs.protected_hardlinks`, too many names.
fn needs_bytes(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| [Errno::XDEV, Errno::PERM, Errno::MLINK].contains(&errno))
}

fn copy_bytes(
    root: &Root,
    source: &mut File,
    path: &Path,
    key: ObjectKey,
) -> StoreResult<ObjectMeta> {
    let temp = root.temp(StoreOp::Copy)?;
    let copy = || {
        let size = source.metadata()?.len();
        let mut temp = temp.file()?;
        if io::copy(source, &mut temp.file)? != size {
            return Err(io::Error::other("the source changed its size while it was copied"));
        }
        publish(root, &temp, path, key, PutMode::IfAbsent)
    };
    copy().at(StoreOp::Copy, path)
}
