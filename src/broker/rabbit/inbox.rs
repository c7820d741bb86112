//! What comes from our queue.

use std::sync::Arc;

use futures::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::fate::Fate;
use super::faults::{self, Doing};
use super::patience::PATIENCE;
use super::setup::Setup;
use crate::broker::{BrokerError, BrokerFault, BrokerResult};

/// What comes from our queue.
#[derive(Debug)]
pub(super) struct Inbox {
    post: Post,
    state: Arc<Mutex<State>>,
    tasks: TaskTracker,
}

/// What the tasks of an inbox share.
#[derive(Debug, Clone)]
struct Post {
    setup: Arc<Setup>,
    fate: Fate,
    channel: Channel,
}

/// Begins and ends on tasks of its own: a consumer whose future was dropped half-way would
/// be sent messages that nobody holds.
#[derive(Debug, Default)]
enum State {
    #[default]
    Resting,
    Beginning(JoinHandle<BrokerResult<Consumer>>),
    Consuming(Consumer),
}

impl Inbox {
    pub(super) fn new(setup: &Arc<Setup>, fate: &Fate, channel: Channel) -> Self {
        let post = Post { setup: Arc::clone(setup), fate: fate.clone(), channel };
        Self { post, state: Arc::default(), tasks: TaskTracker::new() }
    }

    /// The next message.
    pub(super) async fn next(&self) -> BrokerResult<Delivery> {
        let post = &self.post;
        let mut state = post.fate.or_lost(self.state.lock()).await?;
        loop {
            match &mut *state {
                State::Resting => {
                    *state = State::Beginning(self.tasks.spawn(post.clone().begin()));
                }
                State::Beginning(task) => {
                    let begun = ended(task.await);
                    *state = State::Resting;
                    *state = State::Consuming(begun.map_err(|error| post.fate.failed(error))?);
                }
                State::Consuming(consumer) => {
                    let next = post.fate.or_lost(consumer.next()).await?;
                    return post.check(next).map_err(|error| post.fate.failed(error));
                }
            }
        }
    }

    /// Gives back what was fetched and not handed out.
    pub(super) async fn rest(&self) -> BrokerResult<()> {
        let state = self.post.fate.or_lost(Arc::clone(&self.state).lock_owned()).await?;
        let rested = ended(self.tasks.spawn(self.post.clone().rest(state)).await);
        rested.map_err(|error| self.post.fate.failed(error))
    }
}

/// What a task came to.
pub(super) fn ended<T>(joined: Result<T, JoinError>) -> T {
    match joined {
        Ok(done) => done,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

impl Post {
    async fn begin(self) -> BrokerResult<Consumer> {
        self.in_time(async {
            let qos = BasicQosOptions::default();
            self.channel.basic_qos(self.setup.prefetch(), qos).await?;
            let queue = self.setup.queue.as_str().into();
            let options = BasicConsumeOptions::default();
            self.channel.basic_consume(queue, "".into(), options, FieldTable::default()).await
        })
        .await
    }

    async fn rest(self, mut state: OwnedMutexGuard<State>) -> BrokerResult<()> {
        let mut consumer = match std::mem::take(&mut *state) {
            State::Resting => return Ok(()),
            State::Beginning(task) => ended(task.await)?,
            State::Consuming(consumer) => consumer,
        };
        self.in_time(async {
            self.channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await?;
            while let Some(fetched) = consumer.next().await {
                let again = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
                fetched?.nack(again).await?;
            }
            Ok(())
        })
        .await
    }

    async fn in_time<T>(&self, work: impl Future<Output = lapin::Result<T>>) -> BrokerResult<T> {
        let late = |_| faults::late(&self.setup, "it does not answer", PATIENCE);
        let done = self.fate.or_lost(timeout(PATIENCE, work)).await?.map_err(late)?;
        done.map_err(|error| faults::failed(&self.setup, Doing::Consume, &error))
    }

    /// What a consumer yields → a message, unless that was the end of it.
    fn check(&self, next: Option<lapin::Result<Delivery>>) -> BrokerResult<Delivery> {
        let setup = &*self.setup;
        let topology = |what: &str, hint: &str| {
            let message = format!("{}: queue `{}` {what}", setup.place(), setup.queue);
            Err(BrokerError::new(BrokerFault::Topology, message).hint(hint))
        };
        let delivery = match next {
            Some(Ok(delivery)) => delivery,
            Some(Err(error)) => return Err(faults::failed(setup, Doing::Consume, &error)),
            None => {
                return topology(
                    "gives us nothing any more: it was deleted, or its node went away",
                    "look whether it is there; the agent connects again by itself",
                );
            }
        };
        let headers = delivery.properties.headers().as_ref();
        if headers.is_some_and(|headers| headers.contains_key("x-stream-offset")) {
            return topology(
                "is a stream, which keeps each message and would start its backup again and again",
                "set `amqp.queue` to a quorum queue",
            );
        }
        Ok(delivery)
    }
}
