//! A backup.yaml → the keys that it gives, with their meanings.

use std::path::Path;

use super::meaning::{Meaning, Peer};
use super::{v1, v2};
use crate::model::{Diagnostic, Position, YamlDocument, YamlNode, YamlValue};

/// Sections that tell other files, which share some keys with it.
const OTHERS: &[(&str, &str)] = &[
    ("rootCoord", "Milvus's own milvus.yaml"),
    ("dataCoord", "Milvus's own milvus.yaml"),
    ("repository", "a configuration of this agent"),
];

const NAME_IT: &str = "name milvus-backup's own configuration, often `configs/backup.yaml`";

/// A key of the file.
#[derive(Debug, Clone)]
pub(super) struct Given {
    /// Its dotted path.
    pub(super) path: String,
    pub(super) line: usize,
    /// What it stands for; none if milvus-backup does not know it.
    pub(super) meaning: Option<Meaning>,
    /// Its value; empty for a list, which means something only where nothing does to us.
    pub(super) text: String,
    /// The variable that outdoes it.
    pub(super) variable: Option<&'static str>,
}

/// Everything that a file gives.
#[derive(Debug, Clone)]
pub(super) struct Gift {
    /// Whether it is of version 2.
    pub(super) is_v2: bool,
    pub(super) keys: Vec<Given>,
}

/// Reads the bytes of `file`, or says where it is no backup.yaml.
pub(super) fn read(file: &Path, bytes: &[u8]) -> Result<Gift, Diagnostic> {
    let document = YamlDocument::parse(file, bytes)?;
    let start = Position { line: 1, column: 1 };
    let at = |node: Option<&YamlNode>| document.line(node.map_or(start, |node| node.position));
    let root = document.root();
    let is_v2 = match root.and_then(|_| document.find("configVersion")) {
        None => false,
        Some(YamlNode { value: YamlValue::Scalar(text), .. }) if text == "v1" => false,
        Some(YamlNode { value: YamlValue::Scalar(text), .. }) if text == "v2" => true,
        Some(node) => {
            let found = node.value.describe();
            let problem = Diagnostic::new(format!("`configVersion`: expected v2, found {found}"));
            return Err(problem.at(document.line(node.position)));
        }
    };
    for (section, whose) in OTHERS {
        if let Some(node) = root.and_then(|_| document.find(section)) {
            let problem = format!("this is no backup.yaml: `{section}` is of {whose}");
            let problem = Diagnostic::new(problem).at(document.line(node.position));
            return Err(problem.hint(NAME_IT));
        }
    }
    let mut walk = Walk {
        document: &document,
        table: if is_v2 { v2::KEYS } else { v1::KEYS },
        keys: Vec::new(),
    };
    if let Some(root) = root {
        walk.section("", root)?;
    }
    if walk.keys.iter().all(|given| given.meaning.is_none()) {
        let problem = Diagnostic::new("this is no backup.yaml: it has no key of milvus-backup's");
        return Err(problem.at(at(root)).hint(NAME_IT));
    }
    Ok(Gift { is_v2, keys: walk.keys })
}

struct Walk<'d> {
    document: &'d YamlDocument,
    table: &'static [Peer],
    keys: Vec<Given>,
}

impl Walk<'_> {
    fn section(&mut self, path: &str, node: &YamlNode) -> Result<(), Diagnostic> {
        let entries = match &node.value {
            YamlValue::Null => return Ok(()),
            YamlValue::Map(entries) => entries,
            value @ (YamlValue::Scalar(_) | YamlValue::List(_)) => {
                let place =
                    if path.is_empty() { "the file".to_owned() } else { format!("`{path}`") };
                let problem = Diagnostic::new(format!("{place}: expected a section of keys"));
                let problem = problem.at(self.document.line(node.position));
                return Err(problem.label(found(value)));
            }
        };
        for entry in entries {
            let path =
                if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
            let below = |peer: &&Peer| {
                peer.path.strip_prefix(&*path).is_some_and(|rest| rest.starts_with('.'))
            };
            let peer = self.table.iter().find(|peer| peer.path == path);
            if peer.is_none() && self.table.iter().any(|peer| below(&peer)) {
                self.section(&path, &entry.value)?;
                continue;
            }
            let line = entry.position.line;
            let (meaning, variable) =
                peer.map_or((None, None), |peer| (Some(peer.meaning), peer.variable));
            let text = self.text(&path, meaning, &entry.value)?;
            self.keys.push(Given { path, line, meaning, text, variable });
        }
        Ok(())
    }

    /// A list or a section where one value belongs is a mistake if the value matters.
    fn text(
        &self,
        path: &str,
        meaning: Option<Meaning>,
        node: &YamlNode,
    ) -> Result<String, Diagnostic> {
        match &node.value {
            YamlValue::Null => Ok(String::new()),
            YamlValue::Scalar(text) => Ok(text.clone()),
            YamlValue::List(_) | YamlValue::Map(_)
                if matches!(meaning, None | Some(Meaning::Nothing(_))) =>
            {
                Ok(String::new())
            }
            value @ (YamlValue::List(_) | YamlValue::Map(_)) => {
                let problem = Diagnostic::new(format!("`{path}`: expected one value"));
                let problem = problem.at(self.document.line(node.position));
                Err(problem.label(found(value)))
            }
        }
    }
}

/// What stands there; a text is not repeated, as it may be a secret, or any file.
fn found(value: &YamlValue) -> String {
    match value {
        YamlValue::Scalar(_) => "found a text".to_owned(),
        YamlValue::Null | YamlValue::List(_) | YamlValue::Map(_) => {
            format!("found {}", value.describe())
        }
    }
}
