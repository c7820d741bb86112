//! The heartbeats of a lease, and what time they leave to its holder.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::manifest::{self, LeaseRecord};
use crate::storage::{Deadline, Deadlines, PutMode, suspended};

use super::Cluster;
use super::watching::{key, numbers, why_taken};

/// Between two heartbeats.
pub(super) const INTERVAL: Duration = Duration::from_secs(10);

/// Intervals without a heartbeat after which others take a holder for dead: its lease's life.
pub(super) const PATIENCE: u32 = 3;

/// Between two tries to write the same heartbeat.
const AGAIN: Duration = Duration::from_millis(2500);

/// Nothing that only a holder may do begins later after its last heartbeat: half a life.
const BEGIN: Duration = Duration::from_secs(15);

/// And nothing of it ends later. A holder whose next heartbeat is not written by then has lost
/// its lease, before anyone else can think so.
const END: Duration = Duration::from_secs(25);

/// The same of the word why a run ended: it may be that its lease is lost.
const LAST_BEGIN: Duration = Duration::from_secs(27);
const LAST_END: Duration = Duration::from_secs(29);

/// Why most leases are lost.
pub(super) const LATE: &str = "its heartbeats could not be written in time";

/// What was written last, and when that write began.
#[derive(Debug)]
pub(super) struct Pulse {
    pub(super) record: LeaseRecord,
    pub(super) renewed: Instant,
    /// For how long the machine had been suspended then.
    pub(super) suspended: SignedDuration,
    /// Why the lease is lost, once it is.
    pub(super) lost: Option<String>,
}

impl Pulse {
    /// In what time a holder may say why it ends, also when it has just lost its lease: until
    /// others may think so.
    pub(super) fn last_words(&self) -> Deadline {
        Deadline {
            begin_by: self.renewed + LAST_BEGIN,
            end_by: self.renewed + LAST_END,
            suspended: self.suspended,
        }
    }
}

impl Deadlines for Mutex<Pulse> {
    fn deadline(&self) -> Deadline {
        let Pulse { renewed, suspended, .. } = *lock(self);
        Deadline { begin_by: renewed + BEGIN, end_by: renewed + END, suspended }
    }
}

pub(super) fn lock(pulse: &Mutex<Pulse>) -> MutexGuard<'_, Pulse> {
    pulse.lock().expect("no holder of this lock panics")
}

/// What beats, and where.
#[derive(Debug)]
pub(super) struct Heart {
    pub(super) cluster: Cluster,
    pub(super) name: String,
    pub(super) number: u64,
    pub(super) pulse: Arc<Mutex<Pulse>>,
    pub(super) lost: CancellationToken,
}

impl Heart {
    /// Beats until the lease is lost.
    pub(super) async fn beat(self) {
        let mut pause = INTERVAL;
        loop {
            sleep(pause).await;
            let (begun, asleep) = (Instant::now(), suspended());
            let deadline = self.pulse.deadline();
            let end = deadline.end_by;
            let once = async {
                // After a long stop someone may have taken it over, or removed it for good.
                if begun >= end || deadline.has_slept() {
                    return Err(LATE.to_owned());
                }
                self.replaced().await.map_or(Ok(()), Err)?;
                Ok(self.write(deadline).await)
            };
            match timeout_at(end, once).await {
                Ok(Ok(true)) => {
                    let mut pulse = lock(&self.pulse);
                    (pulse.renewed, pulse.suspended) = (begun, asleep);
                    pause = INTERVAL;
                }
                Ok(Ok(false)) => pause = AGAIN,
                Ok(Err(why)) => return self.lose(why),
                Err(_late) => return self.lose(LATE.to_owned()),
            }
        }
    }

    fn lose(&self, why: String) {
        lock(&self.pulse).lost = Some(why);
        self.lost.cancel();
    }

    /// Whether a heartbeat was written in time. One that comes later may meet another holder.
    async fn write(&self, deadline: Deadline) -> bool {
        let record = {
            let mut pulse = lock(&self.pulse);
            pulse.record.heartbeat += 1;
            pulse.record.clone()
        };
        let key = key(&self.cluster, &self.name, self.number);
        let deadline = Deadline { begin_by: deadline.end_by, ..deadline };
        let store = self.cluster.repository.store();
        let body = manifest::encode(&record).into();
        let put = store.put_before(&key, body, PutMode::Overwrite, deadline).await;
        if let Err(error) = &put {
            tracing::warn!(lease = %key, %error, "a heartbeat could not be written");
        }
        put.is_ok()
    }

    /// Why the lease is certainly no longer ours. A store that fails tells nothing.
    async fn replaced(&self) -> Option<String> {
        let numbers = numbers(&self.cluster, &self.name).await.unwrap_or_default();
        if let Some(last) = numbers.last().filter(|last| **last > self.number) {
            return Some(why_taken(&self.cluster, &self.name, *last).await);
        }
        let token = lock(&self.pulse).record.token.clone();
        let key = key(&self.cluster, &self.name, self.number);
        match self.cluster.repository.read::<LeaseRecord>("lease", &key).await {
            Ok(Some(found)) if found.token == token => None,
            Ok(Some(_)) => Some("another holder is in it".to_owned()),
            Ok(None) => Some("it is gone".to_owned()),
            Err(_) => None,
        }
    }
}
