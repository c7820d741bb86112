//! What the gauges are derived from.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::{RunKind, RunOutcome};

use super::{CatalogFacts, DrillFacts, GcScope, ReadingFacts};

/// A policy and what it does.
pub(super) type RunKey = (String, RunKind);

/// Guarded by one lock, which a scrape takes too.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The names of the configured policies.
    pub(super) policies: BTreeSet<String>,
    /// The newest view of the repository, for policies that come later.
    pub(super) catalog: Option<CatalogFacts>,
    /// What is known of runs that ended.
    pub(super) ended: BTreeMap<RunKey, Ended>,
    /// How many runs are at work.
    pub(super) running: BTreeMap<RunKey, u32>,
    /// The next slot of each policy that has one.
    pub(super) next: BTreeMap<String, Timestamp>,
    /// What is known of each policy's drills.
    pub(super) drills: BTreeMap<String, DrillFacts>,
    /// The same of scheduled verifications.
    pub(super) readings: BTreeMap<String, ReadingFacts>,
    /// The policies whose newest prune held something back, or could not delete it.
    pub(super) held: BTreeSet<String>,
    /// How many pauses are held.
    pub(super) pauses: BTreeMap<GcScope, u32>,
}

/// The newest ends of one policy's runs of one kind.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ended {
    /// Of those that were complete.
    pub(super) success: Option<Timestamp>,
    /// Of all.
    pub(super) completion: Option<(Timestamp, RunOutcome)>,
}

impl State {
    /// Forgets what is known of policies that are gone.
    pub(super) fn keep_known(&mut self) {
        let Self { policies, ended, running, next, drills, readings, held, .. } = self;
        ended.retain(|(policy, _), _| policy.is_empty() || policies.contains(policy));
        running.retain(|(policy, _), _| policy.is_empty() || policies.contains(policy));
        next.retain(|policy, _| policies.contains(policy));
        drills.retain(|policy, _| policies.contains(policy));
        readings.retain(|policy, _| policies.contains(policy));
        held.retain(|policy| policy.is_empty() || policies.contains(policy));
    }

    /// Whether events of the policy are recorded.
    pub(super) fn knows(&self, policy: &str) -> bool {
        policy.is_empty() || self.policies.contains(policy)
    }
}

impl Ended {
    /// Whether a run that ended then is the newest.
    pub(super) fn is_newest(&self, at: Timestamp) -> bool {
        self.completion.is_none_or(|(known, _)| known <= at)
    }
}
