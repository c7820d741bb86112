//! Letters from the journal to the broker.

use std::collections::BTreeSet;
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
    /// Routing keys of the events that nobody wanted when they were last sent.
    unwanted: BTreeSet<String>,
    /// Letters that the broker has, and the journal, too.
    taken: Vec<u64>,
    /// Whether the journal could not be told so.
    unwritten: bool,
    /// Why the broker did not take the oldest letter, although it is there.
    refused: Option<String>,
}

impl Outgoing {
    /// Sends nothing yet.
    pub fn new(journal: Journal, metrics: Metrics) -> Self {
        Self { journal, metrics, told: Mutex::default() }
    }

    /// Sends until nothing is left. What the broker has taken is never sent again; what it was
    /// about to take may be. After a letter that it did not take, that one alone is tried, so
    /// that no other listener gets the same ones again and again.
    pub async fn send(&self, link: &dyn Link) -> Result<(), BrokerError> {
        while self.take_away().await {
            let Some(outbox) = self.look().await else { return Ok(()) };
            if outbox.first.is_empty() {
                return Ok(());
            }
            let numbers: Vec<u64> = outbox.first.iter().map(|posted| posted.number).collect();
            let letters: Vec<Letter> =
                outbox.first.into_iter().map(|posted| posted.letter).collect();
            let most = if self.refused().is_some() { 1 } else { BATCH };
            let letters = &letters[..letters.len().min(most)];
            let (published, ended) = link.publish(letters).await;
            self.told().refused = match &ended {
                Err(error) if error.fault == BrokerFault::Full => Some(error.to_string()),
                Err(_) | Ok(()) => None,
            };
            self.tell(letters, &published);
            let taken = &numbers[..published.len().min(numbers.len())];
            self.told().taken.extend(taken);
            if ended.is_err() {
                self.take_away().await;
            }
            ended?;
        }
        Ok(())
    }

    /// Why the broker did not take the oldest letter, if it did not.
    pub fn refused(&self) -> Option<String> {
        self.told().refused.clone()
    }

    /// Takes away what the broker has. As long as the journal cannot, nothing is sent: it would
    /// be the same letters again and again.
    async fn take_away(&self) -> bool {
        let taken = self.told().taken.clone();
        if taken.is_empty() {
            return true;
        }
        let delivered = move |journal: &Journal| journal.delivered(&taken);
        let written = self.journal.on_disk(delivered).await;
        let mut told = self.told();
        match written {
            Ok(()) => {
                told.taken.clear();
                told.unwritten = false;
                true
            }
            Err(error) => {
                if !std::mem::replace(&mut told.unwritten, true) {
                    tracing::warn!(%error, "it cannot be written down which events have left");
                }
                false
            }
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
                    let mut told = self.told();
                    if wanted {
                        told.unwanted.remove(key);
                    } else if told.unwanted.insert(key.clone()) {
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

#[cfg(test)]
mod tests {
    use super::Outgoing;
    use crate::broker::Broker;
    use crate::broker::testing::FakeBroker;
    use crate::job::Journal;
    use crate::metrics::Metrics;
    use crate::model::{Address, Letter};

    #[tokio::test]
    async fn what_the_broker_has_is_not_sent_again_when_the_disk_is_full() {
        let state = tempfile::tempdir().unwrap();
        let journal = Journal::open(state.path()).unwrap();
        let to = Address::Topic { key: "backup.started".to_owned() };
        let letter = Letter { id: "1".to_owned(), to, body: "{}".to_owned() };
        journal.post(std::slice::from_ref(&letter)).unwrap();
        let broker = FakeBroker::default();
        let link = broker.connect().await.unwrap();
        let outgoing = Outgoing::new(journal.clone(), Metrics::default());
        journal.fill_the_disk(&[letter]);
        assert_eq!(outgoing.send(&*link).await, Ok(()), "it is no fault of the broker's");
        assert!(!journal.is_well());
        assert_eq!(outgoing.send(&*link).await, Ok(()));
        assert_eq!(journal.outbox(9).unwrap().waiting, 0);
        assert_eq!(broker.published().len(), 1);
    }
}
