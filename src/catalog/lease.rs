//! Who is at work, told by a counter that moves.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::manifest::{self, LeaseRecord};
use crate::model::ObjectKey;
use crate::storage::{PutMode, StoreErrorKind, suspended};

use super::pulse::{Heart, INTERVAL, LATE, Pulse, lock};
use super::watching::{Watched, key, numbers, watch_closely, why_taken};
use super::{CatalogError, CatalogResult, Cluster, sharing, this_process};

/// The fencing token of a lease whose name is used once.
const FIRST: u64 = 1;

/// The lease under which unreferenced files are deleted. Its name is always the same.
pub const SWEEP: &str = "sweep";

/// The lease under which deleted backups go and come back.
pub const PRUNE: &str = "prune";

/// What becomes of a lease that is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AfterUse {
    /// Its name is never used again.
    Deleted,
    /// It stays, so that the next holder's number is higher.
    Marked,
}

/// A lease that this process holds. It beats until it is released or dropped.
#[derive(Debug)]
pub struct Lease {
    pub(super) cluster: Cluster,
    name: String,
    number: u64,
    after_use: AfterUse,
    taken_over: bool,
    pub(super) pulse: Arc<Mutex<Pulse>>,
    /// Calls that only the holder may make, which go on where their caller goes away.
    pub(super) calls: TaskTracker,
    beating: TaskTracker,
    stop: CancellationToken,
    lost: CancellationToken,
}

impl Lease {
    /// Takes a lease under a name that is no other's, for someone who only reads. Whether the
    /// store keeps conditions is not asked: a reader takes no repository for himself.
    pub async fn take_to_read(cluster: &Cluster, name: &str) -> CatalogResult<Self> {
        Self::hold(cluster, name, (FIRST, AfterUse::Deleted), None).await
    }

    /// Takes a lease that nobody has held before.
    pub async fn take(cluster: &Cluster, name: &str) -> CatalogResult<Self> {
        let lease = Self::hold(cluster, name, (FIRST, AfterUse::Deleted), None).await?;
        let body = manifest::encode(&lock(&lease.pulse).record).into();
        let refused = match sharing::prove(&cluster.repository, &lease.key(), body).await {
            Ok(true) => return Ok(lease),
            Ok(false) => lease.loss("it is gone"),
            Err(error) => error,
        };
        lease.release().await;
        Err(refused)
    }

    /// Takes a lease of which there is one for all, or takes it over from a holder that is
    /// dead. [`CatalogError::LeaseHeld`] if someone has it; finding that out may take three
    /// intervals.
    pub async fn acquire(cluster: &Cluster, name: &str) -> CatalogResult<Self> {
        let held = |by: Option<LeaseRecord>| CatalogError::LeaseHeld {
            lease: name.to_owned(),
            host: by.map_or_else(
                || "another agent".to_owned(),
                |by| format!("process {} on {}", by.holder.pid, by.holder.host),
            ),
        };
        let last = numbers(cluster, name).await?.last().copied();
        let before = match last {
            Some(last) => watch_closely(cluster, &key(cluster, name, last)).await?,
            None => Watched::Free,
        };
        if let Some(last) = last
            && before == Watched::Alive
        {
            let key = key(cluster, name, last);
            return Err(held(cluster.repository.read("lease", &key).await.unwrap_or(None)));
        }
        let number = last.map_or(FIRST, |last| last + 1);
        let mut lease = match Self::hold(cluster, name, (number, AfterUse::Marked), None).await {
            Err(error) if error.is_there_already() => {
                return Err(held(None));
            }
            taken => taken?,
        };
        // Since the numbers were listed, others may have come, gone, and tidied up.
        let all = numbers(cluster, name).await?;
        if all.last() != Some(&number) {
            lease.discard(&[number]).await;
            return Err(held(None));
        }
        lease.discard(&all[..all.len() - 1]).await;
        lease.taken_over = before == Watched::Dead;
        Ok(lease)
    }

    /// Takes the next number of a lease from its holder, for a reason.
    pub(super) async fn take_away(
        cluster: &Cluster,
        name: &str,
        (number, reason): (u64, &str),
    ) -> CatalogResult<Self> {
        match Self::hold(cluster, name, (number, AfterUse::Marked), Some(reason)).await {
            Err(error) if error.is_there_already() => Err(CatalogError::LeaseHeld {
                lease: name.to_owned(),
                host: "another agent, which has just taken it over".to_owned(),
            }),
            taken => taken,
        }
    }

    async fn hold(
        cluster: &Cluster,
        name: &str,
        (number, after_use): (u64, AfterUse),
        unlocked: Option<&str>,
    ) -> CatalogResult<Self> {
        sharing::admit(&cluster.repository).await?;
        let key = key(cluster, name, number);
        let record = LeaseRecord {
            version: 1,
            token: Uuid::new_v4().to_string(),
            holder: this_process(),
            heartbeat: 0,
            interval_secs: INTERVAL.as_secs(),
            released: false,
            unlocked: unlocked.map(str::to_owned),
        };
        let (renewed, suspended) = (Instant::now(), suspended());
        let put = cluster.repository.write(&key, &record, PutMode::IfAbsent).await;
        if let Err(error) = put {
            let found = cluster.repository.read::<LeaseRecord>("lease", &key).await;
            let ours = found.ok().flatten().is_some_and(|found| found.token == record.token);
            if !ours {
                return Err(error.into());
            }
        }
        let lease = Self {
            cluster: cluster.clone(),
            name: name.to_owned(),
            number,
            after_use,
            taken_over: false,
            pulse: Arc::new(Mutex::new(Pulse { record, renewed, suspended, lost: None })),
            calls: TaskTracker::new(),
            beating: TaskTracker::new(),
            stop: CancellationToken::new(),
            lost: CancellationToken::new(),
        };
        let heart = Heart {
            cluster: cluster.clone(),
            name: name.to_owned(),
            number,
            pulse: Arc::clone(&lease.pulse),
            lost: lease.lost.clone(),
        };
        let stop = lease.stop.clone();
        lease.beating.spawn(async move {
            stop.run_until_cancelled(heart.beat()).await;
        });
        lease.beating.close();
        Ok(lease)
    }

    /// The lease's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether its last holder had died.
    pub fn is_taken_over(&self) -> bool {
        self.taken_over
    }

    /// Fires when heartbeats no longer arrive.
    pub fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// When the store says that the last heartbeat was written: its own clock, now.
    pub async fn store_time(&self) -> CatalogResult<Timestamp> {
        match self.cluster.repository.store().head(&self.key()).await {
            Ok(meta) => Ok(meta.modified),
            Err(error) if error.kind() == StoreErrorKind::NotFound => Err(self.loss("it is gone")),
            Err(error) => Err(error.into()),
        }
    }

    /// Proves that the lease is still ours, and that nobody took it over.
    pub async fn check(&self) -> CatalogResult<()> {
        if self.lost.is_cancelled() {
            return Err(self.why_lost());
        }
        let numbers = numbers(&self.cluster, &self.name).await?;
        if let Some(last) = numbers.last().filter(|last| **last > self.number) {
            return Err(self.loss(&why_taken(&self.cluster, &self.name, *last).await));
        }
        let token = lock(&self.pulse).record.token.clone();
        match self.cluster.repository.read::<LeaseRecord>("lease", &self.key()).await? {
            Some(record) if record.token == token && !record.released => Ok(()),
            Some(_) => Err(self.loss("another holder is in it")),
            None => Err(self.loss("it is gone")),
        }
    }

    /// The error of a holder that is told so by [`Self::lost`].
    pub fn why_lost(&self) -> CatalogError {
        let why = lock(&self.pulse).lost.clone();
        self.loss(why.as_deref().unwrap_or(LATE))
    }

    pub(super) fn loss(&self, why: &str) -> CatalogError {
        CatalogError::LeaseLost { lease: self.name.clone(), why: why.to_owned() }
    }

    /// Gives the lease back, once nothing is on its way that only its holder may do.
    pub async fn release(self) {
        self.calls.close();
        self.calls.wait().await;
        self.stop.cancel();
        self.beating.wait().await;
        if self.after_use == AfterUse::Deleted {
            return self.discard(&[self.number]).await;
        }
        let mut record = lock(&self.pulse).record.clone();
        record.released = true;
        let put = self.cluster.repository.write(&self.key(), &record, PutMode::Overwrite).await;
        if let Err(error) = put {
            tracing::warn!(lease = %self.name, %error, "the lease could not be given back");
        }
    }

    pub(super) async fn discard(&self, numbers: &[u64]) {
        let keys: Vec<ObjectKey> =
            numbers.iter().map(|number| key(&self.cluster, &self.name, *number)).collect();
        if keys.is_empty() {
            return;
        }
        if let Err(error) = self.cluster.repository.store().delete(&keys).await {
            tracing::warn!(lease = %self.name, %error, "the lease could not be removed");
        }
    }

    fn key(&self) -> ObjectKey {
        key(&self.cluster, &self.name, self.number)
    }

    /// Whether this object is deleted when the lease is given back.
    fn removes(&self, name: &str, number: u64) -> bool {
        self.after_use == AfterUse::Deleted && (&*self.name, self.number) == (name, number)
    }
}

/// The objects of a finished run's lease that nobody else deletes, where `by` is a lease of it.
pub(super) async fn leftover(
    cluster: &Cluster,
    by: &Lease,
    name: &str,
) -> CatalogResult<Vec<ObjectKey>> {
    let numbers = numbers(cluster, name).await?.into_iter();
    let others = numbers.filter(|number| !by.removes(name, *number));
    Ok(others.map(|number| key(cluster, name, number)).collect())
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
