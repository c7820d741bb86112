//! Taking a lease away from its holder, by hand.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::manifest::{Holder, LeaseRecord};
use crate::model::ObjectKey;

use super::watching::{key, last_heard, numbers, watch};
use super::{CatalogError, CatalogResult, Cluster, Lease, Liveness, lease_names};

/// How long a holder is waited for that goes on beating: one of an older version does not look
/// for a higher number.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Whom a lease was taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlocked {
    /// The holder, where its record can be read.
    pub holder: Option<Holder>,
    /// Its last heartbeat, by the store's clock.
    pub heard: Option<Timestamp>,
}

/// Takes a lease away from whoever holds it, and waits until nothing of that holder can be on
/// its way any more: until it has given up, its process is gone, or it was silent for three
/// intervals. [`CatalogError::NoLease`] and [`CatalogError::NotHeld`] where there is none to
/// take.
pub async fn unlock(cluster: &Cluster, name: &str, reason: &str) -> CatalogResult<Unlocked> {
    // Whatever someone typed becomes no key before it is known to be one.
    let there = lease_names(cluster).await?;
    let known = there.iter().any(|other| other == name);
    let all = if known { numbers(cluster, name).await? } else { Vec::new() };
    let Some(last) = all.last().copied() else {
        return Err(CatalogError::NoLease { lease: name.to_owned(), there });
    };
    let old = key(cluster, name, last);
    let record = match cluster.repository.read::<LeaseRecord>("lease", &old).await {
        Ok(record) => record,
        // What nobody can read may still be held.
        Err(CatalogError::Document { .. }) => None,
        Err(error) => return Err(error),
    };
    if record.as_ref().is_some_and(|record| record.released) {
        return Err(CatalogError::NotHeld { lease: name.to_owned() });
    }
    let heard = last_heard(cluster, name).await?;
    let fence = Lease::take_away(cluster, name, (last + 1, reason)).await?;
    let ended = until_it_has_ended(cluster, &old).await;
    if ended.is_ok() {
        fence.discard(&all).await;
        fence.release().await;
    }
    ended.map(|()| Unlocked { holder: record.map(|record| record.holder), heard })
}

async fn until_it_has_ended(cluster: &Cluster, old: &ObjectKey) -> CatalogResult<()> {
    tracing::info!(lease = %old, "waiting until its holder has given up; half a minute if it does not answer");
    let begun = Instant::now();
    while watch(cluster, old).await? == Liveness::Alive {
        if begun.elapsed() > LONGEST_WAIT {
            tracing::warn!(lease = %old, "its holder goes on beating: it is of an older version, stop it by hand");
            break;
        }
    }
    Ok(())
}
