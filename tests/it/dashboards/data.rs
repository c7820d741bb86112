//! What the expressions find, asked of Prometheus's own engine by its own tool.

use std::process::Command;
use std::time::Duration;

use milvus_backup_agent::metrics::{Check, DrillFacts, Metrics, VerifyFacts, VerifyLevel};
use milvus_backup_agent::model::{RunKind, RunOutcome};
use serde_json::{Value, json};

use super::board::panels;
use crate::metrics::{POLICY, at, populated, promtool, running};

/// Minutes after 1970 at which is asked, after as many scrapes.
const ASKED: i64 = 120;

/// Where agents are scraped: two of them are of one cluster, one is scraped by two jobs.
const SCRAPED: [(&str, &str); 3] = [("a:7480", "agents"), ("b:7480", "agents"), ("a:7480", "all")];

/// What is expected of an expression.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    /// Any value.
    Something,
    /// At least one value above 0.
    Above,
    /// This one value, without labels.
    Value(i64),
}

/// Asks all of it on agents that tell this.
fn ask(agent: &Metrics, questions: &[(String, String, Wanted)]) {
    let samples = |value: i64| json!([{"labels": "{}", "value": value}]);
    let tests: Vec<Value> = questions
        .iter()
        .map(|(_, expression, wanted)| {
            let expression = replaced(expression);
            let (expr, value) = match wanted {
                Wanted::Something => (format!("count({expression}) > bool 0"), 1),
                Wanted::Above => (format!("count(({expression}) > 0) > bool 0"), 1),
                Wanted::Value(value) => (expression, *value),
            };
            json!({"expr": expr, "eval_time": format!("{ASKED}m"), "exp_samples": samples(value)})
        })
        .collect();
    let series: Vec<Value> = SCRAPED
        .iter()
        .flat_map(|(instance, job)| {
            let text = agent.render();
            let up = format!("up{{instance=\"{instance}\",job=\"{job}\"}}");
            let mut series = vec![json!({"series": up, "values": format!("1+0x{ASKED}")})];
            let mut counts = false;
            for line in text.lines() {
                if let Some(kind) = line.strip_prefix("# TYPE ") {
                    counts = kind.ends_with(" counter") || kind.ends_with(" histogram");
                } else if !line.starts_with('#') {
                    series.push(scraped(
                        line,
                        counts,
                        &format!("instance=\"{instance}\",job=\"{job}\""),
                    ));
                }
            }
            series
        })
        .collect();
    let whole = json!({
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": tests}],
    });
    let file = tempfile::NamedTempFile::with_suffix(".yml").expect("a temporary file");
    std::fs::write(&file, whole.to_string()).expect("it takes the questions");
    let output = Command::new(promtool()).args(["test", "rules"]).arg(file.path()).output();
    let output = output.expect("promtool runs");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let of = |said: &str| {
        let asked =
            questions.iter().filter(|(_, expression, _)| said.contains(&replaced(expression)));
        asked.map(|(title, ..)| title.clone()).collect::<Vec<_>>()
    };
    assert!(output.status.success(), "{:?} did not find what they should:\n{said}", of(&said));
    assert!(said.contains("SUCCESS"), "promtool asked nothing: {said}");
}

/// A line of a scrape as a series: a counter grows once, from 0; a gauge stays.
fn scraped(line: &str, counts: bool, place: &str) -> Value {
    let (series, value) = line.rsplit_once(' ').expect("a value");
    let series = match series.strip_suffix('}') {
        Some(labelled) => format!("{labelled},{place}}}"),
        None => format!("{series}{{{place}}}"),
    };
    let rest = ASKED - 1;
    let values = if counts { format!("0 {value}+0x{rest}") } else { format!("{value}+0x{ASKED}") };
    json!({"series": series, "values": values})
}

/// The variables of Grafana as somebody chose them.
fn replaced(expression: &str) -> String {
    let chosen = [
        ("$instance", "a:7480|b:7480"),
        ("$policy", ".*"),
        ("$__rate_interval", "4h"),
        ("$__range", "4h"),
    ];
    chosen.iter().fold(expression.to_owned(), |text, (name, value)| text.replace(name, value))
}

fn questions(of: impl Fn(&str, bool) -> Option<Wanted>) -> Vec<(String, String, Wanted)> {
    let mut found = Vec::new();
    for panel in panels() {
        if let Some(wanted) = of(&panel.title, panel.hidden) {
            for expression in panel.expressions() {
                found.push((panel.title.clone(), expression.to_owned(), wanted));
            }
        }
    }
    found
}

/// Every expression is understood, joins what it says, and finds something.
#[test]
fn every_panel_has_data_of_an_agent_that_has_everything() {
    let asked = questions(|_, _| Some(Wanted::Something));
    assert!(asked.len() > 90, "{}", asked.len());
    ask(&populated(), &asked);
}

/// Of one that has neither broker nor drills nor anything to verify, every panel that is open
/// has, but the parts that README.md or the panel itself says are not there.
#[test]
fn every_open_panel_has_data_of_any_agent_that_made_a_backup() {
    let absent = ["Proof overdue", "Found good"];
    let asked = questions(|title, hidden| {
        (!hidden && !absent.contains(&title)).then_some(Wanted::Something)
    });
    assert!(asked.len() > 70, "{}", asked.len());
    ask(&running(), &asked);
}

/// Two agents of one cluster tell the same of its repository, and it is there once.
#[test]
fn what_two_agents_tell_of_one_repository_is_counted_once() {
    let found = panels();
    let lines = |title: &str| {
        let panel =
            found.iter().find(|panel| panel.title == title && panel.is["type"] == "timeseries");
        let panel = panel.unwrap_or_else(|| panic!("no {title}"));
        panel.expressions().next().map(|it| format!("sum({it})")).expect("an expression")
    };
    let counted = |title: &str, value| (title.to_owned(), lines(title), Wanted::Value(value));
    ask(&running(), &[counted("Backups", 1), counted("Size", 3)]);
}

const TILES: [&str; 8] = [
    "Too old",
    "Failed or partial",
    "Slots overdue",
    "Agents silent",
    "Not ready",
    "Damaged files",
    "Proof overdue",
    "Too few kept",
];

/// The first row says 0 where all is well.
#[test]
fn the_first_row_is_all_zero_where_all_is_well() {
    let zero = |title: &str, _| TILES.contains(&title).then_some(Wanted::Value(0));
    let asked = questions(zero);
    assert_eq!(asked.len(), TILES.len());
    let metrics = populated();
    ask(&metrics, &asked);
}

/// And how many there are where it is not: two agents tell of each.
#[test]
fn the_first_row_counts_what_is_wrong() {
    let metrics = populated();
    let policy = milvus_backup_agent::metrics::PolicyFacts {
        name: POLICY.to_owned(),
        created_at: at(1),
        max_age: Some(Duration::from_mins(10)),
        interval: None,
        min_keep: Some(2),
    };
    metrics.set_policies(&[policy]);
    metrics.next_run(POLICY, Some(at(3600)));
    metrics.run_ended(&milvus_backup_agent::metrics::RunFacts {
        policy: POLICY.to_owned(),
        kind: RunKind::Prune,
        outcome: RunOutcome::Failed,
        started_at: at(3500),
        ended_at: at(3600),
        stages: Vec::new(),
        backup: None,
    });
    metrics.preflight("milvus", Check::Failed);
    let found = VerifyFacts { level: VerifyLevel::Content, good: 1, missing: 1, damaged: 2 };
    metrics.verified(POLICY, found, at(3600));
    let late = DrillFacts {
        max_age: Some(Duration::from_mins(10)),
        since: Some(at(1)),
        ..DrillFacts::default()
    };
    metrics.drills(POLICY, &late);
    let asked = questions(|title, _| match title {
        "Too old" | "Failed or partial" | "Slots overdue" | "Not ready" | "Proof overdue"
        | "Too few kept" => Some(Wanted::Value(2)),
        "Damaged files" => Some(Wanted::Above),
        _ => None,
    });
    assert_eq!(asked.len(), TILES.len() - 1);
    ask(&metrics, &asked);
}

/// A good drill from before drills were wanted anew makes nothing late, as in the alert.
#[test]
fn drills_that_are_wanted_anew_have_their_time() {
    let metrics = populated();
    let now = ASKED * 60;
    let anew = DrillFacts {
        max_age: Some(Duration::from_mins(30)),
        since: Some(at(now - 600)),
        last_success: Some((at(60), Duration::from_secs(9))),
        ..DrillFacts::default()
    };
    metrics.drills(POLICY, &anew);
    let asked = questions(|title, _| (title == "Proof overdue").then_some(Wanted::Value(0)));
    assert_eq!(asked.len(), 1);
    ask(&metrics, &asked);
}
