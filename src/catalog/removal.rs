//! Taking backups away: what a folder has, and the steps in which it goes.

use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use crate::manifest::{
    Attempt, DocumentError, Doubt, Manifest, Pin, RestoreLedger, Sighting, Tombstone,
};
use crate::model::{BackupName, ObjectKey};
use crate::plan::{BackupFacts, Found, Planned};
use crate::storage::{ObjectStoreExt, PutMode, StoreErrorKind};

use super::plans::Plans;
use super::watching::{key, last_heard, numbers, observe};
use super::{CatalogError, CatalogResult, Cluster, Lease, Liveness, is_begun, own};

/// Keys deleted at once; object storage takes no more in one request.
const BATCH: usize = 1000;

/// Folders looked at at once. Looking whether a run is alive takes up to half a minute.
const LOOKS: usize = 64;

/// Every folder of a cluster that may be a backup. One with another name is passed over,
/// unless it holds a manifest: then it is an error, since nobody knows what that refers to.
/// What saved plans name comes into `planned`.
pub async fn examine_all(
    cluster: &Cluster,
    planned: Option<&mut Planned>,
) -> CatalogResult<Vec<BackupFacts>> {
    let store = cluster.repository.store();
    let mut names = Vec::new();
    for folder in store.list_folders(cluster.layout.root()).await? {
        if folder.starts_with('_') {
            continue;
        }
        match BackupName::new(folder.as_str()) {
            Ok(name) => names.push(name),
            Err(error) => {
                let key = cluster.layout.root().join(&folder).key("manifest.json");
                if store.find_bytes(&key).await?.is_some() {
                    let (place, why) = (cluster.repository.place(&key), error.to_string());
                    return Err(CatalogError::StrayManifest { place, why });
                }
            }
        }
    }
    let plans = Plans::new(planned.is_some().then(Planned::default));
    let look = |name| examined(cluster, name, &plans).boxed();
    let looks: Vec<_> = names.iter().map(look).collect();
    let facts = stream::iter(looks).buffered(LOOKS).try_collect().await?;
    if let Some(planned) = planned {
        *planned = plans.into_planned();
    }
    Ok(facts)
}

/// One backup's folder, its run watched until it is known to be alive or dead.
pub async fn examine(cluster: &Cluster, name: &BackupName) -> CatalogResult<BackupFacts> {
    examined(cluster, name, &Plans::new(None)).await
}

/// The plan is read before the manifest: a run that commits in between deletes its plan only
/// after its manifest is there.
async fn examined(
    cluster: &Cluster,
    name: &BackupName,
    plans: &Plans,
) -> CatalogResult<BackupFacts> {
    let keys = cluster.layout.backup(name);
    let plan = plans.read(cluster, name).await?;
    let repository = &cluster.repository;
    let attempt = found(repository.read::<Attempt>("attempt", &keys.attempt()).await)?;
    let manifest = found(repository.read::<Manifest>("manifest", &keys.manifest()).await)?;
    let tombstone = found(repository.read::<Tombstone>("tombstone", &keys.tombstone()).await)?;
    let mut facts = BackupFacts {
        name: name.clone(),
        attempt,
        manifest,
        tombstone,
        pin: found(repository.read::<Pin>("pin", &keys.pin()).await)?,
        doubt: found(repository.read::<Doubt>("doubt", &keys.doubt()).await)?,
        plan,
        alive: false,
        heard: None,
        readers: Vec::new(),
        tree: false,
    };
    let documents =
        [facts.attempt.is_there(), facts.manifest.is_there(), facts.tombstone.is_there()];
    facts.tree = documents == [false; 3] && is_begun(cluster, name).await?;
    let mut watched = String::new();
    while facts.is_unfinished()
        && let Some(attempt) = facts.attempt.read().filter(|attempt| attempt.run != watched)
    {
        watched.clone_from(&attempt.run);
        facts.heard = last_heard(cluster, &attempt.lease).await?;
        facts.alive = observe(cluster, &attempt.lease).await? == Liveness::Alive;
        // It may have come to its end, one way or the other, while it was watched; or another
        // run has taken its place, of which nothing is known so far.
        facts.plan = plans.read(cluster, name).await?;
        facts.attempt = found(repository.read::<Attempt>("attempt", &keys.attempt()).await)?;
        facts.manifest = found(repository.read::<Manifest>("manifest", &keys.manifest()).await)?;
    }
    Ok(facts)
}

/// Keeps what is wrong with a document apart from a store that failed.
pub(super) fn found<T>(read: CatalogResult<Option<T>>) -> CatalogResult<Found<T>> {
    match read {
        Ok(None) => Ok(Found::Absent),
        Ok(Some(document)) => Ok(Found::Read(document)),
        Err(CatalogError::Document { place, source }) => {
            let why = format!("{place}: {source}");
            Ok(match source {
                DocumentError::TooNew { .. } => Found::TooNew(why),
                DocumentError::Damaged { .. } | DocumentError::Unsupported { .. } => {
                    Found::Unreadable(why)
                }
            })
        }
        Err(error) => Err(error),
    }
}

/// Every restore's ledger by its id.
pub async fn restores(cluster: &Cluster) -> CatalogResult<Vec<(String, Found<RestoreLedger>)>> {
    let folder = cluster.layout.restores();
    let mut all = Vec::new();
    for meta in cluster.repository.store().list_all(&folder).await? {
        let name = folder.strip(&meta.key).and_then(|name| name.strip_suffix(".json"));
        if let Some(id) = name.filter(|id| !id.contains('/')) {
            let read = cluster.repository.read::<RestoreLedger>("restore ledger", &meta.key).await;
            all.push((id.to_owned(), found(read)?));
        }
    }
    Ok(all)
}

/// The names of all leases that someone has or had.
pub async fn lease_names(cluster: &Cluster) -> CatalogResult<Vec<String>> {
    Ok(cluster.repository.store().list_folders(&cluster.layout.leases()).await?)
}

/// Hides a backup; the tombstone that stands there already stays. A person may do that without
/// a lease.
pub async fn bury(
    cluster: &Cluster,
    name: &BackupName,
    (tombstone, lease): (Tombstone, Option<&Lease>),
) -> CatalogResult<Tombstone> {
    let (key, absent) = (cluster.layout.backup(name).tombstone(), PutMode::IfAbsent);
    let put = match lease {
        Some(lease) => lease.write(&key, &tombstone, absent).await,
        None => cluster.repository.write(&key, &tombstone, absent).await.map_err(Into::into),
    };
    match put {
        Ok(()) => Ok(tombstone),
        Err(error) if error.is_there_already() => {
            let found = cluster.repository.read("tombstone", &key).await?;
            Ok(found.unwrap_or(tombstone))
        }
        Err(error) => Err(error),
    }
}

/// Takes a tombstone away, as long as the manifest is there. The lease is `prune`, here and
/// below.
pub async fn lift(cluster: &Cluster, lease: &Lease, name: &BackupName) -> CatalogResult<()> {
    step(cluster, lease, cluster.layout.backup(name).tombstone()).await
}

/// Whether a backup's manifest is there, readable or not.
pub async fn has_manifest(cluster: &Cluster, name: &BackupName) -> CatalogResult<bool> {
    let key = cluster.layout.backup(name).manifest();
    Ok(cluster.repository.store().find_bytes(&key).await?.is_some())
}

/// Whether a tombstone stands there, readable or not.
pub async fn has_tombstone(cluster: &Cluster, name: &BackupName) -> CatalogResult<bool> {
    let key = cluster.layout.backup(name).tombstone();
    Ok(cluster.repository.store().find_bytes(&key).await?.is_some())
}

/// Removes a buried backup: manifest, what milvus-backup knows it by, the rest, attempt, and the
/// tombstone last. Each step is durable before the next begins, since a disk may lose an earlier
/// one and keep a later. What is gone already is no obstacle. Shared files are the sweep's.
/// Returns how many files of its own went with it, and their bytes.
pub async fn remove_backup(
    cluster: &Cluster,
    lease: &Lease,
    name: &BackupName,
) -> CatalogResult<(u64, u64)> {
    let keys = cluster.layout.backup(name);
    let last = [keys.attempt(), keys.tombstone()];
    step(cluster, lease, keys.manifest()).await?;
    own::retract(cluster, lease, name).await?;
    let store = cluster.repository.store();
    let (mut files, mut bytes) = (0, 0);
    let mut rest = store
        .list(keys.folder())
        .try_filter(|meta| std::future::ready(!last.contains(&meta.key)))
        .try_chunks(BATCH);
    while let Some(batch) = rest.next().await {
        let batch = batch.map_err(|error| error.1)?;
        let own = batch.iter().filter(|meta| keys.binlogs().strip(&meta.key).is_some());
        let (gone, size) = own.fold((0, 0), |sum, meta| (sum.0 + 1, sum.1 + meta.size));
        let batch: Vec<ObjectKey> = batch.into_iter().map(|meta| meta.key).collect();
        lease.delete(&batch).await?;
        (files, bytes) = (files + gone, bytes + size);
    }
    store.sync().await?;
    for key in last {
        step(cluster, lease, key).await?;
    }
    Ok((files, bytes))
}

/// Removes what a run may leave beside a backup: it died right after its manifest, or it woke
/// when another had made the backup in its place. Under the lease `prune`.
pub async fn tidy(cluster: &Cluster, lease: &Lease, name: &BackupName) -> CatalogResult<()> {
    for key in cluster.layout.backup(name).of_run() {
        if is_there(cluster, &key).await? {
            lease.delete(&[key]).await?;
        }
    }
    Ok(())
}

/// Whether an object is there, of whatever size.
pub(super) async fn is_there(cluster: &Cluster, key: &ObjectKey) -> CatalogResult<bool> {
    match cluster.repository.store().head(key).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == StoreErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Deletes one object for good.
pub(super) async fn step(cluster: &Cluster, lease: &Lease, key: ObjectKey) -> CatalogResult<()> {
    lease.delete(&[key]).await?;
    Ok(cluster.repository.store().sync().await?)
}

/// Removes a dead holder's lease, whose name is never used again.
pub async fn remove_lease(cluster: &Cluster, by: &Lease, name: &str) -> CatalogResult<()> {
    let numbers = numbers(cluster, name).await?;
    let keys: Vec<ObjectKey> = numbers.iter().map(|number| key(cluster, name, *number)).collect();
    by.delete(&keys).await
}

/// What the last sweep saw, as it is stored.
pub async fn read_sightings(cluster: &Cluster) -> CatalogResult<Option<bytes::Bytes>> {
    Ok(cluster.repository.store().find_bytes(&cluster.layout.sightings()).await?)
}

/// Keeps what a sweep saw, under its lease, for the next one.
pub async fn put_sightings(cluster: &Cluster, lease: &Lease, bytes: Vec<u8>) -> CatalogResult<()> {
    lease.put(&cluster.layout.sightings(), bytes.into(), PutMode::Overwrite).await
}

/// A shared file's key, by its path in the cluster's folder.
pub fn key_of(cluster: &Cluster, sighting: &Sighting) -> ObjectKey {
    cluster.layout.root().key(&sighting.path)
}
