//! Queues and exchanges: made, or looked at.

use std::sync::Arc;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{Channel, ExchangeKind, Result};

use super::connection::Connection;
use super::faults::{self, Doing};
use super::setup::Setup;
use crate::broker::BrokerResult;

/// How often a message is tried before the broker puts it aside.
const DELIVERY_LIMIT: i32 = 20;

/// Sees to it that all is there, or says what is not.
pub(super) async fn prepare(setup: &Arc<Setup>, connection: &Connection) -> BrokerResult<()> {
    let topology = Topology { setup, connection };
    topology.exchange(Doing::Exchange, &setup.exchange, ExchangeKind::Topic).await?;
    let dead_letters = &setup.dead_letter_exchange;
    topology.exchange(Doing::DeadLetterExchange, dead_letters, ExchangeKind::Direct).await?;
    if setup.declare {
        topology.dead_letter_queue().await?;
    }
    topology.queue().await
}

struct Topology<'s> {
    setup: &'s Arc<Setup>,
    connection: &'s Connection,
}

impl Topology<'_> {
    /// On a channel of its own, which ends if what is asked for is not there.
    async fn on_a_channel<T>(
        &self,
        doing: Doing,
        act: impl AsyncFnOnce(&Channel) -> Result<T>,
    ) -> BrokerResult<()> {
        let channel = self.connection.channel().await?;
        let done = async {
            act(&channel).await?;
            channel.close(200, "OK".into()).await
        };
        done.await.map_err(|error| faults::failed(self.setup, doing, &error))
    }

    async fn exchange(&self, doing: Doing, name: &str, kind: ExchangeKind) -> BrokerResult<()> {
        let declare = self.setup.declare;
        let options = ExchangeDeclareOptions {
            passive: !declare,
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        let arguments = FieldTable::default();
        let act = async |channel: &Channel| {
            channel.exchange_declare(name.into(), kind, options, arguments).await
        };
        self.on_a_channel(doing, act).await
    }

    async fn queue(&self) -> BrokerResult<()> {
        let setup = self.setup;
        let mut arguments = quorum();
        for (key, value) in [
            ("x-dead-letter-exchange", text(&setup.dead_letter_exchange)),
            ("x-dead-letter-routing-key", text(&setup.queue)),
            ("x-delivery-limit", AMQPValue::LongInt(DELIVERY_LIMIT)),
            // The broker keeps a dead letter until it has arrived; this is for quorum queues
            // that refuse what does not fit, of which there is nothing.
            ("x-dead-letter-strategy", text("at-least-once")),
            ("x-overflow", text("reject-publish")),
        ] {
            arguments.insert(key.into(), value);
        }
        let options = QueueDeclareOptions {
            passive: !setup.declare,
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let act = async |channel: &Channel| {
            channel.queue_declare(setup.queue.as_str().into(), options, arguments).await
        };
        self.on_a_channel(Doing::Queue, act).await
    }

    async fn dead_letter_queue(&self) -> BrokerResult<()> {
        let setup = self.setup;
        let act = async |channel: &Channel| {
            let name = setup.dead_letter_queue();
            let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            channel.queue_declare(name.as_str().into(), options, quorum()).await?;
            let exchange = setup.dead_letter_exchange.as_str().into();
            let options = QueueBindOptions::default();
            let (name, key) = (name.into(), setup.queue.as_str().into());
            channel.queue_bind(name, exchange, key, options, FieldTable::default()).await
        };
        self.on_a_channel(Doing::DeadLetterQueue, act).await
    }
}

fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(text))
}
