//! What must be true after every step.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::FutureExt;
use milvus_backup_agent::catalog::{self, BackupState, Repository};
use milvus_backup_agent::model::{ClusterName, KeyPrefix};
use milvus_backup_agent::storage::{ObjectStore, ObjectStoreExt};

use super::book::{CLUSTER, Folder};
use super::op::Fate;
use super::world::World;

impl World {
    /// Finds the first thing that is wrong.
    pub(super) async fn check(&mut self) -> Result<(), String> {
        self.prune_again().await?;
        if let Some(wrong) = self.book().wrong.first() {
            return Err(wrong.clone());
        }
        self.look_at_files()?;
        self.look_at_list().await
    }

    /// Every file that a backup needs lies there, as Milvus wrote it, also of a hidden one.
    fn look_at_files(&self) -> Result<(), String> {
        let book = self.book();
        let lying = self.keys("_segments").into_iter();
        let lying: BTreeSet<String> = lying.collect();
        for (name, folder) in &book.folders {
            let Some(manifest) = folder.committed() else { continue };
            book.is_whole(manifest).map_err(|why| format!("{name}: {why}"))?;
            for (_, content) in manifest.contents() {
                if let Some(gone) = book.lists[&content.list].difference(&lying).next() {
                    return Err(format!("{name}: its file {gone} is gone"));
                }
            }
        }
        Ok(())
    }

    /// The paths below a folder of the cluster.
    pub(super) fn keys(&self, folder: &str) -> Vec<String> {
        let cluster = KeyPrefix::root().join(CLUSTER);
        let under = if folder.is_empty() { cluster } else { cluster.join(folder) };
        let all = self.store.list_all(&under).now_or_never().expect("memory never waits");
        let all = all.expect("memory never fails").into_iter();
        all.filter_map(|meta| under.strip(&meta.key).map(str::to_owned)).collect()
    }

    /// A fresh process lists what is there, and nothing else.
    async fn look_at_list(&self) -> Result<(), String> {
        let store: Arc<dyn ObjectStore> = Arc::new(self.store.clone());
        let Ok(repository) = Repository::open(store).await else { return Ok(()) };
        let cluster = repository.cluster(&ClusterName::new(CLUSTER).expect("a name"));
        let listed = catalog::list(&cluster, &self.clock).await;
        let listed = listed.map_err(|error| format!("the list fails: {error}"))?;
        let book = self.book();
        for record in &listed {
            let folder = book.folders.get(record.name.as_str());
            let folder = folder.ok_or_else(|| format!("{} is listed", record.name))?;
            if !fits(folder, record.state) {
                return Err(format!("{} is listed as {:?}: {folder:?}", record.name, record.state));
            }
        }
        let is_listed = |name: &str| listed.iter().any(|record| record.name.as_str() == name);
        let missing = book
            .folders
            .iter()
            .find(|(name, folder)| folder.listed().is_some() && !is_listed(name));
        missing.map_or(Ok(()), |(name, _)| Err(format!("{name} is not listed")))
    }

    /// A second prune with nothing new deletes nothing and hides nothing. Where the first one had to wait for the
    /// dead, something may have become due, and the third does neither.
    async fn prune_again(&mut self) -> Result<(), String> {
        let Some((at, work, mut began)) = self.pruned.take() else { return Ok(()) };
        for _ in 0..2 {
            if !self.jobs.is_empty() {
                return Ok(());
            }
            let before = self.everything();
            let now = tokio::time::Instant::now();
            self.start(at, work, (Fate::Lives, 0));
            self.settle(super::world::LONGEST).await;
            self.tally.second_prunes += 1;
            let odd = before.symmetric_difference(&self.everything()).next().cloned();
            let instant = began.elapsed().is_zero();
            self.pruned = None;
            match odd {
                None => return Ok(()),
                Some(odd) if instant => return Err(format!("a second prune deleted or put {odd}")),
                Some(_) => began = now,
            }
        }
        Err("a third prune deleted or put something".to_owned())
    }

    /// Every key, but for the leases.
    fn everything(&self) -> BTreeSet<String> {
        let all = self.keys("").into_iter();
        all.filter(|key| !key.starts_with("_leases/") && !key.starts_with("_sweep")).collect()
    }
}

/// Whether a state is what the documents say.
fn fits(folder: &Folder, state: BackupState) -> bool {
    match state {
        BackupState::Complete => folder.is_good(),
        BackupState::Suspect => folder.is_suspect(),
        BackupState::Partial => {
            folder.listed().is_some() && !folder.is_complete() && !folder.is_suspect()
        }
        BackupState::Running | BackupState::Failed => folder.is_unfinished(),
        BackupState::Tombstoned => folder.tombstone.is_some(),
        // Nobody writes such trees here.
        BackupState::Foreign => false,
        BackupState::Damaged => {
            folder.is_damaged() || (folder.attempt.is_none() && folder.tombstone.is_none())
        }
    }
}
