//! What a runner runs, and who is told of it.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::model::{Letter, RunOutcome};
use crate::transfer::{Progress, Stage};

use super::record::JobRecord;
use crate::job::{BackupReport, JobResult};

/// What a policy allows the runs of its jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long one may take.
    pub timeout: Option<Duration>,
    /// How long nothing may move in one.
    pub stall_timeout: Duration,
    /// How many are made of a job, at most.
    pub attempts: u32,
    /// How long after a failure the next one begins; doubled each time.
    pub backoff: Duration,
}

/// How a run that was not stopped ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// The word.
    pub outcome: RunOutcome,
    /// What is worth knowing.
    pub detail: Option<String>,
    /// How long each of its stages took.
    pub stages: Vec<(Stage, Duration)>,
    /// What was done, where a backup was made.
    pub report: Option<Box<BackupReport>>,
}

/// What a run is given.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Fires when it is to stop. A run that does not end soon after is dropped.
    pub cancel: CancellationToken,
    /// What it tells how far it is. A run that tells nothing for long is taken for hung.
    pub progress: Arc<Progress>,
}

/// The work behind jobs: the agent's own, or a fake.
#[async_trait]
pub trait Work: Debug + Send + Sync + 'static {
    /// The limits of a policy; `None` if there is none of this name (any more).
    fn limits(&self, policy: &str) -> Option<Limits>;

    /// Runs a job. It may have run before, to any point, even to its end: what a killed run
    /// has finished is found, not made again.
    async fn run(&self, job: &JobRecord, scope: &Scope) -> JobResult<Done>;
}

/// A job that is about to be in another state.
#[derive(Debug, Clone, Copy)]
pub struct Change<'c> {
    /// As it was; none of one that is new.
    pub before: Option<&'c JobRecord>,
    /// As it will be.
    pub job: &'c JobRecord,
    /// How its run ended, if it just did.
    pub ended: Option<&'c JobResult<Done>>,
}

/// Told of every change of a job. Must not block.
pub trait Observer: Debug + Send + Sync + 'static {
    /// What others are to be told of a change that is about to be written. Letters and change
    /// are in the journal together, or neither is.
    fn letters(&self, change: &Change<'_>) -> Vec<Letter>;

    /// A job is in another state than before, and the journal has it.
    /// `done` has what its run brought, if that ended.
    fn changed(&self, job: &JobRecord, done: Option<&Done>);
}
