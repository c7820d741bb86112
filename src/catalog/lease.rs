//! Who is at work, told by a counter that moves.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::manifest::LeaseRecord;
use crate::model::ObjectKey;
use crate::storage::{PutMode, StoreErrorKind};

use super::holder::is_gone;
use super::{CatalogError, CatalogResult, Cluster, this_process};

/// Between two heartbeats.
const INTERVAL: Duration = Duration::from_secs(10);

/// Heartbeats that may fail or stay out before a lease counts as lost or dead.
const PATIENCE: u32 = 3;

/// The first fencing token. Names are never used twice, so no other is needed yet.
const FIRST_TOKEN: &str = "1.json";

/// A lease that this process holds. It beats until it is released or dropped.
#[derive(Debug)]
pub struct Lease {
    cluster: Cluster,
    name: String,
    key: ObjectKey,
    token: String,
    beating: TaskTracker,
    stop: CancellationToken,
    lost: CancellationToken,
}

impl Lease {
    /// Takes a lease that nobody has held before.
    pub async fn take(cluster: &Cluster, name: &str) -> CatalogResult<Self> {
        let key = cluster.layout.lease(name).key(FIRST_TOKEN);
        let record = LeaseRecord {
            version: 1,
            token: Uuid::new_v4().to_string(),
            holder: this_process(),
            heartbeat: 0,
            interval_secs: INTERVAL.as_secs(),
            released: false,
        };
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
            key: key.clone(),
            token: record.token.clone(),
            beating: TaskTracker::new(),
            stop: CancellationToken::new(),
            lost: CancellationToken::new(),
        };
        let beat = beat(cluster.clone(), key, record, lease.lost.clone());
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

    /// Proves that the lease is still ours.
    pub async fn check(&self) -> CatalogResult<()> {
        let lost = |why: &str| {
            Err(CatalogError::LeaseLost { lease: self.name.clone(), why: why.to_owned() })
        };
        if self.lost.is_cancelled() {
            return lost("heartbeats could not be written");
        }
        match self.cluster.repository.read::<LeaseRecord>("lease", &self.key).await? {
            Some(record) if record.token == self.token && !record.released => Ok(()),
            Some(_) => lost("another holder is in it"),
            None => lost("it is gone"),
        }
    }

    /// Stops beating and removes the lease.
    pub async fn release(self) {
        self.stop.cancel();
        self.beating.wait().await;
        let deleted = self.cluster.repository.store().delete(std::slice::from_ref(&self.key)).await;
        if let Err(error) = deleted {
            tracing::warn!(lease = %self.name, %error, "the lease could not be removed");
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn beat(cluster: Cluster, key: ObjectKey, mut record: LeaseRecord, lost: CancellationToken) {
    let mut renewed = Instant::now();
    loop {
        sleep(INTERVAL).await;
        record.heartbeat += 1;
        match cluster.repository.write(&key, &record, PutMode::Overwrite).await {
            Ok(()) => renewed = Instant::now(),
            Err(error) => tracing::warn!(lease = %key, %error, "a heartbeat could not be written"),
        }
        if renewed.elapsed() > INTERVAL * PATIENCE {
            lost.cancel();
            return;
        }
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

/// Watches a lease until its holder has proved to be alive or dead; this may take three
/// intervals. A holder whose process is gone from this machine is dead at once.
pub async fn observe(cluster: &Cluster, name: &str) -> CatalogResult<Liveness> {
    let key = cluster.layout.lease(name).key(FIRST_TOKEN);
    let mut first: Option<LeaseRecord> = None;
    let mut since = Instant::now();
    loop {
        let Some(record) = cluster.repository.read::<LeaseRecord>("lease", &key).await? else {
            return Ok(Liveness::Dead);
        };
        if record.released || is_gone(&record.holder) {
            return Ok(Liveness::Dead);
        }
        let interval = Duration::from_secs(record.interval_secs.max(1));
        match &first {
            Some(seen) if seen.heartbeat != record.heartbeat => return Ok(Liveness::Alive),
            Some(_) if since.elapsed() > interval * PATIENCE => return Ok(Liveness::Dead),
            Some(_) => {}
            None => {
                first = Some(record);
                since = Instant::now();
            }
        }
        sleep(interval / 4).await;
    }
}

/// What a glance tells, for lists: the holder may still be at work.
pub(super) async fn looks_alive(cluster: &Cluster, name: &str, now: jiff::Timestamp) -> bool {
    let key = cluster.layout.lease(name).key(FIRST_TOKEN);
    let Ok(meta) = cluster.repository.store().head(&key).await else { return false };
    let Ok(Some(record)) = cluster.repository.read::<LeaseRecord>("lease", &key).await else {
        return false;
    };
    let age = now.duration_since(meta.modified);
    let limit =
        i64::from(PATIENCE + 1) * i64::try_from(record.interval_secs).unwrap_or(i64::MAX / 8);
    !record.released && !is_gone(&record.holder) && age.as_secs() < limit
}

/// Removes a dead holder's lease.
pub(super) async fn remove(cluster: &Cluster, name: &str) -> CatalogResult<()> {
    let key = cluster.layout.lease(name).key(FIRST_TOKEN);
    let report = cluster.repository.store().delete(&[key]).await?;
    match report.failed.into_iter().next() {
        Some((_, error)) if error.kind() != StoreErrorKind::NotFound => Err(error.into()),
        Some(_) | None => Ok(()),
    }
}
