//! What every rule has to have.

use std::collections::BTreeSet;

use milvus_backup_agent::metrics::{FAMILIES, Family};

use super::rules::{path, rules};
use crate::lab::promtool;

const README: &str = include_str!("../../../README.md");

/// Those that people's receivers and routes rely on.
const CONTRACT: [&str; 15] = [
    "TooOld",
    "AgentAbsent",
    "LastRunFailed",
    "LastRunPartial",
    "RunStalled",
    "RunTooSlow",
    "ScheduleOverdue",
    "Shrank",
    "VerifyFailed",
    "DrillTooOld",
    "PruneRefused",
    "TooFewBackups",
    "GcPausedTooLong",
    "BrokerDisconnected",
    "PreflightFailing",
];

/// What comes before the name of a metric of ours, or of an alert.
const METRIC: &str = "milvus_backup_";
const ALERT: &str = "MilvusBackup";

#[test]
fn every_alert_says_how_bad_it_is_and_what_to_do() {
    let mut names = BTreeSet::new();
    for rule in rules() {
        let name = &rule.alert;
        assert!(name.starts_with(ALERT) && names.insert(name.clone()), "{name}");
        let labels: Vec<_> = rule.labels.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert!(matches!(labels[..], [("severity", "critical" | "warning")]), "{name}: {labels:?}");
        let told: Vec<_> = rule.annotations.keys().map(String::as_str).collect();
        assert_eq!(told, ["description", "runbook_url", "summary"], "{name}");
        assert!(rule.annotations["summary"].len() < 100, "{name}: that is no summary");
        let description = &rule.annotations["description"];
        assert!(description.contains("$labels.instance"), "{name} does not say where");
        let of_policy = rule.expr.contains("_policy_") || rule.expr.contains("last_run_outcome");
        let says_which = ["$labels.policy", "without (policy)"];
        let says_which =
            says_which.iter().any(|it| description.contains(it) || rule.expr.contains(it));
        assert!(!of_policy || says_which, "{name} does not say which policy");
        // As GitHub makes anchors of headings.
        let repository = env!("CARGO_PKG_REPOSITORY");
        let anchor = format!("{repository}#{}", name.to_lowercase());
        assert_eq!(rule.annotations["runbook_url"], anchor, "{name}");
        assert!(README.contains(&format!("\n#### {name}\n")), "{name} is not in the runbook");
    }
    for name in CONTRACT.map(|name| format!("{ALERT}{name}")) {
        assert!(names.contains(&name), "{name} is gone");
    }
    let headings = README.lines().filter_map(|line| line.strip_prefix("#### MilvusBackup"));
    for heading in headings.map(|name| format!("{ALERT}{name}")) {
        assert!(names.contains(&heading), "the runbook has {heading}, which is no alert");
    }
}

/// A name or label that does not exist makes an alert that can never fire.
#[test]
fn every_metric_and_label_of_an_alert_exists() {
    for rule in rules() {
        let mut named = 0;
        for (family, matchers) in selectors(&rule.expr) {
            let known = FAMILIES.iter().find(|known| known.name() == family);
            let known = known.unwrap_or_else(|| panic!("{}: no metric {family}", rule.alert));
            for label in matchers {
                assert!(known.labels.contains(&label), "{}: {family} has no {label}", rule.alert);
            }
            named += 1;
        }
        assert!(named > 0, "{} looks at nothing of ours", rule.alert);
        assert_eq!(named, rule.expr.matches(METRIC).count(), "{}", rule.alert);
    }
}

/// The metrics of an expression, with the labels that it selects by.
fn selectors(expr: &str) -> Vec<(&str, Vec<&str>)> {
    let word = |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_');
    let found = expr.match_indices(METRIC).map(|(at, _)| {
        let rest = &expr[at..];
        let (name, rest) = rest.split_at(word(rest).unwrap_or(rest.len()));
        let matchers = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let matchers = matchers.map_or("", |(matchers, _)| matchers);
        let labels = matchers.split(',').filter_map(|one| Some(&one[..word(one)?]));
        (name, labels.collect())
    });
    found.collect()
}

#[test]
fn the_reading_of_expressions_finds_names_and_labels() {
    let read =
        selectors("a{x=\"y\"} > milvus_backup_a{kind!=\"b\",state=~\"c|d\"} - milvus_backup_b");
    assert_eq!(read, [("milvus_backup_a", vec!["kind", "state"]), ("milvus_backup_b", Vec::new())]);
    assert!(FAMILIES.iter().map(Family::name).all(|name| name.starts_with(METRIC)));
}

#[test]
fn promtool_takes_the_rules() {
    let file = path("alerts.yml");
    let said = promtool(&["check", "rules", "--lint=all", file.to_str().expect("a plain name")]);
    assert!(said.contains(&format!("{} rules found", rules().len())), "{said}");
}
