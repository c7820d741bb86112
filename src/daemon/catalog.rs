//! What the repository holds, read now and then for the metrics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use super::world::Worlds;
use crate::job::{self, Sizes};
use crate::metrics::{Metrics, RepositoryClass};

/// How often it is read where nothing changes.
const EVERY: Duration = Duration::from_mins(5);

/// How soon after a failure.
const AGAIN: Duration = Duration::from_secs(30);

/// How long one reading may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often bytes are counted too, which reads every list of files.
const COUNT_EVERY: Duration = Duration::from_hours(1);

/// Reads the repository and tells the metrics.
#[derive(Debug)]
pub(super) struct Reading {
    worlds: Worlds,
    metrics: Metrics,
    /// As last counted, and when.
    counted: Option<(BTreeMap<RepositoryClass, u64>, Instant)>,
}

impl Reading {
    pub(super) fn new(worlds: Worlds, metrics: Metrics) -> Self {
        Self { worlds, metrics, counted: None }
    }

    /// Reads every five minutes and whenever `changed` says so. `seen` is told whether that
    /// worked.
    pub(super) async fn go_on(mut self, changed: Arc<Notify>, seen: watch::Sender<bool>) {
        let mut read = *seen.borrow();
        loop {
            tokio::select! {
                () = sleep(if read { EVERY } else { AGAIN }) => {}
                () = changed.notified() => {}
            }
            read = self.once().await;
            seen.send_replace(read);
        }
    }

    /// Reads now. A failure is logged, and leaves what was told before.
    pub(super) async fn once(&mut self) -> bool {
        let world = self.worlds.now();
        let due = self.counted.as_ref().is_none_or(|(_, at)| at.elapsed() > COUNT_EVERY);
        let sizes = if due { Sizes::Unique } else { Sizes::Known };
        match timeout(PATIENCE, job::run_overview(&world.context, sizes)).await {
            Ok(Ok(mut facts)) => {
                if due {
                    self.counted = Some((facts.bytes.clone(), Instant::now()));
                } else if let Some((bytes, _)) = &self.counted {
                    facts.bytes.clone_from(bytes);
                }
                self.metrics.catalog(facts);
                true
            }
            Ok(Err(error)) => {
                tracing::warn!(error = %error.chain(), "the repository cannot be read");
                false
            }
            Err(_) => {
                tracing::warn!("the repository did not answer within {} s", PATIENCE.as_secs());
                false
            }
        }
    }
}
