//! The event of a drill, word by word.

use super::bodies::{assert_is, later, run};
use crate::job::events::EventEnd;
use crate::job::{DrillReport, DrilledCollection};
use crate::model::{RunKind, RunOutcome};

const GOLDEN: &str = include_str!("../../../../tests/fixtures/events/drill.failed.json");

#[test]
fn a_drill_tells_what_differs() {
    let report = DrillReport {
        name: "nightly_20261123_020000".to_owned(),
        outcome: RunOutcome::Failed,
        collections: vec![DrilledCollection {
            database: "default".to_owned(),
            name: "films".to_owned(),
            rows: 990,
            keys_checked: 990,
            deleted_keys_checked: 10,
            whole: true,
            restore_seconds: 1.5,
            problems: vec!["partition `old` is not there".to_owned()],
            damaged: Vec::new(),
            outcome: RunOutcome::Failed,
            error: None,
            notes: Vec::new(),
        }],
        rto_seconds: 1.5,
        duration_seconds: 2.0,
    };
    let reported = EventEnd::reported(report.outcome, later(2), (&report).into());
    let letters = run(RunKind::Drill, "", Some(&report.name)).ended(&reported, &[], later(2));
    assert_is(&letters[0], "drill.failed", GOLDEN);
}
