//! The answer to a request that is not done.

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::data::{Envelope, page};
use super::event::TYPE;
use super::source::EventSource;
use crate::model::{Address, ClusterName, Letter};

/// A message that was refused, and whose sender waits for an answer.
#[derive(Debug, Clone, Copy)]
pub struct RefusedRequest<'r> {
    /// The cluster.
    pub cluster: &'r ClusterName,
    /// The agent that refused it.
    pub agent: &'r str,
    /// Why, in a word.
    pub reason: &'r str,
    /// Why, in a sentence.
    pub detail: &'r str,
    /// The queue that the answer goes to.
    pub reply_to: &'r str,
    /// What the answer has to carry.
    pub correlation_id: Option<&'r str>,
}

#[derive(Debug, Serialize)]
struct Refused<'r> {
    kind: &'static str,
    cluster: &'r str,
    reason: &'r str,
    detail: String,
}

impl RefusedRequest<'_> {
    /// The answer. Nobody else is told: the message is where refused ones go.
    pub fn letter(&self, now: Timestamp) -> Letter {
        let id = format!("{}-request.refused", Uuid::new_v4());
        let envelope = Envelope {
            specversion: "1.0",
            id: &id,
            source: EventSource::agent(self.cluster.clone(), self.agent).uri(),
            kind: format!("{TYPE}.request.refused"),
            subject: None,
            time: now,
            datacontenttype: "application/json",
            data: Refused {
                kind: "request",
                cluster: self.cluster.as_str(),
                reason: self.reason,
                detail: page(self.detail),
            },
        };
        let body = serde_json::to_string(&envelope).expect("events are plain data");
        let (queue, correlation_id) = (self.reply_to.to_owned(), self.correlation_id);
        let correlation_id = correlation_id.map(str::to_owned);
        Letter { id, to: Address::Reply { queue, correlation_id }, body }
    }
}
