//! Jobs, and what is remembered of policies.

use jiff::Timestamp;
use redb::{ReadableDatabase, ReadableTable};
use serde::{Deserialize, Serialize};

use super::error::{Failure, JournalResult};
use super::file::Journal;
use super::requests::RequestState;
use super::tables::{ENDED, Numbered, OPEN, Tables, keep_newest, named, put_named};
use crate::job::runner::record::{JobId, JobRecord, JobRequest};
use crate::model::Letter;

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

impl Journal {
    /// Accepts a job: when this returns it will be run, whatever happens.
    pub fn accept(&self, request: &JobRequest, now: Timestamp) -> JournalResult<JobRecord> {
        self.write(|tables| tables.accept(request, now))
    }

    /// Accepts a job that is over at once, as `end` says: the job, and what is told of it.
    pub fn accept_ended(
        &self,
        request: &JobRequest,
        end: impl FnOnce(&JobRecord) -> (JobRecord, Vec<Letter>),
        now: Timestamp,
    ) -> JournalResult<JobRecord> {
        self.write(|tables| {
            let (ended, letters) = end(&tables.accept(request, now)?);
            tables.put(&ended)?;
            tables.post(&letters)?;
            Ok(ended)
        })
    }

    /// Accepts a job in the place of an older one, which is written as it is from now on.
    pub fn replace(
        &self,
        old: Option<&JobRecord>,
        request: &JobRequest,
        now: Timestamp,
    ) -> JournalResult<JobRecord> {
        self.write(|tables| {
            if let Some(old) = old {
                tables.put(old)?;
            }
            tables.accept(request, now)
        })
    }

    /// Writes down that a job does for one more, who may be a moment of a policy's schedule; the
    /// job, where it is another by that.
    pub fn serve(
        &self,
        record: Option<&JobRecord>,
        (policy, slot): (&str, Option<Timestamp>),
        now: Timestamp,
    ) -> JournalResult<()> {
        self.write(|tables| {
            if let Some(record) = record {
                tables.put(record)?;
            }
            let Some(slot) = slot else { return Ok(()) };
            tables.remember_slot(policy, slot, now)
        })
    }

    /// Writes how far a job is, and what others are to be told of it.
    pub fn put(&self, record: &JobRecord, letters: &[Letter]) -> JournalResult<()> {
        self.write(|tables| {
            tables.put(record)?;
            tables.post(letters)
        })
    }

    /// Writes down that a job does for one more request.
    pub fn join(&self, record: &JobRecord, now: Timestamp) -> JournalResult<()> {
        self.write(|tables| {
            tables.put(record)?;
            let Some(newest) = record.requesters.last() else { return Ok(()) };
            tables.settle(&newest.id, RequestState::Accepted { job: record.id }, now)
        })
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

    fn jobs(&self, table: Numbered, most: usize) -> JournalResult<Vec<JobRecord>> {
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
}

impl Tables<'_> {
    fn accept(&mut self, request: &JobRequest, now: Timestamp) -> Result<JobRecord, Failure> {
        let id = JobId(self.next("last_job")?);
        let record = JobRecord::accepted(id, request.clone(), now);
        self.put(&record)?;
        if let Some(slot) = request.cause.slot() {
            self.remember_slot(&request.policy, slot, now)?;
        }
        for requester in &request.requesters {
            self.settle(&requester.id, RequestState::Accepted { job: id }, now)?;
        }
        Ok(record)
    }

    fn put(&mut self, record: &JobRecord) -> Result<(), Failure> {
        let (id, body) = (record.id.0, serde_json::to_vec(record)?);
        if record.outcome().is_none() {
            self.open.insert(id, body.as_slice())?;
            return Ok(());
        }
        self.open.remove(id)?;
        self.ended.insert(id, body.as_slice())?;
        keep_newest(&mut self.ended, HISTORY)?;
        Ok(())
    }

    fn memory(&self, policy: &str) -> Result<Option<PolicyMemory>, Failure> {
        named(&self.policies, policy)
    }

    fn remember(&mut self, policy: &str, memory: &PolicyMemory) -> Result<(), Failure> {
        put_named(&mut self.policies, policy, memory)
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
