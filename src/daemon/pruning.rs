//! Retention: after each good backup of a policy, what its rules do not keep goes. What deletes,
//! failures and crashes have left goes after other runs, too, and twice a day.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::besides::{Begun, Besides};
use super::pruned::{Told, end, facts, shown, told};
use super::settings::Setup;
use super::sight::Sight;
use super::world::{World, Worlds};
use crate::job::{self, JobContext, JobError, JobResult, Prune, PruneRequest, Sweeping};
use crate::metrics::{Metrics, RunFacts};
use crate::model::{ErrorKind, RunKind};
use crate::plan::PolicyRules;

/// How long one prune may take.
const PATIENCE: Duration = Duration::from_hours(2);

/// How soon after another one had the lease.
const AGAIN: Duration = Duration::from_mins(1);

/// How soon after it failed: what was wrong may be mended by then.
const ANEW: Duration = Duration::from_hours(1);

/// How often files of no backup are looked for, at most: that lists all that there are.
const SWEEP_EVERY: Duration = Duration::from_hours(1);

/// How often what is left is looked for after runs that made no good backup.
const LEFTOVERS_EVERY: Duration = Duration::from_mins(10);

/// And without any run.
const TWICE_A_DAY: Duration = Duration::from_hours(12);

/// What is to be pruned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// What no rule keeps of this policy, which has a new good backup, and all that is left.
    Policy(String),
    /// What is left: what is hidden and due, dead attempts, files of no backup.
    Leftovers,
}

/// Prunes, one policy after the other. What comes of it changes nothing of the backup's run,
/// and a prune that is lost with its process is made up for after the next backup.
#[derive(Debug)]
pub(super) struct Pruning {
    pub(super) setup: Arc<dyn Setup>,
    pub(super) worlds: Worlds,
    pub(super) metrics: Metrics,
    pub(super) sight: Sight,
    pub(super) besides: Besides,
    /// Told when the repository has changed.
    pub(super) changed: Arc<Notify>,
    pub(super) stop: CancellationToken,
}

/// When what was last done.
#[derive(Debug, Default)]
struct Done {
    swept: Option<Instant>,
    pruned: Option<Instant>,
    told: Told,
}

impl Pruning {
    /// Prunes until it is told to stop.
    pub(super) async fn go_on(self, mut news: mpsc::UnboundedReceiver<Due>) {
        let (mut due, mut failed) = (BTreeSet::new(), BTreeSet::new());
        let mut done = Done::default();
        let mut days = interval(TWICE_A_DAY);
        let mut again = interval(AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut anew = interval(ANEW);
        anew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // All are ready at once when they are made.
        days.tick().await;
        again.tick().await;
        anew.tick().await;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                Some(new) = news.recv() => drop(due.insert(new)),
                _ = days.tick() => drop(due.insert(Due::Leftovers)),
                _ = again.tick(), if !due.is_empty() => {}
                _ = anew.tick() => due.extend(failed.iter().cloned()),
            }
            while let Ok(new) = news.try_recv() {
                due.insert(new);
            }
            for one in std::mem::take(&mut due) {
                if self.stop.is_cancelled() {
                    return;
                }
                match self.one(&one, &mut done).await {
                    Some(ErrorKind::Locked) => drop(due.insert(one)),
                    None => drop(failed.remove(&one)),
                    // There is nothing before the first backup; what failed before still has to be.
                    Some(ErrorKind::NotFound | ErrorKind::Cancelled) => {}
                    Some(_) => drop(failed.insert(one)),
                }
            }
        }
    }

    /// Prunes once. The error's kind if it did not come to its end.
    async fn one(&self, due: &Due, done: &mut Done) -> Option<ErrorKind> {
        let world = self.worlds.now();
        let rules = match due {
            Due::Policy(name) => {
                // It may have been removed meanwhile.
                let policy = world.settings.policies.get(name)?;
                Some(PolicyRules::of(policy, world.context.clock.now()))
            }
            Due::Leftovers if done.pruned.is_some_and(|at| at.elapsed() < LEFTOVERS_EVERY) => {
                return None;
            }
            Due::Leftovers => None,
        };
        let request = PruneRequest {
            prune: Prune::Apply,
            policies: rules.into_iter().collect(),
            all_policies: false,
            allow: BTreeSet::new(),
            sweeping: sweeping(&world, done.swept),
        };
        let name = if let Due::Policy(name) = due { name.as_str() } else { "" };
        let report = self.prune(&world, name, (request, &mut done.told)).await;
        self.changed.notify_one();
        match report {
            Ok(swept) => {
                done.pruned = Some(Instant::now());
                done.swept = if swept { done.pruned } else { done.swept };
                None
            }
            Err(kind) => Some(kind),
        }
    }

    /// One prune, told of. Whether files of no backup were looked for.
    async fn prune(
        &self,
        world: &World,
        policy: &str,
        (request, before): (PruneRequest, &mut Told),
    ) -> Result<bool, ErrorKind> {
        let context = JobContext { cancel: self.stop.clone(), ..world.context.clone() };
        let started_at = context.clock.now();
        self.metrics.run_started(policy, RunKind::Prune, started_at);
        let events = self.besides.begin(begun(policy)).await;
        let work = async {
            let staging = self.setup.staging(&world.settings.config, &context).await?;
            job::run_prune(&context, staging.as_ref(), request).await
        };
        let done: JobResult<_> = timeout(PATIENCE, work.boxed()).await.unwrap_or_else(|_| {
            let message = format!("it took longer than {} h", PATIENCE.as_secs() / 3600);
            Err(JobError::new(ErrorKind::Failed, message))
        });
        let (outcome, ended_at) = (told(policy, &done, before), context.clock.now());
        events.end(None, &end(&done, outcome, ended_at), ended_at).await;
        self.metrics.pruned(policy, &facts(&done));
        self.sight.pruned(policy, shown(&done, outcome));
        self.metrics.run_ended(&RunFacts {
            policy: policy.to_owned(),
            kind: RunKind::Prune,
            outcome,
            started_at,
            ended_at,
            stages: Vec::new(),
            backup: None,
        });
        done.map(|report| report.swept).map_err(|error| error.kind())
    }
}

fn begun(policy: &str) -> Begun<'_> {
    let trigger = if policy.is_empty() { "upkeep" } else { "after_backup" };
    Begun { kind: RunKind::Prune, policy, backup: None, trigger, job: None }
}

/// Whether it is time again to look for files of no backup. A short grace wants them sooner.
fn sweeping(world: &World, swept: Option<Instant>) -> Sweeping {
    let grace = world.context.retention.orphan_grace.unsigned_abs();
    let every = SWEEP_EVERY.min(grace / 2);
    let due = swept.is_none_or(|at| at.elapsed() >= every);
    if due { Sweeping::Yes } else { Sweeping::No }
}
