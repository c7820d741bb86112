//! What a standalone backup has of its own: the tree that milvus-backup reads.
//!
//! milvus-backup takes a folder for a backup as soon as `backup_meta.json` is there, and
//! believes every file that it finds in `binlogs/`. So that document comes last and goes
//! first, and no file may lie there that the backup does not name.

use std::collections::HashSet;

use futures::{StreamExt, TryStreamExt};

use crate::manifest::{FileId, FileList, TreeDocument};
use crate::model::{BackupName, KeyPrefix, Layout, ObjectKey};

use super::removal::{is_there, step};
use super::{CatalogResult, Cluster, Lease};

/// Keys deleted at once; object storage takes no more in one request.
const BATCH: usize = 1000;

/// What milvus-backup knows a backup by, in the order in which it goes.
const MARKS: [TreeDocument; 2] = [TreeDocument::Backup, TreeDocument::Full];

/// Takes away what milvus-backup knows a backup by, each step durable before the next.
pub(super) async fn retract(
    cluster: &Cluster,
    lease: &Lease,
    name: &BackupName,
) -> CatalogResult<()> {
    let keys = cluster.layout.backup(name);
    for key in MARKS.map(|mark| keys.meta(mark)) {
        if is_there(cluster, &key).await? {
            step(cluster, lease, key).await?;
        }
    }
    Ok(())
}

/// Takes away what an earlier run under this name has left of a tree, but for the files that
/// one of this layout may go on with.
pub(super) async fn clear(
    cluster: &Cluster,
    lease: &Lease,
    (name, layout): (&BackupName, Layout),
) -> CatalogResult<()> {
    retract(cluster, lease, name).await?;
    let keys = cluster.layout.backup(name);
    let all = |_: &ObjectKey| true;
    delete(cluster, lease, &keys.metas(), all).await?;
    if layout == Layout::Incremental {
        delete(cluster, lease, &keys.binlogs(), all).await?;
    }
    Ok(())
}

/// Deletes every file of a backup's own that is in none of its lists; how many there were.
pub(super) async fn drop_strays(
    cluster: &Cluster,
    lease: &Lease,
    (name, lists): (&BackupName, &[(i64, FileList)]),
) -> CatalogResult<u64> {
    let named = named(lists);
    let placement = cluster.layout.placement(name, Layout::Standalone);
    let stray = |key: &ObjectKey| placement.parse(key).is_none_or(|id| !named.contains(&id));
    delete(cluster, lease, &cluster.layout.backup(name).binlogs(), stray).await
}

/// A file of a backup's own that is in none of its lists, if there is one.
pub(super) async fn find_stray(
    cluster: &Cluster,
    (name, lists): (&BackupName, &[(i64, FileList)]),
) -> CatalogResult<Option<ObjectKey>> {
    let named = named(lists);
    let placement = cluster.layout.placement(name, Layout::Standalone);
    let mut lying = cluster.repository.store().list(&cluster.layout.backup(name).binlogs());
    while let Some(meta) = lying.try_next().await? {
        if placement.parse(&meta.key).is_none_or(|id| !named.contains(&id)) {
            return Ok(Some(meta.key));
        }
    }
    Ok(None)
}

fn named(lists: &[(i64, FileList)]) -> HashSet<FileId> {
    lists.iter().flat_map(|(_, list)| list.files()).map(|(id, _)| id).collect()
}

/// Deletes what lies in a folder and is wanted gone.
async fn delete(
    cluster: &Cluster,
    lease: &Lease,
    folder: &KeyPrefix,
    wanted: impl Fn(&ObjectKey) -> bool + Send,
) -> CatalogResult<u64> {
    let mut deleted = 0;
    let mut batches = cluster
        .repository
        .store()
        .list(folder)
        .map_ok(|meta| meta.key)
        .try_filter(|key| std::future::ready(wanted(key)))
        .try_chunks(BATCH);
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|error| error.1)?;
        lease.delete(&batch).await?;
        deleted += batch.len() as u64;
    }
    Ok(deleted)
}
