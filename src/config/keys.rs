//! The table of keys.

use std::fmt;

use crate::model::nearest;

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
    /// A whole number.
    Number,
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
            Self::Number => f.write_str("number"),
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

/// The words of `log.level`, the least first.
pub(crate) const LOG_LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];

/// The words of `log.format`.
pub(crate) const LOG_FORMATS: &[&str] = &["text", "json"];

/// Every key, in the order in which they are shown.
pub const KEYS: &[Key] = &[
    Key {
        path: "milvus.address",
        kind: Kind::Url,
        help: "where Milvus answers gRPC",
        fallback: Fallback::Value("http://127.0.0.1:19530"),
    },
    Key {
        path: "milvus.management_address",
        kind: Kind::Url,
        help: "where Milvus answers HTTP, to pause its garbage collection during a backup",
        fallback: Fallback::Described("port 9091 of milvus.address"),
    },
    Key {
        path: "milvus.cluster",
        kind: Kind::Name,
        help: "the name under which everything is stored",
        fallback: Fallback::Described("host name at the first run"),
    },
    Key {
        path: "milvus.config_file",
        kind: Kind::Path,
        help: "Milvus's own milvus.yaml, which says where Milvus keeps its files",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: "milvus.storage.local.path",
        kind: Kind::Path,
        help: "the folder of Milvus's files, as the agent sees it",
        fallback: Fallback::Described("from milvus.config_file"),
    },
    Key {
        path: "milvus.storage.local.milvus_path",
        kind: Kind::Path,
        help: "the same folder as Milvus sees it",
        fallback: Fallback::Described("milvus.storage.local.path"),
    },
    Key {
        path: "repository.local.path",
        kind: Kind::Path,
        help: "the folder that holds the backups",
        fallback: Fallback::Value("/var/lib/milvus-backup-agent/repository"),
    },
    Key {
        path: "repository.local.min_free",
        kind: Kind::Space,
        help: "the free space that no backup may use",
        fallback: Fallback::Described("the larger of 10% and 5GiB"),
    },
    Key {
        path: "repository.staging",
        kind: Kind::Path,
        help: "a folder that Milvus can read, for files on their way back",
        fallback: Fallback::Described("<cluster>/_staging in the repository"),
    },
    Key {
        path: "state",
        kind: Kind::Path,
        help: "the folder of the agent's journal",
        fallback: Fallback::Value("/var/lib/milvus-backup-agent"),
    },
    Key {
        path: "transfer.concurrency",
        kind: Kind::Number,
        help: "how many files are copied at once, 1 to 1024",
        fallback: Fallback::Value("64"),
    },
    Key {
        path: "transfer.max_bytes_per_second",
        kind: Kind::Rate,
        help: "what all copies of a run together read and write in a second",
        fallback: Fallback::Value("unlimited"),
    },
    Key {
        path: "transfer.retries",
        kind: Kind::Number,
        help: "how often a copy is tried again that failed for a moment, 0 to 100",
        fallback: Fallback::Value("5"),
    },
    Key {
        path: "log.level",
        kind: Kind::Word(LOG_LEVELS),
        help: "how much is logged",
        fallback: Fallback::Value("info"),
    },
    Key {
        path: "log.format",
        kind: Kind::Word(LOG_FORMATS),
        help: "for people or for programs",
        fallback: Fallback::Value("text"),
    },
];

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
/// else any key that ends in the same word.
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
    let elsewhere =
        || KEYS.iter().map(|key| key.path).find(|path| path.rsplit('.').next() == Some(word));
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
    use super::{Found, KEYS, find};

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
            ("milvus.address.x", Found::Unknown(None)),
            ("transfer.speed", Found::Unknown(None)),
            ("milvus.storage", Found::Section),
            ("mil", Found::Unknown(None)),
        ] {
            assert_eq!(find(path), expected, "{path}");
        }
    }
}
