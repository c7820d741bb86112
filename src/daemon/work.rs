//! A job's run: a backup as its policy wants it.

use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;

use super::world::Worlds;
use crate::job::{
    self, BackupRequest, Done, JobContext, JobError, JobRecord, JobResult, Limits, RunOutcome,
    Scope, Work,
};
use crate::metrics::{Metrics, RunFacts};
use crate::model::{ErrorKind, RunKind};
use crate::plan::VerifyDepth;
use crate::policy::{AfterBackup, Policy};
use crate::transfer::Stage;

/// The agent's own work.
#[derive(Debug)]
pub(super) struct AgentWork {
    pub(super) worlds: Worlds,
    pub(super) metrics: Metrics,
}

#[async_trait]
impl Work for AgentWork {
    fn limits(&self, policy: &str) -> Option<Limits> {
        let world = self.worlds.now();
        let policy = world.settings.policies.get(policy)?;
        Some(Limits {
            timeout: policy.timeout,
            stall_timeout: policy.stall_timeout,
            attempts: policy.retry.attempts.get(),
            backoff: policy.retry.backoff,
        })
    }

    async fn run(&self, job: &JobRecord, scope: &Scope) -> JobResult<Done> {
        let world = self.worlds.now();
        let policy = world.settings.policies.get(&job.policy).ok_or_else(|| {
            JobError::new(ErrorKind::Failed, format!("there is no policy `{}`", job.policy))
        })?;
        let context = JobContext {
            cancel: scope.cancel.clone(),
            progress: Arc::clone(&scope.progress),
            ..world.context.clone()
        };
        if let Some(found) = job::find_backup(&context, &job.backup).boxed().await? {
            let done = found_already(job, found);
            if done.outcome != RunOutcome::Skipped && policy.after_backup == AfterBackup::Content {
                self.verify(&context, policy, job).boxed().await?;
            }
            return Ok(done);
        }
        let request = BackupRequest {
            name: Some(job.backup.clone()),
            policy: Some(policy.name.clone()),
            selector: policy.collections.clone(),
            trigger: job.cause.as_str().to_owned(),
        };
        let report = job::run_backup(&context, request).boxed().await?;
        if policy.after_backup == AfterBackup::Content {
            self.verify(&context, policy, job).boxed().await?;
        }
        let failed = report.collections.iter().filter_map(|collection| {
            let error = collection.error.as_ref()?;
            Some(format!("{}.{}: {error}", collection.database, collection.name))
        });
        let failed: Vec<String> = failed.collect();
        Ok(Done {
            outcome: report.outcome,
            detail: (!failed.is_empty()).then(|| failed.join("; ")),
            stages: scope.progress.stages(),
            report: Some(Box::new(report)),
        })
    }
}

impl AgentWork {
    /// Reads a new backup to its last byte. One that is not as it was written fails the job.
    async fn verify(
        &self,
        context: &JobContext,
        policy: &Policy,
        job: &JobRecord,
    ) -> JobResult<()> {
        let (name, started_at) = (policy.name.as_str(), context.clock.now());
        context.progress.enter(Stage::Verify, 0);
        self.metrics.run_started(name, RunKind::Verify, started_at);
        let cluster = Some(&context.cluster);
        let verified = context
            .cancel
            .run_until_cancelled(
                job::run_verify(context, cluster, &job.backup, VerifyDepth::Content).boxed(),
            )
            .await
            .unwrap_or_else(|| Err(JobError::cancelled()));
        let outcome = match &verified {
            Ok(report) => report.outcome,
            Err(error) if error.kind() == ErrorKind::Cancelled => RunOutcome::Cancelled,
            Err(_) => RunOutcome::Failed,
        };
        self.metrics.run_ended(&RunFacts {
            policy: name.to_owned(),
            kind: RunKind::Verify,
            outcome,
            started_at,
            ended_at: context.clock.now(),
            stages: Vec::new(),
            backup: None,
        });
        let report = verified?;
        if report.outcome == RunOutcome::Complete {
            return Ok(());
        }
        let wrong: Vec<String> = report.missing.into_iter().chain(report.damaged).take(5).collect();
        let message =
            format!("backup `{}` was made and is damaged: {}", job.backup, wrong.join("; "));
        Err(JobError::new(ErrorKind::Damaged, message)
            .hint("`verify --depth content` shows every file; check the disk of the repository"))
    }
}

/// The name has a backup. A job that was at work before made it itself: its process ended right
/// after it, or what followed failed. Else someone else was faster.
fn found_already(job: &JobRecord, found: RunOutcome) -> Done {
    // Whatever ended a run of this job left its reason.
    let (outcome, detail) = if job.detail.is_some() {
        (found, "made by an earlier run of this job")
    } else {
        (RunOutcome::Skipped, "someone else has made this backup")
    };
    Done { outcome, detail: Some(detail.to_owned()), stages: Vec::new(), report: None }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::found_already;
    use crate::job::{Cause, JobId, JobRecord, JobRequest};
    use crate::model::{BackupName, RunOutcome};

    #[test]
    fn what_an_earlier_run_has_made_is_the_end_of_its_job() {
        let request = JobRequest {
            policy: "a".to_owned(),
            cause: Cause::Request,
            backup: BackupName::new("a_1").unwrap(),
        };
        let mut job = JobRecord::accepted(JobId(1), request, Timestamp::UNIX_EPOCH);
        assert_eq!(found_already(&job, RunOutcome::Partial).outcome, RunOutcome::Skipped);
        // It was asked to stop while it verified what it had made, or that failed.
        job.detail = Some("cancelled".to_owned());
        assert_eq!(found_already(&job, RunOutcome::Partial).outcome, RunOutcome::Partial);
    }
}
