//! Every family, in the order in which they are documented.

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
};

/// What every name starts with.
const PREFIX: &str = "milvus_backup_";

/// The bounds of runs: seconds for a handful of collections, hours for terabytes.
const RUN_SECONDS: &[f64] =
    &[10., 30., 60., 120., 300., 600., 1_800., 3_600., 7_200., 14_400., 28_800., 86_400.];

/// One family, as documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// Its name, without [`PREFIX`].
    short: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

impl Family {
    /// Its name.
    pub fn name(&self) -> String {
        format!("{PREFIX}{}", self.short)
    }
}

/// A vector of metrics that can be made from its description.
trait Make: Sized {
    fn make(family: &Family) -> prometheus::Result<Self>;
}

impl Make for IntGaugeVec {
    fn make(family: &Family) -> prometheus::Result<Self> {
        Self::new(Opts::new(family.name(), family.help), family.labels)
    }
}

impl Make for GaugeVec {
    fn make(family: &Family) -> prometheus::Result<Self> {
        Self::new(Opts::new(family.name(), family.help), family.labels)
    }
}

impl Make for IntCounterVec {
    fn make(family: &Family) -> prometheus::Result<Self> {
        Self::new(Opts::new(family.name(), family.help), family.labels)
    }
}

impl Make for HistogramVec {
    fn make(family: &Family) -> prometheus::Result<Self> {
        let options = HistogramOpts::new(family.name(), family.help);
        Self::new(options.buckets(RUN_SECONDS.to_vec()), family.labels)
    }
}

/// `Gauge` holds whole numbers, `Seconds` is a gauge of a length of time.
macro_rules! families {
    (@vector Gauge) => { IntGaugeVec };
    (@vector Seconds) => { GaugeVec };
    (@vector Counter) => { IntCounterVec };
    (@vector Histogram) => { HistogramVec };
    (@kind Gauge) => { "gauge" };
    (@kind Seconds) => { "gauge" };
    (@kind Counter) => { "counter" };
    (@kind Histogram) => { "histogram" };
    ($($(#[doc = $help:literal])+ $short:ident: $kind:ident [$($label:ident),*];)+) => {
        /// Every family that the agent has.
        pub const FAMILIES: &[Family] = &[$(Family {
            short: stringify!($short),
            kind: families!(@kind $kind),
            labels: &[$(stringify!($label)),*],
            help: concat!($($help),+).trim_ascii_start(),
        },)+];

        /// The families, to record in.
        #[derive(Debug)]
        pub(super) struct Families {
            $($(#[doc = $help])+ pub(super) $short: families!(@vector $kind),)+
        }

        impl Families {
            /// Makes all of them, empty.
            pub(super) fn register(registry: &Registry) -> Self {
                let mut described = FAMILIES.iter();
                let made = Self { $($short: made(described.next()),)+ };
                $(registry.register(Box::new(made.$short.clone())).expect("names differ");)+
                made
            }

            /// Takes everything away that has this policy.
            pub(super) fn forget(&self, policy: &str) {
                $(forget(&self.$short, policy);)+
            }
        }
    };
}

fn made<V: Make>(family: Option<&Family>) -> V {
    let family = family.expect("the table has one row for each field");
    V::make(family).expect("names and labels are valid")
}

fn forget<B: MetricVecBuilder>(vector: &MetricVec<B>, policy: &str) {
    for family in vector.collect() {
        for metric in family.get_metric() {
            let labels = metric.get_label().iter();
            let labels = labels.map(|label| (label.name(), label.value())).collect();
            let labels: std::collections::HashMap<&str, &str> = labels;
            if labels.get("policy") == Some(&policy) {
                drop(vector.remove(&labels));
            }
        }
    }
}

families! {
    /// When the newest complete run ended; 0 if none ever did.
    last_success_timestamp_seconds: Gauge[policy, kind];
    /// When the newest run ended, however; 0 if none ever did.
    last_completion_timestamp_seconds: Gauge[policy, kind];
    /// 1 for how the newest run ended, else 0.
    last_run_outcome: Gauge[policy, kind, outcome];
    /// How long the newest run took.
    last_run_duration_seconds: Seconds[policy, kind];
    /// How long each stage of the newest backup run took.
    last_run_stage_duration_seconds: Seconds[policy, stage];
    /// Runs that ended.
    runs_total: Counter[policy, kind, outcome];
    /// How long runs took, without skipped ones.
    run_duration_seconds: Histogram[policy, kind];
    /// 1 while a run is at work, else 0.
    run_in_progress: Gauge[policy, kind];
    /// When the run that is at work started.
    run_started_timestamp_seconds: Gauge[policy, kind];
    /// When the run that is at work last moved on.
    run_last_progress_timestamp_seconds: Gauge[policy, kind];
    /// Bytes that the run that is at work has to do in its stage, once that is known.
    run_expected_bytes: Gauge[policy, kind];
    /// Bytes that the run that is at work has done in its stage.
    run_done_bytes: Gauge[policy, kind];

    /// Bytes of all files of the newest complete backup, shared ones included.
    last_backup_logical_bytes: Gauge[policy];
    /// Bytes that the newest complete backup had to copy, if this agent made it.
    last_backup_uploaded_bytes: Gauge[policy];
    /// Bytes of the newest complete backup that an earlier one had, if this agent made it.
    last_backup_reused_bytes: Gauge[policy];
    /// Segments of the newest complete backup.
    last_backup_segments: Gauge[policy];
    /// Stored rows of the newest complete backup, deleted ones included.
    last_backup_rows: Gauge[policy];
    /// Collections of the newest complete backup.
    last_backup_collections: Gauge[policy];
    /// Collections that the policy left out of its newest backup.
    last_backup_collections_skipped: Gauge[policy];
    /// Collections that should be in the newest backup, complete or partial, and are not.
    last_backup_collections_failed: Gauge[policy];

    /// When the agent first saw the policy.
    policy_created_timestamp_seconds: Gauge[policy];
    /// How old the newest backup of the policy may become.
    policy_max_age_seconds: Gauge[policy];
    /// How many good backups the policy always keeps.
    policy_min_keep: Gauge[policy];
    /// The next slot of the policy's schedule.
    schedule_next_run_timestamp_seconds: Gauge[policy];
    /// The time between two slots of the policy's schedule.
    schedule_interval_seconds: Gauge[policy];
    /// Slots that got no run: `overlap`, `down` or `disabled`.
    schedule_missed_total: Counter[policy, reason];
    /// Requests for a run: `cron`, `catchup`, `retry`, `cli`, `api` or `amqp`.
    triggers_total: Counter[policy, source];

    /// Backups that prunes removed for good, after their grace.
    prune_deleted_backups_total: Counter[];
    /// Bytes of files that prunes deleted.
    prune_deleted_bytes_total: Counter[];
    /// What prunes could not delete: `failed`, `not_authorised` or `unreachable`.
    prune_errors_total: Counter[reason];
    /// Prunes that refused to let go what no rule keeps, by the guard that refused.
    prune_refused_total: Counter[reason];

    /// Files that verifications read: `ok`, `missing`, `size` or `checksum`.
    verify_objects_total: Counter[result];
    /// When a verification last found a backup of the policy good, by how deep it looked: `size` or `content`. A scheduled one counts as `size`, as it reads a share.
    last_verified_timestamp_seconds: Gauge[policy, level];

    /// When every byte of the policy's backups had been read again, or scheduled verification began.
    verify_read_since_timestamp_seconds: Gauge[policy];
    /// How long ago that may be.
    verify_max_age_seconds: Gauge[policy];
    /// The next scheduled verification of the policy.
    verify_next_run_timestamp_seconds: Gauge[policy];

    /// When a drill of the policy last succeeded; 0 if none ever did. Absent where none is wanted or was made.
    last_drill_success_timestamp_seconds: Gauge[policy];
    /// How long the newest drill that succeeded took to have the collections back: filled, indexed, loaded.
    last_drill_rto_seconds: Seconds[policy];
    /// When an agent first saw that the policy wants drills.
    drill_since_timestamp_seconds: Gauge[policy];
    /// How old the newest drill that succeeded may become.
    drill_max_age_seconds: Gauge[policy];
    /// The next scheduled drill of the policy.
    drill_next_run_timestamp_seconds: Gauge[policy];

    /// Backups in the repository.
    backups: Gauge[policy, state];
    /// Backups that are pinned, whatever their state.
    pinned_backups: Gauge[policy];
    /// Backups that were committed and in which a verification or a drill has found damage since.
    damaged_backups: Gauge[policy];
    /// The moment of the oldest backup that can be restored.
    oldest_restorable_timestamp_seconds: Gauge[policy];
    /// The moment of the newest backup that can be restored.
    newest_restorable_timestamp_seconds: Gauge[policy];
    /// Bytes of this cluster in the repository, as last counted: `referenced` or `tombstoned`.
    repository_bytes: Gauge[class];
    /// Free bytes in the repository's file system.
    repository_free_bytes: Gauge[];
    /// Bytes there that no backup may use: `repository.local.min_free`.
    repository_min_free_bytes: Gauge[];
    /// When the agent last read the whole catalog of the repository.
    catalog_refresh_timestamp_seconds: Gauge[];

    /// Calls of a storage: `source`, `repository` or `staging`; `2xx`, `4xx` or `5xx`.
    storage_requests_total: Counter[side, op, code_class];
    /// Bytes that passed through the agent: `read` or `written`.
    transferred_bytes_total: Counter[direction];

    /// 1 while the agent is connected to the broker, else 0. Absent without `amqp.url`, as the others of `amqp_` are.
    amqp_connected: Gauge[];
    /// 1 while messages are taken, 0 while they stay in the queue, as nobody could see to them.
    amqp_consuming: Gauge[];
    /// Connections to the broker that were there again after one was lost.
    amqp_reconnects_total: Counter[];
    /// Messages that asked for a backup: `accepted`, `duplicate`, `invalid`, `expired` or `paused`.
    amqp_messages_total: Counter[result];
    /// Events and answers: `published`, `unroutable` (no queue wanted them) or `dropped` (too many were waiting).
    amqp_events_total: Counter[result];
    /// Events and answers that the broker has not taken yet.
    amqp_outbox_events: Gauge[];
    /// 1 while the broker takes no events, for want of memory or disk space, else 0.
    amqp_publishing_blocked: Gauge[];

    /// Leases of the repository that this process holds: `prune`, `sweep`, `run`, `restore` or `drill`.
    lease_held: Gauge[scope];
    /// Leases that were taken over from a holder that had died.
    lease_takeovers_total: Counter[];

    /// 1 while Milvus's garbage collection is paused for a backup, else 0.
    gc_pause_active: Gauge[scope];
    /// When the pause of Milvus's garbage collection began.
    gc_pause_started_timestamp_seconds: Gauge[scope];
    /// Pauses that Milvus did not begin, renew or end as asked: `pause`, `renew` or `resume`.
    gc_pause_failures_total: Counter[op];

    /// 1 if what a backup needs was as it should be when the agent last looked, else 0.
    preflight_ok: Gauge[check];
    /// 1 if the newest reload took the new configuration over, 0 if it kept the old one.
    config_last_reload_success: Gauge[];
    /// Always 1; its labels say which agent this is.
    build_info: Gauge[version, revision];
    /// Always 1; its label says which Milvus this agent backs up: `milvus.cluster`.
    cluster_info: Gauge[cluster];
}
