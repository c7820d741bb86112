//! The agent takes up what others have left.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::event::EventEnd;
use super::note::Note;
use super::spool::Spool;
use crate::model::Letter;

/// Files that are taken up at once, so that memory stays small.
const AT_ONCE: usize = 100;

/// After this time a file that was never finished belongs to nobody any more.
const UNFINISHED: SignedDuration = SignedDuration::from_hours(1);

/// Letters that were found, until they are somewhere safe.
#[derive(Debug)]
#[must_use = "they are found again until they are done"]
pub struct Collected {
    /// What is to be told.
    pub letters: Vec<Letter>,
    names: Vec<OsString>,
    spool: Spool,
}

impl Collected {
    /// Takes the files away: the letters are safe.
    pub fn done(self) {
        for name in self.names {
            let path = self.spool.folder.join(&name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(
                        file = %path.display(), %error,
                        "a file of the outbox cannot be removed; remove it by hand, or its event \
                         is told again when the agent starts"
                    );
                    self.spool.stuck().insert(name);
                }
                Ok(()) | Err(_) => {}
            }
        }
    }
}

impl Spool {
    /// What is to be told now, the oldest first, and not all of it if that is much: ask again
    /// until nothing comes.
    pub fn collect(&self, now: Timestamp) -> io::Result<Collected> {
        let mut found = Collected { letters: Vec::new(), names: Vec::new(), spool: self.clone() };
        let names = match self.names() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            names => names?,
        };
        for name in names {
            if found.names.len() == AT_ONCE {
                break;
            }
            if self.stuck().contains(&name) {
                continue;
            }
            let path = self.folder.join(&name);
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("json") => {}
                Some("tmp") => {
                    sweep(&path, now);
                    continue;
                }
                Some(_) | None => continue,
            }
            match read(&path, now) {
                Ok(letters) if letters.is_empty() => {}
                Ok(letters) => {
                    found.letters.extend(letters);
                    found.names.push(name);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => self.put_aside(name, &error),
            }
        }
        Ok(found)
    }

    /// Nothing that cannot be read is in the way for ever.
    fn put_aside(&self, name: OsString, error: &io::Error) {
        let path = self.folder.join(&name);
        let mut aside = path.clone().into_os_string();
        aside.push(".unreadable");
        let renamed = fs::rename(&path, &aside).is_ok();
        let file = if renamed { aside } else { path.into_os_string() };
        tracing::warn!(
            file = %Path::new(&file).display(), %error,
            "a file of the outbox cannot be read, and its event is not told; remove it when you \
             have looked at it"
        );
        if !renamed {
            self.stuck().insert(name);
        }
    }
}

/// What a file has to tell. Nothing, if its run is at work.
fn read(path: &Path, now: Timestamp) -> io::Result<Vec<Letter>> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let file = File::open(path)?;
    let note = Note::read(&file, &file.metadata()?)?;
    let Some(run) = note.run else { return Ok(note.letters) };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(Vec::new()),
        Err(TryLockError::Error(error)) => return Err(error),
        // Its end has taken the place of what was read, and is read the next time.
        Ok(()) if file.metadata()?.nlink() == 0 => return Ok(Vec::new()),
        Ok(()) => {}
    }
    Ok(run.ended(&EventEnd::killed(), &[], now))
}

/// Removes what a writer that was killed has left.
fn sweep(path: &Path, now: Timestamp) {
    let modified = fs::metadata(path).and_then(|meta| meta.modified());
    let modified = modified.ok().and_then(|modified| Timestamp::try_from(modified).ok());
    if modified.is_some_and(|modified| now.duration_since(modified) > UNFINISHED) {
        // Its folder may be read-only, and then it stays.
        drop(fs::remove_file(path));
    }
}
