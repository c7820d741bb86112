//! What becomes of the keys, while it is being decided.

use super::given::{Gift, Given};
use super::meaning::{Meaning, Part, Side};
use crate::config::keys::{Found, find};
use crate::config::table::KEYS;

/// Where our units look for secrets.
const SECRETS: &str = "/etc/milvus-backup-agent/secrets";

/// What becomes of a key of milvus-backup's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is in these keys of ours.
    Taken(String),
    /// It means nothing here, for this reason.
    Nothing(String),
    /// Somebody has to decide this.
    Decide(String),
    /// milvus-backup does not know it either.
    Unknown,
}

/// A line of our configuration.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) key: &'static str,
    pub(super) value: String,
    /// What to do about it.
    pub(super) mark: Option<String>,
}

/// A configuration in the making.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) is_v2: bool,
    pub(super) given: Vec<(Given, Option<Fate>)>,
    pub(super) lines: Vec<Line>,
    /// What has to be decided about no key in particular.
    pub(super) open: Vec<String>,
}

impl Draft {
    pub(super) fn new(gift: Gift) -> Self {
        let fate = |given: &Given| match given.meaning {
            None => Some(Fate::Unknown),
            Some(Meaning::Nothing(why)) => Some(Fate::Nothing(why.to_owned())),
            Some(Meaning::Version) => Some(Fate::Nothing("it says which keys there are".into())),
            Some(_) if given.text.is_empty() => Some(Fate::Nothing("it is empty".to_owned())),
            Some(_) => None,
        };
        let given = gift.keys.into_iter().map(|given| (given.clone(), fate(&given))).collect();
        Self { is_v2: gift.is_v2, given, lines: Vec::new(), open: Vec::new() }
    }

    /// What the file says of something; not an empty text.
    pub(super) fn text(&self, meaning: Meaning) -> Option<String> {
        let mut found = self.given.iter().filter(|(given, _)| given.meaning == Some(meaning));
        let found = found.find(|(given, _)| !given.text.is_empty());
        found.map(|(given, _)| given.text.clone())
    }

    /// The same of a storage.
    pub(super) fn of(&self, side: Side, part: Part) -> Option<String> {
        self.text(Meaning::Storage(side, part))
    }

    /// Says what becomes of a key, if it is there and nothing was said.
    pub(super) fn fate(&mut self, meaning: Meaning, fate: &Fate) {
        for (given, known) in &mut self.given {
            if given.meaning == Some(meaning) && known.is_none() {
                *known = Some(fate.clone());
            }
        }
    }

    pub(super) fn taken(&mut self, meaning: Meaning, ours: &str) {
        self.fate(meaning, &Fate::Taken(ours.to_owned()));
    }

    pub(super) fn nothing(&mut self, meaning: Meaning, why: &str) {
        self.fate(meaning, &Fate::Nothing(why.to_owned()));
    }

    pub(super) fn decide(&mut self, meaning: Meaning, what: impl Into<String>) {
        self.fate(meaning, &Fate::Decide(what.into()));
    }

    /// The same of keys that stand for something only together.
    pub(super) fn taken_all(&mut self, meanings: &[Meaning], ours: &str) {
        for meaning in meanings {
            self.taken(*meaning, ours);
        }
    }

    /// [`Self::taken_all`], of what means nothing.
    pub(super) fn nothing_all(&mut self, meanings: &[Meaning], why: &str) {
        for meaning in meanings {
            self.nothing(*meaning, why);
        }
    }

    /// [`Self::taken_all`], of what needs a decision.
    pub(super) fn decide_all(&mut self, meanings: &[Meaning], what: &str) {
        for meaning in meanings {
            self.decide(*meaning, what);
        }
    }

    /// Sets a key of ours.
    pub(super) fn set(&mut self, path: &str, value: impl Into<String>) {
        let line = Line { key: known(path), value: value.into(), mark: None };
        self.lines.push(line);
    }

    /// Sets the file of a secret, which is yet to be written; the file's name for the note.
    pub(super) fn set_secret(&mut self, path: &str, from: &str) -> String {
        let file = format!("{SECRETS}/{path}");
        let mark = format!("write {from} there, alone and for the agent's user only");
        let key = known(&format!("{path}_file"));
        self.lines.push(Line { key, value: file.clone(), mark: Some(mark) });
        file
    }

    /// The lines in the order of our table.
    pub(super) fn sorted(&self) -> Vec<Line> {
        let place = |line: &Line| KEYS.iter().position(|key| key.path == line.key);
        let mut lines = self.lines.clone();
        lines.sort_by_key(place);
        lines
    }
}

fn known(path: &str) -> &'static str {
    match find(path) {
        Found::Key(key) => key.path,
        Found::Section | Found::Unknown(_) => unreachable!("`{path}` is a key of ours"),
    }
}
