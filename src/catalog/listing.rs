//! Reading backups: all, one, and the files of one.

use std::collections::HashMap;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use crate::manifest::{Attempt, Doubt, FileId, FileList, Manifest, Pin, Placement, Tombstone};
use crate::model::{BackupName, Clock, ClusterName, Layout};
use crate::plan::{Damage, Known, compare_listing};
use crate::storage::{ObjectMeta, ObjectStoreExt, StoreResult};

use super::record::Documents;
use super::watching::looks_alive;
use super::{
    BackupRecord, BackupState, CatalogError, CatalogResult, Checkpoints, Cluster, Repository,
    foreign_tree, is_begun,
};

/// Folders read at once.
const READERS: usize = 16;

/// Whether trees of milvus-backup are read, whose documents may be large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trees {
    Read,
    PassOver,
}

/// Every backup folder of a cluster, oldest first; what cannot be read is listed as damaged.
pub async fn list(cluster: &Cluster, clock: &dyn Clock) -> CatalogResult<Vec<BackupRecord>> {
    listed(cluster, clock, Trees::Read).await
}

/// The same without what milvus-backup wrote.
pub async fn list_own(cluster: &Cluster, clock: &dyn Clock) -> CatalogResult<Vec<BackupRecord>> {
    listed(cluster, clock, Trees::PassOver).await
}

async fn listed(
    cluster: &Cluster,
    clock: &dyn Clock,
    trees: Trees,
) -> CatalogResult<Vec<BackupRecord>> {
    let folders = cluster.repository.store().list_folders(cluster.layout.root()).await?;
    let names = folders.into_iter().filter_map(|folder| BackupName::new(folder).ok());
    let mut records: Vec<BackupRecord> = stream::iter(names)
        .map(|name| async move { read(cluster, &name, clock, trees).await }.boxed())
        .buffered(READERS)
        .try_filter_map(|record| {
            async move {
                match record {
                    Some(record) => Ok(still(cluster, record).await?),
                    None => Ok(None),
                }
            }
            .boxed()
        })
        .try_collect()
        .await?;
    records.sort_by_key(|record| {
        let started = record.attempt.as_ref().map(|attempt| attempt.started_at);
        let foreign = record.foreign.as_ref().map(|tree| tree.created_at);
        (started.or(foreign), record.name.clone())
    });
    Ok(records)
}

/// One backup folder. Only a store that fails is an error; damage is a state.
pub async fn read_record(
    cluster: &Cluster,
    name: &BackupName,
    clock: &dyn Clock,
) -> CatalogResult<BackupRecord> {
    let record = read(cluster, name, clock, Trees::Read).await?;
    Ok(record.expect("only trees that are passed over have none"))
}

async fn read(
    cluster: &Cluster,
    name: &BackupName,
    clock: &dyn Clock,
    trees: Trees,
) -> CatalogResult<Option<BackupRecord>> {
    let keys = cluster.layout.backup(name);
    let repository = &cluster.repository;
    let attempt = settled(repository.read::<Attempt>("attempt", &keys.attempt()).await)?;
    let manifest = settled(repository.read::<Manifest>("manifest", &keys.manifest()).await)?;
    let tombstone = settled(repository.read::<Tombstone>("tombstone", &keys.tombstone()).await)?;
    let pin = settled(repository.read::<Pin>("pin", &keys.pin()).await)?;
    let doubt = settled(repository.read::<Doubt>("doubt", &keys.doubt()).await)?;
    let alive = match (&attempt, &manifest) {
        (Ok(Some(attempt)), Ok(None)) if attempt.end.is_none() => {
            looks_alive(cluster, &attempt.lease, clock.now()).await
        }
        _ => false,
    };
    let foreign = match (&attempt, &manifest, &tombstone) {
        (Ok(None), Ok(None), Ok(None))
            if trees == Trees::PassOver && is_begun(cluster, name).await? =>
        {
            return Ok(None);
        }
        (Ok(None), Ok(None), Ok(None)) => settled(foreign_tree(cluster, name).boxed().await)?,
        _ => Ok(None),
    };
    let foreign = foreign.map(|tree| tree.map(|tree| tree.manifest));
    let documents = Documents { attempt, manifest, foreign, tombstone, pin, doubt, alive };
    Ok(Some(documents.judge(&cluster.name, name)))
}

/// The record, unless its folder was deleted since it was listed.
async fn still(cluster: &Cluster, record: BackupRecord) -> StoreResult<Option<BackupRecord>> {
    let nothing = record.attempt.is_none() && record.manifest.is_none();
    if !nothing || record.state != BackupState::Damaged {
        return Ok(Some(record));
    }
    let folder = cluster.layout.backup(&record.name);
    let mut objects = cluster.repository.store().list(folder.folder());
    Ok(objects.try_next().await?.map(|_| record))
}

/// Keeps a damaged document apart from a store that failed.
fn settled<T>(read: CatalogResult<T>) -> CatalogResult<CatalogResult<T>> {
    match read {
        Err(error @ CatalogError::Store(_)) => Err(error),
        other => Ok(other),
    }
}

/// The backup of a name, looked up in one cluster or in all of them.
pub async fn find(
    repository: &Repository,
    cluster: Option<&ClusterName>,
    name: &BackupName,
    clock: &dyn Clock,
) -> CatalogResult<(Cluster, BackupRecord)> {
    let mut clusters = repository.clusters().await?;
    if let Some(wanted) = cluster {
        clusters.retain(|cluster| cluster.name == *wanted);
        if clusters.is_empty() {
            let place = repository.store().to_string();
            return Err(CatalogError::NoCluster { cluster: wanted.to_string(), place });
        }
    }
    let mut found = Vec::new();
    for cluster in clusters {
        let folders = repository.store().list_folders(cluster.layout.root()).await?;
        if folders.iter().any(|folder| folder == name.as_str()) {
            found.push(cluster);
        }
    }
    let name = name.clone();
    match found.len() {
        0 => Err(CatalogError::NoBackup { name, place: repository.store().to_string() }),
        1 => {
            let cluster = found.remove(0);
            let record = read_record(&cluster, &name, clock).await?;
            match still(&cluster, record).await? {
                Some(record) => Ok((cluster, record)),
                None => Err(CatalogError::NoBackup { name, place: repository.store().to_string() }),
            }
        }
        _ => {
            let clusters: Vec<String> =
                found.iter().map(|cluster| cluster.name.to_string()).collect();
            Err(CatalogError::Ambiguous { name, clusters: clusters.join(", ") })
        }
    }
}

/// A list by its name.
pub async fn load_list(cluster: &Cluster, digest: &str) -> CatalogResult<FileList> {
    let key = cluster.layout.list(digest);
    let bytes = cluster.repository.store().get_bytes(&key).await?;
    FileList::decode(&bytes, digest)
        .map_err(|source| CatalogError::Document { place: cluster.repository.place(&key), source })
}

/// What is known of the files in one place.
#[derive(Debug, Clone, Copy)]
pub struct Repute<'a> {
    /// The place.
    pub placement: &'a Placement,
    /// Backups whose files may lie there.
    pub records: &'a [BackupRecord],
    /// What runs without a manifest have copied there.
    pub checkpoints: &'a Checkpoints,
}

/// What a place has of a collection: the newest committed list of shared files that can be
/// read, what checkpoints say, and one listing of its folders.
pub async fn known_files(
    cluster: &Cluster,
    Repute { placement, records, checkpoints }: Repute<'_>,
    collection: i64,
) -> CatalogResult<Known> {
    let committed = match placement {
        Placement::Shared(_) => newest_list(cluster, records, collection).await,
        Placement::Own { .. } => None,
    };
    let checkpointed = checkpoints.of(collection);
    if committed.is_none() && checkpointed.is_none() {
        return Ok(Known::default());
    }
    let listing = files_of(cluster, placement, collection).await?.into_iter();
    let listing = listing.map(|(id, found)| (id, found.size, found.etag));
    let doubts = records.iter().filter_map(|record| record.doubt.as_ref());
    let damaged = match placement {
        Placement::Shared(_) => doubts.flat_map(Doubt::damaged).collect(),
        Placement::Own { .. } => Vec::new(),
    };
    Ok(Known::new(&committed.unwrap_or_default(), listing)
        .with_checkpoints(checkpointed.cloned().unwrap_or_default())
        .doubting(damaged))
}

async fn newest_list(
    cluster: &Cluster,
    records: &[BackupRecord],
    collection: i64,
) -> Option<FileList> {
    let newest_first = records.iter().rev().filter(|record| record.is_committed());
    let digests = newest_first
        .filter_map(|record| record.manifest.as_ref())
        .filter(|manifest| manifest.layout == Layout::Incremental)
        .flat_map(Manifest::contents)
        .filter(|(record, _)| record.id == collection)
        .map(|(_, content)| content.list.as_str());
    for digest in digests {
        match load_list(cluster, digest).await {
            Ok(list) => return Some(list),
            Err(error) => {
                tracing::warn!(%digest, %error, "a list cannot be read; it is not reused");
            }
        }
    }
    None
}

/// Everything that lies in a collection's two folders.
async fn files_of(
    cluster: &Cluster,
    placement: &Placement,
    collection: i64,
) -> StoreResult<HashMap<FileId, ObjectMeta>> {
    let mut present = HashMap::new();
    for folder in placement.collection_folders(collection) {
        let mut listing = cluster.repository.store().list(&folder);
        while let Some(meta) = listing.try_next().await? {
            if let Some(id) = placement.parse(&meta.key) {
                present.insert(id, meta);
            }
        }
    }
    Ok(present)
}

/// The sizes of everything that lies in a collection's two folders.
pub async fn sizes_of(
    cluster: &Cluster,
    placement: &Placement,
    collection: i64,
) -> CatalogResult<HashMap<FileId, u64>> {
    let present = files_of(cluster, placement, collection).await?;
    Ok(present.into_iter().map(|(id, meta)| (id, meta.size)).collect())
}

/// What is missing or changed of a list, told by a listing of its collection's folders.
pub(super) async fn compare(
    cluster: &Cluster,
    placement: &Placement,
    collection: i64,
    list: &FileList,
) -> CatalogResult<Vec<Damage>> {
    let sizes = sizes_of(cluster, placement, collection).await?.into_iter().collect();
    Ok(compare_listing(list, &sizes))
}
