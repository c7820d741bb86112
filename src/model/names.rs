//! Names of backups, clusters and collections, checked when they are made.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::plain;

/// How much is quoted of what is no name: no name is longer.
const QUOTED: usize = 200;

/// Why a string is not a name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a {what}: {rule}", plain(value, QUOTED))]
pub struct InvalidName {
    what: &'static str,
    value: String,
    rule: &'static str,
}

impl InvalidName {
    /// What a name of this kind has to look like.
    pub fn rule(&self) -> &'static str {
        self.rule
    }
}

macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the rule of this kind of name.
            pub fn new(value: impl Into<String>) -> Result<Self, InvalidName> {
                let value = value.into();
                let valid: fn(&str) -> bool = $valid;
                if valid(&value) {
                    Ok(Self(value))
                } else {
                    Err(InvalidName { what: $what, value, rule: $rule })
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(value: &str) -> Result<Self, InvalidName> {
                Self::new(value)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(value: String) -> Result<Self, InvalidName> {
                Self::new(value)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

checked_name!(
    /// The name of a backup: milvus-backup's rule, without its leading `_`, which is ours.
    BackupName,
    "backup name",
    "use 1 to 128 letters, digits and `_`, with a letter first",
    |value| {
        value.len() <= 128
            && value.starts_with(|first: char| first.is_ascii_alphabetic())
            && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    }
);

checked_name!(
    /// The name of a cluster, under which everything of it is stored.
    ClusterName,
    "cluster name",
    "use 1 to 63 letters, digits, `.`, `_` and `-`, with a letter or digit first",
    |value| {
        value.len() <= 63
            && value.starts_with(|first: char| first.is_ascii_alphanumeric())
            && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    }
);

checked_name!(
    /// The name of a policy.
    PolicyName,
    "policy name",
    "use 1 to 64 letters, digits, `_` and `-`, with a letter first",
    |value| {
        value.len() <= 64
            && value.starts_with(|first: char| first.is_ascii_alphabetic())
            && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    }
);

checked_name!(
    /// What tells a request from every other.
    RequestId,
    "request id",
    "use 1 to 128 letters, digits and `.`, `_`, `:`, `+`, `@`, `=`, `~`, `-`, with a letter or digit first",
    |value| {
        value.len() <= 128
            && value.starts_with(|first: char| first.is_ascii_alphanumeric())
            && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:+@=~-".contains(&byte))
    }
);

impl PolicyName {
    /// What the names of its backups start with: backup names have no `-`.
    pub fn backup_prefix(&self) -> String {
        self.0.replace('-', "_")
    }
}

/// A collection by name: `database.collection`.
///
/// Milvus allows letters, digits, `_` and (for collections) `$`, never a dot, so the first
/// dot separates.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Namespace {
    /// The database; `default` where the server has none.
    pub database: String,
    /// The collection.
    pub collection: String,
}

impl Namespace {
    /// A pair as Milvus answered it.
    pub fn new(database: impl Into<String>, collection: impl Into<String>) -> Self {
        Self { database: database.into(), collection: collection.into() }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.collection)
    }
}

impl FromStr for Namespace {
    type Err = InvalidName;

    fn from_str(value: &str) -> Result<Self, InvalidName> {
        let rule = "write database.collection";
        let invalid = || InvalidName { what: "collection", value: value.to_owned(), rule };
        let (database, collection) = value.split_once('.').ok_or_else(invalid)?;
        if database.is_empty() || collection.is_empty() {
            return Err(invalid());
        }
        Ok(Self::new(database, collection))
    }
}

#[cfg(test)]
mod tests {
    use super::{BackupName, ClusterName, Namespace};

    #[test]
    fn backup_names_follow_the_rule_of_milvus_backup() {
        for good in ["a", "nightly_20261123_020000", &"a".repeat(128)] {
            assert!(BackupName::new(good).is_ok(), "{good} was refused");
        }
        for bad in ["", "_a", "1a", "a-b", "../a", "a/b", "ä", "a b", &"a".repeat(129)] {
            assert!(BackupName::new(bad).is_err(), "{bad} was accepted");
        }
    }

    #[test]
    fn cluster_names_are_host_names() {
        assert!(ClusterName::new("milvus-1.example.org").is_ok());
        for bad in ["", ".a", "-a", "_a", "a/b", "..", &"a".repeat(64)] {
            assert!(ClusterName::new(bad).is_err(), "{bad} was accepted");
        }
    }

    #[test]
    fn a_namespace_splits_at_the_first_dot() {
        assert_eq!("a.b".parse(), Ok(Namespace::new("a", "b")));
        assert!("ab".parse::<Namespace>().is_err());
        assert!(".b".parse::<Namespace>().is_err());
    }
}
