//! Runs from their start to the next process (T35).

use crate::metrics::{Metrics, PolicyCatalog, RunProgress};
use crate::model::{RunKind, RunOutcome};

use super::look::{at, catalog, one_backup, policy, run, value};

const SUCCESS: &str = r#"last_success_timestamp_seconds{kind="backup",policy="p"}"#;
const COMPLETION: &str = r#"last_completion_timestamp_seconds{kind="backup",policy="p"}"#;

fn outcome(metrics: &Metrics) -> Vec<&'static str> {
    let is = |outcome: &&RunOutcome| {
        let series = format!(r#"last_run_outcome{{kind="backup",outcome="{outcome}",policy="p"}}"#);
        value(metrics, &series) == Some(1)
    };
    RunOutcome::ALL.iter().filter(is).map(|outcome| outcome.as_str()).collect()
}

fn ends(metrics: &Metrics) -> (i64, i64, Vec<&'static str>) {
    let of = |series| value(metrics, series).expect("a configured policy has it");
    (of(SUCCESS), of(COMPLETION), outcome(metrics))
}

fn configured() -> Metrics {
    let metrics = Metrics::default();
    metrics.set_policies(&[policy("p")]);
    metrics
}

#[test]
fn only_a_complete_run_moves_the_last_success() {
    let metrics = configured();
    assert_eq!(value(&metrics, SUCCESS), None, "the repository may have a backup");
    metrics.catalog(catalog(1, "p", PolicyCatalog::default()));
    assert_eq!(ends(&metrics), (0, 0, vec![]), "nothing ran yet");
    let mut told = ends(&metrics);
    for (ended, how, success) in [
        (1000, RunOutcome::Failed, 0),
        (2000, RunOutcome::Complete, 2000),
        (3000, RunOutcome::Partial, 2000),
        (4000, RunOutcome::Failed, 2000),
        (5000, RunOutcome::Cancelled, 2000),
        (6000, RunOutcome::Skipped, 2000),
        (7000, RunOutcome::Complete, 7000),
    ] {
        metrics.run_started("p", RunKind::Backup, at(ended - 10));
        assert_eq!(ends(&metrics), told, "a start ends nothing");
        metrics.run_ended(&run("p", how, ended));
        told = ends(&metrics);
        assert_eq!(told.0, success, "after {how} at {ended}");
        assert_eq!(told.1, ended);
        assert_eq!(told.2, [how.as_str()]);
    }
}

#[test]
fn a_restart_tells_what_the_process_before_told() {
    let before = configured();
    before.run_ended(&run("p", RunOutcome::Complete, 2000));
    before.run_ended(&run("p", RunOutcome::Failed, 3000));

    let after = configured();
    after.catalog(catalog(3500, "p", one_backup(2000)));
    assert_eq!(ends(&after), (2000, 2000, vec!["complete"]), "the repository knows no failure");
    after.run_remembered(&run("p", RunOutcome::Failed, 3000));
    assert_eq!(ends(&after), ends(&before), "the journal does");
    assert_eq!(value(&after, r#"last_backup_rows{policy="p"}"#), Some(1000));
    let runs = r#"runs_total{kind="backup",outcome="failed",policy="p"}"#;
    assert_eq!(value(&after, runs), Some(0), "what is remembered is not counted again");

    let other_way_round = configured();
    other_way_round.run_remembered(&run("p", RunOutcome::Failed, 3000));
    other_way_round.catalog(catalog(3500, "p", one_backup(2000)));
    assert_eq!(ends(&other_way_round), ends(&before));
}

#[test]
fn the_catalog_neither_loses_what_came_while_it_was_read_nor_keeps_what_is_gone() {
    let metrics = configured();
    metrics.run_ended(&run("p", RunOutcome::Complete, 2000));
    metrics.catalog(catalog(1990, "p", PolicyCatalog::default()));
    assert_eq!(ends(&metrics).0, 2000, "it was committed after the reading began");
    assert_eq!(value(&metrics, r#"last_backup_rows{policy="p"}"#), Some(1000));
    metrics.catalog(catalog(2300, "p", one_backup(2000)));
    assert_eq!(ends(&metrics).0, 2000);
    metrics.catalog(catalog(2600, "p", PolicyCatalog::default()));
    assert_eq!(ends(&metrics).0, 0, "somebody deleted it");
    assert_eq!(ends(&metrics).1, 2000, "but a run did end");
    assert_eq!(value(&metrics, r#"last_backup_rows{policy="p"}"#), None);
    assert_eq!(value(&metrics, r#"newest_restorable_timestamp_seconds{policy="p"}"#), None);
}

#[test]
fn a_run_that_is_at_work_can_be_watched() {
    let metrics = configured();
    let labels = r#"{kind="backup",policy="p"}"#;
    let gauge = |name: &str| value(&metrics, &format!("{name}{labels}"));
    let seen = || {
        [
            "run_in_progress",
            "run_started_timestamp_seconds",
            "run_last_progress_timestamp_seconds",
            "run_done_bytes",
            "run_expected_bytes",
        ]
        .map(gauge)
    };
    assert_eq!(seen(), [Some(0), None, None, None, None]);
    metrics.run_started("p", RunKind::Backup, at(1000));
    assert_eq!(seen(), [Some(1), Some(1000), Some(1000), Some(0), None]);
    let progress = RunProgress { done_bytes: 7, expected_bytes: Some(9), moved_at: at(1005) };
    metrics.run_progressed("p", RunKind::Backup, progress);
    assert_eq!(seen(), [Some(1), Some(1000), Some(1005), Some(7), Some(9)]);
    metrics.run_ended(&run("p", RunOutcome::Complete, 1010));
    assert_eq!(seen(), [Some(0), None, None, None, None]);
    metrics.run_progressed("p", RunKind::Backup, progress);
    assert_eq!(seen(), [Some(0), None, None, None, None], "a late word is no run");
}

#[test]
fn the_figures_are_those_of_the_newest_complete_backup() {
    let metrics = configured();
    metrics.run_ended(&run("p", RunOutcome::Complete, 1000));
    let mut partial = run("p", RunOutcome::Partial, 2000);
    partial.backup.as_mut().unwrap().rows = 10;
    metrics.run_ended(&partial);
    for (gauge, expected) in [
        ("last_backup_rows", 1000),
        ("last_backup_segments", 5),
        ("last_backup_logical_bytes", 4096),
        ("last_backup_uploaded_bytes", 96),
        ("last_backup_reused_bytes", 4000),
        ("last_backup_collections", 3),
        ("last_backup_collections_skipped", 1),
        ("last_backup_collections_failed", 1),
    ] {
        let found = value(&metrics, &format!(r#"{gauge}{{policy="p"}}"#));
        assert_eq!(found, Some(expected), "{gauge}");
    }
    let stage = r#"last_run_stage_duration_seconds{policy="p",stage="copy"}"#;
    assert_eq!(value(&metrics, stage), Some(7));
    let took = r#"last_run_duration_seconds{kind="backup",policy="p"}"#;
    assert_eq!(value(&metrics, took), Some(10));
    let mut failed = run("p", RunOutcome::Failed, 3000);
    failed.stages.clear();
    metrics.run_ended(&failed);
    assert_eq!(value(&metrics, stage), None, "it did not come as far");
}
