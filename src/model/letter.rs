//! What the agent tells others, on its way.

use serde::{Deserialize, Serialize};

/// A message that leaves the agent at least once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// The same each time that it is sent, so that its reader can tell.
    pub id: String,
    /// Where it goes.
    pub to: Address,
    /// One of CloudEvents, in JSON.
    pub body: String,
}

/// Where a letter goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// To whoever listens.
    Topic {
        /// What it is about, such as `backup.succeeded`.
        key: String,
    },
    /// To whoever asked.
    Reply {
        /// The queue that the question named.
        queue: String,
        /// What tells whoever asked which question this answers.
        correlation_id: Option<String>,
    },
}
