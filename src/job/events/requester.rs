//! Who asked for a run.

use serde::{Deserialize, Serialize};

use crate::model::{Address, Letter, RequestId};

/// A request that a run is for, and where its answer goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requester {
    /// The request.
    pub id: RequestId,
    /// The queue that waits for an answer, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// What tells whoever asked which question is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
}

impl Requester {
    /// The last event of a run as an answer, if one is wanted.
    pub(super) fn answer(&self, event: &Letter) -> Option<Letter> {
        let (queue, correlation_id) = (self.reply_to.clone()?, self.correlation_id.clone());
        Some(Letter {
            id: format!("{}-to-{}", event.id, self.id),
            to: Address::Reply { queue, correlation_id },
            body: event.body.clone(),
        })
    }
}
