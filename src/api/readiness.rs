//! Whether the agent can do its work.

use serde::Serialize;

/// What the agent waits for; ready when that is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readiness {
    /// In the order in which it is to be shown.
    pub waiting: Vec<Waiting>,
}

/// One thing that is not ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// What: `catalog`, `milvus`.
    pub what: &'static str,
    /// Why not.
    pub why: String,
}

impl Readiness {
    /// Whether it waits for nothing.
    pub fn is_ready(&self) -> bool {
        self.waiting.is_empty()
    }
}
