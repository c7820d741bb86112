//! What we want of a broker.

use std::fmt::Debug;

use async_trait::async_trait;

use super::error::{BrokerError, BrokerResult};
use crate::model::Letter;

/// A broker, connected to or not.
#[async_trait]
pub trait Broker: Debug + Send + Sync + 'static {
    /// Connects, and sees to it that all queues and exchanges are there. Ends by itself, also
    /// where the broker says nothing.
    async fn connect(&self) -> BrokerResult<Box<dyn Link>>;

    /// Where it is, without anything secret.
    fn address(&self) -> String;
}

/// A connection, until something on it fails.
#[async_trait]
pub trait Link: Debug + Send + Sync {
    /// The next message of our queue. The first call begins to consume. Dropping the future
    /// loses nothing.
    async fn next(&self) -> BrokerResult<Box<dyn Delivery>>;

    /// Consumes no more until [`Self::next`] is called again. What was fetched ahead goes back
    /// to the queue.
    async fn rest(&self) -> BrokerResult<()>;

    /// Publishes letters in this order, and waits until the broker has taken each. What is not
    /// in the answer failed with the error at its end, and the link is of no use any more, unless
    /// that is [`BrokerFault::Full`](super::BrokerFault::Full).
    async fn publish(&self, letters: &[Letter]) -> (Vec<Published>, BrokerResult<()>);

    /// Why the broker takes nothing at the moment, in its words.
    fn blocked(&self) -> Option<String>;

    /// Waits until the link is of no use any more.
    async fn lost(&self) -> BrokerError;

    /// Ends it in good order, soon.
    async fn close(&self);
}

/// What became of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// Whoever listens has it.
    Taken,
    /// Nobody listens.
    Unroutable,
}

/// A message that was handed to us.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Incoming {
    /// What it says.
    pub body: Vec<u8>,
    /// The property `message_id`.
    pub message_id: Option<String>,
    /// The property `reply_to`.
    pub reply_to: Option<String>,
    /// The property `correlation_id`.
    pub correlation_id: Option<String>,
    /// Whether it was delivered before.
    pub redelivered: bool,
}

/// Why a message is not for us, in headers of its copy for those who look after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// In a word, such as `unknown_policy`.
    pub reason: &'static str,
    /// In a sentence, with the remedy.
    pub detail: String,
}

/// A message that the broker keeps until we say what becomes of it. Dropped, it is delivered
/// again once the link is gone.
#[async_trait]
pub trait Delivery: Debug + Send + Sync {
    /// What it is.
    fn message(&self) -> &Incoming;

    /// It is ours now.
    async fn accept(self: Box<Self>) -> BrokerResult<()>;

    /// It goes to the dead-letter exchange, whole and with the reason. Where that fails and the
    /// link is not lost, it is still in our hands, and may be refused again.
    async fn refuse(&self, why: &Refusal) -> BrokerResult<()>;

    /// Someone else may try.
    async fn give_back(self: Box<Self>) -> BrokerResult<()>;
}
