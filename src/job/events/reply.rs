//! Answers to those who asked for a run.

use crate::job::Requester;
use crate::model::{Address, Letter};

/// The last event of a run as an answer, if one is wanted.
pub(super) fn answer(requester: &Requester, event: &Letter) -> Option<Letter> {
    let (queue, correlation_id) = (requester.reply_to.clone()?, requester.correlation_id.clone());
    Some(Letter {
        id: format!("{}-to-{}", event.id, requester.id),
        to: Address::Reply { queue, correlation_id },
        body: event.body.clone(),
    })
}
