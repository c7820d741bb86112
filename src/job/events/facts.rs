//! What a run has done, as its last event tells it.

use serde::Serialize;

use super::data::{cut, page, texts};
use crate::job::{
    BackupReport, CollectionReport, DrillReport, DrilledCollection, PruneReport, RereadReport,
    RestoreReport, RestoredCollection, VerifyReport,
};
use crate::model::{ErrorKind, RunOutcome};
use crate::plan::{Verdict, VerifyDepth};

/// The figures of a run that came to its end.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct EventFacts(Figures);

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum Figures {
    Backup {
        rows: u64,
        files_copied: u64,
        files_reused: u64,
        bytes_copied: u64,
        bytes_reused: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        suspect: Option<String>,
        collections_skipped: u64,
        collections_count: usize,
        collections: Vec<BackedUp>,
    },
    Prune {
        backups_hidden: u64,
        backups_deleted: u64,
        files_deleted: u64,
        bytes_deleted: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        refused: Option<String>,
        deleted_count: usize,
        deleted: Vec<String>,
        errors_count: usize,
        errors: Vec<String>,
    },
    Drill {
        rows: u64,
        rto_seconds: f64,
        differs: bool,
        damaged_count: usize,
        damaged: Vec<String>,
        collections_count: usize,
        collections: Vec<Drilled>,
    },
    Restore {
        rows: u64,
        collections_count: usize,
        collections: Vec<Restored>,
    },
    Verify {
        depth: VerifyDepth,
        files: u64,
        bytes: u64,
        unchecked: u64,
        missing_count: usize,
        missing: Vec<String>,
        damaged_count: usize,
        damaged: Vec<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct BackedUp {
    database: String,
    name: String,
    rows: u64,
    segments: u64,
    outcome: RunOutcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Restored {
    from: String,
    to: String,
    rows_stored: u64,
    rows_imported: u64,
    rows_deleted: u64,
    outcome: RunOutcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Drilled {
    database: String,
    name: String,
    rows: u64,
    keys_checked: u64,
    deleted_keys_checked: u64,
    restore_seconds: f64,
    outcome: RunOutcome,
    problems_count: usize,
    problems: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl EventFacts {
    /// What kind of failure they are of, where they tell of one.
    pub(super) fn failure(&self) -> Option<ErrorKind> {
        match &self.0 {
            Figures::Prune { refused: Some(_), .. } => Some(ErrorKind::Refused),
            Figures::Drill { differs: true, .. }
            | Figures::Drill { damaged_count: 1.., .. }
            | Figures::Verify { missing_count: 1.., .. }
            | Figures::Verify { damaged_count: 1.., .. } => Some(ErrorKind::Damaged),
            Figures::Backup { .. }
            | Figures::Prune { .. }
            | Figures::Drill { .. }
            | Figures::Restore { .. }
            | Figures::Verify { .. } => None,
        }
    }
}

impl From<&BackupReport> for EventFacts {
    fn from(report: &BackupReport) -> Self {
        let failed = |one: &CollectionReport| one.outcome != RunOutcome::Complete;
        Self(Figures::Backup {
            rows: report.rows,
            files_copied: report.files_copied,
            files_reused: report.files_reused,
            bytes_copied: report.bytes_copied,
            bytes_reused: report.bytes_reused,
            suspect: report.suspect.as_deref().map(page),
            collections_skipped: report.collections_skipped,
            collections_count: report.collections.len(),
            collections: cut(&report.collections, failed, |one| BackedUp {
                database: one.database.clone(),
                name: one.name.clone(),
                rows: one.rows,
                segments: one.segments,
                outcome: one.outcome,
                error: one.error.as_deref().map(page),
            }),
        })
    }
}

impl From<&PruneReport> for EventFacts {
    fn from(report: &PruneReport) -> Self {
        let gone = report.verdicts.iter().filter(|row| row.verdict == Verdict::Delete);
        let gone: Vec<String> = gone.map(|row| row.name.clone()).collect();
        Self(Figures::Prune {
            backups_hidden: report.backups_hidden,
            backups_deleted: report.backups_deleted,
            files_deleted: report.files_deleted,
            bytes_deleted: report.bytes_deleted,
            refused: report.refused.as_deref().map(page),
            deleted_count: gone.len(),
            deleted: texts(&gone),
            errors_count: report.errors.len(),
            errors: texts(&report.errors),
        })
    }
}

impl From<&DrillReport> for EventFacts {
    fn from(report: &DrillReport) -> Self {
        let failed = |one: &DrilledCollection| one.outcome != RunOutcome::Complete;
        let damaged = report.damaged();
        Self(Figures::Drill {
            rows: report.collections.iter().map(|one| one.rows).sum(),
            rto_seconds: report.rto_seconds,
            differs: report.differs(),
            damaged_count: damaged.len(),
            damaged: texts(&damaged),
            collections_count: report.collections.len(),
            collections: cut(&report.collections, failed, |one| Drilled {
                database: one.database.clone(),
                name: one.name.clone(),
                rows: one.rows,
                keys_checked: one.keys_checked,
                deleted_keys_checked: one.deleted_keys_checked,
                restore_seconds: one.restore_seconds,
                outcome: one.outcome,
                problems_count: one.problems.len(),
                problems: texts(&one.problems),
                error: one.error.as_deref().map(page),
            }),
        })
    }
}

impl From<&RestoreReport> for EventFacts {
    fn from(report: &RestoreReport) -> Self {
        let failed = |one: &RestoredCollection| one.outcome != RunOutcome::Complete;
        Self(Figures::Restore {
            rows: report.collections.iter().map(|one| one.rows_imported).sum(),
            collections_count: report.collections.len(),
            collections: cut(&report.collections, failed, |one| Restored {
                from: one.from.clone(),
                to: one.to.clone(),
                rows_stored: one.rows_stored,
                rows_imported: one.rows_imported,
                rows_deleted: one.rows_deleted,
                outcome: one.outcome,
                error: one.error.as_deref().map(page),
            }),
        })
    }
}

impl From<&VerifyReport> for EventFacts {
    fn from(report: &VerifyReport) -> Self {
        Self(Figures::Verify {
            depth: report.depth,
            files: report.files,
            bytes: report.bytes,
            unchecked: report.unchecked,
            missing_count: report.missing.len(),
            missing: texts(&report.missing),
            damaged_count: report.damaged.len(),
            damaged: texts(&report.damaged),
        })
    }
}

impl From<&RereadReport> for EventFacts {
    fn from(report: &RereadReport) -> Self {
        Self(Figures::Verify {
            depth: VerifyDepth::Content,
            files: report.files_read,
            bytes: report.bytes_read,
            unchecked: report.unchecked,
            missing_count: report.missing.len(),
            missing: texts(&report.missing),
            damaged_count: report.damaged.len(),
            damaged: texts(&report.damaged),
        })
    }
}
