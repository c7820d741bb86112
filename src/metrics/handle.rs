//! The handle that everything records in.

use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use prometheus::core::{MetricVec, MetricVecBuilder};
use prometheus::process_collector::ProcessCollector;
use prometheus::{IntGaugeVec, Registry, TextEncoder};

use crate::model::{Guard, RunKind, RunOutcome};

use super::families::Families;
use super::state::State;
use super::{Direction, GcCall, LeaseScope, PruneFailure, TriggerSource, VerifyResult};

/// What runs outside any policy do.
const WITHOUT_POLICY: [RunKind; 5] =
    [RunKind::Backup, RunKind::Prune, RunKind::Verify, RunKind::Drill, RunKind::Restore];

/// The metrics of one process; clones are the same metrics.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    families: Families,
    ours: Registry,
    process: Registry,
    state: Mutex<State>,
}

impl Default for Metrics {
    fn default() -> Self {
        let (ours, process) = (Registry::new(), Registry::new());
        let collector = Box::new(ProcessCollector::for_self());
        process.register(collector).expect("it is the only one");
        let families = Families::register(&ours);
        let metrics = Self(Arc::new(Inner { families, ours, process, state: Mutex::default() }));
        metrics.begin();
        metrics
    }
}

impl Metrics {
    /// The text that a scrape gets: our families and the process's own.
    pub fn render(&self) -> String {
        self.render_families() + &encode(&self.0.process)
    }

    /// Our families alone.
    pub(super) fn render_families(&self) -> String {
        // No scrape falls between two gauges of one event.
        let _state = self.state();
        encode(&self.0.ours)
    }

    /// What is there from the start.
    fn begin(&self) {
        let families = self.families();
        let revision = option_env!("MBA_REVISION").unwrap_or("unknown");
        set(&families.build_info, &[env!("CARGO_PKG_VERSION"), revision], 1_u64);
        for kind in WITHOUT_POLICY {
            self.count_from_zero("", kind);
        }
        for source in [TriggerSource::Cli, TriggerSource::Api] {
            families.triggers_total.with_label_values(&["", source.as_str()]);
        }
        for direction in Direction::ALL {
            families.transferred_bytes_total.with_label_values(&[direction.as_str()]);
        }
        for result in VerifyResult::ALL {
            families.verify_objects_total.with_label_values(&[result.as_str()]);
        }
        for reason in PruneFailure::ALL {
            families.prune_errors_total.with_label_values(&[reason.as_str()]);
        }
        for guard in Guard::ALL {
            families.prune_refused_total.with_label_values(&[guard.as_str()]);
        }
        // They have no labels, and so are there from the start.
        families.prune_deleted_backups_total.with_label_values(&[] as &[&str]);
        families.prune_deleted_bytes_total.with_label_values(&[] as &[&str]);
        for scope in LeaseScope::ALL {
            families.lease_held.with_label_values(&[scope.as_str()]);
        }
        families.lease_takeovers_total.with_label_values(&[] as &[&str]);
        for call in GcCall::ALL {
            families.gc_pause_failures_total.with_label_values(&[call.as_str()]);
        }
    }

    /// The counters of what runs of a kind do, so that the first of them is an increase.
    pub(super) fn count_from_zero(&self, policy: &str, kind: RunKind) {
        let families = self.families();
        for outcome in RunOutcome::ALL {
            let labels = &[policy, kind.as_str(), outcome.as_str()];
            families.runs_total.with_label_values(labels);
        }
        families.run_duration_seconds.with_label_values(&[policy, kind.as_str()]);
    }

    pub(super) fn families(&self) -> &Families {
        &self.0.families
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("no holder of this lock panics")
    }
}

fn encode(registry: &Registry) -> String {
    TextEncoder::new().encode_to_string(&registry.gather()).expect("text is written to memory")
}

/// Sets a gauge.
pub(super) fn set(gauges: &IntGaugeVec, labels: &[&str], value: impl TryInto<i64>) {
    gauges.with_label_values(labels).set(value.try_into().unwrap_or(i64::MAX));
}

/// Sets a gauge, or takes it away where there is nothing to tell.
pub(super) fn set_if_any(gauges: &IntGaugeVec, labels: &[&str], value: Option<impl TryInto<i64>>) {
    match value {
        Some(value) => set(gauges, labels, value),
        None => unset(gauges, labels),
    }
}

/// Takes a gauge away.
pub(super) fn unset<B: MetricVecBuilder>(vector: &MetricVec<B>, labels: &[&str]) {
    drop(vector.remove_label_values(labels));
}

/// A moment, in whole seconds.
pub(super) fn seconds(at: Timestamp) -> i64 {
    at.as_second()
}
