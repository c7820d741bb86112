//! Letters on their way.

use std::sync::Arc;

use futures::FutureExt;
use lapin::message::BasicReturnMessage;
use lapin::options::BasicPublishOptions;
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, PublisherConfirm};
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;

use super::connection::Confirming;
use super::dead_letters::PERSISTENT;
use super::fate::Fate;
use super::faults::{self, Doing};
use super::inbox::ended;
use super::patience::{PATIENCE, while_open};
use super::setup::Setup;
use crate::broker::{BrokerFault, BrokerResult, Published};
use crate::model::{Address, Letter};

const CONTENT_TYPE: &str = "application/cloudevents+json";
const APP: &str = "milvus-backup-agent";

/// Letters on their way.
#[derive(Debug)]
pub(super) struct Outbox {
    sending: Arc<Sending>,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Sending {
    confirming: Confirming,
    fate: Fate,
    channels: Mutex<Channels>,
}

#[derive(Debug)]
struct Channels {
    events: Channel,
    /// A question may ask for an answer where we may not write, which ends the channel.
    replies: Option<Channel>,
}

/// Where a letter goes, in the words of AMQP. Nothing else tells a message that came back
/// from another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Envelope {
    exchange: ShortString,
    key: ShortString,
    id: ShortString,
    correlation_id: Option<ShortString>,
}

impl Outbox {
    pub(super) async fn open(confirming: Confirming, fate: &Fate) -> BrokerResult<Self> {
        let events = confirming.channel().await?;
        let channels = Mutex::new(Channels { events, replies: None });
        let sending = Arc::new(Sending { confirming, fate: fate.clone(), channels });
        Ok(Self { sending, tasks: TaskTracker::new() })
    }

    /// Publishes them in this order. On a task, which goes on to the end if the caller does not.
    pub(super) async fn publish(&self, letters: &[Letter]) -> (Vec<Published>, BrokerResult<()>) {
        let (sending, letters) = (Arc::clone(&self.sending), letters.to_vec());
        ended(self.tasks.spawn(async move { sending.all(&letters).await }).await)
    }
}

impl Sending {
    async fn all(&self, letters: &[Letter]) -> (Vec<Published>, BrokerResult<()>) {
        let mut published = Vec::with_capacity(letters.len());
        let mut channels = match self.fate.or_lost(self.channels.lock()).await {
            Ok(channels) => channels,
            Err(error) => return (published, Err(error)),
        };
        for run in letters.chunk_by(|one, two| is_event(one) && is_event(two)) {
            let ended = match run {
                [letter] if !is_event(letter) => {
                    self.reply(letter, &mut channels, &mut published).await
                }
                events => self.events(events, &channels.events, &mut published).await,
            };
            if let Err(error) = ended {
                let full = error.fault == BrokerFault::Full;
                return (published, Err(if full { error } else { self.fate.failed(error) }));
            }
        }
        (published, Ok(()))
    }

    /// Sends all, and then waits for each.
    async fn events(
        &self,
        letters: &[Letter],
        channel: &Channel,
        published: &mut Vec<Published>,
    ) -> BrokerResult<()> {
        let mut sent = Vec::with_capacity(letters.len());
        let mut ended = Ok(());
        for letter in letters {
            match self.send(letter, channel).await {
                Ok(confirm) => sent.push(confirm),
                Err(error) => {
                    ended = Err(error);
                    break;
                }
            }
        }
        let mut came_back = Vec::new();
        let mut taken = Vec::new();
        for (envelope, confirm) in sent {
            // After a failure only for what came back with those that are known to be there.
            let confirmed = match ended {
                Ok(()) => self.confirmed(Doing::Publish, confirm).await,
                Err(_) => match confirm.now_or_never() {
                    Some(Ok(confirmation)) => Ok(confirmation),
                    Some(Err(_)) | None => continue,
                },
            };
            let (ack, returned) = match confirmed {
                Ok(Confirmation::Ack(returned)) => (true, returned),
                Ok(Confirmation::Nack(returned)) => (false, returned),
                Ok(Confirmation::NotRequested) => (false, None),
                Err(error) => {
                    ended = Err(error);
                    continue;
                }
            };
            came_back.extend(returned.as_ref().map(Envelope::of));
            if ended.is_ok() && ack {
                taken.push(envelope);
            } else if ended.is_ok() {
                ended = Err(faults::not_taken(self.setup(), &self.setup().exchange));
            }
        }
        published.extend(taken.iter().map(|envelope| {
            let back = came_back.iter().any(|came: &Envelope| came == envelope);
            if back { Published::Unroutable } else { Published::Taken }
        }));
        ended
    }

    /// An answer that cannot be given is no reason to keep the next event.
    async fn reply(
        &self,
        letter: &Letter,
        channels: &mut Channels,
        published: &mut Vec<Published>,
    ) -> BrokerResult<()> {
        let channel = match channels.replies.take() {
            Some(channel) => channel,
            None => self.fate.or_lost(self.confirming.channel()).await??,
        };
        let answer = async {
            let (_, confirm) = self.send(letter, &channel).await?;
            self.confirmed(Doing::Reply, confirm).await
        };
        let became = match answer.await {
            Ok(Confirmation::Ack(None)) => Published::Taken,
            Ok(Confirmation::Ack(Some(_)) | Confirmation::Nack(_) | Confirmation::NotRequested) => {
                Published::Unroutable
            }
            Err(error) if error.fault == BrokerFault::Unauthorised => {
                let hint = error.hint.as_deref().unwrap_or_default();
                tracing::warn!(letter = letter.id, %error, hint, "an answer could not be given");
                published.push(Published::Unroutable);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        channels.replies = Some(channel);
        published.push(became);
        Ok(())
    }

    async fn send(
        &self,
        letter: &Letter,
        channel: &Channel,
    ) -> BrokerResult<(Envelope, PublisherConfirm)> {
        let envelope = Envelope::for_letter(letter, self.setup())?;
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let (exchange, key) = (envelope.exchange.clone(), envelope.key.clone());
        let body = letter.body.as_bytes();
        let properties = envelope.properties();
        let doing = if is_event(letter) { Doing::Publish } else { Doing::Reply };
        let publish = channel.basic_publish(exchange, key, options, body, properties);
        Ok((envelope, self.in_time(doing, publish).await?))
    }

    async fn confirmed(
        &self,
        doing: Doing,
        confirm: PublisherConfirm,
    ) -> BrokerResult<Confirmation> {
        self.in_time(doing, confirm).await
    }

    async fn in_time<T>(
        &self,
        doing: Doing,
        work: impl Future<Output = lapin::Result<T>>,
    ) -> BrokerResult<T> {
        let work = while_open(self.confirming.blocked.clone(), work);
        let done = self.fate.or_lost(work).await?;
        let late = || faults::late(self.setup(), "it did not confirm a message", PATIENCE);
        done.ok_or_else(late)?.map_err(|error| faults::failed(self.setup(), doing, &error))
    }

    fn setup(&self) -> &Setup {
        &self.confirming.setup
    }
}

fn is_event(letter: &Letter) -> bool {
    match letter.to {
        Address::Topic { .. } => true,
        Address::Reply { .. } => false,
    }
}

impl Envelope {
    fn for_letter(letter: &Letter, setup: &Setup) -> BrokerResult<Self> {
        let short =
            |text: &str| ShortString::try_new(text).map_err(|_| faults::too_long(setup, text));
        let (exchange, key, correlation_id) = match &letter.to {
            Address::Topic { key } => (&*setup.exchange, key, None),
            Address::Reply { queue, correlation_id } => ("", queue, correlation_id.as_deref()),
        };
        let correlation_id = correlation_id.map(short).transpose()?;
        let (exchange, key, id) = (short(exchange)?, short(key)?, short(&letter.id)?);
        Ok(Self { exchange, key, id, correlation_id })
    }

    fn of(returned: &BasicReturnMessage) -> Self {
        let properties = &returned.properties;
        Self {
            exchange: returned.exchange.clone(),
            key: returned.routing_key.clone(),
            id: properties.message_id().clone().unwrap_or_default(),
            correlation_id: properties.correlation_id().clone(),
        }
    }

    fn properties(&self) -> BasicProperties {
        let properties = BasicProperties::default()
            .with_content_type(CONTENT_TYPE.into())
            .with_delivery_mode(PERSISTENT)
            .with_message_id(self.id.clone())
            .with_app_id(APP.into());
        match &self.correlation_id {
            Some(id) => properties.with_correlation_id(id.clone()),
            None => properties,
        }
    }
}
