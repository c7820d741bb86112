//! What a prune tells.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use crate::metrics::{self, PruneFailure};
use crate::model::{ErrorKind, Guard};
use crate::plan::{Judgement, Refusal, Subject, Verdict};
use crate::storage::ObjectStore;

use super::sweep::Swept;
use crate::job::{JobError, RunOutcome};

/// Where restores of this agent stage files.
#[derive(Debug, Clone)]
pub struct StagingRoot {
    /// The folder.
    pub store: Arc<dyn ObjectStore>,
    /// Whether it was configured, so that agents of other repositories may use it too.
    pub shared: bool,
}

/// One verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerdictRow {
    /// A backup's name, or a path in the cluster's folder.
    pub name: String,
    /// What becomes of it.
    pub verdict: Verdict,
    /// Why.
    pub reasons: Vec<String>,
}

impl VerdictRow {
    /// It stays after all.
    pub(super) fn leave(&mut self, why: &str) {
        self.verdict = Verdict::Leave;
        self.reasons.truncate(1);
        self.reasons.push(why.to_owned());
    }
}

/// `prune`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PruneReport {
    /// Whether anything was deleted, and not only told.
    pub applied: bool,
    /// Why something that may go has not gone, if something is wrong: the guards that refuse,
    /// and why unreferenced files were not looked for.
    pub refused: Option<String>,
    /// The guards that refuse.
    pub guards: Vec<Refusal>,
    /// Every verdict.
    pub verdicts: Vec<VerdictRow>,
    /// Backups that were hidden because no rule keeps them.
    pub backups_hidden: u64,
    /// Backups that are gone for good, of those that were hidden before.
    pub backups_deleted: u64,
    /// Shared and staged files that were deleted.
    pub files_deleted: u64,
    /// Their bytes.
    pub bytes_deleted: u64,
    /// What could not be deleted, and why; the next prune tries again.
    pub errors: Vec<String>,
    /// Their kinds.
    #[serde(skip)]
    pub error_kinds: Vec<ErrorKind>,
    /// Whether unreferenced files were not looked for because something is wrong.
    #[serde(skip)]
    pub unswept: bool,
    /// Whether they were looked for.
    #[serde(skip)]
    pub swept: bool,
}

impl PruneReport {
    /// Whether everything was done that could be.
    pub fn outcome(&self) -> RunOutcome {
        let whole = self.errors.is_empty() && self.refused.is_none();
        if whole { RunOutcome::Complete } else { RunOutcome::Partial }
    }

    /// The same, as metrics tell it.
    pub fn facts(&self) -> metrics::PruneFacts {
        let mut refused: BTreeSet<Guard> = self.guards.iter().map(|one| one.guard).collect();
        if self.unswept {
            refused.insert(Guard::CatalogIncomplete);
        }
        let failure = |kind: &ErrorKind| match kind {
            ErrorKind::NotAuthorised => PruneFailure::NotAuthorised,
            ErrorKind::Unreachable => PruneFailure::Unreachable,
            ErrorKind::Failed
            | ErrorKind::Usage
            | ErrorKind::NothingToDo
            | ErrorKind::NotFound
            | ErrorKind::Locked
            | ErrorKind::Damaged
            | ErrorKind::Refused
            | ErrorKind::Cancelled => PruneFailure::Failed,
        };
        metrics::PruneFacts {
            deleted_backups: self.backups_deleted,
            deleted_bytes: self.bytes_deleted,
            failures: self.error_kinds.iter().map(failure).collect(),
            refused: refused.into_iter().collect(),
        }
    }

    pub(super) fn failed(&mut self, name: &str, error: &JobError) {
        self.errors.push(format!("{name}: {}", error.chain()));
        self.error_kinds.push(error.kind());
    }

    pub(super) fn refused(&mut self, why: String) {
        self.refused = Some(match self.refused.take() {
            Some(before) => format!("{before}; {why}"),
            None => why,
        });
    }

    pub(super) fn deleted(&mut self, (files, bytes): (u64, u64)) {
        self.files_deleted += files;
        self.bytes_deleted += bytes;
    }
}

pub(super) fn row(judgement: Judgement) -> VerdictRow {
    let name = match judgement.subject {
        Subject::Backup(name) => name.to_string(),
        Subject::Restore(id) => format!("_restores/{id}.json"),
        Subject::Drill(id) => format!("_drills/{id}.json"),
        Subject::Lease(name) => format!("_leases/{name}"),
        Subject::Staging(folder) => format!("staging/{folder}"),
    };
    VerdictRow { name, verdict: judgement.verdict, reasons: judgement.reasons }
}

pub(super) fn add(report: &mut PruneReport, swept: Swept) {
    match swept {
        Swept::Refused(why) => {
            report.unswept = true;
            report.refused(format!("no file was looked for: {why}"));
        }
        Swept::Busy(why) => report.verdicts.push(VerdictRow {
            name: "_segments".to_owned(),
            verdict: Verdict::Leave,
            reasons: vec![why],
        }),
        Swept::Done(found) => {
            report.swept = true;
            report.deleted(found.deleted);
            report.verdicts.extend(found.rows);
            for error in found.errors {
                report.error_kinds.push(error.kind());
                report.errors.push(error.chain());
            }
        }
    }
}
