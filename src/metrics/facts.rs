//! What [`super::Metrics`] is told.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{BackupState, Guard, RunKind, RunOutcome, RunStage};

use super::{PruneFailure, RepositoryClass, VerifyLevel};

/// A configured policy, as far as metrics tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFacts {
    /// Its name.
    pub name: String,
    /// When the agent first saw it, kept across restarts.
    pub created_at: Timestamp,
    /// How old its newest backup may become; none where nobody said and no schedule tells.
    pub max_age: Option<Duration>,
    /// The time between two slots; none without a schedule.
    pub interval: Option<Duration>,
    /// How many good backups retention always keeps; none where it deletes nothing.
    pub min_keep: Option<u32>,
}

/// A run that ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RunFacts {
    /// Its policy; empty for none.
    pub policy: String,
    /// What it did.
    pub kind: RunKind,
    /// How it ended.
    pub outcome: RunOutcome,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How long each of its stages took.
    pub stages: Vec<(RunStage, Duration)>,
    /// What it made, if it made a backup.
    pub backup: Option<BackupFigures>,
}

/// The figures of one backup; none for what is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BackupFigures {
    /// Stored rows, deleted ones included.
    pub rows: u64,
    /// Segments.
    pub segments: u64,
    /// Bytes of all its files, shared ones included.
    pub logical_bytes: u64,
    /// Bytes that had to be copied.
    pub uploaded_bytes: Option<u64>,
    /// Bytes that an earlier backup had.
    pub reused_bytes: Option<u64>,
    /// Collections that it holds.
    pub collections: u64,
    /// Collections that its policy leaves out.
    pub collections_skipped: Option<u64>,
    /// Collections that should be in it and are not.
    pub collections_failed: u64,
    /// Whether something speaks against it, so that it does not count as a success.
    pub suspect: bool,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunProgress {
    /// Bytes done.
    pub done_bytes: u64,
    /// Bytes to do in all, once that is known.
    pub expected_bytes: Option<u64>,
    /// When something last moved.
    pub moved_at: Timestamp,
}

/// What the repository holds.
#[derive(Debug, Clone, PartialEq)]
pub struct CatalogFacts {
    /// When reading began: what ended later may not be in it.
    pub read_at: Timestamp,
    /// The backups of this cluster by policy; the empty name for those without.
    pub policies: BTreeMap<String, PolicyCatalog>,
    /// Bytes by what they are there for, where that was counted; else the last count stands.
    pub bytes: BTreeMap<RepositoryClass, u64>,
    /// Free bytes in the repository's place, where it knows.
    pub free_bytes: Option<u64>,
    /// Bytes there that no backup may use.
    pub min_free_bytes: Option<u64>,
}

/// The backups of one policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyCatalog {
    /// When the newest complete backup was committed.
    pub last_success: Option<Timestamp>,
    /// When the newest run that the repository knows ended, and how.
    pub last_completion: Option<(Timestamp, RunOutcome)>,
    /// Backups by state; what is not in it counts 0.
    pub states: BTreeMap<BackupState, u64>,
    /// The moment of the oldest backup that can be restored.
    pub oldest_restorable: Option<Timestamp>,
    /// The moment of the newest.
    pub newest_restorable: Option<Timestamp>,
    /// Backups that are pinned.
    pub pinned: u64,
    /// Backups in which a verification or a drill found damage.
    pub damaged: u64,
    /// The newest complete backup.
    pub newest_complete: Option<BackupFigures>,
}

/// Drills of a policy's backups.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DrillFacts {
    /// The next one; none without a schedule, or while the policy is paused.
    pub next_run: Option<Timestamp>,
    /// How old the newest that succeeded may become; none without a schedule.
    pub max_age: Option<Duration>,
    /// When an agent first saw a schedule; none without one.
    pub since: Option<Timestamp>,
    /// When the newest that succeeded ended, and how long its restore took.
    pub last_success: Option<(Timestamp, Duration)>,
}

/// Scheduled verification of a policy's backups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadingFacts {
    /// The next one; none without a schedule, or while the policy is paused.
    pub next_run: Option<Timestamp>,
    /// How long ago a byte may have been read last; none without a schedule.
    pub max_age: Option<Duration>,
    /// Since when every byte was read, or scheduled reading began; none without a schedule.
    pub read_since: Option<Timestamp>,
}

/// What a prune did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PruneFacts {
    /// Backups that are gone for good.
    pub deleted_backups: u64,
    /// Bytes of deleted files.
    pub deleted_bytes: u64,
    /// What could not be deleted.
    pub failures: Vec<PruneFailure>,
    /// The guards that refused.
    pub refused: Vec<Guard>,
}

impl PruneFacts {
    /// Whether somebody has to look: something could not be deleted, or a guard refused that does
    /// not give way by itself.
    pub(super) fn is_held(&self) -> bool {
        let lasts = |guard: &Guard| match guard {
            Guard::CatalogIncomplete | Guard::Clock | Guard::MassDelete => true,
            Guard::PolicyChanged | Guard::StaleSource | Guard::Lock => false,
        };
        !self.failures.is_empty() || self.refused.iter().any(lasts)
    }
}

/// What a scheduled verification found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RereadFacts {
    /// Files that were read and are as they were written.
    pub good: u64,
    /// Files that are not there.
    pub missing: u64,
    /// Files with another size.
    pub wrong_size: u64,
    /// Files with other bytes.
    pub wrong_content: u64,
    /// Whether anything was wrong, files or documents.
    pub damaged: bool,
}

/// What a verification found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyFacts {
    /// How deep it looked.
    pub level: VerifyLevel,
    /// Files as they were written.
    pub good: u64,
    /// Files that are not there.
    pub missing: u64,
    /// Files that are there and not as they were written.
    pub damaged: u64,
}
