//! How a backup lies in the repository.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::words;

words! {
    /// How a backup lies in the repository.
    pub enum Layout {
        /// Files are shared with the backups before.
        Incremental = "incremental",
        /// A tree of its own, which milvus-backup lists and restores.
        Standalone = "standalone",
    }
}

impl Serialize for Layout {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Layout {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let known = Self::ALL.iter().find(|layout| layout.as_str() == word);
        known.copied().ok_or_else(|| D::Error::custom(format!("no layout is called `{word}`")))
    }
}
