//! What a drill tells.

use serde::Serialize;

use crate::job::error::Damage;
use crate::job::{JobError, RunOutcome};
use crate::model::Namespace;

/// One collection of a drill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DrilledCollection {
    /// Its database.
    pub database: String,
    /// Its name in the backup.
    pub name: String,
    /// Rows that were there again.
    pub rows: u64,
    /// Keys that had to be there and were looked for.
    pub keys_checked: u64,
    /// Deleted keys that must not be there and were looked for.
    pub deleted_keys_checked: u64,
    /// Whether these were all of its keys, or a sample.
    pub whole: bool,
    /// How long it took to be there again: filled, indexed, loaded.
    pub restore_seconds: f64,
    /// What was not as in the backup.
    pub problems: Vec<String>,
    /// What of the backup was not as it was written, the first of it: then nothing was restored.
    pub damaged: Vec<String>,
    /// `complete`; `failed` where it could not be restored or differs; `skipped` where this Milvus
    /// cannot have it back.
    pub outcome: RunOutcome,
    /// Why it was not restored.
    pub error: Option<String>,
    /// What is worth knowing all the same.
    pub notes: Vec<String>,
}

impl DrilledCollection {
    /// One of which nothing was seen.
    fn none(from: &Namespace, outcome: RunOutcome, why: String) -> Self {
        Self {
            database: from.database.clone(),
            name: from.collection.clone(),
            rows: 0,
            keys_checked: 0,
            deleted_keys_checked: 0,
            whole: false,
            restore_seconds: 0.0,
            problems: Vec::new(),
            damaged: Vec::new(),
            outcome,
            error: Some(why),
            notes: Vec::new(),
        }
    }

    /// One that could not be restored.
    pub(super) fn failed(from: &Namespace, error: &JobError) -> Self {
        let hint = error.remedy().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let damaged = error.damaged().map(Damage::line).into_iter().collect();
        let error = format!("{}{hint}", error.chain());
        tracing::warn!(collection = %from, %error, "a collection does not come back");
        Self { damaged, ..Self::none(from, RunOutcome::Failed, error) }
    }

    /// One that the backup does not have.
    pub(super) fn absent((from, why): &(Namespace, String)) -> Self {
        Self::none(from, RunOutcome::Failed, format!("not in the backup: {why}"))
    }

    /// One that this Milvus would not have back as it was.
    pub(super) fn skipped(from: &Namespace, why: &str) -> Self {
        Self::none(from, RunOutcome::Skipped, why.to_owned())
    }
}

/// `drill`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DrillReport {
    /// The backup's name.
    pub name: String,
    /// `failed` if anything differs or is damaged, or nothing came back; `partial` if some of it
    /// did not.
    pub outcome: RunOutcome,
    /// Every collection of the backup.
    pub collections: Vec<DrilledCollection>,
    /// How long all of them took to be there again, one after the other.
    pub rto_seconds: f64,
    /// Wall time of the run.
    pub duration_seconds: f64,
}

/// Differences that are named where there is little room.
const NAMED: usize = 5;

impl DrillReport {
    pub(super) fn new(name: String, all: Vec<DrilledCollection>, duration_seconds: f64) -> Self {
        Self {
            name,
            outcome: outcome(&all),
            rto_seconds: all.iter().map(|one| one.restore_seconds).sum(),
            collections: all,
            duration_seconds,
        }
    }

    /// Whether anything came back other than it was.
    pub fn differs(&self) -> bool {
        self.collections.iter().any(|one| !one.problems.is_empty())
    }

    /// What of the backup is not as it was written.
    pub fn damaged(&self) -> Vec<String> {
        self.collections.iter().flat_map(|one| one.damaged.iter().cloned()).collect()
    }

    /// Whether it proves that the backup comes back: all of it, or all that this Milvus would have
    /// back as it was.
    pub fn succeeded(&self) -> bool {
        let any = |outcome| self.collections.iter().any(|one| one.outcome == outcome);
        let passed = any(RunOutcome::Complete) && !any(RunOutcome::Failed);
        self.outcome == RunOutcome::Complete || passed
    }

    /// The outcome that metrics tell: a success is `complete`.
    pub fn told_outcome(&self) -> RunOutcome {
        if self.succeeded() { RunOutcome::Complete } else { self.outcome }
    }

    /// What was wrong: the first few, and how many more.
    pub fn failures(&self) -> Option<String> {
        let failed = self.collections.iter().flat_map(|one| {
            let what = one.problems.iter().chain(&one.error);
            what.map(move |what| format!("{}.{}: {what}", one.database, one.name))
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

fn outcome(all: &[DrilledCollection]) -> RunOutcome {
    let are = |outcome: RunOutcome| all.iter().filter(move |one| one.outcome == outcome).count();
    let differs = all.iter().any(|one| !one.problems.is_empty() || !one.damaged.is_empty());
    if are(RunOutcome::Complete) == all.len() {
        RunOutcome::Complete
    } else if differs || are(RunOutcome::Failed) == all.len() {
        RunOutcome::Failed
    } else {
        RunOutcome::Partial
    }
}

#[cfg(test)]
mod tests {
    use super::{DrillReport, DrilledCollection};
    use crate::job::error::Damage;
    use crate::job::{JobError, RunOutcome};
    use crate::model::{ErrorKind, Namespace, ObjectKey};

    fn one(kind: &str) -> DrilledCollection {
        let from = Namespace::new("default", kind);
        let good = DrilledCollection {
            error: None,
            ..DrilledCollection::none(&from, RunOutcome::Complete, String::new())
        };
        match kind {
            "good" => DrilledCollection { restore_seconds: 1.5, ..good },
            "differs" => DrilledCollection {
                problems: vec!["x".to_owned()],
                outcome: RunOutcome::Failed,
                ..good
            },
            "skipped" => DrilledCollection::skipped(&from, "2.2"),
            "damaged" => {
                let key = ObjectKey::new("c/_segments/x").unwrap();
                let found = Damage { key, how: "it has 1 byte".to_owned() };
                DrilledCollection::failed(&from, &JobError::damage("no", found))
            }
            "failed" => DrilledCollection::failed(&from, &JobError::new(ErrorKind::Failed, "no")),
            _ => DrilledCollection::absent(&(from, "it was dropped".to_owned())),
        }
    }

    #[test]
    fn one_difference_fails_a_drill_and_what_is_missing_makes_it_partial() {
        for (kinds, outcome, differs, success) in [
            (&[][..], RunOutcome::Complete, false, true),
            (&["good", "good"], RunOutcome::Complete, false, true),
            (&["good", "failed"], RunOutcome::Partial, false, false),
            (&["good", "absent"], RunOutcome::Partial, false, false),
            (&["good", "skipped"], RunOutcome::Partial, false, true),
            (&["skipped", "failed"], RunOutcome::Partial, false, false),
            (&["skipped"], RunOutcome::Partial, false, false),
            (&["failed", "failed"], RunOutcome::Failed, false, false),
            (&["good", "differs"], RunOutcome::Failed, true, false),
            (&["good", "damaged"], RunOutcome::Failed, false, false),
        ] {
            let all = kinds.iter().map(|kind| one(kind)).collect();
            let report = DrillReport::new("b".to_owned(), all, 1.0);
            assert_eq!((report.outcome, report.differs()), (outcome, differs), "{kinds:?}");
            assert_eq!(report.succeeded(), success, "{kinds:?}");
            let damaged = report.damaged();
            assert_eq!(damaged.len(), kinds.iter().filter(|kind| **kind == "damaged").count());
            assert!(damaged.iter().all(|line| line == "c/_segments/x: it has 1 byte"));
        }
    }

    #[test]
    fn what_is_wrong_is_told_in_short() {
        let all = |kinds: &[&str]| kinds.iter().map(|kind| one(kind)).collect();
        let report = DrillReport::new("b".to_owned(), all(&["good", "good"]), 1.0);
        assert_eq!((report.rto_seconds, report.failures()), (3.0, None));
        let report = DrillReport::new("b".to_owned(), all(&["differs", "failed"]), 1.0);
        assert_eq!(report.failures().unwrap(), "default.differs: x; default.failed: no");
        let report = DrillReport::new("b".to_owned(), all(&["differs"; 7]), 1.0);
        assert!(report.failures().unwrap().ends_with("; and 2 more"));
    }
}
