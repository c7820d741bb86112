//! The words at the end of routing keys.

use crate::model::{RunOutcome, words};

words! {
    /// What happens to a run.
    pub enum EventWord {
        /// It begins.
        Started = "started",
        /// It did everything that was asked for.
        Succeeded = "succeeded",
        /// It did some of it.
        Partial = "partial",
        /// It did none of it.
        Failed = "failed",
        /// It was stopped.
        Cancelled = "cancelled",
        /// It was not needed.
        Skipped = "skipped",
    }
}

impl From<RunOutcome> for EventWord {
    fn from(outcome: RunOutcome) -> Self {
        match outcome {
            RunOutcome::Complete => Self::Succeeded,
            RunOutcome::Partial => Self::Partial,
            RunOutcome::Failed => Self::Failed,
            RunOutcome::Cancelled => Self::Cancelled,
            RunOutcome::Skipped => Self::Skipped,
        }
    }
}
