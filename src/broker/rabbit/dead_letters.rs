//! Where messages go that are not for us.

use std::sync::Arc;

use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{BasicProperties, Channel, Confirmation};
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;

use super::connection::Confirming;
use super::fate::Fate;
use super::faults::{self, Doing};
use super::patience::{PATIENCE, while_open};
use super::setup::Setup;
use crate::broker::{BrokerError, BrokerFault, BrokerResult, Refusal};

/// How much of a reason is kept.
const MAX_DETAIL: usize = 1024;

/// How large headers may be, written out: all of them go in one frame, of 128 KiB at most.
const MAX_HEADERS: usize = 64 * 1024;

/// What makes a broker send a message to other queues, too.
const ROUTING: [&str; 2] = ["CC", "BCC"];

/// Where messages go that are not for us, one after the other, so that what comes back is
/// known to be the last one.
#[derive(Debug)]
pub(super) struct DeadLetters {
    confirming: Confirming,
    fate: Fate,
    channel: Mutex<Channel>,
    tasks: TaskTracker,
}

impl DeadLetters {
    pub(super) async fn open(confirming: Confirming, fate: &Fate) -> BrokerResult<Self> {
        let channel = Mutex::new(confirming.channel().await?);
        Ok(Self { confirming, fate: fate.clone(), channel, tasks: TaskTracker::new() })
    }

    pub(super) fn setup(&self) -> Arc<Setup> {
        Arc::clone(&self.confirming.setup)
    }

    pub(super) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Puts a copy of a message aside. The link ends if it cannot, unless the broker says that
    /// nobody takes it, which no other link would change.
    pub(super) async fn take(
        &self,
        body: &[u8],
        properties: &BasicProperties,
        why: &Refusal,
    ) -> BrokerResult<()> {
        let setup = &*self.confirming.setup;
        let channel = self.fate.or_lost(self.channel.lock()).await?;
        let exchange = setup.dead_letter_exchange.as_str().into();
        let key = setup.queue.as_str().into();
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = copied(properties, why, &setup.agent);
        let publish =
            async { channel.basic_publish(exchange, key, options, body, properties).await?.await };
        let work = while_open(self.confirming.blocked.clone(), publish);
        let (failed, is_final) = match self.fate.or_lost(work).await? {
            Some(Ok(Confirmation::Ack(None))) => return Ok(()),
            Some(Ok(Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)))) => {
                (unbound(setup), setup.declare)
            }
            Some(Ok(Confirmation::Nack(None) | Confirmation::NotRequested)) => {
                (faults::not_taken(setup, &setup.dead_letter_exchange), false)
            }
            Some(Err(error)) => (faults::failed(setup, Doing::Refuse, &error), true),
            None => {
                let late = "it did not say that it took a dead letter";
                (faults::late(setup, late, PATIENCE), true)
            }
        };
        Err(if is_final { self.fate.failed(failed) } else { failed })
    }
}

fn unbound(setup: &Setup) -> BrokerError {
    let Setup { queue, dead_letter_exchange: exchange, .. } = setup;
    let message = format!(
        "{}: no queue is bound to the dead-letter exchange `{exchange}` by `{queue}`",
        setup.place()
    );
    let hint = if setup.declare {
        "it was unbound; the next connection binds it again".to_owned()
    } else {
        format!("bind a durable queue to it by the key `{queue}`, or set `amqp.declare: true`")
    };
    BrokerError::new(BrokerFault::Topology, message).hint(hint)
}

/// The properties as they were, with the reason; without those that would make the broker
/// refuse the copy, drop it, or send it elsewhere.
fn copied(original: &BasicProperties, why: &Refusal, agent: &str) -> BasicProperties {
    let mut headers = FieldTable::default();
    let found = original.headers().clone().unwrap_or_default();
    if format!("{found:?}").len() <= MAX_HEADERS {
        let kept = found.inner().iter().filter(|(key, _)| !ROUTING.contains(&key.as_str()));
        for (key, value) in kept {
            headers.insert(key.clone(), value.clone());
        }
    }
    let detail = &why.detail[..why.detail.floor_char_boundary(MAX_DETAIL)];
    for (key, value) in [("reason", why.reason), ("detail", detail), ("agent", agent)] {
        let key = ShortString::from(format!("x-milvus-backup-{key}"));
        headers.insert(key, AMQPValue::LongString(LongString::from(value)));
    }
    let mut copy = BasicProperties::default().with_headers(headers).with_delivery_mode(PERSISTENT);
    macro_rules! keep {
        ($($get:ident $set:ident),*) => {
            $(if let Some(value) = original.$get().clone() {
                copy = copy.$set(value);
            })*
        };
    }
    keep!(
        content_type with_content_type,
        content_encoding with_content_encoding,
        priority with_priority,
        correlation_id with_correlation_id,
        reply_to with_reply_to,
        message_id with_message_id,
        timestamp with_timestamp,
        kind with_type,
        app_id with_app_id,
        cluster_id with_cluster_id
    );
    copy
}

/// The delivery mode of a message that outlives the broker.
pub(super) const PERSISTENT: u8 = 2;
