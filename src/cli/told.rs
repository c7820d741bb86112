//! What others are told of a command: events and metrics.

use crate::config::Config;
use crate::job::{EventFacts, JobContext, JobError, JobResult};
use crate::metrics::{BackupFigures, Metrics, RunFacts};
use crate::model::{Clock, ErrorKind, RunKind, RunOutcome, SystemClock};

use super::{ExitStatus, events, textfile};

/// A run that is to be told of.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) kind: RunKind,
    /// Empty for none.
    pub(super) policy: String,
    /// The backup that it is about, if it has a name yet.
    pub(super) backup: Option<String>,
}

/// How a command ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    /// How its run ended, where the status does not tell.
    pub(super) outcome: Option<RunOutcome>,
    /// How metrics tell it, where they do it in another way.
    pub(super) metered: Option<RunOutcome>,
    /// What it made, if it made a backup.
    pub(super) figures: Option<BackupFigures>,
    /// What it did, if it did more than look.
    pub(super) done: Option<Done>,
}

/// What a command did.
#[derive(Debug)]
pub(super) struct Done {
    /// The backup that it made, or is about.
    pub(super) backup: Option<String>,
    /// What is worth knowing.
    pub(super) detail: Option<String>,
    pub(super) facts: EventFacts,
}

impl From<ExitStatus> for Ended {
    fn from(status: ExitStatus) -> Self {
        Self { status, outcome: None, metered: None, figures: None, done: None }
    }
}

/// Runs a workflow in the context that was opened for it. Where the command does more than
/// look, it tells of it: in events, where an agent takes them up, and in `metrics.textfile`,
/// where that is set.
pub(super) async fn told<T: Into<Ended>>(
    config: &Config,
    run: Option<Told>,
    context: JobResult<JobContext>,
    work: impl AsyncFnOnce(JobContext, &Metrics) -> JobResult<T>,
) -> JobResult<ExitStatus> {
    let metrics = Metrics::default();
    let Some(run) = run else { return Ok(work(context?, &metrics).await?.into().status) };
    let started_at = SystemClock.now();
    let events = events::begin(config, &run, started_at).await;
    let (ended, context) = match context {
        Ok(context) => {
            let context = context.metered(&metrics);
            (work(context.clone(), &metrics).await.map(Into::into), Some(context))
        }
        Err(error) => (Err(error), None),
    };
    let (outcome, ended_at) = (outcome(run.kind, &ended), SystemClock.now());
    events::end(events, (&ended, outcome), ended_at).await;
    if let Some(file) = &config.metrics.textfile {
        let stages = context.as_ref().map(|context| context.progress.stages()).unwrap_or_default();
        let facts = RunFacts {
            policy: run.policy,
            kind: run.kind,
            outcome: metered(outcome, &ended),
            started_at,
            ended_at,
            stages: stages.into_iter().map(|(stage, took)| (stage.into(), took)).collect(),
            backup: ended.as_ref().ok().and_then(|ended: &Ended| ended.figures),
        };
        textfile::write((config, file), &metrics, &facts, context).await;
    }
    Ok(ended?.status)
}

fn outcome(kind: RunKind, ended: &JobResult<Ended>) -> RunOutcome {
    match ended {
        Ok(Ended { outcome: Some(outcome), .. }) => *outcome,
        // Another one prunes, as the agent tells it, too.
        Err(error) if kind == RunKind::Prune && error.kind() == ErrorKind::Locked => {
            RunOutcome::Skipped
        }
        ended => of_status(ended.as_ref().map(|ended| ended.status)),
    }
}

fn metered(outcome: RunOutcome, ended: &JobResult<Ended>) -> RunOutcome {
    ended.as_ref().ok().and_then(|ended| ended.metered).unwrap_or(outcome)
}

fn of_status(ended: Result<ExitStatus, &JobError>) -> RunOutcome {
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
    use super::{Ended, metered, of_status};
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
            assert_eq!(of_status(Ok(status)), expected);
        }
        for (kind, expected) in [
            (ErrorKind::Unreachable, RunOutcome::Failed),
            (ErrorKind::Cancelled, RunOutcome::Cancelled),
            (ErrorKind::NothingToDo, RunOutcome::Skipped),
        ] {
            assert_eq!(of_status(Err(&JobError::new(kind, "x"))), expected);
        }
    }

    #[test]
    fn metrics_may_tell_a_run_otherwise() {
        let ended = |metered| Ok(Ended { metered, ..ExitStatus::PARTIAL.into() });
        let partial = RunOutcome::Partial;
        assert_eq!(metered(partial, &ended(None)), partial);
        assert_eq!(metered(partial, &ended(Some(RunOutcome::Complete))), RunOutcome::Complete);
        let failed = Err(JobError::new(ErrorKind::Failed, "x"));
        assert_eq!(metered(RunOutcome::Failed, &failed), RunOutcome::Failed);
    }
}
