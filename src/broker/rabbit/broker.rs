//! A RabbitMQ, connected to or not.

use std::sync::Arc;

use async_trait::async_trait;

use super::link::RabbitLink;
use super::patience::Until;
use super::setup::Setup;
use crate::broker::{Broker, BrokerResult, Link};
use crate::config::Amqp;
use crate::model::ClusterName;

/// A RabbitMQ, connected to or not.
#[derive(Debug)]
pub struct RabbitBroker {
    setup: Arc<Setup>,
}

impl RabbitBroker {
    /// The broker of the configuration, for triggers of one cluster; `agent` tells whoever
    /// looks after dead letters which agent put them aside.
    pub fn new(amqp: &Amqp, cluster: &ClusterName, agent: &str) -> Self {
        Self { setup: Arc::new(Setup::new(amqp, cluster, agent)) }
    }
}

#[async_trait]
impl Broker for RabbitBroker {
    async fn connect(&self) -> BrokerResult<Box<dyn Link>> {
        let until = Until::now_and(self.setup.connect_timeout());
        Ok(Box::new(RabbitLink::open(&self.setup, until).await?))
    }

    fn address(&self) -> String {
        self.setup.url.to_string()
    }
}
