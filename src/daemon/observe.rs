//! What happens to jobs, as metrics and log lines.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use tokio::sync::{Notify, mpsc};

use super::pruning::Due;
use super::settings::Client;
use super::sight::Sight;
use crate::job::{
    BackupReport, Change, Done, EventFailure, JobChange, JobId, JobRecord, JobState, Observer,
    Stop, job_letters,
};
use crate::metrics::{Metrics, RunFacts, TriggerSource};
use crate::model::{Clock, ClusterName, Letter, RunKind, RunOutcome};

impl Events {
    pub(super) fn of(who: Client<'_>, posted: &Arc<Notify>) -> Self {
        let (cluster, agent) = (who.cluster.clone(), who.agent.to_owned());
        Self { cluster, agent, posted: Arc::clone(posted) }
    }
}

/// Tells Prometheus, the log and whoever asks for the status.
#[derive(Debug)]
pub(super) struct Telling {
    metrics: Metrics,
    sight: Sight,
    clock: Arc<dyn Clock>,
    /// When the runs that are at work began.
    begun: Mutex<HashMap<JobId, Timestamp>>,
    /// Told when the repository has changed.
    changed: Arc<Notify>,
    /// Told when a run has failed.
    doubt: Arc<Notify>,
    /// Told what is to be pruned.
    due: mpsc::UnboundedSender<Due>,
    /// Whose events these are, if anyone is told.
    events: Option<Events>,
}

/// What the events of an agent have in common.
#[derive(Debug)]
pub(super) struct Events {
    pub(super) cluster: ClusterName,
    pub(super) agent: String,
    /// Told when the journal has new ones.
    pub(super) posted: Arc<Notify>,
}

impl Telling {
    pub(super) fn new(
        (metrics, sight): (Metrics, Sight),
        clock: Arc<dyn Clock>,
        (changed, doubt): (Arc<Notify>, Arc<Notify>),
        (due, events): (mpsc::UnboundedSender<Due>, Option<Events>),
    ) -> Self {
        Self { metrics, sight, clock, begun: Mutex::default(), changed, doubt, due, events }
    }

    fn begun(&self) -> MutexGuard<'_, HashMap<JobId, Timestamp>> {
        self.begun.lock().expect("no holder of this lock panics")
    }

    /// A run that was killed has failed, although its job goes on.
    fn interrupted(&self, job: &JobRecord) {
        if let (Some(begun_at), 1..) = (job.begun_at, job.interruptions) {
            let times = (begun_at, self.clock.now());
            self.metrics.run_ended(&facts(job, RunOutcome::Failed, times, None));
            self.sight.ended(job, RunOutcome::Failed, times.1);
        }
    }

    fn ended(&self, job: &JobRecord, outcome: RunOutcome, done: Option<&Done>) {
        let ended_at = self.clock.now();
        let started_at = match self.begun().remove(&job.id) {
            Some(started_at) => started_at,
            // Killed too often: that is told, by the process after.
            None if outcome == RunOutcome::Failed => ended_at,
            // No run of it was at work.
            None => return,
        };
        self.metrics.run_ended(&facts(job, outcome, (started_at, ended_at), done));
        self.sight.ended(job, outcome, ended_at);
        self.changed.notify_one();
        if outcome == RunOutcome::Failed {
            self.doubt.notify_one();
        }
        let suspect =
            done.and_then(|done| done.report.as_ref()).and_then(|made| made.suspect.as_ref());
        let good = outcome == RunOutcome::Complete && suspect.is_none();
        let due = if good { Due::Policy(job.policy.clone()) } else { Due::Leftovers };
        // At the end of the process nobody prunes any more; the next run sees to it.
        drop(self.due.send(due));
    }
}

impl Observer for Telling {
    fn letters(&self, change: &Change<'_>) -> Vec<Letter> {
        let Some(Events { cluster, agent, .. }) = &self.events else { return Vec::new() };
        let (before, job, now) = (change.before, change.job, self.clock.now());
        let done = change.ended.and_then(|ended| ended.as_ref().ok());
        let failure = change.ended.and_then(|ended| ended.as_ref().err()).map(EventFailure::from);
        let failure = failure.as_ref();
        job_letters(&JobChange { cluster, agent, before, job, done, failure, now })
    }

    fn changed(&self, job: &JobRecord, done: Option<&Done>) {
        let (id, policy, backup) = (job.id, &job.policy, &job.backup);
        let why = job.detail.as_deref().unwrap_or_default();
        if let Some(events) = &self.events {
            events.posted.notify_one();
        }
        match job.progress {
            JobState::Queued { .. } => self.interrupted(job),
            JobState::Running { run, since } => {
                self.begun().insert(id, since);
                self.metrics.run_started(policy, RunKind::Backup, since);
                if run > 1 {
                    self.metrics.trigger(policy, TriggerSource::Retry);
                }
                let cause = job.cause.as_str();
                tracing::info!(job = %id, policy, %backup, run, cause, "backup begins");
            }
            JobState::Stopping { why: Stop::Stalled | Stop::TimedOut, .. } => {
                tracing::warn!(job = %id, policy, "the run is stopped, it has passed a limit");
            }
            JobState::Stopping { why, .. } => {
                tracing::info!(job = %id, policy, why = why.as_str(), "the run is asked to stop");
            }
            JobState::Waiting { until, runs } => {
                self.ended(job, RunOutcome::Failed, done);
                tracing::warn!(job = %id, policy, runs, %until, why, "backup failed and is tried again");
            }
            JobState::Ended { outcome, .. } => {
                self.ended(job, outcome, done);
                match outcome {
                    RunOutcome::Complete => complete(job, done),
                    RunOutcome::Partial => {
                        tracing::warn!(job = %id, policy, %backup, why, "backup partial");
                    }
                    RunOutcome::Failed => {
                        tracing::error!(job = %id, policy, %backup, why, "backup failed");
                    }
                    // Another agent has made it, as it should be.
                    RunOutcome::Skipped if done.is_some() => {
                        tracing::info!(job = %id, policy, %backup, why, "backup skipped");
                    }
                    RunOutcome::Cancelled | RunOutcome::Skipped => {
                        let outcome = outcome.as_str();
                        tracing::warn!(job = %id, policy, %backup, why, "backup {outcome}");
                    }
                }
            }
        }
    }
}

fn complete(job: &JobRecord, done: Option<&Done>) {
    let (id, policy, backup) = (job.id, &job.policy, &job.backup);
    let Some(made) = done.and_then(|done| done.report.as_ref()) else {
        let why = job.detail.as_deref().unwrap_or_default();
        tracing::info!(job = %id, policy, %backup, why, "backup complete");
        return;
    };
    if let Some(why) = &made.suspect {
        tracing::warn!(
            job = %id, policy, %backup, why,
            "the backup is suspect and does not count: `pin` it if it is good, else `delete` it"
        );
    }
    tracing::info!(
        job = %id, policy, %backup, rows = made.rows,
        files_copied = made.files_copied, bytes_copied = made.bytes_copied,
        bytes_reused = made.bytes_reused, seconds = format_args!("{:.1}", made.duration_seconds),
        "backup complete"
    );
}

/// What a job that ended says of its last run.
pub(super) fn facts(
    job: &JobRecord,
    outcome: RunOutcome,
    (started_at, ended_at): (Timestamp, Timestamp),
    done: Option<&Done>,
) -> RunFacts {
    let stages = done.map(|done| done.stages.as_slice()).unwrap_or_default();
    RunFacts {
        policy: job.policy.clone(),
        kind: RunKind::Backup,
        outcome,
        started_at,
        ended_at,
        stages: stages.iter().map(|(stage, took)| ((*stage).into(), *took)).collect(),
        backup: done.and_then(|done| done.report.as_deref()).map(BackupReport::figures),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use tokio::sync::{Notify, mpsc};

    use super::Telling;
    use crate::daemon::sight::Sight;
    use crate::job::{Cause, JobEvent, JobId, JobRecord, JobRequest, Observer};
    use crate::metrics::Metrics;
    use crate::model::{BackupName, ManualClock};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn failed(metrics: &Metrics) -> bool {
        let line = "milvus_backup_runs_total{kind=\"backup\",outcome=\"failed\",policy=\"p\"} 1\n";
        metrics.render().contains(line)
    }

    #[test]
    fn a_run_that_was_killed_has_failed_and_its_job_goes_on() {
        let metrics = Metrics::default();
        metrics.add_policy("p");
        let notices = (Arc::<Notify>::default(), Arc::<Notify>::default());
        let telling = Telling::new(
            (metrics.clone(), Sight::default()),
            Arc::new(ManualClock::at(NOW)),
            notices,
            (mpsc::unbounded_channel().0, None),
        );
        let backup = BackupName::new("p_1").unwrap();
        let request = JobRequest {
            policy: "p".to_owned(),
            cause: Cause::Request,
            backup,
            requesters: Vec::new(),
        };
        let mut job = JobRecord::accepted(JobId(1), request, NOW);
        telling.changed(&job, None);
        assert!(!failed(&metrics), "it is accepted");
        job.apply(JobEvent::Start(NOW)).unwrap();
        job.recover(NOW);
        telling.changed(&job, None);
        assert!(failed(&metrics), "{}", metrics.render());
        assert_eq!(job.outcome(), None);
    }
}
