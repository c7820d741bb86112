//! What runs without a manifest leave to the next one: their files and their names.

use std::collections::HashMap;

use crate::manifest::{Attempt, FileEntry, FileId, FileList};
use crate::model::{BackupName, Layout};
use crate::storage::{ObjectStoreExt, PutMode};

use super::watching::{Liveness, observe};
use super::{BackupRecord, BackupState, CatalogResult, Cluster, Lease, Unfinished};

/// What runs without a manifest copied and wrote into their checkpoints.
#[derive(Debug, Default)]
pub struct Checkpoints(HashMap<i64, HashMap<FileId, FileEntry>>);

impl Checkpoints {
    fn add(&mut self, list: &FileList) {
        for (id, entry) in list.files() {
            self.0.entry(id.collection).or_default().insert(id, entry.clone());
        }
    }

    async fn read(
        &mut self,
        cluster: &Cluster,
        name: &BackupName,
        layout: Layout,
    ) -> CatalogResult<()> {
        let key = cluster.layout.backup(name).checkpoint(layout);
        let Some(bytes) = cluster.repository.store().find_bytes(&key).await? else {
            return Ok(());
        };
        match FileList::decode_plan(&bytes) {
            Ok(list) => self.add(&list),
            Err(error) => tracing::warn!(%key, %error, "a checkpoint cannot be read"),
        }
        Ok(())
    }

    /// The entry of a file.
    pub fn entry(&self, id: &FileId) -> Option<&FileEntry> {
        self.0.get(&id.collection)?.get(id)
    }

    /// The files of a collection.
    pub(super) fn of(&self, collection: i64) -> Option<&HashMap<FileId, FileEntry>> {
        self.0.get(&collection)
    }
}

/// Reads the checkpoints of runs without a manifest, of files that backups share. Whether such a run is alive does not
/// matter: what a checkpoint names is durable and never changes.
pub async fn checkpoints(
    cluster: &Cluster,
    records: &[BackupRecord],
) -> CatalogResult<Checkpoints> {
    let unfinished =
        |record: &&BackupRecord| matches!(record.state, BackupState::Running | BackupState::Failed);
    let mut checkpoints = Checkpoints::default();
    for record in records.iter().filter(unfinished) {
        checkpoints.read(cluster, &record.name, Layout::Incremental).await?;
    }
    Ok(checkpoints)
}

/// Reads what an earlier run of a standalone backup of this name copied.
pub async fn own_checkpoint(cluster: &Cluster, name: &BackupName) -> CatalogResult<Checkpoints> {
    let mut checkpoints = Checkpoints::default();
    checkpoints.read(cluster, name, Layout::Standalone).await?;
    Ok(checkpoints)
}

/// Whether an attempt's run has ended, or has proved to be dead; that may take a while.
async fn is_over(
    cluster: &Cluster,
    attempt: &Attempt,
    unfinished: &Unfinished,
) -> CatalogResult<bool> {
    match unfinished {
        _ if attempt.end.is_some() => Ok(true),
        Unfinished::TakeOver => Ok(observe(cluster, &attempt.lease).await? == Liveness::Dead),
        Unfinished::Inherit(dead) => Ok(dead.as_ref() == Some(&attempt.run)),
        Unfinished::Leave => Ok(false),
    }
}

/// Puts `attempt` in the place of `old`, if its run is over by the rule that comes with it.
/// `false` if it is not, or if another run was faster.
///
/// Of all that want the place one holds the lease `heir-<run of old>-<n>`; the next `n` is
/// tried where a holder died. Should the old run wake, its token is not that of the attempt:
/// its commit is refused and a manifest of it does not count.
pub(super) async fn take_over(
    cluster: &Cluster,
    old: &Attempt,
    (attempt, unfinished): (&Attempt, &Unfinished),
) -> CatalogResult<bool> {
    if !is_over(cluster, old, unfinished).await? {
        return Ok(false);
    }
    let mut number = 1;
    let heir = loop {
        let name = format!("heir-{}-{number}", old.run);
        match Lease::take(cluster, &name).await {
            Ok(lease) => break lease,
            Err(error) if error.is_there_already() => {
                if observe(cluster, &name).await? == Liveness::Alive {
                    return Ok(false);
                }
            }
            Err(error) => return Err(error),
        }
        number += 1;
    };
    let replaced = replace(cluster, old, attempt, &heir).await;
    heir.release().await;
    replaced
}

async fn replace(
    cluster: &Cluster,
    old: &Attempt,
    attempt: &Attempt,
    heir: &Lease,
) -> CatalogResult<bool> {
    let keys = cluster.layout.backup(&attempt.name);
    let store = cluster.repository.store();
    let found = cluster.repository.read::<Attempt>("attempt", &keys.attempt()).await?;
    if found.is_none_or(|found| found.run != old.run) {
        return Ok(false);
    }
    for other in [keys.manifest(), keys.tombstone()] {
        if store.find_bytes(&other).await?.is_some() {
            return Ok(false);
        }
    }
    // A live attempt with a plan tells a sweep what it may not touch, and this is not its plan.
    // Nor would anyone look for the hashes of passwords in a backup that was made without.
    heir.delete(&[keys.plan(), keys.rbac()]).await?;
    let put = heir.write(&keys.attempt(), attempt, PutMode::Overwrite).await;
    let Err(error) = put else { return Ok(true) };
    let found = cluster.repository.read::<Attempt>("attempt", &keys.attempt()).await;
    match found {
        Ok(Some(found)) if found.run == attempt.run => Ok(true),
        _ => Err(error),
    }
}
