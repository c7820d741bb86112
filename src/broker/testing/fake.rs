//! A broker in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::broker::{
    Broker, BrokerError, BrokerFault, BrokerResult, Delivery, Incoming, Link, Published, Refusal,
};
use crate::model::Letter;

/// A broker in memory. Its clones are the same broker.
#[derive(Debug, Clone)]
pub struct FakeBroker {
    state: Arc<Mutex<State>>,
    /// Wakes whoever waits for something.
    changes: Arc<watch::Sender<()>>,
}

/// A message that was put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// What it is.
    pub message: Incoming,
    /// Why, in a word.
    pub reason: &'static str,
    /// Why, in a sentence.
    pub detail: String,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Incoming>,
    /// By the number of the delivery: whose it is, and what.
    held: BTreeMap<u64, (u64, Incoming)>,
    dead: Vec<DeadLetter>,
    published: Vec<Letter>,
    /// Why each link that was made is of no use any more.
    links: Vec<Option<BrokerError>>,
    deliveries: u64,
    /// Letters until the link is cut.
    countdown: Option<usize>,
    deaf: bool,
    hangs: bool,
    blocked: Option<String>,
    no_connections: Option<BrokerError>,
    no_refusals: Option<BrokerError>,
}

impl Default for FakeBroker {
    fn default() -> Self {
        Self { state: Arc::default(), changes: Arc::new(watch::Sender::new(())) }
    }
}

impl FakeBroker {
    /// Puts a message into the queue.
    pub fn send(&self, message: Incoming) {
        self.change(|state| state.ready.push_back(message));
    }

    /// How many messages are in the queue or in someone's hands.
    pub fn depth(&self) -> usize {
        let state = self.state();
        state.ready.len() + state.held.len()
    }

    /// How many of them are in someone's hands.
    pub fn held(&self) -> usize {
        self.state().held.len()
    }

    /// What was refused.
    pub fn dead(&self) -> Vec<DeadLetter> {
        self.state().dead.clone()
    }

    /// What was published, in this order.
    pub fn published(&self) -> Vec<Letter> {
        self.state().published.clone()
    }

    /// How many links were made.
    pub fn connections(&self) -> usize {
        self.state().links.len()
    }

    /// Lets nobody in, until it is called with none.
    pub fn refuse_connections(&self, error: Option<BrokerError>) {
        self.change(|state| state.no_connections = error);
    }

    /// Fails every refusal, and with it the link.
    pub fn fail_refusals(&self, error: Option<BrokerError>) {
        self.change(|state| state.no_refusals = error);
    }

    /// Takes no letters.
    pub fn block(&self, reason: Option<&str>) {
        self.change(|state| state.blocked = reason.map(str::to_owned));
    }

    /// Says nothing to anyone.
    pub fn hang(&self, hangs: bool) {
        self.change(|state| state.hangs = hangs);
    }

    /// Has nobody who listens to letters.
    pub fn deafen(&self, deaf: bool) {
        self.change(|state| state.deaf = deaf);
    }

    /// Cuts all links.
    pub fn cut(&self) {
        self.change(State::cut);
    }

    /// Cuts all links once it has taken so many letters more: whoever sent the last of them does
    /// not hear that it arrived.
    pub fn cut_at_letter(&self, count: usize) {
        self.change(|state| state.countdown = Some(count));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let done = change(&mut self.state());
        self.changes.send_replace(());
        done
    }

    /// Tries until it comes to something.
    async fn wait<T>(&self, attempt: impl Fn(&mut State) -> Option<T>) -> T {
        let mut changes = self.changes.subscribe();
        loop {
            changes.mark_unchanged();
            if let Some(done) = attempt(&mut self.state()) {
                self.changes.send_replace(());
                return done;
            }
            changes.changed().await.expect("the sender is ours");
        }
    }
}

impl State {
    fn cut(&mut self) {
        for link in 0..self.links.len() {
            self.end(link as u64, "the link was cut");
        }
    }

    /// What its holder did not settle comes first, and again.
    fn end(&mut self, link: u64, reason: &str) {
        self.links[place(link)]
            .get_or_insert_with(|| BrokerError::new(BrokerFault::Unreachable, reason));
        let held = std::mem::take(&mut self.held).into_iter();
        let (lost, held): (Vec<_>, _) = held.partition(|(_, (holder, _))| *holder == link);
        self.held = held.into_iter().collect();
        for (_, (_, message)) in lost.into_iter().rev() {
            self.ready.push_front(Incoming { redelivered: true, ..message });
        }
    }

    /// What a link can do: nothing while the broker hangs, or once it is lost.
    fn on<T>(
        &mut self,
        link: u64,
        act: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<BrokerResult<T>> {
        match &self.links[place(link)] {
            Some(lost) => Some(Err(lost.clone())),
            None if self.hangs => None,
            None => act(self).map(Ok),
        }
    }
}

fn place(link: u64) -> usize {
    usize::try_from(link).expect("there are few links")
}

#[async_trait]
impl Broker for FakeBroker {
    async fn connect(&self) -> BrokerResult<Box<dyn Link>> {
        let made = self.wait(|state| match &state.no_connections {
            _ if state.hangs => None,
            Some(error) => Some(Err(error.clone())),
            None => {
                state.links.push(None);
                Some(Ok(state.links.len() as u64 - 1))
            }
        });
        let number = made.await?;
        Ok(Box::new(FakeLink { broker: self.clone(), number }))
    }

    fn address(&self) -> String {
        "fake://broker".to_owned()
    }
}

#[derive(Debug)]
struct FakeLink {
    broker: FakeBroker,
    number: u64,
}

impl Drop for FakeLink {
    fn drop(&mut self) {
        self.broker.change(|state| state.end(self.number, "the link was dropped"));
    }
}

#[async_trait]
impl Link for FakeLink {
    async fn next(&self) -> BrokerResult<Box<dyn Delivery>> {
        let next = |state: &mut State| {
            let message = state.ready.pop_front()?;
            state.deliveries += 1;
            state.held.insert(state.deliveries, (self.number, message.clone()));
            Some((state.deliveries, message))
        };
        let (number, message) = self.broker.wait(|state| state.on(self.number, next)).await?;
        let (broker, link) = (self.broker.clone(), self.number);
        Ok(Box::new(FakeDelivery { broker, link, number, message }))
    }

    async fn rest(&self) -> BrokerResult<()> {
        self.broker.wait(|state| state.on(self.number, |_| Some(()))).await
    }

    async fn publish(&self, letters: &[Letter]) -> (Vec<Published>, BrokerResult<()>) {
        let mut published = Vec::new();
        for letter in letters {
            let take = |state: &mut State| {
                if state.blocked.is_some() {
                    return None;
                }
                state.published.push(letter.clone());
                state.countdown = state.countdown.map(|left| left.saturating_sub(1));
                if state.countdown == Some(0) {
                    state.countdown = None;
                    state.cut();
                    return Some(Err(state.links[place(self.number)].clone()?));
                }
                Some(Ok(if state.deaf { Published::Unroutable } else { Published::Taken }))
            };
            match self.broker.wait(|state| state.on(self.number, take)).await.flatten() {
                Ok(became) => published.push(became),
                Err(error) => return (published, Err(error)),
            }
        }
        (published, Ok(()))
    }

    fn blocked(&self) -> Option<String> {
        self.broker.state().blocked.clone()
    }

    async fn lost(&self) -> BrokerError {
        self.broker.wait(|state| state.links[place(self.number)].clone()).await
    }

    async fn close(&self) {
        self.broker.change(|state| state.end(self.number, "the link was closed"));
    }
}

#[derive(Debug)]
struct FakeDelivery {
    broker: FakeBroker,
    link: u64,
    number: u64,
    message: Incoming,
}

impl FakeDelivery {
    async fn settle(&self, act: impl Fn(&mut State, Incoming)) -> BrokerResult<()> {
        let settle = |state: &mut State| {
            let (_, message) = state.held.remove(&self.number)?;
            act(state, message);
            Some(())
        };
        self.broker.wait(|state| state.on(self.link, settle)).await
    }
}

#[async_trait]
impl Delivery for FakeDelivery {
    fn message(&self) -> &Incoming {
        &self.message
    }

    async fn accept(self: Box<Self>) -> BrokerResult<()> {
        self.settle(|_, _| {}).await
    }

    async fn refuse(&self, why: &Refusal) -> BrokerResult<()> {
        let failing = self.broker.state().no_refusals.clone();
        if let Some(error) = failing {
            let link = place(self.link);
            self.broker.change(|state| {
                state.links[link].get_or_insert(error.clone());
                state.end(self.link, "");
            });
            return Err(error);
        }
        self.settle(|state, message| {
            let (reason, detail) = (why.reason, why.detail.clone());
            state.dead.push(DeadLetter { message, reason, detail });
        })
        .await
    }

    async fn give_back(self: Box<Self>) -> BrokerResult<()> {
        self.settle(|state, message| {
            state.ready.push_front(Incoming { redelivered: true, ..message });
        })
        .await
    }
}
