//! What tells one row of a collection from another.

use std::fmt;

/// The primary key of a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PrimaryKey {
    /// Of a field `Int64`.
    Int64(i64),
    /// Of a field `VarChar`.
    Text(String),
}

impl fmt::Display for PrimaryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int64(key) => fmt::Display::fmt(key, f),
            Self::Text(key) => fmt::Debug::fmt(key, f),
        }
    }
}

/// Primary keys of one collection: of one type, then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrimaryKeys {
    /// Of a field `Int64`.
    Int64(Vec<i64>),
    /// Of a field `VarChar`.
    Text(Vec<String>),
}

impl PrimaryKeys {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::Int64(keys) => keys.len(),
            Self::Text(keys) => keys.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl IntoIterator for PrimaryKeys {
    type Item = PrimaryKey;
    type IntoIter = Box<dyn Iterator<Item = PrimaryKey> + Send>;

    fn into_iter(self) -> Self::IntoIter {
        match self {
            Self::Int64(keys) => Box::new(keys.into_iter().map(PrimaryKey::Int64)),
            Self::Text(keys) => Box::new(keys.into_iter().map(PrimaryKey::Text)),
        }
    }
}
