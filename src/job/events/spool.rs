//! Where runs that are no jobs leave what is to be told of them.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, Metadata, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::event::EventRun;
use super::note::Note;
use crate::model::Letter;

/// Files that wait at most. An agent that is away for a year tells of the last runs.
const MOST: usize = 10_000;

/// The agent takes files away that others of its group have left.
const FOLDER_MODE: u32 = 0o770;

/// The agent reads what root has written; nobody else comes into the folder.
const FILE_MODE: u32 = 0o644;

/// The folder `outbox` in the agent's state. See the module's essay.
#[derive(Debug, Clone)]
pub struct Spool {
    pub(super) folder: Arc<PathBuf>,
    /// Files that this process could not take away, and does not take up again.
    stuck: Arc<Mutex<BTreeSet<OsString>>>,
}

/// The mark of a run that is at work. Dropped without an end, it says that the run was killed.
#[derive(Debug)]
pub struct AtWork {
    spool: Spool,
    run: String,
    _locked: File,
}

impl AtWork {
    /// Leaves what is to be told of its end.
    pub fn end(self, letters: Vec<Letter>) -> io::Result<()> {
        let ended = self.spool.end(&self.run, letters);
        if ended.is_err() {
            // Better nothing is told of its end than that it was killed.
            self.take_back();
        }
        ended
    }

    fn take_back(self) {
        drop(fs::remove_file(self.spool.path(&self.run)));
    }
}

impl Spool {
    /// The spool of an agent with this state. Nothing is read or made yet.
    pub fn of(state: &Path) -> Self {
        Self { folder: Arc::new(state.join("outbox")), stuck: Arc::default() }
    }

    /// Leaves what is to be told of the beginning of a run, and of its end should it be killed.
    pub fn begin(&self, run: &EventRun, started: Letter) -> io::Result<AtWork> {
        self.make_folder()?;
        let locked = self.leave(&run.id, &Note::at_work(run.clone()))?;
        let at_work = AtWork { spool: self.clone(), run: run.id.clone(), _locked: locked };
        let begins = Note::letters(vec![started]);
        if let Err(error) = self.leave(&format!("{}-started", run.id), &begins) {
            at_work.take_back();
            return Err(error);
        }
        self.keep_bounds();
        Ok(at_work)
    }

    /// Leaves what is to be told of the end of a run, in the place of what was left before.
    pub fn end(&self, run: &str, letters: Vec<Letter>) -> io::Result<()> {
        self.make_folder()?;
        self.leave(run, &Note::letters(letters))?;
        self.keep_bounds();
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }

    /// Puts a file in its place, whole, on disk, and locked while the answer lives.
    fn leave(&self, name: &str, note: &Note) -> io::Result<File> {
        let temporary = self.folder.join(format!("{name}.tmp"));
        let file = File::options().write(true).create_new(true).open(&temporary)?;
        let left = file
            .lock()
            .and_then(|()| (&file).write_all(&note.write()))
            .and_then(|()| file.set_permissions(Permissions::from_mode(FILE_MODE)))
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&temporary, self.path(name)))
            .and_then(|()| File::open(&*self.folder)?.sync_all());
        if left.is_err() {
            // Where nothing can be written there may be nothing to remove.
            drop(fs::remove_file(&temporary));
        }
        left.map(|()| file)
    }

    /// Makes the folder, which belongs to whom the state does, whoever makes it.
    fn make_folder(&self) -> io::Result<()> {
        let folder = &*self.folder;
        if folder.is_dir() {
            return Ok(());
        }
        let state = folder.parent().unwrap_or(folder);
        fs::create_dir_all(state)?;
        match fs::create_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            made => made?,
        }
        let given = give(folder, &fs::metadata(state)?)
            .and_then(|()| fs::set_permissions(folder, Permissions::from_mode(FOLDER_MODE)));
        if given.is_err() {
            // Nobody could take away what is left in it.
            drop(fs::remove_dir(folder));
        }
        given
    }

    /// The names in the folder, oldest first.
    pub(super) fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = fs::read_dir(&*self.folder)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    /// Takes the oldest files away where there are too many.
    fn keep_bounds(&self) {
        let names = self.names().unwrap_or_default();
        let Some(many @ 1..) = names.len().checked_sub(MOST) else { return };
        let idle = names.into_iter().filter(|name| !self.is_at_work(name));
        for name in idle.take(many) {
            // Two may do this at once.
            drop(fs::remove_file(self.folder.join(name)));
        }
        tracing::warn!(
            folder = %self.folder.display(),
            "more than {MOST} events wait for the agent, the oldest are lost: is it running, with \
             `amqp.url`?"
        );
    }

    fn is_at_work(&self, name: &OsString) -> bool {
        let file = File::open(self.folder.join(name));
        file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }

    pub(super) fn stuck(&self) -> MutexGuard<'_, BTreeSet<OsString>> {
        self.stuck.lock().expect("no holder of this lock panics")
    }
}

/// Gives a new folder to an owner. A service may not even try to, and need not.
fn give(folder: &Path, owner: &Metadata) -> io::Result<()> {
    let (theirs, made) = ((owner.uid(), owner.gid()), fs::metadata(folder)?);
    if (made.uid(), made.gid()) == theirs {
        return Ok(());
    }
    chown(folder, Some(theirs.0), Some(theirs.1))
}
