//! What a view is made of.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::metrics::{DrillFacts, ReadingFacts};
use crate::model::{BackupState, RunKind, RunOutcome};
use crate::policy::{Policy, Retention, Trigger};

/// Everything that is known at one moment.
#[derive(Debug, Clone)]
pub struct StatusFacts {
    /// That moment.
    pub now: Timestamp,
    /// The cluster.
    pub cluster: String,
    /// Who tells it.
    pub told_by: Teller,
    /// Every policy, by name.
    pub policies: Vec<PolicyStatus>,
    /// Backups of which something is wrong and that are of none of them.
    pub strays: Vec<DoubtfulBackup>,
    /// The folder of the policies.
    pub policy_folder: String,
    /// The file of the configuration, which commands have to name; none for the usual one.
    pub config_file: Option<String>,
    /// How the newest prune of what is of no policy ended.
    pub leftovers: Option<PruneEnd>,
    /// Where the backups are.
    pub repository: RepositoryFacts,
    /// Why a backup would not work now.
    pub waiting: Vec<Waiting>,
    /// The broker, if there is to be one.
    pub broker: Option<BrokerFacts>,
    /// Whether there is a section `amqp` without a broker.
    pub unnamed_broker: bool,
    /// What is wrong with configuration and policies.
    pub settings: Vec<Wrong>,
}

/// Who tells a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Teller {
    /// The agent itself.
    Agent {
        /// Its version.
        version: String,
        /// When it started.
        started_at: Timestamp,
    },
    /// A command, out of the repository, as no agent told it.
    Command(Unanswered),
}

/// Why no agent told it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unanswered {
    /// Why, with the address.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// The command for it, if there is one.
    pub command: Option<String>,
    /// Whether there is one all the same, which tells this command nothing.
    pub is_there: bool,
}

/// One thing that a backup waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// What: `milvus`, `journal`.
    pub what: String,
    /// Why it is not ready.
    pub why: String,
}

/// Something that a person wrote wrongly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong, and where.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// What the connection to the broker does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerFacts {
    /// In words.
    pub state: String,
    /// Whether something is wrong with it.
    pub is_well: bool,
}

/// Where the backups are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepositoryFacts {
    /// The folder or bucket.
    pub place: String,
    /// When it was last read as a whole.
    pub read_at: Option<Timestamp>,
    /// Why the newest try to read it failed, if it did, and what to do.
    pub unreadable: Option<(String, Option<String>)>,
    /// Free bytes there, where it knows.
    pub free_bytes: Option<u64>,
    /// How many of them no backup may use.
    pub min_free_bytes: Option<u64>,
    /// Bytes of the cluster's backups, as last counted.
    pub bytes: Option<u64>,
}

/// What a policy is meant to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Its name.
    pub name: String,
    /// The collections that it takes, as patterns.
    pub collections: String,
    /// When it is due, with its zone; none without a schedule.
    pub schedule: Option<String>,
    /// Who else may start it.
    pub triggers: Vec<&'static str>,
    /// Whether only the command line starts it.
    pub paused: bool,
    /// How old its newest good backup may become.
    pub max_age: Option<Duration>,
    /// The longest time between two slots.
    pub interval: Option<Duration>,
    /// How many good backups retention always keeps.
    pub min_keep: Option<u32>,
    /// When an agent first saw it.
    pub created_at: Option<Timestamp>,
    /// When its file was last written, for those who do not know that.
    pub written_at: Option<Timestamp>,
}

impl Intent {
    /// That of a policy. What follows from its schedule holds for the time around `now`.
    pub fn of(policy: &Policy, now: Timestamp) -> Self {
        let schedule = policy.schedule.as_ref();
        let interval = schedule.and_then(|schedule| schedule.longest_gap(now));
        Self {
            name: policy.name.to_string(),
            collections: policy.collections.to_string(),
            schedule: schedule.map(|schedule| format!("{schedule} ({})", schedule.zone_name())),
            triggers: policy.triggers.iter().copied().map(Trigger::as_str).collect(),
            paused: policy.paused,
            max_age: policy.max_age_at(now).map(SignedDuration::unsigned_abs),
            interval: interval.map(SignedDuration::unsigned_abs),
            min_keep: match &policy.retention {
                Retention::KeepAll => None,
                Retention::Rules(rules) => Some(rules.min_keep.get()),
            },
            created_at: None,
            written_at: None,
        }
    }
}

/// How a policy stands.
#[derive(Debug, Clone)]
pub struct PolicyStatus {
    /// What it is meant to do.
    pub intent: Intent,
    /// What the repository holds of it; none before it was read.
    pub backups: Option<BackupsFacts>,
    /// How its newest run here ended.
    pub last_run: Option<EndFacts>,
    /// The run that is at work.
    pub running: Option<RunningFacts>,
    /// The drill or scheduled verification that is at work, which has no backup where it is of
    /// all of them.
    pub proving: Option<(RunKind, RunningFacts)>,
    /// The next slot; none where nobody is there to keep it.
    pub next_run: Option<Timestamp>,
    /// How the newest of its other runs ended.
    pub others: BTreeMap<RunKind, (Timestamp, RunOutcome)>,
    /// How its newest prune ended.
    pub pruned: Option<PruneEnd>,
    /// Scheduled drills.
    pub drills: Option<DrillFacts>,
    /// Scheduled verifications.
    pub readings: Option<ReadingFacts>,
}

/// What the repository holds of a policy.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BackupsFacts {
    /// The newest complete backup.
    pub last_good: Option<BackupFacts>,
    /// The newest run that it knows the end of.
    pub last_end: Option<EndFacts>,
    /// Backups that are being made, and since when.
    pub running: Option<(String, Timestamp)>,
    /// How many there are, by state; what is not in it counts 0.
    pub states: BTreeMap<BackupState, u64>,
    /// How many are pinned.
    pub pinned: u64,
    /// The moments of the oldest and the newest backup that can be restored.
    pub window: Option<(Timestamp, Timestamp)>,
    /// Backups of which something is wrong.
    pub doubtful: Vec<DoubtfulBackup>,
    /// What drills have shown.
    pub drill: Option<DrillRecord>,
}

impl BackupsFacts {
    /// How many backups are in a state.
    pub fn count(&self, state: BackupState) -> u64 {
        self.states.get(&state).copied().unwrap_or(0)
    }
}

/// One backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupFacts {
    /// Its name.
    pub name: String,
    /// When it was complete.
    pub at: Timestamp,
    /// Stored rows, deleted ones included.
    pub rows: u64,
    /// Bytes of all its files, shared ones included.
    pub bytes: u64,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndFacts {
    /// How.
    pub outcome: RunOutcome,
    /// When.
    pub at: Timestamp,
    /// The backup that it made, or was to make.
    pub backup: String,
    /// What was wrong.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// When it is tried again, if it is.
    pub again_at: Option<Timestamp>,
}

/// How a prune ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneEnd {
    /// How.
    pub outcome: RunOutcome,
    /// Whether it was held in a way that does not pass by itself.
    pub held: bool,
    /// What was wrong.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A run that is at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningFacts {
    /// The backup that it makes, or is about.
    pub backup: String,
    /// Since when.
    pub since: Timestamp,
    /// What it does.
    pub stage: &'static str,
    /// With what: a collection, or empty.
    pub subject: String,
    /// Bytes done in this stage.
    pub done_bytes: u64,
    /// Bytes to do in it; 0 where that is not known.
    pub total_bytes: u64,
    /// When something last moved, where that is known.
    pub moved_at: Option<Timestamp>,
}

/// A backup of which something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoubtfulBackup {
    /// Its name.
    pub name: String,
    /// `suspect` or `damaged`.
    pub state: BackupState,
    /// Whether a verification found files of it missing or damaged, so that it is suspect.
    pub found_damaged: bool,
    /// What is wrong.
    pub why: String,
}

/// What drills of a policy's backups have shown.
#[derive(Debug, Clone, PartialEq)]
pub struct DrillRecord {
    /// When the newest ended, how, and what was wrong.
    pub last: Option<(Timestamp, RunOutcome, Option<String>)>,
    /// When the newest good one ended, of which backup, and how long the restore took.
    pub last_success: Option<(Timestamp, String, Duration)>,
}
