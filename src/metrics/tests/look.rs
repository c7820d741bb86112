//! What the tests look at, and what they tell.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::metrics::{BackupFigures, CatalogFacts, Metrics, PolicyCatalog, PolicyFacts, RunFacts};
use crate::model::{BackupState, RunKind, RunOutcome, RunStage};

/// The value of `name{labels}`, as written in the text.
pub(super) fn value(metrics: &Metrics, series: &str) -> Option<i64> {
    let text = metrics.render();
    let found = text.lines().find_map(|line| {
        let rest = line.strip_prefix("milvus_backup_")?;
        rest.strip_prefix(series)?.strip_prefix(' ').map(str::to_owned)
    });
    found.map(|value| value.parse().expect("the tests tell whole numbers"))
}

/// How many series have this label value.
pub(super) fn series_with(metrics: &Metrics, label: &str) -> usize {
    metrics.render().lines().filter(|line| line.contains(label)).count()
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(super) fn policy(name: &str) -> PolicyFacts {
    PolicyFacts {
        name: name.to_owned(),
        created_at: at(100),
        max_age: Some(Duration::from_hours(26)),
        interval: Some(Duration::from_hours(24)),
        min_keep: Some(2),
    }
}

/// A backup run of ten seconds.
pub(super) fn run(policy: &str, outcome: RunOutcome, ended: i64) -> RunFacts {
    let made = matches!(outcome, RunOutcome::Complete | RunOutcome::Partial);
    RunFacts {
        policy: policy.to_owned(),
        kind: RunKind::Backup,
        outcome,
        started_at: at(ended - 10),
        ended_at: at(ended),
        stages: vec![(RunStage::Copy, Duration::from_secs(7))],
        backup: made.then(|| BackupFigures {
            rows: 1000,
            segments: 5,
            logical_bytes: 4096,
            uploaded_bytes: Some(96),
            reused_bytes: Some(4000),
            collections: 3,
            collections_skipped: Some(1),
            collections_failed: u64::from(outcome == RunOutcome::Partial),
            suspect: false,
        }),
    }
}

/// A repository that was read then, with backups of one policy.
pub(super) fn catalog(read_at: i64, policy: &str, found: PolicyCatalog) -> CatalogFacts {
    CatalogFacts {
        read_at: at(read_at),
        policies: [(policy.to_owned(), found)].into(),
        bytes: BTreeMap::new(),
        free_bytes: None,
        min_free_bytes: None,
    }
}

/// One complete backup that was committed then.
pub(super) fn one_backup(committed: i64) -> PolicyCatalog {
    PolicyCatalog {
        last_success: Some(at(committed)),
        last_completion: Some((at(committed), RunOutcome::Complete)),
        states: [(BackupState::Complete, 1)].into(),
        oldest_restorable: Some(at(committed - 10)),
        newest_restorable: Some(at(committed - 10)),
        pinned: 0,
        damaged: 0,
        newest_complete: Some(BackupFigures {
            rows: 1000,
            segments: 5,
            logical_bytes: 4096,
            collections: 3,
            ..BackupFigures::default()
        }),
    }
}
