//! The folder of a store: which path a key is, and whether it may be written.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::ObjectKey;
use crate::storage::{StoreError, StoreErrorKind, StoreOp, StoreResult};

use super::durable::Unsynced;
use super::temp::Temp;

/// The folder under the root that no key may name.
pub(super) const TEMP: &str = ".tmp";

/// What the blocking threads of one store share.
#[derive(Debug)]
pub(super) struct Root {
    /// The root folder, absolute.
    pub(super) folder: PathBuf,
    /// Where objects grow; `None` in a store that only reads.
    temp: Option<Temp>,
    /// What [`super::LocalStore`] has yet to make durable.
    pub(super) unsynced: Unsynced,
}

impl Root {
    /// A root to read and write, without what stores that died left in it.
    pub(super) fn writable(folder: PathBuf) -> Self {
        let temp = Temp::under(folder.join(TEMP));
        temp.tidy();
        Self { folder, temp: Some(temp), unsynced: Unsynced::default() }
    }

    /// A root to read.
    pub(super) fn read_only(folder: PathBuf) -> Self {
        Self { folder, temp: None, unsynced: Unsynced::default() }
    }

    /// Where objects grow, or why nothing may be written.
    pub(super) fn temp(&self, op: StoreOp) -> StoreResult<&Temp> {
        self.temp.as_ref().ok_or_else(|| {
            let cause = "it was opened for reading only";
            StoreError::new(op, self.folder.display(), StoreErrorKind::ReadOnly, cause)
        })
    }

    /// The path of a key that is read.
    pub(super) fn to_read(&self, op: StoreOp, key: &ObjectKey) -> StoreResult<PathBuf> {
        let path = self.path(key);
        if is_reserved(key) {
            return Err(absent(op, &path));
        }
        Ok(path)
    }

    /// The path of a key that is written or deleted.
    pub(super) fn to_write(&self, op: StoreOp, key: &ObjectKey) -> StoreResult<PathBuf> {
        self.temp(op)?;
        let path = self.path(key);
        if is_reserved(key) {
            let cause = "this name is reserved for temporary files";
            return Err(StoreError::new(op, path.display(), StoreErrorKind::Other, cause));
        }
        Ok(path)
    }

    fn path(&self, key: &ObjectKey) -> PathBuf {
        self.folder.join(key.as_str())
    }
}

/// Whether the key names the temp folder or something in it.
pub(super) fn is_reserved(key: &ObjectKey) -> bool {
    key.as_str().split('/').next() == Some(TEMP)
}

/// The answer about a path that holds no object.
pub(super) fn absent(op: StoreOp, path: &Path) -> StoreError {
    let cause = io::Error::from(io::ErrorKind::NotFound);
    StoreError::new(op, path.display(), StoreErrorKind::NotFound, cause)
}
