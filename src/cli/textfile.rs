//! Metrics of a command, for those who run no agent.

use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::job::{self, JobContext, JobError, JobResult, Sizes};
use crate::metrics::{self, BackupFigures, Metrics, RunFacts};
use crate::model::{Clock, ErrorKind, RunKind, RunOutcome, SystemClock};
use crate::policy::PolicySet;
use crate::storage::Access;

use super::remembered::remember;
use super::{ExitStatus, policy, session};

/// A run that is to be told of.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) kind: RunKind,
    /// Empty for none.
    pub(super) policy: String,
}

impl Told {
    pub(super) fn without_policy(kind: RunKind) -> Self {
        Self { kind, policy: String::new() }
    }
}

/// How a command ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    /// What it made, if it made a backup.
    pub(super) backup: Option<BackupFigures>,
    /// How its run ended, where the status does not tell.
    pub(super) outcome: Option<RunOutcome>,
}

impl From<ExitStatus> for Ended {
    fn from(status: ExitStatus) -> Self {
        Self { status, backup: None, outcome: None }
    }
}

/// Runs a workflow in the context that was opened for it. Where `metrics.textfile` is set, and
/// the command does more than look, it writes what came of it and what the repository holds,
/// also of other policies: the file of an earlier command is replaced, but for how the newest
/// runs of other kinds ended. A file that cannot be
/// written fails no backup.
pub(super) async fn told<T: Into<Ended>>(
    config: &Config,
    run: Option<Told>,
    context: JobResult<JobContext>,
    work: impl AsyncFnOnce(JobContext, &Metrics) -> JobResult<T>,
) -> JobResult<ExitStatus> {
    let metrics = Metrics::default();
    let Some((file, run)) = config.metrics.textfile.as_ref().zip(run) else {
        return Ok(work(context?, &metrics).await?.into().status);
    };
    let started_at = SystemClock.now();
    let configured = policy::load(config);
    let (ended, context) = match context {
        Ok(context) => {
            let context = context.metered(&metrics);
            (work(context.clone(), &metrics).await.map(Into::into), Some(context))
        }
        Err(error) => (Err(error), None),
    };
    metrics.add_policy(&run.policy);
    for policy in configured.iter().flat_map(PolicySet::iter) {
        metrics.add_policy(policy.name.as_str());
    }
    let earlier = std::fs::read_to_string(file).unwrap_or_default();
    remember(&metrics, &earlier, run.kind);
    let stages = context.as_ref().map(|context| context.progress.stages()).unwrap_or_default();
    metrics.run_ended(&RunFacts {
        kind: run.kind,
        outcome: match &ended {
            Ok(Ended { outcome: Some(outcome), .. }) => *outcome,
            // Another one prunes, as the agent tells it, too.
            Err(error) if run.kind == RunKind::Prune && error.kind() == ErrorKind::Locked => {
                RunOutcome::Skipped
            }
            ended => outcome(ended.as_ref().map(|ended| ended.status)),
        },
        policy: run.policy,
        started_at,
        ended_at: SystemClock.now(),
        stages: stages.into_iter().map(|(stage, took)| (stage.into(), took)).collect(),
        backup: ended.as_ref().ok().and_then(|ended: &Ended| ended.backup),
    });
    let context = match context {
        // What failed before it came to that may have a repository all the same.
        None => session::open(config, Access::ReadIfAny, CancellationToken::new()).await.ok(),
        opened => opened,
    };
    if let Some(context) = context {
        match job::run_overview(&context, Sizes::Known).await {
            Ok(found) => {
                for policy in found.policies.keys() {
                    metrics.add_policy(policy);
                }
                metrics.catalog(found);
            }
            Err(error) => {
                tracing::warn!(error = error.chain(), "metrics are without the repository");
            }
        }
    }
    if let Err(error) = metrics::write_textfile(&metrics, file) {
        tracing::warn!(file = %file.display(), %error, "metrics cannot be written");
    }
    Ok(ended?.status)
}

fn outcome(ended: Result<ExitStatus, &JobError>) -> RunOutcome {
    let status = ended.unwrap_or_else(|error| error.kind().into());
    let is = |kind: ErrorKind| status == kind.into();
    match status {
        ExitStatus::OK => RunOutcome::Complete,
        ExitStatus::PARTIAL => RunOutcome::Partial,
        _ if is(ErrorKind::NothingToDo) => RunOutcome::Skipped,
        _ if is(ErrorKind::Cancelled) => RunOutcome::Cancelled,
        _ => RunOutcome::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::outcome;
    use crate::cli::ExitStatus;
    use crate::job::JobError;
    use crate::model::{ErrorKind, RunOutcome};

    #[test]
    fn a_run_ends_as_its_command_does() {
        for (status, expected) in [
            (ExitStatus::OK, RunOutcome::Complete),
            (ExitStatus::PARTIAL, RunOutcome::Partial),
            (ErrorKind::Damaged.into(), RunOutcome::Failed),
        ] {
            assert_eq!(outcome(Ok(status)), expected);
        }
        for (kind, expected) in [
            (ErrorKind::Unreachable, RunOutcome::Failed),
            (ErrorKind::Cancelled, RunOutcome::Cancelled),
            (ErrorKind::NothingToDo, RunOutcome::Skipped),
        ] {
            assert_eq!(outcome(Err(&JobError::new(kind, "x"))), expected);
        }
    }
}
