//! Who asked for a run.

use crate::model::{Address, Letter, RequestId};

/// A request that a run is for, and where its answer goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTo {
    /// The request.
    pub request: RequestId,
    /// The queue that waits for an answer, if one does.
    pub queue: Option<String>,
    /// What tells whoever asked which question is answered.
    pub correlation_id: Option<String>,
}

impl ReplyTo {
    /// The last event of a run as an answer, if one is wanted.
    pub(super) fn answer(&self, event: &Letter) -> Option<Letter> {
        let (queue, correlation_id) = (self.queue.clone()?, self.correlation_id.clone());
        Some(Letter {
            id: format!("{}-to-{}", event.id, self.request),
            to: Address::Reply { queue, correlation_id },
            body: event.body.clone(),
        })
    }
}
