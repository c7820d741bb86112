//! Cleans up: at the end of a drill, and after drills that were killed.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures::FutureExt;

use crate::catalog::{self, CatalogError, Cluster, Lease};
use crate::job::filling::{Staging, remove};
use crate::job::{JobContext, JobError, JobResult};
use crate::manifest::DrillLedger;
use crate::metrics::LeaseScope;
use crate::milvus::MilvusErrorKind;
use crate::model::{ErrorKind, KeyPrefix};
use crate::plan::{Found, is_of_drill};
use crate::storage::ObjectStore;

/// What the leases of drills begin with: their own, and those that keep a backup for one.
const LEASE: &str = "drill-";

/// What came of cleaning up after one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::job) enum Cleaned {
    /// Nothing of it was left.
    Gone,
    /// It is at work.
    AtWork,
    /// What it made is in another Milvus.
    Elsewhere(String),
    /// All of it is gone.
    Done {
        /// What was dropped, in words.
        dropped: Vec<String>,
        /// Staged files that were removed, and their bytes.
        files: (u64, u64),
    },
}

/// Whether there is anything to look at: drills that were killed, or that are at work.
pub async fn have_drills_left(context: &JobContext) -> JobResult<bool> {
    let repository = context.open_repository().await?;
    let cluster = repository.cluster(&context.cluster);
    let ledgers = catalog::drills(&cluster).boxed().await?;
    let leases = catalog::lease_names(&cluster).boxed().await?;
    Ok(!ledgers.is_empty() || leases.iter().any(|name| name.starts_with(LEASE)))
}

/// Cleans up after all drills into the configured Milvus that were killed: what was dropped, in
/// words. Those that are at work are left alone.
pub async fn clean_drills(context: &JobContext, staging: &Staging) -> JobResult<Vec<String>> {
    let repository = context.open_repository().await?;
    let cluster = repository.cluster(&context.cluster);
    let (mut told, mut failed, mut known) = (Vec::new(), None, HashSet::new());
    for (id, found) in catalog::drills(&cluster).await? {
        known.insert(format!("{LEASE}{id}"));
        known.extend(found.read().map(|ledger| ledger.reading.clone()));
        match clean(context, (&cluster, &id), Some(&staging.store)).boxed().await {
            Ok(Cleaned::Gone | Cleaned::AtWork) => {}
            Ok(Cleaned::Elsewhere(target)) => {
                tracing::info!(drill = id, %target, "an interrupted drill is left to that Milvus's agent");
            }
            Ok(Cleaned::Done { dropped, .. }) => {
                tracing::info!(drill = id, ?dropped, "cleaned up after an interrupted drill");
                told.extend(dropped);
            }
            Err(error) => {
                tracing::warn!(
                    drill = id,
                    error = error.chain(),
                    "an interrupted drill is not cleaned up"
                );
                failed.get_or_insert(error);
            }
        }
    }
    let leases = catalog::lease_names(&cluster).await?;
    for lease in leases.iter().filter(|name| name.starts_with(LEASE) && !known.contains(*name)) {
        remove_lease(&cluster, lease).await?;
    }
    failed.map_or(Ok(told), Err)
}

/// A lease that no ledger names is of a drill that died before it wrote one, or after it deleted it.
async fn remove_lease(cluster: &Cluster, name: &str) -> JobResult<()> {
    match Lease::acquire(cluster, name).boxed().await {
        Err(CatalogError::LeaseHeld { .. }) => Ok(()),
        fence => Ok(catalog::remove_lease(cluster, &fence?, name).await?),
    }
}

/// Cleans up after one drill, if it is dead.
pub(in crate::job) async fn clean(
    context: &JobContext,
    (cluster, id): (&Cluster, &str),
    staging: Option<&Arc<dyn ObjectStore>>,
) -> JobResult<Cleaned> {
    let Some(ledger) = catalog::read_drill(cluster, id).await? else { return Ok(Cleaned::Gone) };
    if ledger.id != id {
        let message = format!("`_drills/{id}.json` is the ledger of drill {}", ledger.id);
        return Err(JobError::new(ErrorKind::Damaged, message).hint("remove that file"));
    }
    if ledger.target != context.identity.server() {
        return Ok(Cleaned::Elsewhere(ledger.target));
    }
    // Of several that would clean up after it, one gets the next number of its lease.
    let fence = match Lease::acquire(cluster, &ledger.lease).boxed().await {
        Err(CatalogError::LeaseHeld { .. }) => return Ok(Cleaned::AtWork),
        acquired => acquired?,
    };
    let _held = context.holds(LeaseScope::Drill, &fence);
    // It may have come to its end while it was watched.
    let Some(mut ledger) = catalog::read_drill(cluster, id).await? else {
        catalog::remove_lease(cluster, &fence, &ledger.lease).await?;
        return Ok(Cleaned::Gone);
    };
    let cleaned = drop_all(context, (cluster, &fence), &mut ledger, staging).await;
    if cleaned.is_err() {
        fence.release().await;
    }
    cleaned
}

/// Drops everything that a ledger names, and then the ledger.
async fn drop_all(
    context: &JobContext,
    (cluster, fence): (&Cluster, &Lease),
    ledger: &mut DrillLedger,
    staging: Option<&Arc<dyn ObjectStore>>,
) -> JobResult<Cleaned> {
    let mut dropped = Vec::new();
    let mut there: BTreeMap<String, HashSet<String>> = BTreeMap::new();
    for namespace in &ledger.collections {
        if !is_of_drill(&namespace.collection, &ledger.id) {
            tracing::warn!(%namespace, drill = ledger.id, "its ledger names what no drill makes");
            continue;
        }
        if !there.contains_key(&namespace.database) {
            let names = collections(context, &namespace.database).await?;
            there.insert(namespace.database.clone(), names);
        }
        // One that is being made is not listed yet; Milvus drops it all the same, when it is made.
        context.milvus.drop_collection(namespace).await?;
        if there[&namespace.database].contains(&namespace.collection) {
            dropped.push(format!("collection {namespace}"));
        }
    }
    let files = match staging {
        Some(store) => clear(&**store, ledger).await?,
        None => (0, 0),
    };
    if files.0 > 0 {
        dropped.push(format!("{} staged files", files.0));
    }
    let of = cluster.repository.cluster(&ledger.of);
    catalog::remove_lease(&of, fence, &ledger.reading).await?;
    dropped.extend(end(context, cluster, (fence, ledger)).await?);
    Ok(Cleaned::Done { dropped, files })
}

/// The names of a database's collections; none of a database that is not there.
pub(super) async fn collections(
    context: &JobContext,
    database: &str,
) -> JobResult<HashSet<String>> {
    match context.milvus.collections(database).await {
        Err(error) if error.kind() == MilvusErrorKind::NotFound => Ok(HashSet::new()),
        found => Ok(found?.into_iter().collect()),
    }
}

async fn clear(store: &dyn ObjectStore, ledger: &DrillLedger) -> JobResult<(u64, u64)> {
    let folder = KeyPrefix::root().join(format_args!("drill-{}", ledger.id));
    let own = format!("{store}/{folder}");
    for place in ledger.staging.iter().filter(|place| **place != own) {
        tracing::warn!(%place, "an earlier drill staged files elsewhere; remove that folder");
    }
    Ok(remove(store, &folder).await?)
}

/// The databases of a Milvus that drills other than `own` have made and still need.
pub(super) async fn made_by_drills(
    cluster: &Cluster,
    target: &str,
    own: Option<&str>,
) -> JobResult<HashSet<String>> {
    let mut needed = HashSet::new();
    for (id, found) in catalog::drills(cluster).await? {
        if let Found::Read(other) = found
            && (Some(id.as_str()) != own && other.target == target && !other.emptied)
        {
            needed.extend(other.databases);
        }
    }
    Ok(needed)
}

/// The end of a drill whose collections are gone: its databases, its ledger, its lease. Which
/// databases were dropped, in words.
pub(super) async fn end(
    context: &JobContext,
    cluster: &Cluster,
    (by, ledger): (&Lease, &mut DrillLedger),
) -> JobResult<Vec<String>> {
    let mut dropped = Vec::new();
    if !ledger.databases.is_empty() {
        ledger.emptied = true;
        catalog::put_drill(cluster, by, ledger).await?;
        let needed = made_by_drills(cluster, &ledger.target, Some(&ledger.id)).await?;
        for database in ledger.databases.iter().filter(|database| !needed.contains(*database)) {
            if collections(context, database).await?.is_empty() {
                context.milvus.drop_database(database).await?;
                dropped.push(format!("database {database}"));
            } else {
                tracing::info!(%database, "made by a drill, and in use since");
            }
        }
    }
    catalog::delete_drill(cluster, by, ledger).await?;
    Ok(dropped)
}
