//! What is told of a job when its state changes.

use jiff::Timestamp;

use super::event::{EventEnd, EventFailure, EventRun, RunsAgain};
use super::facts::EventFacts;
use super::reply::ReplyTo;
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
    /// The job as it is now.
    pub job: &'c JobRecord,
    /// How its newest run ended, if that was told of or is told now, and the job goes on.
    pub run_ended: Option<RunOutcome>,
    /// Who asked for it.
    pub requesters: &'c [ReplyTo],
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
    let job = change.job;
    match (job.progress, change.run_ended) {
        (JobState::Running { since, .. }, _) => {
            vec![change.run(Some(since)).started(change.now)]
        }
        (JobState::Waiting { until, .. }, _) => {
            change.ended(job.begun_at, (RunOutcome::Failed, RunsAgain::At(until)))
        }
        (JobState::Queued { .. }, Some(outcome)) => {
            change.ended(job.begun_at, (outcome, RunsAgain::Soon))
        }
        (JobState::Ended { outcome, .. }, None) => {
            change.ended(job.begun_at, (outcome, RunsAgain::No))
        }
        // Its newest run was told of when that ended.
        (JobState::Ended { outcome, .. }, Some(_)) => change.ended(None, (outcome, RunsAgain::No)),
        (JobState::Queued { .. }, None) | (JobState::Stopping { .. }, _) => Vec::new(),
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
            requests: self.requesters.iter().map(|one| one.request.clone()).collect(),
        }
    }

    fn ended(
        &self,
        since: Option<Timestamp>,
        (outcome, again): (RunOutcome, RunsAgain),
    ) -> Vec<Letter> {
        let failed = outcome == RunOutcome::Failed;
        // Of a run that was killed nobody knows when.
        let killed = failed && again == RunsAgain::Soon;
        let unknown = || EventFailure { kind: ErrorKind::Failed, hint: None };
        let report = self.done.and_then(|done| done.report.as_deref());
        let end = EventEnd {
            outcome,
            detail: self.job.detail.clone(),
            failure: failed.then(|| self.failure.cloned().unwrap_or_else(unknown)),
            ended_at: Some(self.now).filter(|_| !killed),
            again,
            facts: report.map(EventFacts::from),
        };
        self.run(since).ended(&end, self.requesters, self.now)
    }
}
