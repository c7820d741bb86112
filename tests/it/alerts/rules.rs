//! `dashboards/alerts.yml`, read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

/// One rule that alerts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    pub(crate) alert: String,
    pub(crate) expr: String,
    /// How long it has to be so.
    #[serde(rename = "for")]
    pub(crate) pending: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Document {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

/// All rules, in their order.
pub(crate) fn rules() -> Vec<Rule> {
    let text = std::fs::read_to_string(path("alerts.yml")).expect("the rules are there");
    let document: Document = serde_saphyr::from_str(&text).expect("rules of Prometheus");
    document.groups.into_iter().flat_map(|group| group.rules).collect()
}

/// A file in `dashboards`.
pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("dashboards").join(name)
}

/// Compares what was made with the file in `dashboards`, or writes it there.
pub(super) fn assert_golden(name: &str, made: &str) {
    if std::env::var_os("MBA_GOLDEN_WRITE").is_some() {
        std::fs::write(path(name), made).expect("the folder can be written");
        return;
    }
    let there = std::fs::read_to_string(path(name)).unwrap_or_default();
    let lines = || there.lines().zip(made.lines()).enumerate();
    let differs = lines().find(|(_, (there, made))| there != made);
    assert!(there == made, "dashboards/{name} is not what MBA_GOLDEN_WRITE=1 makes: {differs:?}");
}
