//! The cases of `dashboards/alerts_test.yml`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::rules::{path, rules};
use crate::lab::promtool;

/// The name of the case in which nothing fires.
pub(super) const FRESH: &str = "a fresh agent";

/// What promtool reads.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cases {
    pub(super) rule_files: Vec<String>,
    pub(super) evaluation_interval: String,
    pub(super) tests: Vec<Case>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) interval: String,
    pub(super) input_series: Vec<Series>,
    pub(super) alert_rule_test: Vec<Moment>,
    #[serde(default)]
    pub(super) promql_expr_test: Vec<serde_json::Value>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Series {
    pub(super) series: String,
    pub(super) values: String,
}

/// What fires of an alert at a moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Moment {
    pub(super) eval_time: String,
    pub(super) alertname: String,
    #[serde(default)]
    pub(super) exp_alerts: Vec<Firing>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Firing {
    pub(super) exp_labels: BTreeMap<String, String>,
    pub(super) exp_annotations: BTreeMap<String, String>,
}

pub(super) fn cases() -> Cases {
    let text = std::fs::read_to_string(path("alerts_test.yml")).expect("the cases are there");
    serde_saphyr::from_str(&text).expect("cases of promtool")
}

#[test]
fn every_alert_fires_when_it_should() {
    let file = path("alerts_test.yml");
    let said = promtool(&["test", "rules", file.to_str().expect("a plain name")]);
    assert!(said.contains("SUCCESS"), "{said}");
}

/// A case that fires, the moment before or after in which it does not, and a fresh agent.
#[test]
fn every_alert_has_its_cases() {
    let cases = cases();
    assert_eq!(cases.rule_files, ["alerts.yml"]);
    let (fresh, others): (Vec<_>, Vec<_>) = cases.tests.iter().partition(|case| case.name == FRESH);
    let [fresh] = fresh[..] else { panic!("there is one case of a fresh agent") };
    let silent: BTreeSet<&str> = fresh
        .alert_rule_test
        .iter()
        .filter(|moment| moment.exp_alerts.is_empty())
        .map(|moment| &*moment.alertname)
        .collect();
    for rule in rules() {
        let name = &*rule.alert;
        assert!(silent.contains(name), "{name} is not looked at on a fresh agent");
        let looked_at = |fires: bool| {
            let mut moments = others.iter().flat_map(|case| &case.alert_rule_test);
            moments.any(|moment| moment.alertname == name && moment.exp_alerts.is_empty() != fires)
        };
        assert!(looked_at(true), "{name} has no case that fires");
        assert!(looked_at(false), "{name} has no case before it fires, or when all is well again");
        for moment in others.iter().flat_map(|case| &case.alert_rule_test) {
            for firing in moment.exp_alerts.iter().filter(|_| moment.alertname == name) {
                assert_eq!(firing.exp_labels["severity"], rule.labels["severity"], "{name}");
                let told: Vec<_> = firing.exp_annotations.keys().collect();
                assert_eq!(told, rule.annotations.keys().collect::<Vec<_>>(), "{name}");
            }
        }
    }
}
