//! The file, and how it is read and written.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use redb::{Database, DatabaseError};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::error::{Failure, JournalError, JournalResult};
use super::tables::{Tables, VERSION};

/// The open journal; one in a process.
///
/// After a failed write redb answers nothing any more until the file is opened again, which
/// the next call does: a disk that was full for a while ends nothing for good.
#[derive(Debug, Clone)]
pub struct Journal {
    database: Arc<Mutex<Option<Database>>>,
    place: Arc<PathBuf>,
}

impl Journal {
    /// Opens `journal.redb` in the state folder, or makes it.
    pub fn open(state: &Path) -> JournalResult<Self> {
        let place = state.join("journal.redb");
        std::fs::create_dir_all(state).map_err(|error| JournalError::Broken {
            place: place.clone(),
            what: "opened",
            source: error.into(),
        })?;
        let database = Arc::new(Mutex::new(Some(opened(&place)?)));
        let journal = Self { database, place: Arc::new(place) };
        let known = journal.write(|tables| {
            let known = tables.version()?;
            Ok(known)
        })?;
        match known {
            VERSION => Ok(journal),
            found => Err(JournalError::TooNew { place: journal.place.to_path_buf(), found }),
        }
    }

    /// A name for the agent that this journal is of: made once, and no other agent's.
    pub fn agent(&self) -> JournalResult<String> {
        let number = self.write(|tables| {
            let known = tables.number("agent")?;
            let number = if known == 0 { Uuid::new_v4().as_u64_pair().0 } else { known };
            tables.numbers.insert("agent", number)?;
            Ok(number)
        })?;
        Ok(format!("{number:016x}"))
    }

    /// Whether the last call worked.
    pub fn is_well(&self) -> bool {
        self.database().is_some()
    }

    fn database(&self) -> MutexGuard<'_, Option<Database>> {
        self.database.lock().expect("no holder of this lock panics")
    }

    /// Does something with the database, which is closed if that fails.
    pub(super) fn with<T>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Database) -> Result<T, Failure>,
    ) -> JournalResult<T> {
        let mut held = self.database();
        let database = match held.take() {
            Some(database) => database,
            None => opened(&self.place)?,
        };
        let done = work(&database);
        if done.is_ok() {
            *held = Some(database);
        }
        done.map_err(|Failure(source)| JournalError::Broken {
            place: self.place.to_path_buf(),
            what,
            source,
        })
    }

    /// Does something with the journal where waiting for the disk is in nobody's way.
    pub async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> JournalResult<T> + Send + 'static,
    ) -> JournalResult<T> {
        let journal = self.clone();
        match spawn_blocking(move || work(&journal)).await {
            Ok(done) => done,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    /// Changes the journal, all or nothing.
    pub(super) fn write<T>(
        &self,
        change: impl FnOnce(&mut Tables<'_>) -> Result<T, Failure>,
    ) -> JournalResult<T> {
        self.with("written", |database| {
            let transaction = database.begin_write()?;
            let changed = change(&mut Tables::of(&transaction)?)?;
            transaction.commit()?;
            Ok(changed)
        })
    }
}

fn opened(place: &Path) -> JournalResult<Database> {
    Database::create(place).map_err(|error| {
        if matches!(error, DatabaseError::DatabaseAlreadyOpen) {
            return JournalError::InUse(place.to_owned());
        }
        JournalError::Broken { place: place.to_owned(), what: "opened", source: error.into() }
    })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicBool, Ordering};

    use jiff::Timestamp;
    use redb::StorageBackend;
    use redb::backends::InMemoryBackend;

    use super::{Arc, Database, Journal};
    use crate::job::runner::{Cause, JobRequest};
    use crate::model::{BackupName, Letter};

    impl Journal {
        /// From now on it has these letters, until the next write, which fails. Then it has what
        /// it had before.
        pub(crate) fn fill_the_disk(&self, letters: &[Letter]) {
            let full = self.on_a_disk();
            self.post(letters).unwrap();
            full.store(true, Ordering::Relaxed);
        }

        /// Goes to a disk that can be full.
        fn on_a_disk(&self) -> Arc<AtomicBool> {
            let full = Arc::new(AtomicBool::new(false));
            let disk = Full(InMemoryBackend::new(), Arc::clone(&full));
            let database = Database::builder().create_with_backend(disk).unwrap();
            // Closes the file, as a failure does.
            *self.database() = Some(database);
            full
        }
    }

    /// A disk that is full from a moment on.
    #[derive(Debug)]
    struct Full(InMemoryBackend, Arc<AtomicBool>);

    impl StorageBackend for Full {
        fn len(&self) -> Result<u64, io::Error> {
            self.0.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
            self.0.read(offset, out)
        }

        fn set_len(&self, len: u64) -> Result<(), io::Error> {
            self.0.set_len(len)
        }

        fn sync_data(&self) -> Result<(), io::Error> {
            self.0.sync_data()
        }

        fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
            if self.1.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.write(offset, data)
        }
    }

    fn accepts(journal: &Journal, name: &str) -> bool {
        let backup = BackupName::new(name).unwrap();
        let request = JobRequest {
            policy: "p".to_owned(),
            cause: Cause::Request,
            backup,
            requesters: Vec::new(),
        };
        journal.accept(&request, Timestamp::UNIX_EPOCH).is_ok()
    }

    #[test]
    fn a_disk_that_was_full_for_a_while_ends_nothing_for_good() {
        let state = tempfile::tempdir().unwrap();
        let journal = Journal::open(state.path()).unwrap();
        assert!(accepts(&journal, "one"));
        journal.on_a_disk().store(true, Ordering::Relaxed);
        assert!(!accepts(&journal, "two") && !journal.is_well());
        assert!(accepts(&journal, "three") && journal.is_well(), "the file is opened again");
        let open: Vec<String> =
            journal.open_jobs().unwrap().into_iter().map(|job| job.backup.to_string()).collect();
        assert_eq!(open, ["one", "three"]);
    }
}
