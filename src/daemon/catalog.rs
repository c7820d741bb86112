//! What the repository holds, read now and then for metrics and status.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::sight::Sight;
use super::world::Worlds;
use crate::job::{self, Sizes};
use crate::metrics::{Metrics, RepositoryClass};

/// How often it is read where nothing changes.
const EVERY: Duration = Duration::from_mins(5);

/// How soon after a failure.
const AGAIN: Duration = Duration::from_secs(30);

/// How long one reading may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often bytes are counted, which reads every list of files.
const COUNT_EVERY: Duration = Duration::from_hours(1);

/// How long counting may take.
const COUNT_PATIENCE: Duration = Duration::from_mins(30);

/// Bytes by what they are there for, as last counted.
type Counted = Arc<Mutex<BTreeMap<RepositoryClass, u64>>>;

/// Reads the repository and tells metrics and status.
#[derive(Debug)]
pub(super) struct Reading {
    worlds: Worlds,
    metrics: Metrics,
    sight: Sight,
    counted: Counted,
}

impl Reading {
    pub(super) fn new(worlds: Worlds, metrics: Metrics, sight: Sight) -> Self {
        Self { worlds, metrics, sight, counted: Counted::default() }
    }

    /// Reads every five minutes and whenever `changed` says so. `seen` is told whether that
    /// worked.
    pub(super) async fn go_on(self, changed: Arc<Notify>, seen: watch::Sender<bool>) {
        let mut read = *seen.borrow();
        let mut counting = pin!(self.keep_counting());
        loop {
            tokio::select! {
                () = sleep(if read { EVERY } else { AGAIN }) => {}
                () = changed.notified() => {}
                () = &mut counting => unreachable!("it counts until it is dropped"),
            }
            let reading = self.once();
            tokio::select! {
                done = reading => read = done,
                () = &mut counting => unreachable!("it counts until it is dropped"),
            }
            seen.send_replace(read);
        }
    }

    /// Reads now. A failure is logged, and leaves what was told before.
    pub(super) async fn once(&self) -> bool {
        let world = self.worlds.now();
        match timeout(PATIENCE, job::look_over(&world.context, Sizes::Known)).await {
            Ok(Ok(mut found)) => {
                found.facts.bytes = self.counted().clone();
                self.metrics.catalog(found.facts.clone());
                self.sight.read(found);
                true
            }
            Ok(Err(error)) => {
                tracing::warn!(error = %error.chain(), "the repository cannot be read");
                self.sight.unreadable(error.chain(), error.remedy().map(str::to_owned));
                false
            }
            Err(_) => {
                let why = format!("it did not answer within {} s", PATIENCE.as_secs());
                tracing::warn!(why, "the repository cannot be read");
                self.sight.unreadable(why, None);
                false
            }
        }
    }

    /// Counts bytes now and then, in nobody's way. The next reading tells them.
    async fn keep_counting(&self) {
        loop {
            let world = self.worlds.now();
            let counting = job::run_overview(&world.context, Sizes::Unique);
            match timeout(COUNT_PATIENCE, counting).await {
                Ok(Ok(facts)) => *self.counted() = facts.bytes,
                Ok(Err(error)) => {
                    tracing::debug!(error = %error.chain(), "the repository's bytes cannot be counted");
                }
                Err(_) => tracing::debug!("counting the repository's bytes takes too long"),
            }
            sleep(COUNT_EVERY).await;
        }
    }

    fn counted(&self) -> MutexGuard<'_, BTreeMap<RepositoryClass, u64>> {
        self.counted.lock().expect("no holder of this lock panics")
    }
}
