//! Retention: after each good backup of a policy, what its rules do not keep goes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::settings::Setup;
use super::world::{World, Worlds};
use crate::job::{
    self, JobContext, JobError, JobResult, Prune, PruneReport, PruneRequest, Sweeping,
};
use crate::metrics::{self, Metrics, RunFacts};
use crate::model::{ErrorKind, Guard, RunKind, RunOutcome};
use crate::plan::{PolicyRules, Verdict};
use crate::policy::Policy;

/// How long one prune may take.
const PATIENCE: Duration = Duration::from_hours(2);

/// How often files of no backup are looked for, at most: that lists all that there are.
const SWEEP_EVERY: Duration = Duration::from_hours(1);

/// Prunes, one policy after the other. What comes of it changes nothing of the backup's run,
/// and a prune that is lost with its process is made up for after the next backup.
#[derive(Debug)]
pub(super) struct Pruning {
    pub(super) setup: Arc<dyn Setup>,
    pub(super) worlds: Worlds,
    pub(super) metrics: Metrics,
    /// Told when the repository has changed.
    pub(super) changed: Arc<Notify>,
    pub(super) stop: CancellationToken,
}

impl Pruning {
    /// Prunes until it is told to stop. `good` says which policy has a new good backup.
    pub(super) async fn go_on(self, mut good: mpsc::UnboundedReceiver<String>) {
        let mut swept: Option<Instant> = None;
        while let Some(Some(first)) = self.stop.run_until_cancelled(good.recv()).await {
            let mut due = BTreeSet::from([first]);
            while let Ok(more) = good.try_recv() {
                due.insert(more);
            }
            for name in due {
                if self.stop.is_cancelled() {
                    return;
                }
                let world = self.worlds.now();
                // It may have been removed meanwhile.
                let Some(policy) = world.settings.policies.get(&name) else { continue };
                let sweeping = sweeping(&world, swept);
                if self.prune(&world, policy, sweeping).await && sweeping == Sweeping::Yes {
                    swept = Some(Instant::now());
                }
                self.changed.notify_one();
            }
        }
        self.stop.cancelled().await;
    }

    /// One prune, told of. `false` if it did not come to its end.
    async fn prune(&self, world: &World, policy: &Policy, sweeping: Sweeping) -> bool {
        let context = JobContext { cancel: self.stop.clone(), ..world.context.clone() };
        let (name, started_at) = (policy.name.as_str(), context.clock.now());
        self.metrics.run_started(name, RunKind::Prune, started_at);
        let request = PruneRequest {
            prune: Prune::Apply,
            policies: vec![PolicyRules::of(policy, started_at)],
            allow: BTreeSet::new(),
            sweeping,
        };
        let work = async {
            let staging = self.setup.staging(&world.settings.config, &context).await?;
            job::run_prune(&context, staging.as_ref(), request).await
        };
        let done = timeout(PATIENCE, work.boxed()).await.unwrap_or_else(|_| {
            let message = format!("it took longer than {} h", PATIENCE.as_secs() / 3600);
            Err(JobError::new(ErrorKind::Failed, message))
        });
        let outcome = told(name, &done);
        self.metrics.pruned(&facts(&done));
        self.ended(name, outcome, (started_at, context.clock.now()));
        done.is_ok()
    }

    fn ended(&self, policy: &str, outcome: RunOutcome, (began, ended): (Timestamp, Timestamp)) {
        self.metrics.run_ended(&RunFacts {
            policy: policy.to_owned(),
            kind: RunKind::Prune,
            outcome,
            started_at: began,
            ended_at: ended,
            stages: Vec::new(),
            backup: None,
        });
    }
}

/// Whether it is time again to look for files of no backup. A short grace wants them sooner.
fn sweeping(world: &World, swept: Option<Instant>) -> Sweeping {
    let grace = world.context.retention.orphan_grace.unsigned_abs();
    let every = SWEEP_EVERY.min(grace / 2);
    let due = swept.is_none_or(|at| at.elapsed() >= every);
    if due { Sweeping::Yes } else { Sweeping::No }
}

/// A line for each verdict, and how it ended.
fn told(policy: &str, done: &JobResult<PruneReport>) -> RunOutcome {
    let report = match done {
        Ok(report) => report,
        Err(error) => {
            let (error, hint) = (error.chain(), error.remedy());
            return match done.as_ref().map_err(JobError::kind) {
                Err(ErrorKind::Cancelled) => RunOutcome::Cancelled,
                Err(ErrorKind::Locked) => {
                    tracing::warn!(policy, error, hint, "nothing was pruned");
                    RunOutcome::Skipped
                }
                Ok(_) | Err(_) => {
                    tracing::error!(policy, error, hint, "prune failed");
                    RunOutcome::Failed
                }
            };
        }
    };
    for row in &report.verdicts {
        let (name, reasons) = (&row.name, row.reasons.join("; "));
        match row.verdict {
            Verdict::Keep => tracing::debug!(policy, name, reasons, "kept"),
            Verdict::Leave => tracing::debug!(policy, name, reasons, "left for now"),
            Verdict::Delete => tracing::info!(policy, name, reasons, "deleted"),
        }
    }
    for error in &report.errors {
        tracing::warn!(policy, error, "something could not be deleted; it is tried again");
    }
    if let Some(why) = &report.refused {
        tracing::warn!(policy, why, "prune refused");
    }
    tracing::info!(
        policy,
        hidden = report.backups_hidden,
        removed = report.backups_deleted,
        files = report.files_deleted,
        bytes = report.bytes_deleted,
        "pruned"
    );
    report.outcome()
}

fn facts(done: &JobResult<PruneReport>) -> metrics::PruneFacts {
    match done {
        Ok(report) => report.facts(),
        Err(error) if error.kind() == ErrorKind::Locked => {
            metrics::PruneFacts { refused: vec![Guard::Lock], ..metrics::PruneFacts::default() }
        }
        Err(_) => metrics::PruneFacts::default(),
    }
}
