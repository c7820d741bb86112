//! Environment variables → a layer.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::keys::{Key, VARIABLE_PREFIX};
use super::layers::Layer;
use super::origin::Origin;
use super::table::KEYS;
use crate::model::{Diagnostic, nearest};

/// Where systemd puts credentials.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Where systemd says what it has connected to the journal.
const JOURNAL_STREAM: &str = "JOURNAL_STREAM";

/// Environment variables; only those that start with `MBA__` matter, and what systemd says.
/// Values may be secrets, so `Debug` shows only names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    ours: BTreeMap<OsString, OsString>,
    credentials: Option<PathBuf>,
    journal_stream: Option<String>,
}

impl Environment {
    /// `$JOURNAL_STREAM`.
    pub fn journal_stream(&self) -> Option<&str> {
        self.journal_stream.as_deref()
    }

    /// `$CREDENTIALS_DIRECTORY`.
    pub(crate) fn credentials(&self) -> Option<&Path> {
        self.credentials.as_deref()
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.ours.keys()).finish()
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            let (name, value) = (name.into(), value.into());
            if name == CREDENTIALS_DIRECTORY {
                environment.credentials = Some(value.into());
            } else if name == JOURNAL_STREAM {
                environment.journal_stream = value.into_string().ok();
            } else if name.to_string_lossy().starts_with(VARIABLE_PREFIX) {
                environment.ours.insert(name, value);
            }
        }
        environment
    }
}

/// Reads the variables. The layer holds what could be understood.
pub(crate) fn read(environment: &Environment) -> (Layer, Vec<Diagnostic>) {
    let variables: Vec<(String, &Key)> = KEYS.iter().map(|key| (key.variable(), key)).collect();
    let mut layer = Layer::new("environment");
    let mut problems = Vec::new();
    for (name, value) in &environment.ours {
        let name = name.to_string_lossy();
        let origin = Origin::Environment(name.clone().into_owned());
        let Some((_, key)) = variables.iter().find(|(known, _)| *known == *name) else {
            let problem = origin.place(Diagnostic::new(format!("unknown variable `{name}`")));
            let known = variables.iter().map(|(known, _)| known.as_str());
            problems.push(match nearest(&name, known) {
                Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
                None => problem.hint("`config show` lists every key"),
            });
            continue;
        };
        match value.to_str() {
            Some(text) => layer.set(key, text, origin),
            None => problems.push(origin.place(Diagnostic::new("the value is not UTF-8"))),
        }
    }
    (layer, problems)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    use super::{Environment, read};
    use crate::config::layers::Effective;

    fn problems(name: &str, value: &[u8]) -> String {
        let environment = Environment::from_iter([(name, OsString::from_vec(value.to_owned()))]);
        let (_, problems) = read(&environment);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_variables_of_ours_matter() {
        let environment =
            Environment::from_iter([("HOME", "/root"), ("MBA_X", "1"), ("MBA__STATE", "/s")]);
        let (layer, problems) = read(&environment);
        assert!(problems.is_empty());
        assert_eq!(Effective::of(&[&layer]).get("state").unwrap().text, "/s");
    }

    #[test]
    fn a_variable_that_cannot_be_used_is_named() {
        for (name, value, expected) in [
            (
                "MBA__MILVUS__ADRESS",
                &b"x"[..],
                "error: unknown variable `MBA__MILVUS__ADRESS`\n \
                 --> environment MBA__MILVUS__ADRESS\n  \
                 = hint: did you mean `MBA__MILVUS__ADDRESS`?",
            ),
            (
                "MBA__state",
                b"/s",
                "error: unknown variable `MBA__state`\n --> environment MBA__state\n  \
                 = hint: did you mean `MBA__STATE`?",
            ),
            (
                "MBA__X",
                b"x",
                "error: unknown variable `MBA__X`\n --> environment MBA__X\n  \
                 = hint: `config show` lists every key",
            ),
            ("MBA__STATE", b"/\xff", "error: the value is not UTF-8\n --> environment MBA__STATE"),
        ] {
            assert_eq!(problems(name, value), expected, "{name}");
        }
    }
}
