//! What came of it: our configuration, and a word about every key.

use std::path::Path;

use super::draft::{Draft, Fate, Line};
use super::{connection, given, rest, store};
use crate::model::Diagnostic;

/// A backup.yaml in our words.
#[derive(Debug, Clone)]
pub struct Imported {
    /// A configuration of ours. Lines that ask for something say so.
    pub yaml: String,
    /// A note for each key, in the order of the file.
    pub keys: Vec<KeyNote>,
    /// What has to be decided, and is about no key in particular.
    pub open: Vec<String>,
    /// Variables of milvus-backup's environment that outdo keys of the file.
    pub variables: Vec<&'static str>,
}

/// What became of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyNote {
    /// Its dotted path.
    pub key: String,
    /// The line it is on.
    pub line: usize,
    /// What became of it.
    pub fate: Fate,
}

/// Turns the bytes of `file` into ours, or says why it is no backup.yaml.
pub fn import(file: &Path, bytes: &[u8]) -> Result<Imported, Diagnostic> {
    let gift = given::read(file, bytes)?;
    let mut variables: Vec<_> = gift.keys.iter().filter_map(|given| given.variable).collect();
    variables.dedup();
    let mut draft = Draft::new(gift);
    connection::convert(&mut draft);
    store::convert(&mut draft);
    rest::convert(&mut draft);
    let yaml = yaml(&draft);
    let note = |(given, fate): (given::Given, Option<Fate>)| KeyNote {
        key: given.path,
        line: given.line,
        fate: fate.expect("every meaning is decided"),
    };
    let keys = draft.given.into_iter().map(note).collect();
    Ok(Imported { yaml, keys, open: draft.open, variables })
}

fn yaml(draft: &Draft) -> String {
    let mut text = vec!["# Made of milvus-backup's backup.yaml by `config import`.".to_owned()];
    text.extend(draft.open.iter().map(|open| format!("# DECISION: {open}")));
    let mut sections: Vec<&str> = Vec::new();
    for Line { key, value, mark } in draft.sorted() {
        let mut words: Vec<&str> = key.split('.').collect();
        let word = words.pop().unwrap_or(key);
        let shared = sections.iter().zip(&words).take_while(|(one, other)| one == other).count();
        for (depth, section) in words.iter().enumerate().skip(shared) {
            text.push(format!("{:depth$}{section}:", "", depth = 2 * depth));
        }
        let (depth, value) = (2 * words.len(), scalar(&value));
        let mark = mark.map(|mark| format!("   # DECISION: {mark}")).unwrap_or_default();
        text.push(format!("{:depth$}{word}: {value}{mark}", ""));
        sections = words;
    }
    text.join("\n") + "\n"
}

/// Quoted where YAML might see more than text in it.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:-".contains(c);
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/');
    if starts && text.chars().all(plain) && !text.ends_with(':') {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}
