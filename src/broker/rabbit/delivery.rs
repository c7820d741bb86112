//! A message in our hands.

use std::sync::Arc;

use async_trait::async_trait;
use lapin::message::Delivery as Fetched;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use lapin::{Acker, BasicProperties};
use tokio::time::timeout;

use super::dead_letters::DeadLetters;
use super::fate::Fate;
use super::faults::{self, Doing};
use super::inbox::ended;
use super::patience::PATIENCE;
use super::setup::Setup;
use crate::broker::{BrokerError, BrokerFault, BrokerResult, Delivery, Incoming, Refusal};

/// A message in our hands.
#[derive(Debug)]
pub(super) struct RabbitDelivery(Arc<Held>);

#[derive(Debug)]
struct Held {
    message: Incoming,
    properties: BasicProperties,
    settling: Settling,
    dead_letters: Arc<DeadLetters>,
}

/// What it takes to say what becomes of a message.
#[derive(Debug)]
struct Settling {
    setup: Arc<Setup>,
    fate: Fate,
    acker: Acker,
}

impl RabbitDelivery {
    pub(super) fn new(fetched: Fetched, fate: &Fate, dead_letters: &Arc<DeadLetters>) -> Self {
        let text =
            |value: &Option<lapin::types::ShortString>| value.as_ref().map(ToString::to_string);
        let properties = fetched.properties;
        let message = Incoming {
            body: fetched.data,
            message_id: text(properties.message_id()),
            reply_to: text(properties.reply_to()),
            correlation_id: text(properties.correlation_id()),
            redelivered: fetched.redelivered,
        };
        let setup = dead_letters.setup();
        let settling = Settling { setup, fate: fate.clone(), acker: fetched.acker };
        let dead_letters = Arc::clone(dead_letters);
        Self(Arc::new(Held { message, properties, settling, dead_letters }))
    }
}

#[async_trait]
impl Delivery for RabbitDelivery {
    fn message(&self) -> &Incoming {
        &self.0.message
    }

    async fn accept(self: Box<Self>) -> BrokerResult<()> {
        self.0.settling.accept().await
    }

    async fn refuse(&self, why: &Refusal) -> BrokerResult<()> {
        let (why, held) = (why.clone(), Arc::clone(&self.0));
        // On a task, so that what was published is waited for whatever becomes of the caller.
        let task = self.0.dead_letters.tasks().spawn(async move {
            let Held { message, properties, settling, dead_letters } = &*held;
            dead_letters.take(&message.body, properties, &why).await?;
            settling.accept().await
        });
        ended(task.await)
    }

    async fn give_back(self: Box<Self>) -> BrokerResult<()> {
        let again = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        let settling = &self.0.settling;
        settling.settle(settling.acker.nack(again)).await
    }
}

impl Settling {
    async fn accept(&self) -> BrokerResult<()> {
        self.settle(self.acker.ack(BasicAckOptions::default())).await
    }

    async fn settle(&self, saying: impl Future<Output = lapin::Result<bool>>) -> BrokerResult<()> {
        let setup = &self.setup;
        let said = match self.fate.or_lost(timeout(PATIENCE, saying)).await? {
            Ok(Ok(true)) => return Ok(()),
            Ok(Ok(false)) => {
                let message = format!("{}: it took the message back", setup.place());
                BrokerError::new(BrokerFault::Unreachable, message)
            }
            Ok(Err(error)) => faults::failed(setup, Doing::Settle, &error),
            Err(_) => faults::late(setup, "it does not listen", PATIENCE),
        };
        Err(self.fate.failed(said))
    }
}
