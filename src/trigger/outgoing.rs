//! Letters from the journal to the broker.

use std::sync::Mutex;

use crate::broker::{BrokerError, BrokerFault, Link, Published};
use crate::job::{Journal, Outbox};
use crate::metrics::{EventResult, Metrics};
use crate::model::{Address, Letter};

/// Letters that are on their way at once.
const BATCH: usize = 100;

/// Sends what the outbox has, and takes away what the broker has taken.
#[derive(Debug)]
pub struct Outgoing {
    journal: Journal,
    metrics: Metrics,
    told: Mutex<Told>,
}

/// What is known already.
#[derive(Debug, Default)]
struct Told {
    /// Letters that were given up, ever, at the last look.
    dropped: Option<u64>,
    /// Whether nobody wanted the last event.
    unwanted: bool,
}

impl Outgoing {
    /// Sends nothing yet.
    pub fn new(journal: Journal, metrics: Metrics) -> Self {
        Self { journal, metrics, told: Mutex::default() }
    }

    /// Sends until nothing is left. What the broker has taken is never sent again; what it was
    /// about to take may be.
    pub async fn send(&self, link: &dyn Link) -> Result<(), BrokerError> {
        loop {
            let Some(outbox) = self.look().await else { return Ok(()) };
            if outbox.first.is_empty() {
                return Ok(());
            }
            let numbers: Vec<u64> = outbox.first.iter().map(|posted| posted.number).collect();
            let letters: Vec<Letter> =
                outbox.first.into_iter().map(|posted| posted.letter).collect();
            let (published, ended) = link.publish(&letters).await;
            self.tell(&letters, &published);
            let taken = numbers[..published.len().min(numbers.len())].to_vec();
            let delivered = move |journal: &Journal| journal.delivered(&taken);
            if let Err(error) = self.journal.on_disk(delivered).await {
                // They are sent again, as long as the journal cannot say that they were sent.
                return Err(BrokerError::new(BrokerFault::Unreachable, error.to_string()));
            }
            ended?;
            self.look().await;
        }
    }

    /// What waits, told to the metrics.
    pub async fn look(&self) -> Option<Outbox> {
        let outbox = self.journal.on_disk(|journal| journal.outbox(BATCH)).await;
        let outbox =
            outbox.inspect_err(|error| tracing::warn!(%error, "the outbox cannot be read")).ok()?;
        self.metrics.outbox(outbox.waiting);
        let before = self.told().dropped.replace(outbox.dropped).unwrap_or(outbox.dropped);
        if let Some(dropped @ 1..) = outbox.dropped.checked_sub(before) {
            self.metrics.events(EventResult::Dropped, dropped);
            tracing::error!(
                dropped,
                "too many events wait for the broker; the oldest are given up"
            );
        }
        Some(outbox)
    }

    fn tell(&self, letters: &[Letter], published: &[Published]) {
        for (letter, published) in letters.iter().zip(published) {
            let wanted = *published == Published::Taken;
            let result = if wanted { EventResult::Published } else { EventResult::Unroutable };
            self.metrics.events(result, 1);
            match &letter.to {
                Address::Topic { key } => {
                    let before = std::mem::replace(&mut self.told().unwanted, !wanted);
                    if !wanted && !before {
                        tracing::warn!(
                            key,
                            "no queue is bound to the exchange for this event: nobody gets it"
                        );
                    }
                }
                Address::Reply { queue, .. } if !wanted => {
                    tracing::warn!(
                        queue,
                        "nobody gets the answer: its queue is gone, or not ours to write"
                    );
                }
                Address::Reply { .. } => {}
            }
        }
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().expect("no holder of this lock panics")
    }
}
