//! Deleting files, and the folders that they leave empty.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::model::ObjectKey;
use crate::storage::{Deadline, DeleteReport, StoreOp, StoreResult};

use super::errors::{At, is_absent};
use super::root::Root;

/// Deletes what is there of `keys`; fails as a whole only in a read-only store, or at its
/// deadline: a disk may hang at any of them.
pub(super) fn delete(
    root: &Root,
    keys: Vec<ObjectKey>,
    deadline: Option<Deadline>,
) -> StoreResult<DeleteReport> {
    root.temp(StoreOp::Delete)?;
    let mut report = DeleteReport::default();
    for key in keys {
        if let Some(deadline) = deadline {
            deadline.begin(StoreOp::Delete, root.to_write(StoreOp::Delete, &key)?.display())?;
        }
        match delete_one(root, &key) {
            Ok(()) => report.deleted += 1,
            Err(error) => report.failed.push((key, error)),
        }
    }
    Ok(report)
}

fn delete_one(root: &Root, key: &ObjectKey) -> StoreResult<()> {
    let path = root.to_write(StoreOp::Delete, key)?;
    match fs::remove_file(&path) {
        Ok(()) => {}
        // A folder of that name is not the object.
        Err(error) if is_absent(&error) || error.kind() == ErrorKind::IsADirectory => {}
        Err(error) => return Err(error).at(StoreOp::Delete, &path),
    }
    remove_empty_folders(&root.folder, &path);
    root.unsynced.touch(&root.folder, &path);
    Ok(())
}

/// Up to the root, and best effort: a folder may fill again at any moment.
fn remove_empty_folders(root: &Path, path: &Path) {
    let folders = path.ancestors().skip(1).take_while(|folder| *folder != root);
    for folder in folders {
        match fs::remove_dir(folder) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(_in_use) => return,
        }
    }
}
