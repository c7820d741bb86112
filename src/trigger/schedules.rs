//! Looks at every schedule and hands over what is due.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::job::{
    Busy, Cause, JobError, JobRequest, Journal, JournalError, PolicyMemory, RunnerHandle,
    SubmitError, Submitted,
};
use crate::metrics::{Metrics, MissReason, TriggerSource};
use crate::model::{BackupName, Clock, ErrorKind};
use crate::policy::{Missed, Overlap, Policy, PolicySet, Schedule};

/// What starts this much after its slot is no catch-up: ticks and a busy machine.
const PUNCTUAL: SignedDuration = SignedDuration::from_secs(5);

/// A slot this far in the future was dealt with under a clock that was wrong. Going on from
/// now makes no backup twice: that of a slot has the name of the slot.
const INCREDIBLE: SignedDuration = SignedDuration::from_mins(10);

/// A clock that goes back by less was set right a little.
const SET_BACK: SignedDuration = SignedDuration::from_secs(2);

/// Turns the schedules of policies into jobs.
#[derive(Debug)]
pub struct Schedules {
    runner: RunnerHandle,
    journal: Journal,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    /// What the journal remembers of the policies that were looked at.
    memory: HashMap<String, PolicyMemory>,
    /// Before this moment nothing is due, as long as the policies are the same.
    next: HashMap<String, Timestamp>,
    /// The moment of the last look.
    looked_at: Option<Timestamp>,
}

/// What to do about a policy now.
enum Due {
    Nothing,
    /// Hand over a job for this slot; so many before it get none.
    Run {
        slot: Timestamp,
        missed: u64,
    },
    /// So many slots get no run.
    PassOver {
        missed: u64,
        reason: MissReason,
    },
}

impl Schedules {
    /// Looks at nothing yet.
    pub fn new(
        runner: RunnerHandle,
        journal: Journal,
        metrics: Metrics,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (memory, next) = (HashMap::new(), HashMap::new());
        Self { runner, journal, metrics, clock, memory, next, looked_at: None }
    }

    /// The policies are others now.
    pub fn forget(&mut self) {
        self.memory.clear();
        self.next.clear();
    }

    /// One look at every policy. What fails is logged, and tried again at the next look.
    pub async fn look(&mut self, policies: &PolicySet) {
        let now = self.clock.now();
        if self.looked_at.replace(now).is_some_and(|then| then.duration_since(now) > SET_BACK) {
            tracing::warn!("the clock was set back; looking at every schedule anew");
            self.forget();
        }
        for policy in policies.iter() {
            if let Err(error) = self.look_at(policy).await {
                let error = JobError::new(ErrorKind::Failed, format!("{error}: {}", cause(&error)));
                tracing::error!(policy = %policy.name, %error, "a slot cannot be dealt with yet");
            }
        }
    }

    async fn look_at(&mut self, policy: &Policy) -> Result<(), SubmitError> {
        let name = policy.name.as_str();
        let Some(schedule) = &policy.schedule else {
            self.metrics.next_run(name, None);
            return Ok(());
        };
        let now = self.clock.now();
        if self.next.get(name).is_some_and(|next| now < *next) {
            return Ok(());
        }
        let last = self.last_slot(name, schedule, now).await?;
        match due(schedule, policy.paused, last, now) {
            Due::Nothing => {}
            Due::Run { slot, missed } => {
                self.run(policy, schedule.overlap(), slot, now).await?;
                self.missed(name, MissReason::Down, missed);
            }
            Due::PassOver { missed, reason } => {
                let policy = name.to_owned();
                self.journal.on_disk(move |journal| journal.pass_over(&policy, now, now)).await?;
                self.dealt_with(name, now);
                self.missed(name, reason, missed);
            }
        }
        let next = schedule.next_after(now);
        self.metrics.next_run(name, next.filter(|_| !policy.paused));
        self.next.extend(next.map(|next| (name.to_owned(), next)));
        Ok(())
    }

    async fn run(
        &mut self,
        policy: &Policy,
        overlap: Overlap,
        slot: Timestamp,
        now: Timestamp,
    ) -> Result<(), SubmitError> {
        let name = policy.name.as_str();
        let busy = match overlap {
            Overlap::Skip => Busy::Skip,
            Overlap::Queue => Busy::Queue,
            Overlap::Replace => Busy::Replace,
        };
        let late = now.duration_since(slot) > PUNCTUAL;
        let (cause, source) = if late {
            (Cause::CatchUp { slot }, TriggerSource::Catchup)
        } else {
            (Cause::Schedule { slot }, TriggerSource::Cron)
        };
        let (backup, requesters) = (backup_name(policy, slot), Vec::new());
        let request = JobRequest { policy: name.to_owned(), cause, backup, requesters };
        let submitted = self.runner.submit(request, busy).await?;
        self.dealt_with(name, slot);
        self.metrics.trigger(name, source);
        if let Submitted::Skipped(job) = submitted {
            tracing::warn!(policy = name, %slot, %job, "a slot is skipped, the run before is at work");
            self.metrics.schedule_missed(name, MissReason::Overlap, 1);
        }
        Ok(())
    }

    fn missed(&self, policy: &str, reason: MissReason, slots: u64) {
        if slots == 0 {
            return;
        }
        if reason != MissReason::Disabled {
            tracing::warn!(policy, slots, reason = reason.as_str(), "slots passed without a run");
        }
        self.metrics.schedule_missed(policy, reason, slots);
    }

    fn dealt_with(&mut self, policy: &str, slot: Timestamp) {
        if let Some(memory) = self.memory.get_mut(policy) {
            memory.last_slot = Some(slot);
        }
    }

    /// The newest slot that needs nothing any more: none before the policy was first seen, or
    /// had another schedule.
    async fn last_slot(
        &mut self,
        policy: &str,
        schedule: &Schedule,
        now: Timestamp,
    ) -> Result<Timestamp, JournalError> {
        let memory = self.remembered(policy).await?;
        let written = format!("{schedule} {}", schedule.zone_name());
        if memory.schedule.as_ref() != Some(&written) {
            let (name, text) = (policy.to_owned(), written.clone());
            self.journal.on_disk(move |journal| journal.reschedule(&name, &text, now)).await?;
            self.dealt_with(policy, now);
            if let Some(memory) = self.memory.get_mut(policy) {
                memory.schedule = Some(written);
            }
            return Ok(now);
        }
        let last = memory.last_slot.unwrap_or(memory.first_seen);
        if last.duration_since(now) < INCREDIBLE {
            return Ok(last);
        }
        tracing::warn!(policy, %last, "the clock was ahead when a slot was dealt with; going on from now");
        self.dealt_with(policy, now);
        Ok(now)
    }

    async fn remembered(&mut self, policy: &str) -> Result<PolicyMemory, JournalError> {
        if let Some(memory) = self.memory.get(policy) {
            return Ok(memory.clone());
        }
        let (name, now) = (policy.to_owned(), self.clock.now());
        let memory = self.journal.on_disk(move |journal| journal.policy(&name, now)).await?;
        self.memory.insert(policy.to_owned(), memory.clone());
        Ok(memory)
    }
}

/// Decides, from the schedule and the last slot that was dealt with.
fn due(schedule: &Schedule, paused: bool, last: Timestamp, now: Timestamp) -> Due {
    let slots = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let until = |end: Timestamp| {
        let before = schedule.fires_after(last).take_while(|slot| *slot < end);
        slots(before.take(COUNTED).count())
    };
    let run = |slot| Due::Run { slot, missed: until(slot) };
    if schedule.next_after(last).is_none_or(|slot| slot > now) {
        return Due::Nothing;
    }
    if paused {
        let missed = until(now).max(1);
        return Due::PassOver { missed, reason: MissReason::Disabled };
    }
    // A slot of this moment is no missed one, whatever `catch_up` says.
    let moment = now.checked_sub(PUNCTUAL).unwrap_or(last).max(last);
    if let Some(slot) = schedule.fires_after(moment).take_while(|slot| *slot <= now).last() {
        return run(slot);
    }
    match schedule.missed(last, now) {
        Missed::CatchUp(slot) => run(slot),
        Missed::TooOld { count } => {
            Due::PassOver { missed: slots(count), reason: MissReason::Down }
        }
        // The next slot counts those that were missed.
        Missed::None | Missed::NextIsNear { .. } => Due::Nothing,
    }
}

/// How far missed slots are counted.
const COUNTED: usize = 1000;

/// The name of the backup of a slot: the same for whoever makes it.
fn backup_name(policy: &Policy, slot: Timestamp) -> BackupName {
    let name = format!("{}_{}", policy.name.backup_prefix(), slot.strftime("%Y%m%d_%H%M%S"));
    BackupName::new(name).expect("the name of a policy leaves room for the time")
}

fn cause(error: &dyn std::error::Error) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}
