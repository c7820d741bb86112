//! A job as the journal keeps it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{BackupName, RequestId, RunOutcome};

use super::state::{IllegalTransition, JobEvent, JobState, Stop};

/// The place of a job in the order of acceptance; never used twice on one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub u64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What asked for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Cause {
    /// The schedule of its policy.
    Schedule {
        /// The moment it was due.
        slot: Timestamp,
    },
    /// The same, for a moment that passed while the agent was down.
    CatchUp {
        /// The moment it was due.
        slot: Timestamp,
    },
    /// A person or another program.
    Request,
    /// A message of the broker.
    Message,
}

impl Cause {
    /// The word in logs, metrics and `attempt.json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schedule { .. } => "schedule",
            Self::CatchUp { .. } => "catch_up",
            Self::Request => "request",
            Self::Message => "amqp",
        }
    }

    /// The moment of the schedule that it stands for.
    pub fn slot(self) -> Option<Timestamp> {
        match self {
            Self::Schedule { slot } | Self::CatchUp { slot } => Some(slot),
            Self::Request | Self::Message => None,
        }
    }
}

/// Who asked for a job by a message, and wants to know its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requester {
    /// What tells the request from every other.
    pub id: RequestId,
    /// The queue that an answer goes to.
    #[serde(default)]
    pub reply_to: Option<String>,
    /// What the answer has to carry.
    #[serde(default)]
    pub correlation_id: Option<String>,
    /// When a run of it is not to begin any more.
    #[serde(default)]
    pub not_after: Option<Timestamp>,
}

/// Work that someone wants done. It names a policy, never a bucket, a path or a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRequest {
    /// The policy.
    pub policy: String,
    /// What asked.
    pub cause: Cause,
    /// The name that its backup gets, in all its runs.
    pub backup: BackupName,
    /// Who asked by messages.
    pub requesters: Vec<Requester>,
}

/// One accepted piece of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// Its number.
    pub id: JobId,
    /// The policy.
    pub policy: String,
    /// What asked for it.
    #[serde(flatten)]
    pub cause: Cause,
    /// The name of its backup. It is fixed here, before the first run, so that a run that
    /// follows a killed one finds what that one has made.
    pub backup: BackupName,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When its newest run began.
    #[serde(default)]
    pub begun_at: Option<Timestamp>,
    /// How far it is.
    pub progress: JobState,
    /// How often its process ended under it.
    pub interruptions: u32,
    /// Why it is as it is: the error of its last run.
    pub detail: Option<String>,
    /// What to do about that; it is at the end of `detail`, too.
    #[serde(default)]
    pub hint: Option<String>,
    /// Who asked for it by messages, at first or since.
    #[serde(default)]
    pub requesters: Vec<Requester>,
}

impl JobRecord {
    /// A job that has just been accepted.
    pub fn accepted(id: JobId, request: JobRequest, now: Timestamp) -> Self {
        let JobRequest { policy, cause, backup, requesters } = request;
        Self {
            id,
            policy,
            cause,
            backup,
            accepted_at: now,
            begun_at: None,
            progress: JobState::Queued { runs: 0 },
            interruptions: 0,
            detail: None,
            hint: None,
            requesters,
        }
    }

    /// Moves the job on.
    pub fn apply(&mut self, event: JobEvent) -> Result<(), IllegalTransition> {
        self.progress = self.progress.after(event)?;
        if let JobEvent::Start(at) = event {
            self.begun_at = Some(at);
        }
        Ok(())
    }

    /// Whether no run of it has begun, so that it sees whatever is there now.
    pub fn is_fresh(&self) -> bool {
        self.begun_at.is_none() && self.outcome().is_none()
    }

    /// When nobody wants a run of it to begin any more: `None` if someone always does.
    pub fn not_after(&self) -> Option<Timestamp> {
        if self.cause != Cause::Message {
            return None;
        }
        let limits: Option<Vec<_>> = self.requesters.iter().map(|one| one.not_after).collect();
        limits?.into_iter().max()
    }

    /// The same for someone who wants it however late it begins.
    #[must_use]
    pub fn without_limit(mut self) -> Self {
        for one in &mut self.requesters {
            one.not_after = None;
        }
        self
    }

    /// How it ended, if it has.
    pub fn outcome(&self) -> Option<RunOutcome> {
        self.progress.outcome()
    }

    /// What becomes of a job whose process is gone: it goes on, unless too many processes
    /// have ended under it.
    pub fn recover(&mut self, now: Timestamp) {
        let draining = matches!(self.progress, JobState::Stopping { why: Stop::Draining, .. });
        if self.progress.is_at_work() && !draining {
            self.interruptions += 1;
            self.hint = None;
            self.detail = Some("the agent was killed while it was at work".to_owned());
        }
        let event = if self.interruptions > MAX_INTERRUPTIONS {
            self.detail = Some(format!(
                "the agent was killed {} times while it was at work",
                self.interruptions
            ));
            JobEvent::End(RunOutcome::Failed, now)
        } else {
            JobEvent::Interrupt(now)
        };
        // What has ended stays as it is.
        self.apply(event).unwrap_or_default();
    }
}

/// A job that kills its agent must not do so for ever.
const MAX_INTERRUPTIONS: u32 = 5;

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{Cause, JobId, JobRecord, JobRequest, MAX_INTERRUPTIONS, Requester};
    use crate::job::runner::state::{JobEvent, JobState, Stop};
    use crate::model::{BackupName, RequestId, RunOutcome};

    const THEN: Timestamp = Timestamp::UNIX_EPOCH;

    fn job() -> JobRecord {
        let backup = BackupName::new("nightly_1").unwrap();
        let cause = Cause::Schedule { slot: THEN };
        let request =
            JobRequest { policy: "nightly".to_owned(), cause, backup, requesters: Vec::new() };
        JobRecord::accepted(JobId(7), request, THEN)
    }

    #[test]
    fn a_job_goes_on_after_its_process_died_but_not_for_ever() {
        let mut job = job();
        for interruptions in 1..=MAX_INTERRUPTIONS {
            job.apply(JobEvent::Start(THEN)).unwrap();
            job.recover(THEN);
            assert_eq!(job.progress, JobState::Queued { runs: 0 });
            assert_eq!(job.interruptions, interruptions);
        }
        job.apply(JobEvent::Start(THEN)).unwrap();
        job.recover(THEN);
        assert_eq!(job.outcome(), Some(RunOutcome::Failed));
        assert!(job.detail.as_deref().unwrap().contains("6 times"));
        let ended = job.clone();
        job.recover(THEN);
        assert_eq!(job, ended);
    }

    #[test]
    fn an_agent_that_ends_in_order_is_no_interruption() {
        let mut job = job();
        job.apply(JobEvent::Start(THEN)).unwrap();
        job.apply(JobEvent::Stop(Stop::Draining, THEN)).unwrap();
        job.recover(THEN);
        assert_eq!((job.progress, job.interruptions), (JobState::Queued { runs: 0 }, 0));
    }

    #[test]
    fn a_job_is_fresh_until_its_first_run_begins() {
        let mut job = job();
        assert!(job.is_fresh());
        job.apply(JobEvent::Start(THEN)).unwrap();
        assert!(!job.is_fresh());
        job.recover(THEN);
        assert_eq!(job.progress, JobState::Queued { runs: 0 });
        assert!(!job.is_fresh(), "its run may have seen an older state");
    }

    #[test]
    fn a_job_is_wanted_as_long_as_one_of_those_who_asked_wants_it() {
        let asks = |not_after: Option<Timestamp>| Requester {
            id: RequestId::new("a").unwrap(),
            reply_to: None,
            correlation_id: None,
            not_after,
        };
        let later = THEN + SignedDuration::from_hours(1);
        let mut job = JobRecord { cause: Cause::Message, ..job() };
        job.requesters = vec![asks(Some(later)), asks(Some(THEN))];
        assert_eq!(job.not_after(), Some(later));
        job.requesters.push(asks(None));
        assert_eq!(job.not_after(), None);
        job.requesters.pop();
        job.cause = Cause::Schedule { slot: THEN };
        assert_eq!(job.not_after(), None, "its slot wants it, too");
    }

    #[test]
    fn a_record_reads_back() {
        let mut job = job();
        job.apply(JobEvent::Start(THEN)).unwrap();
        let text = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<JobRecord>(&text).unwrap(), job, "{text}");
    }
}
