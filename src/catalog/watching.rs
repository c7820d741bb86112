//! Whether the holder of a lease is alive, as others see it.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use crate::manifest::{self, LeaseRecord};
use crate::model::ObjectKey;
use crate::storage::{ObjectStoreExt, StoreErrorKind};

use super::holder::is_gone;
use super::pulse::{INTERVAL, PATIENCE};
use super::{CatalogError, CatalogResult, Cluster, Lease, SWEEP};

/// What a damaged or hostile record can make an observer wait for: 5 minutes.
const LONGEST_INTERVAL_SECS: u64 = 300;

pub(super) fn key(cluster: &Cluster, name: &str, number: u64) -> ObjectKey {
    cluster.layout.lease(name).key(format_args!("{number}.json"))
}

/// The fencing tokens of a lease that lie in the repository, in order.
pub(super) async fn numbers(cluster: &Cluster, name: &str) -> CatalogResult<Vec<u64>> {
    let folder = cluster.layout.lease(name);
    let found = cluster.repository.store().list_all(&folder).await?;
    let number = |key: &ObjectKey| folder.strip(key)?.strip_suffix(".json")?.parse().ok();
    let mut numbers: Vec<u64> = found.iter().filter_map(|meta| number(&meta.key)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// The object of a lease that counts: the one with the highest number.
async fn newest(cluster: &Cluster, name: &str) -> CatalogResult<Option<ObjectKey>> {
    let last = numbers(cluster, name).await?.pop();
    Ok(last.map(|last| key(cluster, name, last)))
}

/// Why a lease is no longer its last holder's, as its next one tells.
pub(super) async fn why_taken(cluster: &Cluster, name: &str, number: u64) -> String {
    let key = key(cluster, name, number);
    match cluster.repository.read::<LeaseRecord>("lease", &key).await {
        Ok(Some(LeaseRecord { holder, unlocked: Some(reason), .. })) => {
            format!("it was unlocked on {}: {reason}", holder.host)
        }
        Ok(Some(next)) => format!("it was taken over on {}", next.holder.host),
        Ok(None) | Err(_) => "it was taken over".to_owned(),
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
    let mut watched = None;
    loop {
        let Some(last) = numbers(cluster, name).await?.pop() else { return Ok(Liveness::Dead) };
        // Whoever takes a lease over removes the number that was watched.
        if watched >= Some(last) {
            return Ok(Liveness::Dead);
        }
        if watch(cluster, &key(cluster, name, last)).await? == Liveness::Alive {
            return Ok(Liveness::Alive);
        }
        watched = Some(last);
    }
}

/// What came of watching one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watched {
    /// Its counter moves.
    Alive,
    /// It was given back.
    Free,
    /// Its holder had not given it back.
    Dead,
}

/// Watches one object.
pub(super) async fn watch(cluster: &Cluster, key: &ObjectKey) -> CatalogResult<Liveness> {
    Ok(match watch_closely(cluster, key).await? {
        Watched::Alive => Liveness::Alive,
        Watched::Free | Watched::Dead => Liveness::Dead,
    })
}

/// The same. What cannot be read as a lease is judged by whether its bytes change: only its
/// holder writes them.
pub(super) async fn watch_closely(cluster: &Cluster, key: &ObjectKey) -> CatalogResult<Watched> {
    let (mut first, mut told): (Option<(Bytes, Instant)>, bool) = (None, false);
    loop {
        let Some(bytes) = cluster.repository.store().find_bytes(key).await? else {
            return Ok(Watched::Free);
        };
        let record = manifest::decode::<LeaseRecord>("lease", &bytes).ok();
        if record.as_ref().is_some_and(|record| record.released) {
            return Ok(Watched::Free);
        }
        if record.as_ref().is_some_and(|record| is_gone(&record.holder)) {
            return Ok(Watched::Dead);
        }
        let interval = record.map_or(INTERVAL, |record| {
            Duration::from_secs(record.interval_secs.clamp(1, LONGEST_INTERVAL_SECS))
        });
        match &first {
            Some((seen, _)) if *seen != bytes => return Ok(Watched::Alive),
            Some((_, since)) if since.elapsed() > interval * PATIENCE => return Ok(Watched::Dead),
            Some((_, since)) if !told && since.elapsed() > interval => {
                told = true;
                tracing::info!(lease = %key, "waiting half a minute to see whether its holder is alive");
            }
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

/// When the holder of a lease was last heard of, by the store's clock.
pub async fn last_heard(cluster: &Cluster, name: &str) -> CatalogResult<Option<Timestamp>> {
    let Some(key) = newest(cluster, name).await? else { return Ok(None) };
    match cluster.repository.store().head(&key).await {
        Ok(meta) => Ok(Some(meta.modified)),
        Err(error) if error.kind() == StoreErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What a glance tells, for lists: the holder may still be at work.
pub(super) async fn looks_alive(cluster: &Cluster, name: &str, now: Timestamp) -> bool {
    let Ok(Some(key)) = newest(cluster, name).await else { return false };
    let Ok(meta) = cluster.repository.store().head(&key).await else { return false };
    let Ok(Some(record)) = cluster.repository.read::<LeaseRecord>("lease", &key).await else {
        return false;
    };
    let age = now.duration_since(meta.modified);
    let limit =
        i64::from(PATIENCE + 1) * i64::try_from(record.interval_secs).unwrap_or(i64::MAX / 8);
    !record.released && !is_gone(&record.holder) && age.as_secs() < limit
}
