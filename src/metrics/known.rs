//! What was told of a policy, for those who show it in words.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::{RunKind, RunOutcome};

use super::{DrillFacts, Metrics, ReadingFacts};

/// What is known of one policy, besides its backups.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KnownFacts {
    /// Its next slot.
    pub next_run: Option<Timestamp>,
    /// When the newest run of each kind ended, and how.
    pub ended: BTreeMap<RunKind, (Timestamp, RunOutcome)>,
    /// Whether the newest prune could not delete something, or was refused by a guard that does
    /// not give way by itself.
    pub prune_held: bool,
    /// Its drills.
    pub drills: Option<DrillFacts>,
    /// Its scheduled verifications.
    pub readings: Option<ReadingFacts>,
}

impl Metrics {
    /// What the gauges of a policy were set by.
    pub fn known(&self, policy: &str) -> KnownFacts {
        let state = self.state();
        let ended = |kind: &RunKind| {
            let ended = state.ended.get(&(policy.to_owned(), *kind))?;
            Some((*kind, ended.completion?))
        };
        KnownFacts {
            prune_held: state.held.contains(policy),
            next_run: state.next.get(policy).copied(),
            ended: RunKind::ALL.iter().filter_map(ended).collect(),
            drills: state.drills.get(policy).cloned(),
            readings: state.readings.get(policy).cloned(),
        }
    }
}
