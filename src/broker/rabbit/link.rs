//! Two connections, until something on one of them fails.

use std::sync::Arc;

use async_trait::async_trait;

use super::connection::Connection;
use super::dead_letters::DeadLetters;
use super::delivery::RabbitDelivery;
use super::fate::Fate;
use super::inbox::Inbox;
use super::outbox::Outbox;
use super::patience::Until;
use super::setup::Setup;
use super::topology;
use crate::broker::{BrokerError, BrokerFault, BrokerResult, Delivery, Link, Published};
use crate::model::Letter;

/// Two connections, until something on one of them fails.
#[derive(Debug)]
pub(super) struct RabbitLink {
    fate: Fate,
    inbox: Inbox,
    outbox: Outbox,
    dead_letters: Arc<DeadLetters>,
    consuming: Connection,
    publishing: Connection,
}

impl RabbitLink {
    pub(super) async fn open(setup: &Arc<Setup>, until: Until) -> BrokerResult<Self> {
        let fate = Fate::open();
        let consuming = Connection::open(setup, &fate, "consumes", until).await?;
        let publishing = Connection::open(setup, &fate, "publishes", until).await?;
        let prepare = async {
            topology::prepare(setup, &consuming).await?;
            let inbox = Inbox::new(setup, &fate, consuming.channel().await?);
            let outbox = Outbox::open(publishing.confirming(), &fate).await?;
            let dead_letters = DeadLetters::open(publishing.confirming(), &fate).await?;
            Ok((inbox, outbox, Arc::new(dead_letters)))
        };
        let prepared = until.wait(setup, "it does not answer", fate.or_lost(prepare)).await??;
        let (inbox, outbox, dead_letters) = prepared?;
        Ok(Self { fate, inbox, outbox, dead_letters, consuming, publishing })
    }
}

/// Whoever still waits for something hears that it will not come.
impl Drop for RabbitLink {
    fn drop(&mut self) {
        let error = BrokerError::new(BrokerFault::Unreachable, "the link to RabbitMQ was given up");
        self.fate.failed(error);
    }
}

#[async_trait]
impl Link for RabbitLink {
    async fn next(&self) -> BrokerResult<Box<dyn Delivery>> {
        let fetched = self.inbox.next().await?;
        Ok(Box::new(RabbitDelivery::new(fetched, &self.fate, &self.dead_letters)))
    }

    async fn rest(&self) -> BrokerResult<()> {
        self.inbox.rest().await
    }

    async fn publish(&self, letters: &[Letter]) -> (Vec<Published>, BrokerResult<()>) {
        self.outbox.publish(letters).await
    }

    fn blocked(&self) -> Option<String> {
        self.publishing.blocked()
    }

    async fn lost(&self) -> BrokerError {
        self.fate.lost().await
    }

    async fn close(&self) {
        futures::future::join(self.consuming.close(), self.publishing.close()).await;
    }
}
