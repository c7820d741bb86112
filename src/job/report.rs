//! What a workflow tells in the end: the JSON that scripts read.

use serde::Serialize;

use crate::manifest::ManifestOutcome;
use crate::metrics::{BackupFigures, VerifyFacts, VerifyLevel};
use crate::model::{RbacCounts, RunOutcome};
use crate::plan::{RbacPlan, VerifyDepth};

impl From<ManifestOutcome> for RunOutcome {
    fn from(outcome: ManifestOutcome) -> Self {
        match outcome {
            ManifestOutcome::Complete => Self::Complete,
            ManifestOutcome::Partial => Self::Partial,
        }
    }
}

/// One collection of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CollectionReport {
    /// Its database.
    pub database: String,
    /// Its name.
    pub name: String,
    /// Stored rows, deleted ones included.
    pub rows: u64,
    /// Segments.
    pub segments: u64,
    /// Whether it is in the backup.
    pub outcome: RunOutcome,
    /// Why it is not.
    pub error: Option<String>,
}

/// `backup`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BackupReport {
    /// The backup's name.
    pub name: String,
    /// The cluster.
    pub cluster: String,
    /// The policy; empty for none.
    pub policy: String,
    /// How it ended.
    pub outcome: RunOutcome,
    /// Every selected collection.
    pub collections: Vec<CollectionReport>,
    /// Collections that were not selected.
    pub collections_skipped: u64,
    /// Files copied by this run.
    pub files_copied: u64,
    /// Files that were in the repository already.
    pub files_reused: u64,
    /// Bytes copied by this run.
    pub bytes_copied: u64,
    /// Bytes that were in the repository already.
    pub bytes_reused: u64,
    /// Stored rows, deleted ones included.
    pub rows: u64,
    /// Why it does not count as a good one before somebody has looked.
    pub suspect: Option<String>,
    /// Users, roles and grants that it holds, if they were asked for.
    pub rbac: Option<RbacCounts>,
    /// Wall time of the run.
    pub duration_seconds: f64,
}

impl BackupReport {
    /// The same, as metrics tell it.
    pub fn figures(&self) -> BackupFigures {
        let count = |outcome| {
            let those = self.collections.iter().filter(|collection| collection.outcome == outcome);
            those.count() as u64
        };
        BackupFigures {
            rows: self.rows,
            segments: self.collections.iter().map(|collection| collection.segments).sum(),
            logical_bytes: self.bytes_copied + self.bytes_reused,
            uploaded_bytes: Some(self.bytes_copied),
            reused_bytes: Some(self.bytes_reused),
            collections: count(RunOutcome::Complete),
            collections_skipped: Some(self.collections_skipped),
            collections_failed: count(RunOutcome::Failed),
            suspect: self.suspect.is_some(),
        }
    }
}

/// How the files of an export came to be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExportedFiles {
    /// Copied by the server.
    pub by_server: u64,
    /// Given a second name on the disk.
    pub linked: u64,
    /// Copied through the agent.
    pub streamed: u64,
    /// Left there by an earlier, interrupted export.
    pub found: u64,
}

/// `export`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExportReport {
    /// The new backup's name.
    pub name: String,
    /// The backup that it was made of.
    pub from: String,
    /// The cluster of both.
    pub cluster: String,
    /// Whether every collection is in it; as in the other.
    pub outcome: RunOutcome,
    /// Every collection.
    pub collections: Vec<CollectionReport>,
    /// Its files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many files came to be there in which way.
    pub copied: ExportedFiles,
    /// Stored rows, deleted ones included.
    pub rows: u64,
    /// What speaks against the backup.
    pub suspect: Option<String>,
    /// Wall time of the run.
    pub duration_seconds: f64,
}

/// Failed collections that are named.
const NAMED: usize = 5;

impl BackupReport {
    /// Why collections are not in the backup: the first few, and how many more.
    pub fn failures(&self) -> Option<String> {
        let failed = self.collections.iter().filter_map(|collection| {
            let error = collection.error.as_ref()?;
            Some(format!("{}.{}: {error}", collection.database, collection.name))
        });
        let mut failed: Vec<String> = failed.collect();
        if failed.is_empty() {
            return None;
        }
        if let Some(more @ 1..) = failed.len().checked_sub(NAMED) {
            failed.truncate(NAMED);
            failed.push(format!("and {more} more"));
        }
        Some(failed.join("; "))
    }
}

/// `backup --plan` and `restore --plan`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanReport {
    /// Every collection: from, to, rows, bytes.
    pub collections: Vec<PlannedCollection>,
    /// Files to copy or stage.
    pub files: u64,
    /// Bytes to copy or stage.
    pub bytes: u64,
    /// Files that need no copy.
    pub files_reused: u64,
    /// Bytes that need no copy.
    pub bytes_reused: u64,
    /// Users, roles and grants, if they were asked for.
    pub rbac: Option<RbacReport>,
}

/// Users, roles and grants of a run, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RbacReport {
    /// What goes into the backup, or is made in the target.
    pub copied: RbacCounts,
    /// What the target has already, which stays as it is.
    pub present: RbacCounts,
}

impl From<&RbacPlan> for RbacReport {
    fn from(plan: &RbacPlan) -> Self {
        Self { copied: plan.missing.counts(), present: plan.present }
    }
}

/// One collection of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedCollection {
    /// Its name.
    pub from: String,
    /// Its name in the target; for a backup the same.
    pub to: String,
    /// Stored rows.
    pub rows: u64,
    /// Bytes of its files.
    pub bytes: u64,
    /// What is in the way, or what it replaces.
    pub note: Option<String>,
}

/// One collection of a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestoredCollection {
    /// Its name in the backup.
    pub from: String,
    /// Its name in the target.
    pub to: String,
    /// Rows in the backup, deleted ones included.
    pub rows_stored: u64,
    /// Rows that are in the target.
    pub rows_imported: u64,
    /// The difference.
    pub rows_deleted: u64,
    /// Bytes that were put into the staging folder for it: 0 if Milvus read all of them from
    /// the repository itself.
    pub bytes_staged: u64,
    /// Whether it is restored.
    pub outcome: RunOutcome,
    /// Why it is not, or what is worth knowing.
    pub error: Option<String>,
    /// What is worth knowing although it is restored.
    pub notes: Vec<String>,
}

/// `restore`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RestoreReport {
    /// The backup's name.
    pub name: String,
    /// How it ended.
    pub outcome: RunOutcome,
    /// Every selected collection.
    pub collections: Vec<RestoredCollection>,
    /// Users, roles and grants, if they were asked for.
    pub rbac: Option<RbacReport>,
    /// Wall time of the run.
    pub duration_seconds: f64,
}

impl VerifyReport {
    /// What metrics tell of it; none of a look at the manifest alone.
    pub fn facts(&self) -> Option<VerifyFacts> {
        let level = match self.depth {
            VerifyDepth::Manifest => return None,
            VerifyDepth::Size => VerifyLevel::Size,
            VerifyDepth::Content => VerifyLevel::Content,
        };
        let (missing, damaged) = (self.missing.len() as u64, self.damaged.len() as u64);
        let good = self.files.saturating_sub(missing + damaged);
        Some(VerifyFacts { level, good, missing, damaged })
    }
}

/// `verify`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// The backup's name.
    pub name: String,
    /// How deep it looked.
    pub depth: VerifyDepth,
    /// Files of the backup.
    pub files: u64,
    /// Bytes of the backup.
    pub bytes: u64,
    /// Files that are not there.
    pub missing: Vec<String>,
    /// Files and documents that are not as they were written, and why.
    pub damaged: Vec<String>,
    /// Files that nothing could be compared with.
    pub unchecked: u64,
    /// `complete`, or `failed` if anything is missing or damaged.
    pub outcome: RunOutcome,
}

#[cfg(test)]
mod tests {
    use super::{BackupReport, CollectionReport};
    use crate::model::RunOutcome;

    #[test]
    fn figures_are_those_of_the_report() {
        let collection = |outcome| CollectionReport {
            database: "default".to_owned(),
            name: "a".to_owned(),
            rows: 5,
            segments: 2,
            outcome,
            error: None,
        };
        let report = BackupReport {
            name: "b".to_owned(),
            cluster: "c".to_owned(),
            policy: String::new(),
            outcome: RunOutcome::Partial,
            collections: vec![collection(RunOutcome::Complete), collection(RunOutcome::Failed)],
            collections_skipped: 0,
            files_copied: 1,
            files_reused: 2,
            bytes_copied: 10,
            bytes_reused: 20,
            rows: 5,
            suspect: None,
            rbac: None,
            duration_seconds: 1.0,
        };
        let figures = report.figures();
        assert_eq!((figures.rows, figures.segments, figures.logical_bytes), (5, 4, 30));
        assert_eq!((figures.uploaded_bytes, figures.reused_bytes), (Some(10), Some(20)));
        assert_eq!((figures.collections, figures.collections_failed), (1, 1));
    }
}
