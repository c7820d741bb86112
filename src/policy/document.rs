//! The bytes of a file → values of known keys, with their places.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::keys::{Found, PolicyKey, find, keys_of};
use crate::model::{
    Diagnostic, MAX_POLICY_BYTES, Position, SourceLine, YamlDocument, YamlEntry, YamlNode,
    YamlValue,
};

/// So many problems of a file are told: what has more is mended faster from the top.
const MOST_PROBLEMS: usize = 50;

/// A text and where it starts.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) position: Position,
}

/// The value of a key: one text, or the items of a list.
#[derive(Debug, Clone)]
pub(super) struct Written {
    /// Where the key starts.
    pub(super) key: Position,
    pub(super) texts: Vec<Text>,
}

/// What a file says, as far as it was understood.
#[derive(Debug)]
pub(super) struct Document {
    yaml: YamlDocument,
    pub(super) values: BTreeMap<&'static str, Written>,
    /// The sections that are there, and where their names start.
    pub(super) sections: BTreeMap<&'static str, Position>,
    /// Paths of which something was wrong, so that more would only confuse; an empty one for
    /// the whole file.
    pub(super) spoiled: Vec<String>,
    problems: Vec<Diagnostic>,
    /// How many problems there are beyond those.
    untold: usize,
}

impl Document {
    /// Reads the bytes of `file`. YAML that cannot be read is one problem.
    pub(super) fn read(file: &Path, bytes: &[u8]) -> Result<Self, Diagnostic> {
        if bytes.len() > MAX_POLICY_BYTES {
            return Err(too_long(file));
        }
        let yaml = YamlDocument::parse(file, bytes)?;
        let mut document = Self {
            yaml: yaml.clone(),
            values: BTreeMap::new(),
            sections: BTreeMap::new(),
            spoiled: Vec::new(),
            problems: Vec::new(),
            untold: 0,
        };
        match yaml.root() {
            None => return Err(empty(file)),
            Some(root) if matches!(root.value, YamlValue::Null) => return Err(empty(file)),
            Some(root) => document.section("", root),
        }
        Ok(document)
    }

    /// Adds a problem at a place.
    pub(super) fn problem(&mut self, position: Position, problem: Diagnostic) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem.at(self.yaml.line(position)));
        } else {
            self.untold += 1;
        }
    }

    /// Adds a problem of the file as a whole.
    pub(super) fn problem_of(&mut self, file: &Path, problem: Diagnostic) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem.in_place(file.display().to_string()));
        } else {
            self.untold += 1;
        }
    }

    /// Whether nothing is wrong.
    pub(super) fn is_good(&self) -> bool {
        self.problems.is_empty()
    }

    /// The problems, and at the end how many more there are.
    pub(super) fn into_problems(self, file: &Path) -> Vec<Diagnostic> {
        let mut problems = self.problems;
        if self.untold > 0 {
            let more = Diagnostic::new(format!("and {} more problems", self.untold));
            let more = more.in_place(file.display().to_string());
            problems
                .push(more.hint("mend these first; some of them may have the others for a cause"));
        }
        problems
    }

    /// The line at a place.
    pub(super) fn line(&self, position: Position) -> SourceLine {
        self.yaml.line(position)
    }

    fn section(&mut self, path: &str, node: &YamlNode) {
        match &node.value {
            YamlValue::Map(entries) => {
                let mut seen: HashMap<&str, Position> = HashMap::new();
                for entry in entries {
                    match seen.get(entry.key.as_str()) {
                        Some(earlier) => self.duplicate(entry, *earlier),
                        None => self.entry(path, entry),
                    }
                    seen.entry(&entry.key).or_insert(entry.position);
                }
            }
            value @ (YamlValue::Null | YamlValue::Scalar(_) | YamlValue::List(_)) => {
                let problem = if path.is_empty() {
                    Diagnostic::new("the file must be a section of keys")
                } else {
                    Diagnostic::new(format!("`{path}`: expected a section of keys"))
                };
                let keys = keys_in_words(path);
                self.spoiled.push(path.to_owned());
                self.problem(node.position, problem.label(found(value)).hint(keys));
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
            Found::Section(name) if matches!(entry.value.value, YamlValue::Null) => {
                let problem = Diagnostic::new(format!("`{name}` is empty"));
                let hint = format!("remove it, or give it a key; {}", keys_in_words(name));
                self.spoiled.push(name.to_owned());
                self.problem(entry.position, problem.hint(hint));
            }
            Found::Section(name) => {
                self.sections.insert(name, entry.position);
                self.section(name, &entry.value);
            }
            Found::Unknown(meant) => {
                let problem = Diagnostic::new(format!("unknown key `{path}`"));
                let problem = match meant {
                    Some(meant) => problem.label(format!("did you mean `{meant}`?")),
                    None => problem.hint(keys_in_words(section)),
                };
                // What was meant is there, only under another name.
                self.spoiled.extend(meant.map(str::to_owned));
                if !section.is_empty() {
                    self.spoiled.push(section.to_owned());
                }
                self.problem(entry.position, problem);
            }
        }
    }

    fn value(&mut self, key: &'static PolicyKey, entry: &YamlEntry) {
        let path = key.path;
        let node = &entry.value;
        let problem = match (&node.value, key.kind.is_list()) {
            (YamlValue::Scalar(text), false) => {
                let texts = vec![Text { text: text.clone(), position: node.position }];
                self.values.insert(path, Written { key: entry.position, texts });
                return;
            }
            (YamlValue::List(items), true) => {
                let texts = items.iter().filter_map(|item| self.item(path, item)).collect();
                self.values.insert(path, Written { key: entry.position, texts });
                return;
            }
            (YamlValue::Null, _) => Diagnostic::new(format!("`{path}`: the value is empty"))
                .hint("to use the default, remove it"),
            (value @ YamlValue::Scalar(text), true) => {
                Diagnostic::new(format!("`{path}`: expected a list"))
                    .label(found(value))
                    .hint(format!("write [\"{text}\"]"))
            }
            (value @ YamlValue::Map(_), true) => {
                Diagnostic::new(format!("`{path}`: expected a list")).label(found(value))
            }
            (value @ (YamlValue::List(_) | YamlValue::Map(_)), false) => {
                Diagnostic::new(format!("`{path}`: expected one value")).label(found(value))
            }
        };
        let position =
            if matches!(node.value, YamlValue::Null) { entry.position } else { node.position };
        self.spoiled.push(path.to_owned());
        self.problem(position, problem);
    }

    fn item(&mut self, path: &str, node: &YamlNode) -> Option<Text> {
        match &node.value {
            YamlValue::Scalar(text) => Some(Text { text: text.clone(), position: node.position }),
            value @ (YamlValue::Null | YamlValue::List(_) | YamlValue::Map(_)) => {
                let problem = Diagnostic::new(format!("`{path}`: expected a list of texts"));
                self.spoiled.push(path.to_owned());
                self.problem(node.position, problem.label(found(value)));
                None
            }
        }
    }

    fn duplicate(&mut self, entry: &YamlEntry, earlier: Position) {
        let problem = Diagnostic::new(format!("key `{}` appears twice", entry.key))
            .label(format!("first on line {}", earlier.line));
        self.problem(entry.position, problem);
    }
}

fn empty(file: &Path) -> Diagnostic {
    Diagnostic::new("the file says nothing")
        .in_place(file.display().to_string())
        .hint("a policy needs at least `retention`; to have no policy, remove the file")
}

fn too_long(file: &Path) -> Diagnostic {
    Diagnostic::new(format!("the file has more than {MAX_POLICY_BYTES} bytes"))
        .in_place(file.display().to_string())
        .hint("is it a policy? What is none needs another name than `*.yaml` and `*.yml`")
}

fn keys_in_words(section: &str) -> String {
    let mut keys: Vec<&str> = keys_of(section).collect();
    keys.dedup();
    format!("the keys are {}", keys.join(", "))
}

fn found(value: &YamlValue) -> String {
    format!("found {}", value.describe())
}
