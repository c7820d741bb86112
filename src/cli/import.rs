//! `config import`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::config::{Fate, Imported, KeyNote, import};
use crate::job::{JobError, JobResult};
use crate::model::ErrorKind;

use super::ExitStatus;
use super::output::{Output, table, talk};

/// What milvus-backup never had.
const POLICY: &str = "\
milvus-backup keeps every backup until someone deletes it, and makes none by itself. A policy such as this, as \
/etc/milvus-backup-agent/policies/nightly.yaml, makes one a night and keeps a week of them:

  schedule: {cron: \"0 2 * * *\"}
  retention: {keep_daily: 7}";

/// Prints our configuration, and what became of each key beside it.
pub(super) fn run(file: &Path, output: Output) -> JobResult<ExitStatus> {
    let bytes = fs::read(file).map_err(|error| {
        let message = format!("cannot read {}: {error}", file.display());
        JobError::new(ErrorKind::Usage, message)
    })?;
    let imported = import(file, &bytes).map_err(|problem| {
        let problem = problem.to_string();
        let problem = problem.strip_prefix("error: ").unwrap_or(&problem);
        JobError::new(ErrorKind::Usage, problem)
    })?;
    talk(&report(&imported));
    let keys: Vec<Value> = imported.keys.iter().map(row).collect();
    let value = json!({"config": imported.yaml, "keys": keys, "open": imported.open,
        "variables": imported.variables});
    output.print(&value, || imported.yaml.trim_end().to_owned());
    Ok(ExitStatus::OK)
}

fn row(note: &KeyNote) -> Value {
    let (fate, detail) = told(&note.fate);
    json!({"key": note.key, "line": note.line, "fate": fate, "detail": detail})
}

fn told(fate: &Fate) -> (&'static str, &str) {
    match fate {
        Fate::Taken(ours) => ("taken", ours),
        Fate::Nothing(why) => ("nothing", why),
        Fate::Decide(what) => ("decide", what),
        Fate::Unknown => ("unknown", "milvus-backup does not know it either"),
    }
}

fn report(imported: &Imported) -> String {
    let headings = [
        ("taken", "Taken over"),
        ("nothing", "Means nothing here"),
        ("unknown", "Unknown"),
        ("decide", "Needs a decision"),
    ];
    let mut parts = Vec::new();
    for (word, heading) in headings {
        let notes = imported.keys.iter().filter(|note| told(&note.fate).0 == word);
        let rows: Vec<Vec<String>> = notes
            .map(|note| {
                let line = format!("line {}", note.line);
                vec![line, note.key.clone(), told(&note.fate).1.to_owned()]
            })
            .collect();
        if !rows.is_empty() {
            parts.push(format!("{heading}:\n{}", table(&["", "key", ""], rows)));
        }
    }
    if !imported.open.is_empty() {
        let open: Vec<String> = imported.open.iter().map(|open| format!("- {open}")).collect();
        parts.push(format!("Also to be decided:\n{}", open.join("\n")));
    }
    if !imported.variables.is_empty() {
        parts.push(format!(
            "Where milvus-backup ran, these variables of its environment outdid the file; look \
             whether they were set: {}",
            imported.variables.join(", ")
        ));
    }
    parts.push(POLICY.to_owned());
    parts.join("\n\n") + "\n"
}
