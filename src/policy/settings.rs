//! The words of a policy as types.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::model::words;

words! {
    /// Who may start a policy besides its schedule and the command line.
    pub enum Trigger {
        /// A message to the queue.
        Amqp = "amqp",
        /// A request to the API.
        Api = "api",
    }
}

words! {
    /// What happens if Milvus cannot flush.
    pub enum Flush {
        /// The collection fails.
        Required = "required",
        /// What is in the storage is backed up.
        BestEffort = "best_effort",
        /// Milvus is not asked to.
        Skip = "skip",
    }
}

words! {
    /// How deep a new backup is verified.
    pub enum AfterBackup {
        /// Not at all.
        None = "none",
        /// Every file exists with its size.
        Size = "size",
        /// Every byte is read again.
        Content = "content",
    }
}

/// How often a run that failed is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Tries in all.
    pub attempts: NonZeroU32,
    /// The pause before the second; it doubles each time.
    pub backoff: Duration,
}
