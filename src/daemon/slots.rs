//! Which slots of drills and scheduled verifications are due.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::memory::unusable;
use crate::job::{JobResult, Journal, PolicyMemory};
use crate::model::Clock;
use crate::policy::{Missed, Schedule};

/// A slot this far in the future was dealt with under a clock that was wrong.
const INCREDIBLE: SignedDuration = SignedDuration::from_mins(10);

/// A clock that goes back by less was set right a little.
const SET_BACK: SignedDuration = SignedDuration::from_secs(2);

/// A slot that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DueSlot {
    /// The first that nobody has dealt with: this one, unless some were missed.
    pub(super) from: Timestamp,
    pub(super) slot: Timestamp,
}

/// What the journal knows of the slots of these schedules. In it they are policies of a name
/// that no policy can have, such as `nightly verify`.
#[derive(Debug)]
pub(super) struct Slots {
    journal: Journal,
    clock: Arc<dyn Clock>,
    memory: HashMap<String, PolicyMemory>,
    /// Before this moment nothing is due, as long as the policies are the same.
    next: HashMap<String, Timestamp>,
    looked_at: Option<Timestamp>,
}

impl Slots {
    pub(super) fn new(journal: Journal, clock: Arc<dyn Clock>) -> Self {
        let (memory, next) = (HashMap::new(), HashMap::new());
        Self { journal, clock, memory, next, looked_at: None }
    }

    /// The policies are others now.
    pub(super) fn forget(&mut self) {
        self.memory.clear();
        self.next.clear();
    }

    /// The slot of a schedule that is due now: the newest, however many have passed. While its
    /// policy is paused, slots pass.
    pub(super) async fn due(
        &mut self,
        name: &str,
        (schedule, is_paused): (&Schedule, bool),
    ) -> JobResult<Option<DueSlot>> {
        let now = self.clock.now();
        if self.looked_at.replace(now).is_some_and(|then| then.duration_since(now) > SET_BACK) {
            self.forget();
        }
        if self.next.get(name).is_some_and(|next| now < *next) {
            return Ok(None);
        }
        let last = self.last(name, schedule, now).await?;
        let next = match schedule.missed(last, now) {
            Missed::CatchUp(slot) if !is_paused => {
                let from = schedule.next_after(last).unwrap_or(slot);
                return Ok(Some(DueSlot { from, slot }));
            }
            Missed::CatchUp(slot) => {
                self.dealt_with(name, slot).await?;
                schedule.next_after(now)
            }
            Missed::NextIsNear { next, .. } => Some(next),
            Missed::None | Missed::TooOld { .. } => schedule.next_after(now),
        };
        self.next.extend(next.map(|next| (name.to_owned(), next)));
        Ok(None)
    }

    /// Notes that a slot and those before it need nothing any more.
    pub(super) async fn dealt_with(&mut self, name: &str, slot: Timestamp) -> JobResult<()> {
        if let Some(memory) = self.memory.get_mut(name) {
            memory.last_slot = Some(slot);
        }
        let (name, now) = (name.to_owned(), self.clock.now());
        let noted = self.journal.on_disk(move |journal| journal.pass_over(&name, slot, now)).await;
        noted.map_err(|error| unusable(&error))
    }

    /// The newest slot that needs nothing any more: none before the schedule was first seen.
    async fn last(
        &mut self,
        name: &str,
        schedule: &Schedule,
        now: Timestamp,
    ) -> JobResult<Timestamp> {
        let memory = self.remembered(name, now).await?;
        let written = format!("{schedule} {}", schedule.zone_name());
        if memory.schedule.as_ref() != Some(&written) {
            let (key, text) = (name.to_owned(), written.clone());
            let noted =
                self.journal.on_disk(move |journal| journal.reschedule(&key, &text, now)).await;
            noted.map_err(|error| unusable(&error))?;
            let memory = PolicyMemory { last_slot: Some(now), schedule: Some(written), ..memory };
            self.memory.insert(name.to_owned(), memory);
            return Ok(now);
        }
        let last = memory.last_slot.unwrap_or(memory.first_seen);
        Ok(if last.duration_since(now) < INCREDIBLE { last } else { now })
    }

    async fn remembered(&mut self, name: &str, now: Timestamp) -> JobResult<PolicyMemory> {
        if let Some(memory) = self.memory.get(name) {
            return Ok(memory.clone());
        }
        let key = name.to_owned();
        let memory = self.journal.on_disk(move |journal| journal.policy(&key, now)).await;
        let memory = memory.map_err(|error| unusable(&error))?;
        self.memory.insert(name.to_owned(), memory.clone());
        Ok(memory)
    }
}
