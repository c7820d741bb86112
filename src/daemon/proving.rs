//! Drills and scheduled verifications: one at a time, beside backups, none of which waits.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::besides::{Begun, Besides};
use super::driller::Driller;
use super::proof::{self, Proof};
use super::proven::{Proven, schedule};
use super::sight::{ProofAtWork, Sight};
use super::slots::{DueSlot, Slots};
use super::watched::{Limits, watched};
use super::world::{World, Worlds};
use crate::job::{self, JobContext, JobResult, ListRow, RunnerHandle, Sizes};
use crate::metrics::{Metrics, RunFacts, RunProgress};
use crate::model::{BackupName, BackupState, ErrorKind, RunKind, RunOutcome};
use crate::plan::Turn;
use crate::policy::{Policy, Reread, Schedule};
use crate::transfer::Progress;

/// Between two looks at the schedules, whose slots are whole minutes.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How often what is known is told anew: others may know more, and slots come nearer.
const TELL_EVERY: Duration = Duration::from_mins(5);

/// When what killed drills have left is looked for first: by then their leases are dead.
const CLEAN_AFTER: Duration = Duration::from_secs(40);

/// And how often after that.
const CLEAN_EVERY: Duration = Duration::from_hours(12);

/// How soon where that failed.
const CLEAN_AGAIN: Duration = Duration::from_mins(10);

/// How long a drill may take whose policy has no timeout.
const LONGEST_DRILL: Duration = Duration::from_hours(24);

/// How long it may take to write down that a drill failed, also when the agent stops.
const PATIENCE: Duration = Duration::from_secs(8);

/// The kinds of runs, in the order in which they are looked at.
const KINDS: [RunKind; 2] = [RunKind::Verify, RunKind::Drill];

/// Sees to the schedules of `verify`.
#[derive(Debug)]
pub(super) struct Proving {
    pub(super) worlds: Worlds,
    pub(super) metrics: Metrics,
    pub(super) sight: Sight,
    pub(super) besides: Besides,
    pub(super) runner: RunnerHandle,
    pub(super) driller: Arc<dyn Driller>,
    pub(super) slots: Slots,
    pub(super) proven: Proven,
    /// Told when the repository has changed.
    pub(super) changed: Arc<Notify>,
    pub(super) stop: CancellationToken,
}

/// What the loop keeps in mind.
#[derive(Debug)]
struct Mind {
    /// Schedules without a backup, which was said.
    without: HashSet<String>,
    /// When to look for what drills have left.
    clean_at: Instant,
    /// Why slots cannot be looked at, as it was last said.
    said: Option<String>,
}

/// A run that is due.
#[derive(Debug)]
struct Due {
    policy: Policy,
    kind: RunKind,
    slot: DueSlot,
}

impl Proving {
    /// Tells what is known.
    pub(super) async fn tell(&mut self) {
        self.proven.tell(&self.worlds.now(), &self.metrics).boxed().await;
    }

    /// Sees to slots until it is told to stop.
    pub(super) async fn go_on(mut self) {
        let stop = self.stop.clone();
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut told, clean_at) = (Instant::now(), Instant::now() + CLEAN_AFTER);
        let mut seen = self.worlds.now();
        let mut mind = Mind { without: HashSet::new(), clean_at, said: None };
        while stop.run_until_cancelled(looks.tick()).await.is_some() {
            let world = self.worlds.now();
            let is_other = !Arc::ptr_eq(&seen, &world);
            if is_other {
                self.slots.forget();
                seen = Arc::clone(&world);
            }
            if is_other || told.elapsed() >= TELL_EVERY {
                stop.run_until_cancelled(self.tell()).await;
                told = Instant::now();
            }
            if Instant::now() >= mind.clean_at {
                mind.clean_at = Instant::now() + self.clean(&world).boxed().await;
            }
            let Some(due) = self.next_due(&world, &mut mind.said).boxed().await else { continue };
            if self.see_to(&world, due, &mut mind).boxed().await {
                self.changed.notify_one();
                stop.run_until_cancelled(self.tell()).await;
            }
        }
    }

    /// The oldest slot that is due and in nobody's way.
    async fn next_due(&mut self, world: &World, said: &mut Option<String>) -> Option<Due> {
        let (mut found, mut failed): (Option<Due>, Option<String>) = (None, None);
        for policy in world.settings.policies.iter() {
            for kind in KINDS {
                let Some(schedule) = schedule(policy, kind) else { continue };
                let name = slots_of(policy, kind);
                let slot = match self.slots.due(&name, (schedule, policy.paused)).await {
                    Ok(Some(slot)) => slot,
                    Ok(None) => continue,
                    Err(error) => {
                        failed.get_or_insert_with(|| error.chain());
                        continue;
                    }
                };
                let older = found.as_ref().is_none_or(|found| slot.slot < found.slot.slot);
                if older && !self.is_backed_up(policy) {
                    found = Some(Due { policy: policy.clone(), kind, slot });
                }
            }
        }
        if let Some(error) = failed.as_ref().filter(|_| failed != *said) {
            tracing::error!(error, "slots of drills and verifications cannot be looked at");
        }
        *said = failed;
        found
    }

    /// Whether a backup of the policy is at work.
    fn is_backed_up(&self, policy: &Policy) -> bool {
        self.runner.active().iter().any(|run| run.job.policy == policy.name.as_str())
    }

    /// Makes the run of a slot, if there is anything to look at. Whether there was one.
    async fn see_to(&mut self, world: &World, due: Due, mind: &mut Mind) -> bool {
        let name = slots_of(&due.policy, due.kind);
        let listing = job::run_list(&world.context, Sizes::Known);
        let stop = self.stop.clone();
        let Some(rows) = stop.run_until_cancelled(listing).await else { return false };
        let target = target(&due, world, rows);
        let has_none = matches!(target, Ok(Target::Nothing));
        if has_none && mind.without.insert(name.clone()) {
            let (policy, kind) = (&due.policy.name, due.kind);
            tracing::info!(%policy, "no {kind} yet: the policy has no backup for one");
        }
        let mut is_cancelled = false;
        if !has_none {
            let (outcome, has_left) = self.run(world, &due, target).await;
            is_cancelled = outcome == RunOutcome::Cancelled;
            if has_left {
                mind.clean_at = mind.clean_at.min(Instant::now() + CLEAN_AFTER);
            }
        }
        // What was stopped with the agent is made up for when it is back.
        if !is_cancelled && let Err(error) = self.slots.dealt_with(&name, due.slot.slot).await {
            tracing::error!(policy = %due.policy.name, error = %error.chain(), "a slot is not noted");
        }
        !has_none
    }

    /// One run, told of, and whether it may have left something.
    async fn run(&self, world: &World, due: &Due, target: JobResult<Target>) -> (RunOutcome, bool) {
        let (name, kind) = (due.policy.name.as_str(), due.kind);
        let context = JobContext {
            cancel: self.stop.child_token(),
            progress: Arc::new(Progress::default()),
            ..world.context.clone()
        };
        let started_at = context.clock.now();
        self.metrics.run_started(name, kind, started_at);
        let backup = match &target {
            Ok(Target::One(backup)) => Some(backup.clone()),
            Ok(Target::Nothing | Target::All) | Err(_) => None,
        };
        let backup_name = backup.as_ref().map(BackupName::as_str);
        let begun =
            Begun { kind, policy: name, backup: backup_name, trigger: "schedule", job: None };
        let events = self.besides.begin(begun).await;
        tracing::info!(policy = name, backup = backup_name, slot = %due.slot.slot, "{kind} begins");
        let done = match target {
            Ok(target) => {
                let limits = Limits::of(&due.policy, kind, LONGEST_DRILL);
                let work = self.work(world, &context, (due, target)).boxed();
                let tell = self.telling((name, kind), backup.as_ref(), (&context, started_at));
                let done = watched(work, (&context, limits, &self.stop), tell).await;
                self.sight.proves(None);
                done
            }
            Err(error) => Err(error),
        };
        let ended_at = context.clock.now();
        let (outcome, end) = proof::told((name, kind), &done, ended_at);
        events.end(None, &end, ended_at).await;
        if let Ok(Proof::Reread(report)) = &done {
            self.metrics.reread(name, report.facts(), ended_at);
        }
        self.metrics.run_ended(&RunFacts {
            policy: name.to_owned(),
            kind,
            outcome,
            started_at,
            ended_at,
            stages: Vec::new(),
            backup: None,
        });
        let has_left = backup.is_some() && done.is_err();
        if let (Some(backup), Err(error), RunOutcome::Failed) = (&backup, &done, outcome) {
            let of = (&due.policy.name, backup);
            let failed = job::drill_failed(&world.context, of, (started_at, error)).boxed();
            if timeout(PATIENCE, failed).await.is_err() {
                tracing::warn!(policy = name, "that the drill failed is not written down in time");
            }
        }
        (outcome, has_left)
    }

    /// What is told of a run as long as it is at work.
    fn telling(
        &self,
        (policy, kind): (&str, RunKind),
        backup: Option<&BackupName>,
        (context, since): (&JobContext, Timestamp),
    ) -> impl Fn(RunProgress) {
        let (metrics, sight) = (self.metrics.clone(), self.sight.clone());
        let proof = ProofAtWork {
            policy: policy.to_owned(),
            kind,
            backup: backup.map(ToString::to_string),
            since,
            moved_at: since,
            progress: Arc::clone(&context.progress),
        };
        move |progress| {
            metrics.run_progressed(&proof.policy, kind, progress);
            sight.proves(Some(ProofAtWork { moved_at: progress.moved_at, ..proof.clone() }));
        }
    }

    async fn work(
        &self,
        world: &World,
        context: &JobContext,
        (due, target): (&Due, Target),
    ) -> JobResult<Proof> {
        match (target, &due.policy.reread) {
            (Target::One(backup), _) => {
                Ok(Proof::Drill(self.driller.drill(world, context, &backup).await?))
            }
            (Target::All, Some(reread)) => {
                let turn = turn(reread, due.slot);
                let report = job::run_scheduled_verify(context, &due.policy.name, turn).await?;
                Ok(Proof::Reread(report))
            }
            (Target::All | Target::Nothing, _) => {
                unreachable!("who has nothing to look at has no run")
            }
        }
    }

    /// Drops what drills have left that were killed; when that is to be looked for again.
    async fn clean(&self, world: &World) -> Duration {
        let context = JobContext { cancel: self.stop.clone(), ..world.context.clone() };
        let cleaning = self.driller.clean(world, &context);
        match self.stop.run_until_cancelled(cleaning).await {
            Some(Ok(dropped)) => {
                for what in dropped {
                    tracing::info!(what, "left by a drill that was killed, and dropped");
                }
                CLEAN_EVERY
            }
            Some(Err(error)) if error.kind() == ErrorKind::NotFound => CLEAN_EVERY,
            Some(Err(error)) => {
                tracing::warn!(error = %error.chain(), "what drills have left cannot be dropped yet");
                CLEAN_AGAIN
            }
            None => CLEAN_EVERY,
        }
    }
}

/// Under which name the slots of a schedule are known.
fn slots_of(policy: &Policy, kind: RunKind) -> String {
    format!("{} {kind}", policy.name)
}

/// What a run is about.
#[derive(Debug)]
enum Target {
    /// There is nothing yet.
    Nothing,
    /// All backups of the policy are read.
    All,
    /// This one is restored.
    One(BackupName),
}

/// Of a drill the newest complete backup.
fn target(due: &Due, world: &World, rows: JobResult<Vec<ListRow>>) -> JobResult<Target> {
    let rows = match rows {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Target::Nothing),
        rows => rows?,
    };
    let (cluster, policy) = (world.context.cluster.as_str(), due.policy.name.as_str());
    let mut ours = rows.iter().filter(|row| row.cluster == cluster && row.policy == policy);
    if due.kind == RunKind::Drill {
        let newest = ours.rfind(|row| row.state == BackupState::Complete);
        let name = newest.and_then(|row| BackupName::new(row.name.as_str()).ok());
        return Ok(name.map_or(Target::Nothing, Target::One));
    }
    let committed = [BackupState::Complete, BackupState::Partial, BackupState::Suspect];
    let any = ours.any(|row| committed.contains(&row.state));
    Ok(if any { Target::All } else { Target::Nothing })
}

/// The turn of a slot.
fn turn(Reread { schedule, within }: &Reread, DueSlot { from, slot }: DueSlot) -> Turn {
    let after = |at: Timestamp, schedule: &Schedule| {
        // At the end of time there is no next slot.
        schedule.next_after(at).or_else(|| at.checked_add(*within).ok()).unwrap_or(Timestamp::MAX)
    };
    let next = after(slot, schedule);
    Turn { from, slot, next, after_next: after(next, schedule), within: *within }
}
