//! What is told of a job when its state changes.

use jiff::Timestamp;

use super::event::{EventEnd, EventFailure, EventRun, RunsAgain};
use super::facts::EventFacts;
use super::source::EventSource;
use crate::job::{Done, JobRecord, JobState};
use crate::model::{ClusterName, ErrorKind, Letter, RunKind, RunOutcome};

/// A job that is in another state than before.
#[derive(Debug, Clone, Copy)]
pub struct JobChange<'c> {
    /// The cluster.
    pub cluster: &'c ClusterName,
    /// The agent's name among those on one repository.
    pub agent: &'c str,
    /// The job as it was; none of one that has just been accepted.
    pub before: Option<&'c JobRecord>,
    /// The job as it is now.
    pub job: &'c JobRecord,
    /// What its run brought, if one has just ended well.
    pub done: Option<&'c Done>,
    /// Why its run failed, if one just did and that is known.
    pub failure: Option<&'c EventFailure>,
    /// When.
    pub now: Timestamp,
}

/// What is told of it: that a run begins or has ended, or that the job ends without one.
/// Nothing of other changes.
pub fn job_letters(change: &JobChange<'_>) -> Vec<Letter> {
    let at_work = change.before.and_then(|before| since(before.progress));
    match (change.job.progress, at_work) {
        (JobState::Running { since, .. }, None) => {
            vec![change.run(Some(since)).started(change.now)]
        }
        (JobState::Waiting { until, .. }, Some(_)) => {
            change.ended(at_work, (RunOutcome::Failed, RunsAgain::At(until)))
        }
        (JobState::Queued { .. }, Some(_)) => {
            // Whoever stops the agent wants no alarm by that.
            let outcome =
                if change.is_killed() { RunOutcome::Failed } else { RunOutcome::Cancelled };
            change.ended(at_work, (outcome, RunsAgain::Soon))
        }
        (JobState::Ended { outcome, .. }, _) => change.ended(at_work, (outcome, RunsAgain::No)),
        (JobState::Queued { .. } | JobState::Waiting { .. }, None)
        | (JobState::Running { .. }, Some(_))
        | (JobState::Stopping { .. }, _) => Vec::new(),
    }
}

/// When the run began that is at work.
fn since(state: JobState) -> Option<Timestamp> {
    match state {
        JobState::Running { since, .. } | JobState::Stopping { since, .. } => Some(since),
        JobState::Queued { .. } | JobState::Waiting { .. } | JobState::Ended { .. } => None,
    }
}

impl JobChange<'_> {
    /// The run that began at this moment, or the job without one.
    fn run(&self, since: Option<Timestamp>) -> EventRun {
        let job = self.job;
        let id = format!("{}-{}", self.agent, job.id);
        EventRun {
            source: EventSource::agent(self.cluster.clone(), self.agent),
            id: match since {
                // A job that was killed has two runs of one number.
                Some(since) => format!("{id}-{}", since.as_microsecond()),
                None => id,
            },
            kind: RunKind::Backup,
            policy: job.policy.clone(),
            backup: Some(job.backup.to_string()),
            trigger: job.cause.as_str().to_owned(),
            job: Some(job.id.0),
            started_at: since,
            requests: job.requesters.iter().map(|one| one.id.clone()).collect(),
        }
    }

    /// Whether its process ended under it just now, other than in good order.
    fn is_killed(&self) -> bool {
        self.before.is_some_and(|before| before.interruptions < self.job.interruptions)
    }

    fn ended(
        &self,
        since: Option<Timestamp>,
        (outcome, again): (RunOutcome, RunsAgain),
    ) -> Vec<Letter> {
        let failed = outcome == RunOutcome::Failed;
        let unknown = || EventFailure { kind: ErrorKind::Failed, hint: None };
        let report = self.done.and_then(|done| done.report.as_deref());
        let end = EventEnd {
            outcome,
            detail: self.job.detail.clone(),
            failure: failed.then(|| self.failure.cloned().unwrap_or_else(unknown)),
            ended_at: Some(self.now).filter(|_| !self.is_killed()),
            again,
            facts: report.map(EventFacts::from),
        };
        self.run(since).ended(&end, &self.job.requesters, self.now)
    }
}
