//! What was told of a policy, for those who show it in words.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::{Guard, RunKind, RunOutcome};

use super::{DrillFacts, Metrics, PruneFailure, ReadingFacts};

/// Guards that hold until somebody has looked.
const LASTING: [Guard; 3] = [Guard::CatalogIncomplete, Guard::Clock, Guard::MassDelete];

/// What is known of one policy, besides its backups.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KnownFacts {
    /// Its next slot.
    pub next_run: Option<Timestamp>,
    /// When the newest run of each kind ended, and how.
    pub ended: BTreeMap<RunKind, (Timestamp, RunOutcome)>,
    /// Whether a prune of this process could not delete something, or was refused by a guard that
    /// does not give way by itself.
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
            prune_held: self.prune_held(),
            next_run: state.next.get(policy).copied(),
            ended: RunKind::ALL.iter().filter_map(ended).collect(),
            drills: state.drills.get(policy).cloned(),
            readings: state.readings.get(policy).cloned(),
        }
    }

    fn prune_held(&self) -> bool {
        let families = self.families();
        let refused = LASTING
            .iter()
            .map(|guard| families.prune_refused_total.with_label_values(&[guard.as_str()]).get());
        let failed = PruneFailure::ALL
            .iter()
            .map(|reason| families.prune_errors_total.with_label_values(&[reason.as_str()]).get());
        refused.chain(failed).any(|count| count > 0)
    }
}
