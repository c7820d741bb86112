//! `dashboards/grafana-alerts.yml`: the rules as Grafana provisions them.
//!
//! To Grafana a query without a result is not that all is well, but no data, and here an alarm.
//! So each query gives what its rule gives, else 0 as long as any agent is there: only where
//! there is none it has no result. It is one query, since Grafana takes a single empty one for
//! no data of the whole rule. Where the text needs the value, it is above 0 whenever the rule
//! fires; else the query makes it 1.

use std::fmt::Write;
use std::process::Command;

use serde_json::json;

use super::cases::{Case, Cases, FRESH, Series, cases};
use super::rules::{Rule, assert_golden, rules};
use crate::lab::{promtool, set_up};

/// 0 while there is an agent.
const WELL: &str = "or on () 0 * count(milvus_backup_build_info)";

/// What comes before each rule.
const HEAD: &str = "\
# The rules of alerts.yml for Grafana, from which it is made: MBA_GOLDEN_WRITE=1 cargo test --test it -- alerts
# It goes into Grafana's provisioning/alerting, and asks the data source with the uid `prometheus`.
#
# A query gives 0 while all is well; no data means that no agent is there, and is an alarm.
apiVersion: 1
groups:
  - orgId: 1
    name: milvus-backup
    folder: Milvus backup
    interval: 1m
    rules:
";

/// What Grafana asks for a rule.
fn query(rule: &Rule) -> String {
    let expr = rule.expr.trim_end();
    if rule.annotations.values().any(|text| text.contains("$value")) {
        format!("(\n{expr}\n)\n{WELL}")
    } else {
        format!("0 * (\n{expr}\n) + 1\n{WELL}")
    }
}

/// What Grafana asks for each rule.
pub(crate) fn queries() -> Vec<(String, String)> {
    rules().iter().map(|rule| (rule.alert.clone(), query(rule))).collect()
}

/// `MilvusBackupTooOld` is `milvus-backup-too-old`.
fn uid(alert: &str) -> String {
    let mut uid = String::new();
    for letter in alert.chars() {
        if letter.is_uppercase() && !uid.is_empty() {
            uid.push('-');
        }
        uid.push(letter.to_ascii_lowercase());
    }
    uid
}

fn write(rule: &Rule) -> String {
    let quoted = |text: &str| json!(text).to_string();
    let mut yaml = format!(
        "      - uid: {}\n        title: {}\n        condition: C\n        data:\n",
        uid(&rule.alert),
        rule.alert
    );
    yaml += "          - refId: A\n            relativeTimeRange: {from: 600, to: 0}\n";
    yaml += "            datasourceUid: prometheus\n            model:\n              refId: A\n";
    yaml +=
        "              datasource: {type: prometheus, uid: prometheus}\n              expr: |\n";
    for line in query(rule).lines() {
        writeln!(yaml, "                {line}").expect("text is written to memory");
    }
    yaml += "              instant: true\n              range: false\n";
    yaml += "          - refId: C\n            relativeTimeRange: {from: 0, to: 0}\n";
    yaml += "            datasourceUid: __expr__\n            model:\n              refId: C\n";
    yaml += "              datasource: {type: __expr__, uid: __expr__}\n";
    yaml += "              type: threshold\n              expression: A\n";
    yaml += "              conditions: [{evaluator: {type: gt, params: [0]}}]\n";
    yaml += "        noDataState: Alerting\n        execErrState: Error\n";
    let pending = rule.pending.as_deref().unwrap_or("0s");
    writeln!(yaml, "        for: {pending}").expect("text is written to memory");
    for (what, map) in [("annotations", &rule.annotations), ("labels", &rule.labels)] {
        writeln!(yaml, "        {what}:").expect("text is written to memory");
        for (name, text) in map {
            let text = quoted(&text.replace("$value", "$values.A.Value"));
            writeln!(yaml, "          {name}: {text}").expect("text is written to memory");
        }
    }
    yaml
}

#[test]
fn grafanas_copy_is_made_of_the_rules() {
    let made: String = rules().iter().map(write).collect();
    assert_golden("grafana-alerts.yml", &format!("{HEAD}{made}"));
}

/// Grafana says only when it starts what it does not take.
#[test]
fn grafana_takes_its_copy() {
    let text = std::fs::read_to_string(super::rules::path("grafana-alerts.yml"));
    let text = text.expect("it is there");
    let read: serde_json::Value = serde_saphyr::from_str(&text).expect("it is YAML");
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    serde_json::to_writer(&file, &read).expect("it is written");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/grafana/check_alerts.py");
    for models in ["grafana", "grafana-11"] {
        let input = std::fs::File::open(file.path()).expect("it was written");
        let mut check = Command::new(set_up(models));
        let output = check.arg(script).stdin(input).output().expect("python starts");
        let said =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{models}: {said}");
    }
}

/// An agent that is well gives 0, whatever fires more than 0, and no agent nothing at all.
#[test]
fn every_query_tells_well_from_away() {
    let Cases { evaluation_interval, tests, .. } = cases();
    let mut tests: Vec<Case> = tests.into_iter().map(asked).collect();
    let nothing = queries().into_iter().map(|(alert, query)| {
        let absent = alert == "MilvusBackupAgentAbsent";
        sample(&query, "5m", absent.then_some(1))
    });
    tests.push(Case {
        name: "no agent".to_owned(),
        interval: "1m".to_owned(),
        input_series: vec![Series {
            series: "up{job=\"node\"}".to_owned(),
            values: "1x10".to_owned(),
        }],
        alert_rule_test: Vec::new(),
        promql_expr_test: nothing.collect(),
    });
    let asked = Cases { rule_files: Vec::new(), evaluation_interval, tests };
    let file = tempfile::Builder::new().suffix(".yml").tempfile().expect("a temporary file");
    serde_json::to_writer(&file, &asked).expect("JSON is YAML");
    let said = promtool(&["test", "rules", file.path().to_str().expect("a plain name")]);
    assert!(said.contains("SUCCESS"), "{said}");
}

/// The same case, asked as Grafana does.
fn asked(case: Case) -> Case {
    let query = |alert: &str| {
        let found = queries().into_iter().find(|(name, _)| name == alert);
        found.unwrap_or_else(|| panic!("{alert} is no alert")).1
    };
    let asked = case.alert_rule_test.iter().filter_map(|moment| {
        let (query, at) = (query(&moment.alertname), &moment.eval_time);
        match moment.exp_alerts.len() {
            0 if case.name == FRESH => Some(sample(&query, at, Some(0))),
            0 => None,
            firing => {
                // What is not yet for long enough is among them, too.
                Some(sample(&format!("count(({query}) > 0) >= bool {firing}"), at, Some(1)))
            }
        }
    });
    let promql_expr_test = asked.collect();
    Case { alert_rule_test: Vec::new(), promql_expr_test, ..case }
}

fn sample(expr: &str, at: &str, value: Option<i64>) -> serde_json::Value {
    let samples: Vec<_> =
        value.iter().map(|value| json!({"labels": "{}", "value": value})).collect();
    json!({"expr": expr, "eval_time": at, "exp_samples": samples})
}
