//! Where objects grow before they have a name.
//!
//! Every store has its own folder, made at its first write. A lock file in it, locked for
//! the store's life, tells the others that its owner lives. Whoever removes a folder holds
//! its lock; whoever has made one checks, once it holds the lock, that the file it locked
//! is still the one with that name.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use super::durable::existing;
use super::errors::is_absent;

const LOCK: &str = "lock";

/// The temp folder of one store.
#[derive(Debug)]
pub(super) struct Temp {
    base: PathBuf,
    claimed: Mutex<Option<Claimed>>,
    next: AtomicU64,
}

impl Temp {
    /// Nothing is made before the first [`Self::file`].
    pub(super) fn under(base: PathBuf) -> Self {
        Self { base, claimed: Mutex::new(None), next: AtomicU64::new(0) }
    }

    /// Removes what dead stores left, as far as that is possible; makes nothing.
    pub(super) fn tidy(&self) {
        drop(remove_dead(&self.base));
    }

    /// A new empty file.
    pub(super) fn file(&self) -> io::Result<TempFile> {
        let mut claimed = self.claimed.lock().expect("no holder of this lock panics");
        if let Some(claimed) = &*claimed {
            match self.file_in(claimed) {
                // Someone tidied up: claim another folder.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                made => return made,
            }
        }
        existing(fs::create_dir(&self.base))?;
        remove_dead(&self.base)?;
        self.file_in(claimed.insert(Claimed::in_folder(&self.base)?))
    }

    fn file_in(&self, claimed: &Claimed) -> io::Result<TempFile> {
        let path = claimed.folder.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        let file = File::create_new(&path)?;
        Ok(TempFile { path, file })
    }
}

/// A file without a name yet; dropping it removes it.
#[derive(Debug)]
pub(super) struct TempFile {
    /// Where it is now.
    pub(super) path: PathBuf,
    /// Its open handle.
    pub(super) file: File,
}

impl Drop for TempFile {
    fn drop(&mut self) {
        // Best effort: a renamed file is gone, the rest goes with the folder.
        drop(fs::remove_file(&self.path));
    }
}

/// A folder that this store owns while the lock is held.
#[derive(Debug)]
struct Claimed {
    folder: PathBuf,
    _lock: File,
}

impl Claimed {
    fn in_folder(base: &Path) -> io::Result<Self> {
        loop {
            let folder = base.join(Uuid::new_v4().to_string());
            fs::create_dir(&folder)?;
            match claim(&folder)? {
                // Without locks nobody can prove that an owner is dead, so nobody removes.
                Claim::Held(lock) | Claim::Unprovable(lock) => {
                    return Ok(Self { folder, _lock: lock });
                }
                Claim::Lost => {}
            }
        }
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        // Best effort: what stays is removed as a dead owner's.
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// What came of the wish to own a folder.
enum Claim {
    /// Nobody else owns it.
    Held(File),
    /// The file system has no locks.
    Unprovable(File),
    /// Another store owns it or has just removed it.
    Lost,
}

fn claim(folder: &Path) -> io::Result<Claim> {
    let path = folder.join(LOCK);
    let lock = match OpenOptions::new().create(true).append(true).open(&path) {
        Err(error) if is_absent(&error) => return Ok(Claim::Lost),
        opened => opened?,
    };
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Claim::Lost),
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
            return Ok(Claim::Unprovable(lock));
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let held = lock.metadata()?;
    match fs::metadata(&path) {
        Ok(named) if (named.dev(), named.ino()) == (held.dev(), held.ino()) => {
            Ok(Claim::Held(lock))
        }
        Ok(_) => Ok(Claim::Lost),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Claim::Lost),
        Err(error) => Err(error),
    }
}

/// Removes what dead owners left. What cannot be claimed or removed hurts nobody.
fn remove_dead(base: &Path) -> io::Result<()> {
    for entry in fs::read_dir(base)? {
        let folder = entry?.path();
        if let Ok(Claim::Held(_lock)) = claim(&folder) {
            drop(fs::remove_dir_all(&folder));
        }
    }
    Ok(())
}
