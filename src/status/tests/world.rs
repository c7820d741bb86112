//! A cluster with three policies, of which all is well.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::metrics::{DrillFacts, ReadingFacts};
use crate::model::{BackupState, RunOutcome};
use crate::status::{
    BackupFacts, BackupsFacts, BrokerFacts, DrillRecord, EndFacts, Intent, PolicyStatus,
    RepositoryFacts, RunningFacts, StatusFacts, Teller,
};

pub(super) fn now() -> Timestamp {
    "2026-11-26T13:00:00Z".parse().unwrap()
}

pub(super) fn hours_ago(hours: i64) -> Timestamp {
    now() - SignedDuration::from_hours(hours)
}

pub(super) fn end(outcome: RunOutcome, hours: i64, detail: Option<&str>) -> EndFacts {
    EndFacts {
        outcome,
        at: hours_ago(hours),
        backup: "b_1".to_owned(),
        detail: detail.map(str::to_owned),
        hint: None,
        again_at: None,
    }
}

pub(super) fn policy(name: &str) -> PolicyStatus {
    let good = BackupFacts {
        name: format!("{name}_20261126_020000"),
        at: hours_ago(11),
        rows: 1_250_000,
        bytes: 9 << 30,
    };
    PolicyStatus {
        intent: Intent {
            name: name.to_owned(),
            collections: "*.*,!default.tmp_*".to_owned(),
            schedule: Some("0 2 * * * (Europe/Berlin)".to_owned()),
            triggers: Vec::new(),
            paused: false,
            max_age: Some(Duration::from_hours(50)),
            interval: Some(Duration::from_hours(24)),
            min_keep: Some(2),
            created_at: Some(hours_ago(1000)),
            written_at: None,
        },
        backups: Some(BackupsFacts {
            last_good: Some(good),
            last_end: Some(end(RunOutcome::Complete, 11, None)),
            states: BTreeMap::from([(BackupState::Complete, 9), (BackupState::Tombstoned, 1)]),
            pinned: 1,
            window: Some((hours_ago(24 * 12), hours_ago(11))),
            ..BackupsFacts::default()
        }),
        last_run: None,
        running: None,
        next_run: Some(now() + SignedDuration::from_hours(13)),
        others: BTreeMap::new(),
        pruned: None,
        proving: None,
        drills: None,
        readings: None,
    }
}

/// A run that is half done.
pub(super) fn running() -> RunningFacts {
    RunningFacts {
        backup: "hourly_20261126_130000".to_owned(),
        since: now() - SignedDuration::from_mins(4),
        stage: "copying",
        subject: "default.books".to_owned(),
        done_bytes: 4 << 30,
        total_bytes: 9 << 30,
        moved_at: Some(now()),
    }
}

pub(super) fn well() -> StatusFacts {
    let mut hourly = policy("hourly");
    hourly.running = Some(running());
    let mut proven = policy("proven");
    proven.drills = Some(DrillFacts {
        next_run: Some(now() + SignedDuration::from_hours(80)),
        max_age: Some(Duration::from_hours(24 * 35)),
        since: Some(hours_ago(900)),
        last_success: Some((hours_ago(88), Duration::from_secs(184))),
    });
    proven.readings = Some(ReadingFacts {
        next_run: Some(now() + SignedDuration::from_hours(8)),
        max_age: Some(Duration::from_hours(24 * 30)),
        read_since: Some(hours_ago(24 * 20)),
    });
    if let Some(backups) = &mut proven.backups {
        let last_success = (hours_ago(88), "proven_1".to_owned(), Duration::from_secs(184));
        backups.drill = Some(DrillRecord {
            last: Some((hours_ago(88), RunOutcome::Complete, None)),
            last_success: Some(last_success),
        });
    }
    StatusFacts {
        now: now(),
        cluster: "shop-production".to_owned(),
        told_by: Teller::Agent { version: "0.1.0".to_owned(), started_at: hours_ago(72) },
        policies: vec![hourly, policy("nightly"), proven],
        strays: Vec::new(),
        leftovers: None,
        config_file: None,
        policy_folder: "/etc/milvus-backup-agent/policies".to_owned(),
        repository: RepositoryFacts {
            place: "/backup/milvus".to_owned(),
            read_at: Some(now() - SignedDuration::from_mins(3)),
            unreadable: None,
            free_bytes: Some(300 << 30),
            min_free_bytes: Some(50 << 30),
            bytes: Some(42 << 30),
        },
        waiting: Vec::new(),
        broker: Some(BrokerFacts { state: "connected".to_owned(), is_well: true }),
        unnamed_broker: false,
        settings: Vec::new(),
    }
}
