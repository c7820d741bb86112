//! Why a link is of no use any more.

use std::sync::Arc;

use tokio::sync::watch;

use crate::broker::{BrokerError, BrokerResult};

/// Why a link is of no use any more, once it is not; the same for all that belongs to it.
#[derive(Debug, Clone)]
pub(super) struct Fate(Arc<watch::Sender<Option<BrokerError>>>);

impl Fate {
    pub(super) fn open() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// Ends the link, and says why it ended: what fails first is the reason, and the rest
    /// follows from it.
    pub(super) fn failed(&self, error: BrokerError) -> BrokerError {
        self.0.send_if_modified(|reason| {
            let first = reason.is_none();
            reason.get_or_insert_with(|| error.clone());
            first
        });
        self.0.borrow().clone().unwrap_or(error)
    }

    /// Waits for the end.
    pub(super) async fn lost(&self) -> BrokerError {
        let mut reason = self.0.subscribe();
        let reason = reason.wait_for(Option::is_some).await;
        let reason = reason.expect("the sender is ours").clone();
        reason.expect("it was waited for")
    }

    /// Waits for the work, unless the link ends.
    pub(super) async fn or_lost<T>(&self, work: impl Future<Output = T>) -> BrokerResult<T> {
        tokio::select! {
            biased;
            error = self.lost() => Err(error),
            done = work => Ok(done),
        }
    }
}
