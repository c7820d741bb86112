//! A job's run: a backup as its policy wants it.

use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;

use super::besides::{Begun, Besides};
use super::world::Worlds;
use crate::job::{
    self, BackupRequest, Done, EventEnd, JobContext, JobError, JobRecord, JobResult, Limits, Made,
    RunOutcome, Scope, Sizes, Work,
};
use crate::manifest::ManifestOutcome;
use crate::metrics::{Metrics, RunFacts};
use crate::model::{BackupState, ErrorKind, RunKind};
use crate::plan::VerifyDepth;
use crate::policy::{AfterBackup, Policy};
use crate::transfer::Stage;

/// The agent's own work.
#[derive(Debug)]
pub(super) struct AgentWork {
    worlds: Worlds,
    metrics: Metrics,
    besides: Besides,
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
        let request = BackupRequest {
            name: None,
            policy: Some(policy.name.clone()),
            selector: policy.collections.clone(),
            layout: policy.layout,
            rbac: policy.rbac,
            trigger: job.cause.as_str().to_owned(),
            job: Some(format!("{}/{}", self.besides.agent, job.id)),
        };
        let made = match job::make_once(&context, &job.backup, request).boxed().await {
            Err(error) if error.kind() == ErrorKind::NothingToDo => {
                return Err(nothing(&context, policy, error).boxed().await);
            }
            made => made?,
        };
        let ours = matches!(made, Made::Now(_) | Made::Before(_));
        if ours && policy.after_backup == AfterBackup::Content {
            self.verify(&context, policy, job).boxed().await?;
        }
        Ok(match made {
            Made::Now(report) => Done {
                outcome: report.outcome,
                detail: report.failures(),
                stages: scope.progress.stages(),
                report: Some(report),
            },
            Made::Before(ManifestOutcome::Complete) => without(RunOutcome::Complete, MADE_BEFORE),
            Made::Before(ManifestOutcome::Partial) => without(RunOutcome::Partial, MADE_BEFORE),
            Made::Elsewhere { host } => without(
                RunOutcome::Skipped,
                &format!("another agent, on {host}, has made this backup"),
            ),
        })
    }
}

impl AgentWork {
    pub(super) fn of(worlds: &Worlds, metrics: &Metrics, besides: &Besides) -> Self {
        Self { worlds: worlds.clone(), metrics: metrics.clone(), besides: besides.clone() }
    }

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
        let begun = Begun {
            kind: RunKind::Verify,
            policy: name,
            backup: Some(job.backup.as_str()),
            trigger: "after_backup",
            job: Some(job.id.0),
        };
        let events = self.besides.begin(begun).await;
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
        let ended_at = context.clock.now();
        let end = match &verified {
            Ok(report) => EventEnd::reported(outcome, ended_at, report.into()),
            Err(error) => EventEnd::broken_off(outcome, ended_at, error),
        };
        events.end(None, &end, ended_at).await;
        self.metrics.run_ended(&RunFacts {
            policy: name.to_owned(),
            kind: RunKind::Verify,
            outcome,
            started_at,
            ended_at,
            stages: Vec::new(),
            backup: None,
        });
        let report = verified?;
        if let Some(facts) = report.facts() {
            self.metrics.verified(name, facts, context.clock.now());
        }
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

/// Nothing to back up is fine where there never was anything. Where an earlier backup of the
/// policy has rows, Milvus has lost them, or is another one.
async fn nothing(context: &JobContext, policy: &Policy, error: JobError) -> JobError {
    let Ok(rows) = job::run_list(context, Sizes::Known).await else { return error };
    let before = rows.iter().rfind(|row| {
        let ours = row.cluster == context.cluster.as_str() && row.policy == policy.name.as_str();
        ours && row.state == BackupState::Complete && row.rows > 0
    });
    let Some(before) = before else { return error };
    let (name, rows) = (&before.name, before.rows);
    JobError::new(ErrorKind::Failed, format!("{error}; its backup `{name}` has {rows} rows"))
        .hint("look whether this is the right Milvus, and whether it has lost its data")
}

/// A run that made no backup itself.
fn without(outcome: RunOutcome, detail: &str) -> Done {
    Done { outcome, detail: Some(detail.to_owned()), stages: Vec::new(), report: None }
}

const MADE_BEFORE: &str = "made by a run of this job that was ended right after it";
