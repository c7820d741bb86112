//! What a key is, and how one is found.

use std::fmt;

use crate::model::nearest;

use super::table::KEYS;

/// What a key takes, in the words of the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An address, such as `http://127.0.0.1:19530`.
    Url,
    /// An absolute path.
    Path,
    /// A name of letters, digits, `.`, `_` and `-`.
    Name,
    /// A number of bytes or a percentage, such as `5GiB` or `10%`.
    Space,
    /// A number of bytes, or `unlimited`.
    Rate,
    /// A percentage, such as `50%`.
    Percent,
    /// An IP address and a port, such as `127.0.0.1:7480`.
    Listen,
    /// A whole number.
    Number,
    /// A length of time, such as `48h` or `3d`.
    Duration,
    /// Any text.
    Text,
    /// A prefix of a bucket, such as `backups/prod`.
    Prefix,
    /// Text that is never shown. Instead of the value, `<key>_file` may name a file that holds
    /// it, or a file of the key's name may lie in `$CREDENTIALS_DIRECTORY`.
    Secret,
    /// One of a few words.
    Word(&'static [&'static str]),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => f.write_str("URL"),
            Self::Path => f.write_str("path"),
            Self::Name => f.write_str("name"),
            Self::Space => f.write_str("bytes or percentage"),
            Self::Rate => f.write_str("bytes or `unlimited`"),
            Self::Percent => f.write_str("percentage"),
            Self::Listen => f.write_str("address:port"),
            Self::Number => f.write_str("number"),
            Self::Duration => f.write_str("duration"),
            Self::Text => f.write_str("text"),
            Self::Prefix => f.write_str("prefix"),
            Self::Secret => f.write_str("secret"),
            Self::Word(words) => f.write_str(&words.join(", ")),
        }
    }
}

/// What holds when a key is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// This value, as one would write it.
    Value(&'static str),
    /// Something that depends on the rest, in words.
    Described(&'static str),
}

/// One key of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its dotted path, such as `milvus.address`.
    pub path: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What it is for, in one line.
    pub help: &'static str,
    pub(crate) fallback: Fallback,
}

impl Key {
    /// What holds when the key is not set, for people.
    pub fn default_text(&self) -> &'static str {
        match self.fallback {
            Fallback::Value(text) | Fallback::Described(text) => text,
        }
    }

    /// The environment variable that sets it, such as `MBA__MILVUS__ADDRESS`.
    pub fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.path.replace('.', "__").to_uppercase())
    }
}

/// What every environment variable of ours starts with.
pub(crate) const VARIABLE_PREFIX: &str = "MBA__";

/// What a dotted path stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A key that takes a value.
    Key(&'static Key),
    /// A section: keys start with this path.
    Section,
    /// Nothing; perhaps the other path was meant.
    Unknown(Option<&'static str>),
}

/// Looks a dotted path up. For an unknown one it suggests a neighbour in the same section,
/// else a key that ends in the same word, rather below that section than elsewhere.
pub(crate) fn find(path: &str) -> Found {
    if let Some(key) = KEYS.iter().find(|key| key.path == path) {
        return Found::Key(key);
    }
    if KEYS.iter().any(|key| is_in(key.path, path)) {
        return Found::Section;
    }
    let (section, word) = path.rsplit_once('.').unwrap_or(("", path));
    let neighbours = KEYS.iter().filter_map(|key| {
        let rest = if section.is_empty() { key.path } else { strip_section(key.path, section)? };
        rest.split('.').next()
    });
    let elsewhere = || {
        let namesakes = KEYS.iter().filter(|key| key.path.rsplit('.').next() == Some(word));
        namesakes.min_by_key(|key| !is_in(key.path, section)).map(|key| key.path)
    };
    Found::Unknown(nearest(word, neighbours).or_else(elsewhere))
}

fn is_in(path: &str, section: &str) -> bool {
    strip_section(path, section).is_some()
}

fn strip_section<'p>(path: &'p str, section: &str) -> Option<&'p str> {
    path.strip_prefix(section)?.strip_prefix('.')
}

#[cfg(test)]
mod tests {
    use super::{Found, find};
    use crate::config::table::KEYS;

    #[test]
    fn the_table_is_consistent() {
        for (index, key) in KEYS.iter().enumerate() {
            assert!(matches!(find(key.path), Found::Key(found) if found == key));
            assert!(!key.help.is_empty() && !key.default_text().is_empty(), "{}", key.path);
            assert!(KEYS[..index].iter().all(|other| other.path != key.path), "{}", key.path);
        }
    }

    #[test]
    fn a_variable_follows_from_its_key() {
        let Found::Key(key) = find("repository.local.min_free") else { unreachable!() };
        assert_eq!(key.variable(), "MBA__REPOSITORY__LOCAL__MIN_FREE");
    }

    #[test]
    fn unknown_paths_suggest_what_was_meant() {
        for (path, expected) in [
            ("milvus.adress", Found::Unknown(Some("address"))),
            ("milvsu", Found::Unknown(Some("milvus"))),
            ("milvus.storage.locla", Found::Unknown(Some("local"))),
            ("address", Found::Unknown(Some("milvus.address"))),
            ("repository.path", Found::Unknown(Some("repository.local.path"))),
            ("milvus.address.x", Found::Unknown(None)),
            ("transfer.speed", Found::Unknown(None)),
            ("milvus.storage", Found::Section),
            ("mil", Found::Unknown(None)),
        ] {
            assert_eq!(find(path), expected, "{path}");
        }
    }
}
