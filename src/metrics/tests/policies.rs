//! Policies come and go; counters begin at 0 (T36).

use crate::metrics::{Check, Metrics, MissReason, PruneFacts, PruneFailure, TriggerSource};
use crate::model::{Guard, RunKind, RunOutcome};

use super::look::{at, policy, run, series_with, value};

#[test]
fn the_first_event_is_an_increase() {
    let metrics = Metrics::default();
    metrics.set_policies(&[policy("p")]);
    for series in [
        r#"runs_total{kind="backup",outcome="failed",policy="p"}"#,
        r#"run_duration_seconds_count{kind="backup",policy="p"}"#,
        r#"schedule_missed_total{policy="p",reason="overlap"}"#,
        r#"triggers_total{policy="p",source="catchup"}"#,
        r#"runs_total{kind="restore",outcome="complete",policy=""}"#,
        r#"gc_pause_failures_total{op="resume"}"#,
    ] {
        assert_eq!(value(&metrics, series), Some(0), "{series}");
    }
    metrics.run_ended(&run("p", RunOutcome::Failed, 1000));
    metrics.run_ended(&run("p", RunOutcome::Skipped, 1100));
    metrics.schedule_missed("p", MissReason::Overlap, 3);
    metrics.trigger("p", TriggerSource::Catchup);
    for (series, expected) in [
        (r#"runs_total{kind="backup",outcome="failed",policy="p"}"#, 1),
        (r#"runs_total{kind="backup",outcome="skipped",policy="p"}"#, 1),
        (r#"run_duration_seconds_count{kind="backup",policy="p"}"#, 1),
        (r#"schedule_missed_total{policy="p",reason="overlap"}"#, 3),
        (r#"triggers_total{policy="p",source="catchup"}"#, 1),
    ] {
        assert_eq!(value(&metrics, series), Some(expected), "{series}");
    }
}

#[test]
fn what_is_not_configured_is_absent() {
    let metrics = Metrics::default();
    for gauge in [
        "amqp_",
        "repository_free_bytes",
        "repository_bytes",
        "catalog_refresh_timestamp_seconds",
        "gc_pause_active",
        "gc_pause_started_timestamp_seconds",
        "preflight_ok",
        "config_last_reload_success",
        "last_success_timestamp_seconds",
        "backups",
    ] {
        let shown = metrics.render().contains(&format!("\nmilvus_backup_{gauge}"));
        assert!(!shown, "{gauge}");
    }
    let mut by_message = policy("p");
    (by_message.max_age, by_message.interval, by_message.min_keep) = (None, None, None);
    metrics.set_policies(&[by_message]);
    assert_eq!(value(&metrics, r#"policy_created_timestamp_seconds{policy="p"}"#), Some(100));
    for gauge in [
        "policy_max_age_seconds",
        "policy_min_keep",
        "schedule_interval_seconds",
        "schedule_next_run_timestamp_seconds",
    ] {
        assert_eq!(value(&metrics, &format!(r#"{gauge}{{policy="p"}}"#)), None, "{gauge}");
    }
}

#[test]
fn a_reload_changes_adds_and_removes() {
    let metrics = Metrics::default();
    metrics.set_policies(&[policy("old"), policy("stays")]);
    metrics.next_run("stays", Some(at(5000)));
    for name in ["old", "stays"] {
        metrics.run_started(name, RunKind::Backup, at(1990));
    }
    metrics.run_ended(&run("stays", RunOutcome::Complete, 2000));
    assert!(series_with(&metrics, "policy=\"old\"") > 20);

    let mut changed = policy("stays");
    changed.max_age = None;
    metrics.set_policies(&[changed, policy("new")]);
    metrics.run_ended(&run("old", RunOutcome::Complete, 3000));
    metrics.trigger("old", TriggerSource::Cron);
    assert_eq!(series_with(&metrics, "policy=\"old\""), 0, "it ended after it was removed");
    assert_eq!(value(&metrics, r#"policy_max_age_seconds{policy="stays"}"#), None);
    assert_eq!(value(&metrics, r#"policy_max_age_seconds{policy="new"}"#), Some(93_600));
    let next = r#"schedule_next_run_timestamp_seconds{policy="stays"}"#;
    assert_eq!(value(&metrics, next), Some(5000));
    metrics.next_run("stays", None);
    assert_eq!(value(&metrics, next), None, "it is paused");
    let success = r#"last_success_timestamp_seconds{kind="backup",policy="stays"}"#;
    assert_eq!(value(&metrics, success), Some(2000));
}

#[test]
fn a_policy_of_which_only_the_name_is_known_is_counted() {
    let metrics = Metrics::default();
    metrics.add_policy("p");
    metrics.run_ended(&run("p", RunOutcome::Failed, 1000));
    let failed = r#"runs_total{kind="backup",outcome="failed",policy="p"}"#;
    assert_eq!(value(&metrics, failed), Some(1));
    assert_eq!(value(&metrics, r#"policy_created_timestamp_seconds{policy="p"}"#), None);
}

#[test]
fn a_refused_reload_is_told() {
    let metrics = Metrics::default();
    for (found, expected) in [(Check::Passed, 1), (Check::Failed, 0), (Check::Passed, 1)] {
        metrics.config_reload(found);
        assert_eq!(value(&metrics, "config_last_reload_success"), Some(expected));
        metrics.preflight("milvus", found);
        assert_eq!(value(&metrics, r#"preflight_ok{check="milvus"}"#), Some(expected));
    }
}

#[test]
fn a_prune_is_held_until_the_next_one_of_its_policy_is_not() {
    let metrics = Metrics::default();
    metrics.set_policies(&[policy("p"), policy("q")]);
    let refused = |guard: Guard| PruneFacts { refused: vec![guard], ..PruneFacts::default() };
    let held = || ["p", "q", ""].map(|policy| metrics.known(policy).prune_held);
    metrics.pruned("p", &refused(Guard::MassDelete));
    assert_eq!(held(), [true, false, false]);
    metrics.pruned("q", &refused(Guard::PolicyChanged));
    assert_eq!(held(), [true, false, false], "rules that are new give way by themselves");
    metrics.pruned("p", &refused(Guard::PolicyChanged));
    assert_eq!(held(), [false; 3], "what was refused before is over");
    let failures = vec![PruneFailure::NotAuthorised];
    metrics.pruned("", &PruneFacts { failures, ..PruneFacts::default() });
    assert_eq!(held(), [false, false, true]);
    metrics.pruned("q", &refused(Guard::Clock));
    metrics.set_policies(&[policy("p")]);
    metrics.set_policies(&[policy("p"), policy("q")]);
    assert_eq!(held(), [false, false, true], "it was given up meanwhile");
}
