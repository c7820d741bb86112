//! The README says what the program does.

use std::collections::BTreeSet;

use assert_cmd::cargo::cargo_bin_cmd;
use milvus_backup_agent::config::KEYS;
use milvus_backup_agent::metrics::FAMILIES;
use milvus_backup_agent::policy::POLICY_KEYS;

const README: &str = include_str!("../../README.md");

/// The table of configuration keys; a failure prints the one that belongs there.
#[test]
fn every_key_is_in_the_readme() {
    let rows = KEYS.iter().map(|key| {
        format!("| `{}` | {} | {} | {} |\n", key.path, key.kind, code(key.default_text()), key.help)
    });
    let table = format!(
        "| key | takes | default | what for |\n| --- | --- | --- | --- |\n{}",
        rows.collect::<String>()
    );
    assert!(README.contains(&format!("{table}\n")), "README.md wants this table:\n\n{table}");
}

/// The same for metrics; no other name of ours may stand in the README.
#[test]
fn every_metric_is_in_the_readme() {
    let rows = FAMILIES.iter().map(|family| {
        let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
        format!("| `{}` | {} | {labels} | {} |\n", family.name(), family.kind, family.help)
    });
    let table = format!(
        "| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n{}",
        rows.collect::<String>()
    );
    assert!(README.contains(&format!("{table}\n")), "README.md wants this table:\n\n{table}");
    let names = README.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    for name in names.filter(|name| name.starts_with("milvus_backup_") && !name.ends_with('_')) {
        let known = name.starts_with("milvus_backup_agent")
            || FAMILIES.iter().any(|family| family.name() == name);
        assert!(known, "README.md names {name}, which is no metric");
    }
}

/// The same for the keys of a policy.
#[test]
fn every_key_of_a_policy_is_in_the_readme() {
    let rows = POLICY_KEYS.iter().map(|key| {
        let default = code(key.default_text());
        format!("| `{}` | {} | {default} | {} |\n", key.path, key.takes(), key.help)
    });
    let table = format!(
        "| key | takes | default | what for |\n| --- | --- | --- | --- |\n{}",
        rows.collect::<String>()
    );
    assert!(README.contains(&format!("{table}\n")), "README.md wants this table:\n\n{table}");
}

/// Paths, keys and single words that one would write are code; the rest is prose.
fn code(default: &str) -> String {
    let alone = default != "none" && !default.contains(' ');
    let written = |word: &str| word.contains(['/', '.']) || alone;
    let words = default.split(' ');
    let words = words.map(|word| if written(word) { format!("`{word}`") } else { word.to_owned() });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_command_and_option_is_in_the_readme() {
    let mut told = 0;
    let mut wanted = vec![Vec::new()];
    while let Some(command) = wanted.pop() {
        let help = help(&command);
        let mut section = "";
        for line in help.lines() {
            if !line.starts_with(' ') && line.ends_with(':') {
                section = line;
                continue;
            }
            let indent = line.len() - line.trim_start().len();
            let word = line.split_whitespace().next().unwrap_or_default();
            if section == "Commands:" && indent == 2 && word != "help" {
                let mut deeper = command.clone();
                deeper.push(word.to_owned());
                let full = format!("`{}", deeper.join(" "));
                assert!(README.contains(&full), "README.md lacks the command {full}`");
                wanted.push(deeper);
                told += 1;
            }
            let options = line.split([' ', ',']).find(|word| word.starts_with("--"));
            if let (Some(option), "Options:", true) = (options, section, indent <= 6) {
                let usual = ["--help", "--version"].contains(&option);
                assert!(
                    usual || README.contains(option),
                    "README.md lacks {option} of {command:?}"
                );
            }
        }
    }
    assert!(told >= 8, "the help of clap was not understood: {told} commands");
}

fn help(command: &[String]) -> String {
    let output = cargo_bin_cmd!("milvus-backup-agent").args(command).arg("--help").output();
    String::from_utf8(output.expect("the program runs").stdout).expect("help is text")
}

/// Every field of an event has a row, and the sample is one that is made.
#[test]
fn every_field_of_an_event_is_in_the_readme() {
    let sample = include_str!("../fixtures/events/backup.partial.json");
    assert!(README.contains(sample), "README.md wants this event:\n\n{sample}");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/events");
    let mut told = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("there are events") {
        let text = std::fs::read_to_string(entry.expect("an event").path()).expect("it is text");
        let body: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        let fields = |value: &serde_json::Value| {
            value.as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default()
        };
        let attributes: Vec<String> = fields(&body);
        told.extend(attributes.into_iter().filter(|attribute| attribute != "data"));
        let data: Vec<String> = fields(&body["data"]);
        told.extend(data.into_iter().map(|field| format!("data.{field}")));
    }
    let rows: Vec<&str> = README.lines().filter(|line| line.starts_with("| `")).collect();
    for field in &told {
        let cell = format!("`{field}`");
        let row =
            rows.iter().find(|row| row.split(" | ").next().is_some_and(|it| it.contains(&cell)));
        assert!(row.is_some(), "README.md lacks {cell} of events");
    }
    assert!(told.len() > 30, "{told:?}");
}

/// What `status` prints there is what it prints.
#[test]
fn the_screen_of_status_is_in_the_readme() {
    let screen = include_str!("../fixtures/status/troubled-80.txt");
    assert!(README.contains(&format!("```\n{screen}```\n")), "README.md wants:\n\n{screen}");
}

/// The layers are drawn once and shown twice.
#[test]
fn the_diagram_is_that_of_the_crate() {
    let essay = include_str!("../../src/lib.rs");
    let drawn = essay.split("//! ```text\n").nth(1).and_then(|rest| rest.split("//! ```").next());
    let drawn = drawn.expect("lib.rs draws the layers").replace("//! ", "");
    assert!(README.contains(&drawn), "README.md wants this diagram:\n\n{drawn}");
}
