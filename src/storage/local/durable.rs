//! Folders: made when needed, flushed when a name in them must survive a power cut.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::storage::{StoreErrorKind, StoreOp, StoreResult};

use super::errors::At;

/// A repository is nobody's business but its owner's and its group's.
const ROOT_MODE: u32 = 0o750;

/// How often a put makes its folder again after a delete removed it, empty, under its hands.
const PLACE_ATTEMPTS: usize = 64;

/// The folders with names that a power cut could still take back.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    /// Each folder with all its ancestors up to the root.
    folders: Mutex<BTreeSet<PathBuf>>,
    /// Held while a pass runs, so that no second pass returns before the first is done.
    pass: Mutex<()>,
}

impl Unsynced {
    /// Remembers the folder of `path`. Called after the name has changed, before the
    /// caller hears of it.
    pub(super) fn touch(&self, root: &Path, path: &Path) {
        let mut folders = self.folders.lock().expect("no holder of this lock panics");
        for folder in ancestors(root, path) {
            // One folder of a branch is in the set only if those above it are too.
            if !folders.insert(folder.to_owned()) {
                break;
            }
        }
    }

    /// Remembers what was in the way: the process that wrote it may have died before its sync.
    pub(super) fn touch_found<T>(&self, root: &Path, path: &Path, written: &StoreResult<T>) {
        if written.as_ref().is_err_and(|error| error.kind() == StoreErrorKind::AlreadyExists) {
            self.touch(root, path);
        }
    }

    #[cfg(test)]
    pub(super) fn folders(&self) -> usize {
        self.folders.lock().expect("no holder of this lock panics").len()
    }

    /// Flushes every remembered folder once. What failed is remembered for the next pass.
    pub(super) fn sync(&self) -> StoreResult<()> {
        let _pass = self.pass.lock().expect("no holder of this lock panics");
        let mut folders = {
            let mut folders = self.folders.lock().expect("no holder of this lock panics");
            std::mem::take(&mut *folders)
        };
        for folder in &folders {
            if let Err(error) = sync_folder(folder) {
                let failed = folder.clone();
                let mut newer = self.folders.lock().expect("no holder of this lock panics");
                newer.append(&mut folders);
                return Err(error).at(StoreOp::Sync, &failed);
            }
        }
        Ok(())
    }
}

/// Flushes the folder of `path` and those above it, up to the root: another writer may have
/// made any of them a moment ago.
pub(super) fn sync_name(root: &Path, path: &Path) -> io::Result<()> {
    ancestors(root, path).try_for_each(sync_folder)
}

/// Runs `place`, which gives `path` its name, in a folder that exists.
pub(super) fn in_its_folder(
    root: &Path,
    path: &Path,
    mut place: impl FnMut() -> io::Result<()>,
) -> io::Result<()> {
    let folder = path.parent().unwrap_or(root);
    let mut attempt = 1;
    loop {
        match make_folders(root, folder).and_then(|()| place()) {
            Err(error) if error.kind() == ErrorKind::NotFound && attempt < PLACE_ATTEMPTS => {
                attempt += 1;
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {
                return Err(ErrorKind::IsADirectory.into());
            }
            done => return done,
        }
    }
}

/// Makes the root of a store, and what leads to it, where it is missing.
pub(super) fn make_root(root: &Path) -> io::Result<()> {
    match fs::metadata(root) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => return Err(ErrorKind::NotADirectory.into()),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let missing = root.ancestors().take_while(|folder| !folder.exists()).count();
    DirBuilder::new().recursive(true).mode(ROOT_MODE).create(root)?;
    root.ancestors().take(missing + 1).try_for_each(sync_folder)
}

/// Never makes the root itself: a disk that was unmounted is not to be written beside.
fn make_folders(root: &Path, folder: &Path) -> io::Result<()> {
    if folder == root {
        return Ok(());
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make_folders(root, folder.parent().unwrap_or(root))?;
            existing(fs::create_dir(folder))
        }
        made => existing(made),
    }
}

/// What was there already is as good as made.
pub(super) fn existing(made: io::Result<()>) -> io::Result<()> {
    match made {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn ancestors<'p>(root: &'p Path, path: &'p Path) -> impl Iterator<Item = &'p Path> {
    path.ancestors().skip(1).take_while(move |folder| folder.starts_with(root))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // Removed meanwhile: its own folder, flushed too, records that.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind;
    use std::path::Path;

    use super::{Unsynced, in_its_folder};

    #[test]
    fn a_folder_that_a_delete_removed_is_made_again() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("root");
        let path = root.join("a/b/1");
        fs::create_dir(&root).unwrap();
        let mut attempts = 0;
        let place = || {
            attempts += 1;
            if attempts == 1 {
                fs::remove_dir_all(root.join("a"))?;
            }
            fs::write(&path, "")
        };
        in_its_folder(&root, &path, place).unwrap();
        assert!(path.exists());

        fs::remove_dir_all(&root).unwrap();
        let gone = in_its_folder(&root, &path, || fs::write(&path, "")).unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound);
        assert!(!root.exists(), "a root was made again");
    }

    #[test]
    fn a_touched_file_brings_its_whole_branch_once() {
        let unsynced = Unsynced::default();
        unsynced.touch(Path::new("/r"), Path::new("/r/a/b/1"));
        unsynced.touch(Path::new("/r"), Path::new("/r/a/c/2"));
        let folders = unsynced.folders.lock().unwrap().clone();
        let expected = ["/r", "/r/a", "/r/a/b", "/r/a/c"].map(Into::into);
        assert_eq!(folders, expected.into_iter().collect());
    }

    #[test]
    fn a_pass_forgets_what_it_flushed_and_keeps_what_it_could_not() {
        let root = tempfile::tempdir().unwrap();
        let unsynced = Unsynced::default();
        unsynced.touch(root.path(), &root.path().join("gone/1"));
        unsynced.sync().unwrap();
        assert!(unsynced.folders.lock().unwrap().is_empty());

        fs::write(root.path().join("file"), "").unwrap();
        unsynced.touch(root.path(), &root.path().join("file/sub/1"));
        unsynced.sync().unwrap_err();
        assert_eq!(unsynced.folders.lock().unwrap().len(), 3);
    }
}
