//! The dashboard, read.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

pub(super) const FILE: &str = include_str!("../../../dashboards/milvus-backup-agent.json");

/// A panel, and the row that hides it until it is opened.
#[derive(Debug)]
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) is: Value,
    pub(super) hidden: bool,
}

impl Panel {
    /// The expressions of its queries.
    pub(super) fn expressions(&self) -> impl Iterator<Item = &str> {
        self.queries().map(|query| text(&query["expr"]))
    }

    pub(super) fn queries(&self) -> impl Iterator<Item = &Value> {
        self.is["targets"].as_array().into_iter().flatten()
    }
}

pub(super) fn board() -> Value {
    serde_json::from_str(FILE).expect("the dashboard is JSON")
}

/// All panels that are no rows.
pub(super) fn panels() -> Vec<Panel> {
    let board = board();
    let mut found = Vec::new();
    let mut take = |is: &Value, hidden| {
        found.push(Panel { title: text(&is["title"]).to_owned(), is: is.clone(), hidden });
    };
    for panel in list(&board["panels"]) {
        if panel["type"] == "row" {
            list(&panel["panels"]).iter().for_each(|inner| take(inner, true));
        } else {
            take(panel, false);
        }
    }
    found
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// A script of the generator's folder, run by an environment of the lab. What it printed, and
/// whether it was content.
pub(super) fn python(environment: &str, arguments: &[&str], input: &str) -> (String, bool) {
    let lab = root().join("tests/lab");
    let setup =
        Command::new(lab.join("setup.sh")).arg(environment).stderr(Stdio::inherit()).output();
    let setup = setup.expect("the lab's script runs");
    assert!(setup.status.success(), "{environment} cannot be had");
    let python = String::from_utf8(setup.stdout).expect("a path is text");
    let mut run = Command::new(python.trim());
    run.args(arguments).env("PYTHONDONTWRITEBYTECODE", "1").current_dir(lab.join("grafana"));
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(&file, input).expect("it takes the input");
    run.stdin(file.reopen().expect("it is there")).stderr(Stdio::inherit());
    let output = run.output().expect("python runs");
    (String::from_utf8(output.stdout).expect("it prints text"), output.status.success())
}
