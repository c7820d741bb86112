//! The broker: connect, take messages in, send events out, and again.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::connection::{BrokerState, LinkState};
use super::spooled::Spooled;
use super::world::{World, Worlds};
use crate::broker::{Broker, BrokerError, BrokerFault, Delivery, Link, Refusal};
use crate::job::{JobError, JobResult};
use crate::metrics::{MessageResult, Metrics};
use crate::model::ErrorKind;
use crate::trigger::{Intake, Outgoing, Scene, Verdict, calls_itself};

/// The first pause after a failure; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between two tries to connect.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A connection that has held so long was a good one.
const GOOD: Duration = Duration::from_secs(10);

/// How long the repository may take over one request.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often events are looked for without a word that there are some.
const LOOK: Duration = Duration::from_secs(5);

/// How often it is looked whether the broker takes events.
const PULSE: Duration = Duration::from_millis(500);

/// How much of the reason for a refusal is logged, in characters: a message may be long.
const MAX_DETAIL: usize = 1024;

/// How often requests that nobody sends again are forgotten.
const FORGET: Duration = Duration::from_hours(1);

/// How long the last events may take when the agent ends.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The loop of the broker, and what it works with.
#[derive(Debug)]
pub(super) struct Messages {
    pub(super) broker: Arc<dyn Broker>,
    pub(super) intake: Intake,
    pub(super) outgoing: Outgoing,
    pub(super) worlds: Worlds,
    pub(super) metrics: Metrics,
    /// Events that others have left.
    pub(super) spooled: Spooled,
    /// Told when there are events.
    pub(super) posted: Arc<Notify>,
    pub(super) state: watch::Sender<BrokerState>,
    /// Ends the taking of messages: with the first thing of a shutdown.
    pub(super) stop_taking: CancellationToken,
    /// Ends it all, when the last events are in the outbox.
    pub(super) stop: CancellationToken,
}

impl Messages {
    /// Takes messages in and sends events out, until it is told to stop.
    pub(super) async fn go_on(self) {
        self.metrics.broker_configured();
        tokio::select! {
            () = self.keep_connected() => {}
            () = self.spooled.go_on() => unreachable!("it never ends"),
        }
        self.metrics.broker_connected(false);
        self.metrics.broker_consuming(false);
        self.take_up_the_last().await;
    }

    /// Connects, and connects again, until it is told to stop.
    async fn keep_connected(&self) {
        let (mut pause, mut was_connected) = (FIRST_PAUSE, false);
        while let Some(connected) = self.stop.run_until_cancelled(self.broker.connect()).await {
            let error = match connected {
                Ok(link) => {
                    if std::mem::replace(&mut was_connected, true) {
                        self.metrics.broker_reconnected();
                    }
                    let since = Instant::now();
                    let Err(error) = self.serve(&*link).await else { break };
                    if since.elapsed() > GOOD {
                        pause = FIRST_PAUSE;
                    }
                    error
                }
                Err(error) => error,
            };
            self.is(LinkState::Away(error));
            self.outgoing.look().await;
            if self.stop.run_until_cancelled(sleep(jittered(pause))).await.is_none() {
                break;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// What is not sent any more is in the journal, at least.
    async fn take_up_the_last(&self) {
        if let Err(error) = self.spooled.take_up().await {
            tracing::warn!(error, "the last events wait in the outbox's folder");
        }
    }

    /// Uses a link until it is lost, or until it is told to stop.
    async fn serve(&self, link: &dyn Link) -> Result<(), BrokerError> {
        tokio::select! {
            error = link.lost() => Err(error),
            error = self.take_in(link) => Err(error),
            error = self.send_out(link) => Err(error),
            () = self.watch(link) => Ok(()),
            () = self.stop.cancelled() => {
                self.take_up_the_last().await;
                match timeout(LAST_WORDS, self.outgoing.send(link)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(%error, "the last events stay in the outbox"),
                    Err(_) => tracing::warn!("the last events stay in the outbox"),
                }
                link.close().await;
                Ok(())
            }
        }
    }

    /// Takes messages in as long as journal and repository do.
    async fn take_in(&self, link: &dyn Link) -> BrokerError {
        let mut pause = FIRST_PAUSE;
        loop {
            let world = self.worlds.now();
            let why = match within_patience(self.get_ready(&world)).await {
                Ok(()) => {
                    pause = FIRST_PAUSE;
                    self.is(LinkState::Serving);
                    match self.until_trouble(link).await {
                        Trouble::Broker(error) => return error,
                        Trouble::Ours(why) => why,
                    }
                }
                Err(why) => why,
            };
            self.is(LinkState::Resting(why.chain()));
            if let Err(error) = link.rest().await {
                return error;
            }
            sleep(jittered(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn get_ready(&self, world: &World) -> JobResult<()> {
        self.intake.is_able(scene(world)).await?;
        self.intake.resume(scene(world)).await
    }

    async fn until_trouble(&self, link: &dyn Link) -> Trouble {
        let mut forget = interval(FORGET);
        forget.set_missed_tick_behavior(MissedTickBehavior::Delay);
        forget.tick().await;
        loop {
            let next = tokio::select! {
                next = link.next() => next,
                _ = forget.tick() => {
                    match self.intake.forget().await {
                        Ok(()) => continue,
                        Err(why) => return Trouble::Ours(why),
                    }
                }
                () = self.stop_taking.cancelled() => {
                    if let Err(error) = link.rest().await {
                        return Trouble::Broker(error);
                    }
                    std::future::pending().await
                }
            };
            let delivery = match next {
                Ok(delivery) => delivery,
                Err(error) => return Trouble::Broker(error),
            };
            let world = self.worlds.now();
            let taking = self.intake.take(delivery.message(), scene(&world));
            let verdict =
                timeout(PATIENCE, taking).await.unwrap_or_else(|_| Verdict::Later(too_slow()));
            let done = match verdict {
                Verdict::Accept(result) => {
                    self.metrics.message(result);
                    delivery.accept().await
                }
                Verdict::Refuse(why) => self.put_aside(link, (&*delivery, &why)).await,
                Verdict::Later(why) => match delivery.give_back().await {
                    Ok(()) => return Trouble::Ours(why),
                    Err(error) => Err(error),
                },
            };
            if let Err(error) = done {
                return Trouble::Broker(error);
            }
        }
    }

    /// Refuses a message. One that nobody takes is held meanwhile: given back, it would come
    /// again with all that was fetched with it, until the broker drops them.
    async fn put_aside(
        &self,
        link: &dyn Link,
        (delivery, why): (&dyn Delivery, &Refusal),
    ) -> Result<(), BrokerError> {
        let request_id = calls_itself(delivery.message());
        let detail: String = why.detail.chars().take(MAX_DETAIL).collect();
        tracing::warn!(request_id, reason = why.reason, detail, "a message is refused");
        let mut pause = FIRST_PAUSE;
        while let Err(error) = delivery.refuse(why).await {
            if link.lost().now_or_never().is_some() {
                return Err(error);
            }
            let hint = error.hint.as_deref().map(|hint| format!(" ({hint})"));
            self.is(LinkState::Resting(format!("{error}{}", hint.unwrap_or_default())));
            sleep(jittered(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.metrics.message(MessageResult::Invalid);
        self.is(LinkState::Serving);
        Ok(())
    }

    async fn send_out(&self, link: &dyn Link) -> BrokerError {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.outgoing.send(link).await {
                // Someone's queue is full: the events wait, and messages still come.
                Err(error) if error.fault == BrokerFault::Full => {
                    sleep(jittered(pause)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(error) => return error,
                Ok(()) => {
                    pause = FIRST_PAUSE;
                    tokio::select! {
                        () = self.posted.notified() => {}
                        () = sleep(LOOK) => {}
                    }
                }
            }
        }
    }

    /// Tells whether the broker takes events. Never ends.
    async fn watch(&self, link: &dyn Link) {
        let (mut pulse, mut looks) = (interval(PULSE), interval(LOOK));
        loop {
            tokio::select! {
                _ = pulse.tick() => {}
                // Those who wait for a broker that takes nothing are counted, too.
                _ = looks.tick() => drop(self.outgoing.look().await),
            }
            let blocked = link.blocked().or_else(|| self.outgoing.refused());
            self.metrics.broker_blocked(blocked.is_some());
            self.tell(|state| state.blocked = blocked);
        }
    }

    fn is(&self, link: LinkState) {
        self.metrics.broker_connected(!matches!(link, LinkState::Away(_)));
        self.metrics.broker_consuming(link == LinkState::Serving);
        self.tell(|state| {
            if matches!(link, LinkState::Away(_)) {
                state.blocked = None;
                self.metrics.broker_blocked(false);
            }
            state.link = link;
        });
    }

    /// Changes the state. A line in the log where it is another than before.
    fn tell(&self, change: impl FnOnce(&mut BrokerState)) {
        self.state.send_if_modified(|state| {
            let before = state.clone();
            change(state);
            if *state == before {
                return false;
            }
            state.log(&self.broker.address());
            true
        });
    }
}

/// Why no message is taken in any more.
enum Trouble {
    Broker(BrokerError),
    Ours(JobError),
}

fn scene(world: &World) -> Scene<'_> {
    Scene { policies: &world.settings.policies, context: &world.context }
}

async fn within_patience(work: impl Future<Output = JobResult<()>>) -> JobResult<()> {
    timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(too_slow()))
}

fn too_slow() -> JobError {
    let message = format!("the repository did not answer within {} s", PATIENCE.as_secs());
    JobError::new(ErrorKind::Unreachable, message)
}

/// Between half and one and a half of it, so that agents do not come back all at once.
fn jittered(pause: Duration) -> Duration {
    let (random, _) = Uuid::new_v4().as_u64_pair();
    let half = pause.as_millis().try_into().unwrap_or(u64::MAX) / 2;
    Duration::from_millis(half.saturating_add(random % half.saturating_mul(2).max(1)))
}
