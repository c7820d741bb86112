//! Who is at work, told by a counter that moves.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::manifest::{self, LeaseRecord};
use crate::model::ObjectKey;
use crate::storage::{ObjectStoreExt, PutMode, StoreErrorKind};

use super::holder::is_gone;
use super::{CatalogError, CatalogResult, Cluster, sharing, this_process};

/// Between two heartbeats.
const INTERVAL: Duration = Duration::from_secs(10);

/// Heartbeats that may fail or stay out before a lease counts as lost or dead.
const PATIENCE: u32 = 3;

/// What a damaged or hostile record can make an observer wait for: 5 minutes.
const LONGEST_INTERVAL_SECS: u64 = 300;

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
    cluster: Cluster,
    name: String,
    number: u64,
    after_use: AfterUse,
    pulse: Arc<Mutex<Pulse>>,
    beating: TaskTracker,
    stop: CancellationToken,
    lost: CancellationToken,
}

/// What was written last, and when that write began.
#[derive(Debug)]
struct Pulse {
    record: LeaseRecord,
    renewed: Instant,
}

impl Lease {
    /// Takes a lease that nobody has held before.
    pub async fn take(cluster: &Cluster, name: &str) -> CatalogResult<Self> {
        let lease = Self::hold(cluster, name, (FIRST, AfterUse::Deleted)).await?;
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
            host: by.map_or_else(|| "another agent".to_owned(), |by| by.holder.host),
        };
        let last = numbers(cluster, name).await?.last().copied();
        if let Some(last) = last
            && watch(cluster, &key(cluster, name, last)).await? == Liveness::Alive
        {
            let key = key(cluster, name, last);
            return Err(held(cluster.repository.read("lease", &key).await.unwrap_or(None)));
        }
        let number = last.map_or(FIRST, |last| last + 1);
        let lease = match Self::hold(cluster, name, (number, AfterUse::Marked)).await {
            Err(CatalogError::Store(error)) if error.kind() == StoreErrorKind::AlreadyExists => {
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
        Ok(lease)
    }

    async fn hold(
        cluster: &Cluster,
        name: &str,
        (number, after_use): (u64, AfterUse),
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
        };
        let renewed = Instant::now();
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
            pulse: Arc::new(Mutex::new(Pulse { record, renewed })),
            beating: TaskTracker::new(),
            stop: CancellationToken::new(),
            lost: CancellationToken::new(),
        };
        let beat = beat(cluster.clone(), key, Arc::clone(&lease.pulse), lease.lost.clone());
        let stop = lease.stop.clone();
        lease.beating.spawn(async move {
            stop.run_until_cancelled(beat).await;
        });
        lease.beating.close();
        Ok(lease)
    }

    /// The lease's name.
    pub fn name(&self) -> &str {
        &self.name
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
            return Err(self.loss("heartbeats could not be written"));
        }
        if numbers(&self.cluster, &self.name).await?.last().is_some_and(|last| *last > self.number)
        {
            return Err(self.loss("it was taken over"));
        }
        let token = lock(&self.pulse).record.token.clone();
        match self.cluster.repository.read::<LeaseRecord>("lease", &self.key()).await? {
            Some(record) if record.token == token && !record.released => Ok(()),
            Some(_) => Err(self.loss("another holder is in it")),
            None => Err(self.loss("it is gone")),
        }
    }

    /// The same, and that half its life is left: enough for one
    /// batch of something that only its holder may do.
    pub async fn check_half(&self) -> CatalogResult<()> {
        self.check().await?;
        if lock(&self.pulse).renewed.elapsed() > INTERVAL * PATIENCE / 2 {
            return Err(self.loss("its heartbeats are late"));
        }
        Ok(())
    }

    fn loss(&self, why: &str) -> CatalogError {
        CatalogError::LeaseLost { lease: self.name.clone(), why: why.to_owned() }
    }

    /// Stops beating and gives the lease back.
    pub async fn release(self) {
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

    async fn discard(&self, numbers: &[u64]) {
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
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn key(cluster: &Cluster, name: &str, number: u64) -> ObjectKey {
    cluster.layout.lease(name).key(format_args!("{number}.json"))
}

fn lock(pulse: &Mutex<Pulse>) -> MutexGuard<'_, Pulse> {
    pulse.lock().expect("no holder of this lock panics")
}

/// The fencing tokens of a lease that lie in the repository, in order.
async fn numbers(cluster: &Cluster, name: &str) -> CatalogResult<Vec<u64>> {
    let folder = cluster.layout.lease(name);
    let found = cluster.repository.store().list_all(&folder).await?;
    let number = |key: &ObjectKey| folder.strip(key)?.strip_suffix(".json")?.parse().ok();
    let mut numbers: Vec<u64> = found.iter().filter_map(|meta| number(&meta.key)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

async fn beat(cluster: Cluster, key: ObjectKey, pulse: Arc<Mutex<Pulse>>, lost: CancellationToken) {
    loop {
        sleep(INTERVAL).await;
        let begun = Instant::now();
        // After a long stop someone may have taken it over, or removed it for good.
        let late = lock(&pulse).renewed.elapsed() > INTERVAL * PATIENCE;
        if late || is_replaced(&cluster, &key, &pulse).await {
            lost.cancel();
            return;
        }
        let record = {
            let mut pulse = lock(&pulse);
            pulse.record.heartbeat += 1;
            pulse.record.clone()
        };
        match cluster.repository.write(&key, &record, PutMode::Overwrite).await {
            Ok(()) => lock(&pulse).renewed = begun,
            Err(error) => tracing::warn!(lease = %key, %error, "a heartbeat could not be written"),
        }
        if lock(&pulse).renewed.elapsed() > INTERVAL * PATIENCE {
            lost.cancel();
            return;
        }
    }
}

/// Whether the object is certainly no longer ours. A store that fails tells nothing.
async fn is_replaced(cluster: &Cluster, key: &ObjectKey, pulse: &Mutex<Pulse>) -> bool {
    let token = lock(pulse).record.token.clone();
    match cluster.repository.read::<LeaseRecord>("lease", key).await {
        Ok(found) => found.is_none_or(|found| found.token != token),
        Err(_) => false,
    }
}

/// Whether someone holds a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// Its counter moves.
    Alive,
    /// It is released, gone, or has not moved for three intervals.
    Dead,
}

/// Watches a lease whose name is used once until its holder has proved to be alive or dead;
/// this may take three intervals. A holder whose process is gone from this machine is dead at
/// once.
pub async fn observe(cluster: &Cluster, name: &str) -> CatalogResult<Liveness> {
    watch(cluster, &key(cluster, name, FIRST)).await
}

/// The same of one object. What cannot be read as a lease is judged by whether its bytes
/// change: only its holder writes them.
async fn watch(cluster: &Cluster, key: &ObjectKey) -> CatalogResult<Liveness> {
    let mut first: Option<(Bytes, Instant)> = None;
    loop {
        let Some(bytes) = cluster.repository.store().find_bytes(key).await? else {
            return Ok(Liveness::Dead);
        };
        let record = manifest::decode::<LeaseRecord>("lease", &bytes).ok();
        if record.as_ref().is_some_and(|record| record.released || is_gone(&record.holder)) {
            return Ok(Liveness::Dead);
        }
        let interval = record.map_or(INTERVAL, |record| {
            Duration::from_secs(record.interval_secs.clamp(1, LONGEST_INTERVAL_SECS))
        });
        match &first {
            Some((seen, _)) if *seen != bytes => return Ok(Liveness::Alive),
            Some((_, since)) if since.elapsed() > interval * PATIENCE => return Ok(Liveness::Dead),
            Some(_) => {}
            None => first = Some((bytes, Instant::now())),
        }
        sleep(interval / 4).await;
    }
}

/// Waits until no sweep is at work, and tells whether one was: then files that were seen
/// before may be gone. A sweep whose holder died is fenced off, should it wake again.
pub async fn wait_for_sweep(cluster: &Cluster) -> CatalogResult<bool> {
    let mut waited = false;
    loop {
        let Some(last) = numbers(cluster, SWEEP).await?.pop() else { return Ok(waited) };
        let key = key(cluster, SWEEP, last);
        if let Ok(Some(record)) = cluster.repository.read::<LeaseRecord>("lease", &key).await
            && record.released
        {
            return Ok(waited);
        }
        if !waited {
            tracing::info!(lease = %key, "waiting for a sweep to end");
        }
        waited = true;
        if watch(cluster, &key).await? == Liveness::Alive {
            sleep(INTERVAL / 4).await;
            continue;
        }
        match Lease::acquire(cluster, SWEEP).await {
            Ok(fence) => fence.release().await,
            Err(CatalogError::LeaseHeld { .. }) => {}
            Err(error) => return Err(error),
        }
    }
}

/// When the holder of a lease whose name is used once was last heard of, by the store's clock.
pub async fn last_heard(cluster: &Cluster, name: &str) -> CatalogResult<Option<Timestamp>> {
    match cluster.repository.store().head(&key(cluster, name, FIRST)).await {
        Ok(meta) => Ok(Some(meta.modified)),
        Err(error) if error.kind() == StoreErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What a glance tells, for lists: the holder may still be at work.
pub(super) async fn looks_alive(cluster: &Cluster, name: &str, now: Timestamp) -> bool {
    let key = key(cluster, name, FIRST);
    let Ok(meta) = cluster.repository.store().head(&key).await else { return false };
    let Ok(Some(record)) = cluster.repository.read::<LeaseRecord>("lease", &key).await else {
        return false;
    };
    let age = now.duration_since(meta.modified);
    let limit =
        i64::from(PATIENCE + 1) * i64::try_from(record.interval_secs).unwrap_or(i64::MAX / 8);
    !record.released && !is_gone(&record.holder) && age.as_secs() < limit
}

/// Removes a dead holder's lease, whose name is never used again.
pub async fn remove_lease(cluster: &Cluster, name: &str) -> CatalogResult<()> {
    let numbers = numbers(cluster, name).await?;
    let keys: Vec<ObjectKey> = numbers.iter().map(|number| key(cluster, name, *number)).collect();
    let report = cluster.repository.store().delete(&keys).await?;
    match report.failed.into_iter().next() {
        Some((_, error)) if error.kind() != StoreErrorKind::NotFound => Err(error.into()),
        Some(_) | None => Ok(()),
    }
}
