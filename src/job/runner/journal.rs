//! The journal: what was accepted, on disk before anyone is told so.
//!
//! One [redb](https://www.redb.org) file in the agent's state folder. Every change is one
//! transaction that is synced when the call returns, so a job and the moment of the schedule
//! that it stands for are written together or not at all.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    TableDefinition,
};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::record::{JobId, JobRecord, JobRequest};

/// Jobs that are over, in the order of acceptance.
const ENDED: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("ended");
/// Jobs that are not.
const OPEN: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("open");
/// What is remembered of policies, by name.
const POLICIES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("policies");
/// Numbers: the format, the last job and the agent.
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

const VERSION: u64 = 1;

/// Jobs that are kept after their end. At one every ten minutes that is a week.
const HISTORY: u64 = 1000;

/// What an agent remembers of a policy over restarts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyMemory {
    /// When the agent first saw it.
    pub first_seen: Timestamp,
    /// The last moment of its schedule that was dealt with.
    pub last_slot: Option<Timestamp>,
    /// The schedule that this is a slot of, as it was written.
    #[serde(default)]
    pub schedule: Option<String>,
}

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process has it.
    #[error("`{}` is in use by another agent", .0.display())]
    InUse(PathBuf),
    /// A newer agent wrote it.
    #[error("`{}` has version {found}, and this agent knows {VERSION}", .place.display())]
    TooNew {
        /// The file.
        place: PathBuf,
        /// Its version.
        found: u64,
    },
    /// The disk or the file is broken.
    #[error("`{}` cannot be {what}", .place.display())]
    Broken {
        /// The file.
        place: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

type JournalResult<T> = Result<T, JournalError>;

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
    fn with<T>(
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

    /// Accepts a job: when this returns it will be run, whatever happens.
    pub fn accept(&self, request: &JobRequest, now: Timestamp) -> JournalResult<JobRecord> {
        self.write(|tables| {
            let id = JobId(tables.number("last_job")? + 1);
            tables.numbers.insert("last_job", id.0)?;
            let record = JobRecord::accepted(id, request.clone(), now);
            tables.put(&record)?;
            if let Some(slot) = request.cause.slot() {
                tables.remember_slot(&request.policy, slot, now)?;
            }
            Ok(record)
        })
    }

    /// Writes how far a job is.
    pub fn put(&self, record: &JobRecord) -> JournalResult<()> {
        self.write(|tables| tables.put(record))
    }

    /// Notes that a moment of a policy's schedule needs no job any more.
    pub fn pass_over(&self, policy: &str, slot: Timestamp, now: Timestamp) -> JournalResult<()> {
        self.write(|tables| tables.remember_slot(policy, slot, now))
    }

    /// Notes that a policy has another schedule from now on: slots before that are none of it.
    pub fn reschedule(&self, policy: &str, schedule: &str, now: Timestamp) -> JournalResult<()> {
        self.write(|tables| {
            let known = tables.memory(policy)?;
            let first_seen = known.map_or(now, |memory| memory.first_seen);
            let (last_slot, schedule) = (Some(now), Some(schedule.to_owned()));
            tables.remember(policy, &PolicyMemory { first_seen, last_slot, schedule })
        })
    }

    /// What is remembered of a policy; from now on something is.
    pub fn policy(&self, policy: &str, now: Timestamp) -> JournalResult<PolicyMemory> {
        self.write(|tables| {
            if let Some(memory) = tables.memory(policy)? {
                return Ok(memory);
            }
            let memory = PolicyMemory { first_seen: now, last_slot: None, schedule: None };
            tables.remember(policy, &memory)?;
            Ok(memory)
        })
    }

    /// Jobs that are not over, in the order of acceptance.
    pub fn open_jobs(&self) -> JournalResult<Vec<JobRecord>> {
        self.jobs(OPEN, usize::MAX)
    }

    /// The last jobs that are over, the newest first.
    pub fn ended_jobs(&self, most: usize) -> JournalResult<Vec<JobRecord>> {
        self.jobs(ENDED, most)
    }

    fn jobs(
        &self,
        table: TableDefinition<'static, u64, &'static [u8]>,
        most: usize,
    ) -> JournalResult<Vec<JobRecord>> {
        let mut jobs = self.with("read", |database| {
            let table = database.begin_read()?.open_table(table)?;
            let mut jobs: Vec<JobRecord> = Vec::new();
            for entry in table.iter()?.rev().take(most) {
                jobs.push(serde_json::from_slice(entry?.1.value())?);
            }
            Ok(jobs)
        })?;
        if most == usize::MAX {
            jobs.reverse();
        }
        Ok(jobs)
    }

    fn write<T>(
        &self,
        change: impl FnOnce(&mut Tables<'_>) -> Result<T, Failure>,
    ) -> JournalResult<T> {
        self.with("written", |database| {
            let transaction = database.begin_write()?;
            let changed = {
                let mut tables = Tables {
                    open: transaction.open_table(OPEN)?,
                    ended: transaction.open_table(ENDED)?,
                    policies: transaction.open_table(POLICIES)?,
                    numbers: transaction.open_table(NUMBERS)?,
                };
                change(&mut tables)?
            };
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

/// Anything that goes wrong below.
struct Failure(Box<dyn std::error::Error + Send + Sync>);

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

/// The tables in one transaction.
struct Tables<'t> {
    open: redb::Table<'t, u64, &'static [u8]>,
    ended: redb::Table<'t, u64, &'static [u8]>,
    policies: redb::Table<'t, &'static str, &'static [u8]>,
    numbers: redb::Table<'t, &'static str, u64>,
}

impl Tables<'_> {
    fn version(&mut self) -> Result<u64, Failure> {
        match self.number("version")? {
            0 => {
                self.numbers.insert("version", VERSION)?;
                Ok(VERSION)
            }
            found => Ok(found),
        }
    }

    fn number(&self, name: &str) -> Result<u64, Failure> {
        Ok(self.numbers.get(name)?.map_or(0, |found| found.value()))
    }

    fn put(&mut self, record: &JobRecord) -> Result<(), Failure> {
        let (id, body) = (record.id.0, serde_json::to_vec(record)?);
        if record.outcome().is_none() {
            self.open.insert(id, body.as_slice())?;
            return Ok(());
        }
        self.open.remove(id)?;
        self.ended.insert(id, body.as_slice())?;
        while self.ended.len()? > HISTORY {
            self.ended.pop_first()?;
        }
        Ok(())
    }

    fn memory(&self, policy: &str) -> Result<Option<PolicyMemory>, Failure> {
        let found = self.policies.get(policy)?;
        Ok(found.map(|found| serde_json::from_slice(found.value())).transpose()?)
    }

    fn remember(&mut self, policy: &str, memory: &PolicyMemory) -> Result<(), Failure> {
        self.policies.insert(policy, serde_json::to_vec(memory)?.as_slice())?;
        Ok(())
    }

    fn remember_slot(
        &mut self,
        policy: &str,
        slot: Timestamp,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let known = self.memory(policy)?;
        let first_seen = known.as_ref().map_or(now, |memory| memory.first_seen);
        let schedule = known.and_then(|memory| memory.schedule);
        let last_slot = Some(slot);
        self.remember(policy, &PolicyMemory { first_seen, last_slot, schedule })
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicBool, Ordering};

    use redb::StorageBackend;
    use redb::backends::InMemoryBackend;

    use super::{Arc, Database, JobRequest, Journal, Timestamp};
    use crate::job::runner::Cause;
    use crate::model::BackupName;

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
        let request = JobRequest { policy: "p".to_owned(), cause: Cause::Request, backup };
        journal.accept(&request, Timestamp::UNIX_EPOCH).is_ok()
    }

    #[test]
    fn a_disk_that_was_full_for_a_while_ends_nothing_for_good() {
        let state = tempfile::tempdir().unwrap();
        let journal = Journal::open(state.path()).unwrap();
        assert!(accepts(&journal, "one"));
        let full = Arc::new(AtomicBool::new(false));
        let disk = Full(InMemoryBackend::new(), Arc::clone(&full));
        let database = Database::builder().create_with_backend(disk).unwrap();
        // Closes the file, as a failure does.
        *journal.database() = Some(database);
        full.store(true, Ordering::Relaxed);
        assert!(!accepts(&journal, "two") && !journal.is_well());
        assert!(accepts(&journal, "three") && journal.is_well(), "the file is opened again");
        let open: Vec<String> =
            journal.open_jobs().unwrap().into_iter().map(|job| job.backup.to_string()).collect();
        assert_eq!(open, ["one", "three"]);
    }
}
