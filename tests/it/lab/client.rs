//! A client of RabbitMQ for tests, which goes on when the broker comes back.

use std::time::{Duration, Instant};

use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueuePurgeOptions,
};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ErrorKind,
    ExchangeKind,
};
use serde_json::Value;
use tokio::sync::Mutex;

use super::Rabbit;

/// How long an answer takes at most; then the client connects again.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a broker is away at most.
const LONG: Duration = Duration::from_mins(2);

/// Works on one vhost. Everything is tried again until it has succeeded.
#[derive(Debug)]
pub(crate) struct Client {
    rabbit: Rabbit,
    url: String,
    link: Mutex<Option<(Connection, Channel)>>,
}

/// A message that was taken from a queue.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) exchange: String,
    pub(crate) routing_key: String,
    pub(crate) redelivered: bool,
    pub(crate) headers: Value,
    pub(crate) properties: BasicProperties,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// What it says.
    pub(crate) fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

impl Client {
    /// One for a vhost, which it connects to when it has something to do.
    pub(crate) fn new(rabbit: &Rabbit, url: &str) -> Self {
        Self { rabbit: rabbit.clone(), url: url.to_owned(), link: Mutex::default() }
    }

    /// Declares a durable queue, with arguments such as `x-queue-type`.
    pub(crate) async fn declare(&self, queue: &str, arguments: &[(&str, &str)]) {
        let mut table = FieldTable::default();
        for (name, value) in arguments {
            table.insert((*name).into(), AMQPValue::LongString((*value).into()));
        }
        let table = &table;
        let declared = |channel: Channel| async move {
            let durable = QueueDeclareOptions::durable();
            channel.queue_declare(queue.into(), durable, table.clone()).await.map(drop)
        };
        self.again(&format!("declare {queue}"), declared).await;
    }

    /// Declares a queue that gets what a topic exchange routes by a pattern, and the exchange.
    pub(crate) async fn listen(&self, queue: &str, exchange: &str, pattern: &str) {
        self.declare(queue, &[]).await;
        let bound = |channel: Channel| async move {
            let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
            let none = FieldTable::default;
            let topic = ExchangeKind::Topic;
            channel.exchange_declare(exchange.into(), topic, durable, none()).await?;
            let (queue, exchange, pattern) = (queue.into(), exchange.into(), pattern.into());
            channel.queue_bind(queue, exchange, pattern, QueueBindOptions::default(), none()).await
        };
        self.again(&format!("bind {queue} to {exchange}"), bound).await;
    }

    /// Puts a message into a queue, until the broker has confirmed it: once, or more often if
    /// the connection was lost.
    pub(crate) async fn publish(&self, queue: &str, body: &[u8], properties: BasicProperties) {
        self.publish_to("", queue, body, properties).await;
    }

    /// The same by an exchange. Someone has to be listening.
    pub(crate) async fn publish_to(
        &self,
        exchange: &str,
        routing_key: &str,
        body: &[u8],
        properties: BasicProperties,
    ) {
        let what = format!("publish {routing_key}");
        let properties = &properties.with_delivery_mode(2);
        let sent = |channel: Channel| async move {
            let options = BasicPublishOptions { mandatory: true, ..Default::default() };
            let (exchange, key) = (exchange.into(), routing_key.into());
            channel.basic_publish(exchange, key, options, body, properties.clone()).await?.await
        };
        loop {
            match self.again(&what, sent).await {
                Confirmation::Ack(None) => return,
                Confirmation::Ack(Some(_)) => panic!("{what}: there is no such queue"),
                Confirmation::Nack(_) => {}
                Confirmation::NotRequested => panic!("the channel is in confirm mode"),
            }
        }
    }

    /// Takes what is ready in a queue, in its order.
    pub(crate) async fn take_all(&self, queue: &str) -> Vec<Message> {
        let taken = |channel: Channel| async move {
            let message = channel.basic_get(queue.into(), BasicGetOptions::default()).await?;
            if let Some(message) = &message {
                message.ack(BasicAckOptions::default()).await?;
            }
            Ok(message)
        };
        let mut messages = Vec::new();
        while let Some(message) = self.again(&format!("take from {queue}"), taken).await {
            messages.push(taken_apart(message));
        }
        messages
    }

    /// How many messages a queue has: those that are ready, and those that someone holds.
    pub(crate) async fn depth(&self, queue: &str) -> u64 {
        let begun = Instant::now();
        loop {
            if let Some(depth) = self.rabbit.depth(&self.url, queue) {
                return depth;
            }
            assert!(begun.elapsed() < LONG, "no depth of {queue}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Throws away what is ready in a queue.
    pub(crate) async fn purge(&self, queue: &str) {
        let purged = |channel: Channel| async move {
            channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await.map(drop)
        };
        self.again(&format!("purge {queue}"), purged).await;
    }

    /// A channel in confirm mode, for whatever else there is to do, until the broker is lost.
    pub(crate) async fn channel(&self) -> Channel {
        self.again("connect", |channel| async { Ok(channel) }).await
    }

    async fn again<T, F>(&self, what: &str, work: impl Fn(Channel) -> F) -> T
    where
        F: Future<Output = lapin::Result<T>>,
    {
        let begun = Instant::now();
        loop {
            let attempt = async { work(self.connected().await?).await };
            let problem = match tokio::time::timeout(PATIENCE, attempt).await {
                Ok(Ok(done)) => return done,
                Ok(Err(error)) => {
                    assert!(!is_final(&error), "{what}: {error}");
                    error.to_string()
                }
                Err(_) => "no answer".to_owned(),
            };
            self.link.lock().await.take();
            assert!(begun.elapsed() < LONG, "{what}: {problem}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn connected(&self) -> lapin::Result<Channel> {
        let mut link = self.link.lock().await;
        if let Some((_, channel)) = &*link {
            return Ok(channel.clone());
        }
        let connection = Connection::connect(&self.url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        *link = Some((connection, channel.clone()));
        Ok(channel)
    }
}

/// Whether it is the same next time. A queue that is "down" comes back with the broker.
fn is_final(error: &lapin::Error) -> bool {
    let ErrorKind::ProtocolError(error) = error.kind() else { return false };
    match error.kind() {
        AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => {
            !error.get_message().as_str().contains("down")
        }
        AMQPErrorKind::Soft(_) => true,
        AMQPErrorKind::Hard(_) => false,
    }
}

fn taken_apart(message: BasicGetMessage) -> Message {
    let delivery = message.delivery;
    let headers = delivery.properties.headers().clone().unwrap_or_default();
    Message {
        exchange: delivery.exchange.to_string(),
        routing_key: delivery.routing_key.to_string(),
        redelivered: delivery.redelivered,
        headers: json(&AMQPValue::FieldTable(headers)),
        properties: delivery.properties,
        body: delivery.data,
    }
}

/// A value of a header.
fn json(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(it) => (*it).into(),
        AMQPValue::ShortShortInt(it) => (*it).into(),
        AMQPValue::ShortShortUInt(it) => (*it).into(),
        AMQPValue::ShortInt(it) => (*it).into(),
        AMQPValue::ShortUInt(it) => (*it).into(),
        AMQPValue::LongInt(it) => (*it).into(),
        AMQPValue::LongUInt(it) => (*it).into(),
        AMQPValue::LongLongInt(it) => (*it).into(),
        AMQPValue::Float(it) => (*it).into(),
        AMQPValue::Double(it) => (*it).into(),
        AMQPValue::Timestamp(it) => (*it).into(),
        AMQPValue::ShortString(it) => it.as_str().into(),
        AMQPValue::LongString(it) => it.to_string().into(),
        AMQPValue::ByteArray(it) => it.as_slice().into(),
        AMQPValue::DecimalValue(it) => format!("{it:?}").into(),
        AMQPValue::FieldArray(it) => it.as_slice().iter().map(json).collect(),
        AMQPValue::FieldTable(it) => {
            it.inner().iter().map(|(name, value)| (name.to_string(), json(value))).collect()
        }
        AMQPValue::Void => Value::Null,
    }
}
