//! Walking folders in key order.
//!
//! A folder is read whole and sorted, so memory is bounded by the largest folders on one
//! path. Batches are read only when asked for: no thread waits for a slow reader.

use std::ffi::OsString;
use std::fs::{self, FileType};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::vec;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use rustix::io::Errno;

use crate::model::{KeyPrefix, ObjectKey};
use crate::storage::{ObjectMeta, StoreOp, StoreResult};

use super::blocking::blocking;
use super::errors::{At, is_absent};
use super::reading::meta_of;
use super::root::{Root, TEMP};

/// Objects per trip to a blocking thread.
const BATCH: usize = 1000;

/// Every object under a prefix.
pub(super) fn list(
    root: Arc<Root>,
    under: KeyPrefix,
) -> BoxStream<'static, StoreResult<ObjectMeta>> {
    stream::try_unfold(Walk::new(root, under), |mut walk| {
        blocking(move || {
            let batch = walk.batch()?;
            Ok((!batch.is_empty()).then_some((batch, walk)))
        })
    })
    .map_ok(|batch| stream::iter(batch).map(Ok))
    .try_flatten()
    .boxed()
}

/// The folders right under a prefix that hold an object.
pub(super) fn list_folders(root: &Root, under: &KeyPrefix) -> StoreResult<Vec<String>> {
    let Some(entries) = read_prefix(root, under)? else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for entry in entries.into_iter().filter(|entry| entry.kind.is_dir()) {
        if holds_object(&entry.path)? {
            names.push(entry.name);
        }
    }
    // In key order `a.b` comes before `a/`.
    names.sort_unstable();
    Ok(names)
}

struct Walk {
    root: Arc<Root>,
    /// The prefix, until its folder has been read.
    under: Option<KeyPrefix>,
    levels: Vec<Level>,
}

/// A folder on the way to the current object, and what is left of it.
struct Level {
    prefix: String,
    entries: vec::IntoIter<Entry>,
}

/// A name in a folder.
struct Entry {
    name: String,
    path: PathBuf,
    kind: FileType,
}

impl Walk {
    fn new(root: Arc<Root>, under: KeyPrefix) -> Self {
        Self { root, under: Some(under), levels: Vec::new() }
    }

    fn batch(&mut self) -> StoreResult<Vec<ObjectMeta>> {
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Some(object) = self.step()?
        {
            batch.push(object);
        }
        Ok(batch)
    }

    fn step(&mut self) -> StoreResult<Option<ObjectMeta>> {
        if let Some(under) = self.under.take() {
            let entries = read_prefix(&self.root, &under)?.unwrap_or_default().into_iter();
            self.levels.push(Level { prefix: under.as_str().to_owned(), entries });
        }
        while let Some(level) = self.levels.last_mut() {
            let Some(entry) = level.entries.next() else {
                self.levels.pop();
                continue;
            };
            let name = format!("{}{}", level.prefix, entry.name);
            if entry.kind.is_dir() {
                let entries = read_folder(&entry.path)?.unwrap_or_default().into_iter();
                self.levels.push(Level { prefix: name + "/", entries });
            } else if let Ok(key) = ObjectKey::new(name)
                && let Some(object) = entry.object(key)?
            {
                return Ok(Some(object));
            }
        }
        Ok(None)
    }
}

impl Entry {
    /// The object, unless it is something else or vanished since its folder was read.
    fn object(&self, key: ObjectKey) -> StoreResult<Option<ObjectMeta>> {
        match fs::metadata(&self.path) {
            Ok(status) => Ok(status.is_file().then(|| meta_of(key, &status))),
            Err(error) if is_absent(&error) || is_loop(&error) => Ok(None),
            Err(error) => Err(error).at(StoreOp::List, &self.path),
        }
    }

    /// Where its key, or all keys in it, stand among its siblings.
    fn order(&self) -> impl Iterator<Item = u8> {
        self.name.bytes().chain(self.kind.is_dir().then_some(b'/'))
    }
}

/// The sorted names in the folder of a prefix; `None` if there is no such folder.
fn read_prefix(root: &Root, under: &KeyPrefix) -> StoreResult<Option<Vec<Entry>>> {
    let Some(folder) = under.as_str().strip_suffix('/') else {
        // A root that is gone is an unmounted disk, not an empty store.
        let mut entries = try_read_folder(&root.folder).at(StoreOp::List, &root.folder)?;
        entries.retain(|entry| entry.name != TEMP);
        return Ok(Some(entries));
    };
    let mut path = root.folder.clone();
    fs::metadata(&path).at(StoreOp::List, &path)?;
    for (depth, segment) in folder.split('/').enumerate() {
        path.push(segment);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() && (depth > 0 || segment != TEMP) => {}
            Ok(_) => return Ok(None),
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error).at(StoreOp::List, &path),
        }
    }
    read_folder(&path)
}

fn read_folder(path: &Path) -> StoreResult<Option<Vec<Entry>>> {
    match try_read_folder(path) {
        Err(error) if is_absent(&error) => Ok(None),
        read => read.map(Some).at(StoreOp::List, path),
    }
}

fn try_read_folder(path: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let Some(name) = key_segment(entry.file_name()) else {
            continue;
        };
        match entry.file_type() {
            Ok(kind) => entries.push(Entry { name, path: entry.path(), kind }),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    entries.sort_unstable_by(|one, other| one.order().cmp(other.order()));
    Ok(entries)
}

/// Whether a file lies anywhere in the folder; stops at the first.
fn holds_object(folder: &Path) -> StoreResult<bool> {
    let entries = read_folder(folder)?.unwrap_or_default();
    let (folders, others): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|entry| entry.kind.is_dir());
    if others.iter().any(|entry| entry.path.is_file()) {
        return Ok(true);
    }
    for entry in folders {
        if holds_object(&entry.path)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn key_segment(name: OsString) -> Option<String> {
    let name = name.into_string().ok()?;
    ObjectKey::new(name.as_str()).is_ok().then_some(name)
}

fn is_loop(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::LOOP)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use crate::model::KeyPrefix;

    use super::{Root, Walk};

    #[test]
    fn what_vanishes_during_the_walk_is_skipped() {
        let root = tempfile::tempdir().unwrap();
        for name in ["1", "2", "3/x", "4"] {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let shared = Arc::new(Root::read_only(root.path().to_owned()));
        let mut walk = Walk::new(shared, KeyPrefix::root());
        let mut step = || walk.step().unwrap().map(|object| object.key.to_string());
        assert_eq!(step().as_deref(), Some("1"));
        fs::remove_file(root.path().join("2")).unwrap();
        fs::remove_dir_all(root.path().join("3")).unwrap();
        assert_eq!(step().as_deref(), Some("4"));
        assert_eq!(step(), None);
    }
}
