//! Object keys and prefixes that cannot escape their store.

use std::fmt;

/// Why a string is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not an object key: {reason}")]
pub struct InvalidKey {
    value: String,
    reason: &'static str,
}

/// The name of one object in a store.
///
/// - never empty, no leading or trailing `/`
/// - no empty, `.` or `..` segment
/// - no control character
///
/// ```
/// # use milvus_backup_agent::model::ObjectKey;
/// assert!(ObjectKey::new("a/b").is_ok());
/// assert!(ObjectKey::new("a/../b").is_err());
/// assert!(ObjectKey::new("/a").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// Checks the rules above.
    pub fn new(value: impl Into<String>) -> Result<Self, InvalidKey> {
        let value = value.into();
        match fault(&value) {
            None => Ok(Self(value)),
            Some(reason) => Err(InvalidKey { value, reason }),
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A folder of keys: empty for the whole store, else a key followed by `/`.
///
/// The trailing slash is part of the value, so `nightly_1/` never matches `nightly_10/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPrefix(String);

impl KeyPrefix {
    /// The whole store.
    pub fn root() -> Self {
        Self(String::new())
    }

    /// A prefix from its segments; `value` may or may not end in `/`.
    pub fn new(value: impl Into<String>) -> Result<Self, InvalidKey> {
        let value = value.into();
        let trimmed = value.strip_suffix('/').unwrap_or(&value);
        if trimmed.is_empty() && value.is_empty() {
            return Ok(Self::root());
        }
        ObjectKey::new(trimmed).map(|key| Self(key.0 + "/"))
    }

    /// The prefix as text: empty, or ending in `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder `segment` in this one. Panics if it is not a valid segment: callers pass
    /// checked names and numbers.
    #[must_use]
    pub fn join(&self, segment: impl fmt::Display) -> Self {
        Self::new(format!("{}{segment}", self.0)).expect("callers join checked segments")
    }

    /// The object `name` in this folder. Panics if it is not a valid name, like [`Self::join`].
    pub fn key(&self, name: impl fmt::Display) -> ObjectKey {
        ObjectKey::new(format!("{}{name}", self.0)).expect("callers use checked names")
    }

    /// What follows this prefix in `key`, if `key` lies under it.
    pub fn strip<'k>(&self, key: &'k ObjectKey) -> Option<&'k str> {
        key.as_str().strip_prefix(&self.0)
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn fault(value: &str) -> Option<&'static str> {
    if value.is_empty() {
        return Some("it is empty");
    }
    if value.chars().any(char::is_control) {
        return Some("it has a control character");
    }
    value.split('/').find_map(|segment| match segment {
        "" => Some("it has an empty segment"),
        "." | ".." => Some("it has a `.` or `..` segment"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::{KeyPrefix, ObjectKey};

    #[test]
    fn a_key_never_leaves_its_store() {
        for bad in ["", "/a", "a/", "a//b", "../a", "a/..", "a/./b", "a\n"] {
            assert!(ObjectKey::new(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_prefix_matches_whole_segments_only() {
        let nightly = KeyPrefix::new("nightly_1").unwrap();
        assert_eq!(nightly.strip(&ObjectKey::new("nightly_1/x").unwrap()), Some("x"));
        assert_eq!(nightly.strip(&ObjectKey::new("nightly_10/x").unwrap()), None);
        assert_eq!(KeyPrefix::root().join("a").key(7).as_str(), "a/7");
    }
}
