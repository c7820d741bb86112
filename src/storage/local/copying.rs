//! Copying from another folder: a second name for the same file, else its bytes.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, linkat};
use rustix::io::Errno;

use crate::model::ObjectKey;
use crate::storage::{ObjectMeta, PutMode, StoreError, StoreErrorKind, StoreOp, StoreResult};

use super::durable::in_its_folder;
use super::errors::At;
use super::reading::{head, meta_of};
use super::root::{Root, absent};
use super::writing::publish;

/// Copies `source`, which is not written to any more, if the key is absent.
pub(super) fn copy(root: &Root, source: &Path, key: ObjectKey) -> StoreResult<ObjectMeta> {
    let path = root.to_write(StoreOp::Copy, &key)?;
    let copied = copy_to(root, source, &path, key);
    root.unsynced.touch_found(&root.folder, &path, &copied);
    copied
}

fn copy_to(root: &Root, source: &Path, path: &Path, key: ObjectKey) -> StoreResult<ObjectMeta> {
    let key = head(StoreOp::Copy, source, key)?.key;
    let mut file = File::open(source).at(StoreOp::Copy, source)?;
    // Whoever wrote the file may never have flushed it.
    file.sync_all().at(StoreOp::Copy, source)?;
    let meta = match link(root, source, path) {
        Ok(()) => meta_of(key, &file.metadata().at(StoreOp::Copy, source)?),
        Err(error) if error.kind() == ErrorKind::NotFound => match head(StoreOp::Copy, source, key)
        {
            Ok(_) => return Err(error).at(StoreOp::Copy, path),
            Err(vanished) if vanished.kind() == StoreErrorKind::NotFound => {
                return Err(absent(StoreOp::Copy, source));
            }
            Err(other) => return Err(other),
        },
        Err(error) if needs_bytes(&error) => copy_bytes(root, &mut file, path, key)?,
        Err(error) => return Err(error).at(StoreOp::Copy, path),
    };
    root.unsynced.touch(&root.folder, path);
    Ok(meta)
}

/// The answer to a source that is no file.
pub(super) fn unreachable(root: &Root, to: &ObjectKey) -> StoreError {
    let place = root.folder.join(to.as_str());
    let cause = "the source is not in a folder";
    StoreError::new(StoreOp::Copy, place.display(), StoreErrorKind::Unsupported, cause)
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use tempfile::TempDir;

    use crate::model::ObjectKey;
    use crate::storage::{CopySource, LocalStore, ObjectStore, ObjectStoreExt, StoreErrorKind};

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new(name).unwrap()
    }

    #[tokio::test]
    async fn a_copy_is_a_second_name_on_one_disk() {
        let root = TempDir::new().unwrap();
        let store = LocalStore::open(root.path()).await.unwrap();
        fs::write(root.path().join("a"), "content").unwrap();
        let from = store.copy_source(&key("a")).unwrap();
        assert_eq!(from, CopySource::File(root.path().join("a")));
        store.copy_from(&from, &key("b/c")).await.unwrap();
        let inode = |name: &str| fs::metadata(root.path().join(name)).unwrap().ino();
        assert_eq!(inode("a"), inode("b/c"), "bytes were copied");
    }

    #[tokio::test]
    async fn a_copy_from_another_disk_is_its_bytes() {
        let root = TempDir::new().unwrap();
        let Ok(other_disk) = TempDir::new_in("/dev/shm") else {
            return;
        };
        if fs::metadata(root.path()).unwrap().dev()
            == fs::metadata(other_disk.path()).unwrap().dev()
        {
            return; // There is only one.
        }
        let source = other_disk.path().join("a");
        fs::write(&source, vec![9; 1 << 20]).unwrap();
        let from = CopySource::File(source.clone());
        let store = LocalStore::open(root.path()).await.unwrap();
        let copy = store.copy_from(&from, &key("b/c")).await.unwrap();
        assert_eq!(store.head(&key("b/c")).await.unwrap(), copy);
        assert!(store.get_bytes(&key("b/c")).await.unwrap() == vec![9; 1 << 20]);
        let again = store.copy_from(&from, &key("b/c")).await;
        assert_eq!(again.err().map(|error| error.kind()), Some(StoreErrorKind::AlreadyExists));
        fs::remove_file(&source).unwrap();
        let vanished = store.copy_from(&from, &key("d")).await.unwrap_err();
        assert_eq!(vanished.kind(), StoreErrorKind::NotFound);
        assert_eq!(vanished.place(), source.display().to_string());
    }
}
