//! The configuration file → a layer.

use std::path::Path;

use super::keys::{Found, Key, find};
use super::layers::Layer;
use super::origin::Origin;
use crate::model::{Diagnostic, Position, YamlDocument, YamlEntry, YamlNode, YamlValue};

/// Reads the bytes of `file`. The layer holds what could be understood.
pub(crate) fn read(file: &Path, bytes: &[u8]) -> (Layer, Vec<Diagnostic>) {
    let layer = Layer::new("file");
    let document = match YamlDocument::parse(file, bytes) {
        Ok(document) => document,
        Err(problem) => return (layer, vec![problem]),
    };
    let mut walk = Walk { document: &document, layer, problems: Vec::new() };
    if let Some(root) = document.root() {
        walk.section("", root);
    }
    (walk.layer, walk.problems)
}

/// A walk over the document that checks it against the table of keys.
struct Walk<'d> {
    document: &'d YamlDocument,
    layer: Layer,
    problems: Vec<Diagnostic>,
}

impl Walk<'_> {
    /// A section that is empty, perhaps because its keys are comments, is fine.
    fn section(&mut self, path: &str, node: &YamlNode) {
        match &node.value {
            YamlValue::Null => {}
            YamlValue::Map(entries) => {
                for (index, entry) in entries.iter().enumerate() {
                    let mut earlier = entries[..index].iter();
                    match earlier.find(|earlier| earlier.key == entry.key) {
                        Some(earlier) => self.duplicate(entry, earlier),
                        None => self.entry(path, entry),
                    }
                }
            }
            value @ (YamlValue::Scalar(_) | YamlValue::List(_)) => {
                let problem = if path.is_empty() {
                    Diagnostic::new("the file must be a section of keys")
                } else {
                    Diagnostic::new(format!("`{path}`: expected a section of keys"))
                };
                self.problem(node.position, problem.label(found(value)));
            }
        }
    }

    fn entry(&mut self, section: &str, entry: &YamlEntry) {
        let path = match section {
            "" => entry.key.clone(),
            section => format!("{section}.{}", entry.key),
        };
        match find(&path) {
            Found::Key(key) => self.value(key, entry),
            Found::Section => self.section(&path, &entry.value),
            Found::Unknown(meant) => {
                let problem = Diagnostic::new(format!("unknown key `{path}`"));
                let problem = match meant {
                    Some(meant) => problem.label(format!("did you mean `{meant}`?")),
                    None => problem.hint("`config show` lists every key"),
                };
                self.problem(entry.position, problem);
            }
        }
    }

    fn value(&mut self, key: &Key, entry: &YamlEntry) {
        let node = &entry.value;
        match &node.value {
            YamlValue::Scalar(text) => {
                let origin = Origin::File(self.document.line(node.position));
                self.layer.set(key, text, origin);
            }
            YamlValue::Null => {
                let problem = Diagnostic::new(format!("`{}`: the value is empty", key.path));
                self.problem(entry.position, problem.hint("to use the default, remove it"));
            }
            value @ (YamlValue::List(_) | YamlValue::Map(_)) => {
                let problem = Diagnostic::new(format!("`{}`: expected one value", key.path));
                self.problem(node.position, problem.label(found(value)));
            }
        }
    }

    fn duplicate(&mut self, entry: &YamlEntry, earlier: &YamlEntry) {
        let problem = Diagnostic::new(format!("key `{}` appears twice", entry.key))
            .label(format!("first on line {}", earlier.position.line));
        self.problem(entry.position, problem);
    }

    fn problem(&mut self, position: Position, problem: Diagnostic) {
        self.problems.push(problem.at(self.document.line(position)));
    }
}

fn found(value: &YamlValue) -> String {
    format!("found {}", value.describe())
}
