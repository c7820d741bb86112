//! What prune looks at before it judges.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use crate::catalog::{self, CatalogResult, Cluster, Liveness, PRUNE, SWEEP};
use crate::model::{BackupName, KeyPrefix};
use crate::plan::{
    BackupFacts, DrillFacts, Found, LeaseFacts, Planned, PruneFacts, RestoreFacts, StagingFacts,
    StagingOwner,
};
use crate::storage::{ObjectStore, ObjectStoreExt};

use super::report::StagingRoot;
use super::request::Prune;
use crate::job::JobResult;
use crate::job::reading::reader;

/// Leases watched at once; each may take half a minute.
const WATCHERS: usize = 64;

/// Everything but the shared files. Backups are looked at before the restores that read them:
/// see the module's essay. A sweep looks for itself at what plans name; its preview does not.
pub(super) async fn survey(
    cluster: &Cluster,
    (staging, target): (Option<&StagingRoot>, &str),
    prune: Prune,
) -> JobResult<PruneFacts> {
    let mut planned = Planned::default();
    let wanted = (prune == Prune::Plan).then_some(&mut planned);
    let mut backups = catalog::examine_all(cluster, wanted).await?;
    let restores = restores(cluster).await?;
    let drills = drills(cluster, target).await?;
    let leases = leases(cluster).await?;
    for backup in &mut backups {
        backup.readers = readers((&restores, &leases), &backup.name);
    }
    let staging = match staging {
        Some(root) => staged(cluster, root, (&restores, &drills, &leases)).await?,
        None => Vec::new(),
    };
    Ok(PruneFacts { backups, planned, restores, drills, leases, staging })
}

/// One backup with those who read it.
pub(super) async fn look(cluster: &Cluster, name: &BackupName) -> JobResult<BackupFacts> {
    // Leases are watched for a while, in which another run may take the backup's place: it is
    // looked at last.
    let (restores, leases) = (restores(cluster).await?, leases(cluster).await?);
    let mut facts = catalog::examine(cluster, name).await?;
    facts.readers = readers((&restores, &leases), name);
    Ok(facts)
}

fn readers(
    (restores, leases): (&[RestoreFacts], &[LeaseFacts]),
    backup: &BackupName,
) -> Vec<String> {
    let reads = |restore: &&RestoreFacts| {
        restore.alive && restore.ledger.read().is_some_and(|ledger| ledger.backup == *backup)
    };
    let restores = restores.iter().filter(reads).map(|restore| format!("restore {}", restore.id));
    let alive = leases.iter().filter(|lease| lease.alive);
    let others = alive.filter_map(|lease| reader(&lease.name, backup));
    restores.chain(others.map(str::to_owned)).collect()
}

async fn restores(cluster: &Cluster) -> CatalogResult<Vec<RestoreFacts>> {
    let all = catalog::restores(cluster).await?;
    let watched = all.into_iter().map(|(id, ledger)| async move {
        let lease = match &ledger {
            Found::Read(ledger) => ledger.lease.clone(),
            Found::Absent | Found::Unreadable(_) | Found::TooNew(_) => format!("restore-{id}"),
        };
        let alive = is_alive(cluster, &lease).await?;
        Ok(RestoreFacts { id, ledger, alive })
    });
    stream::iter(watched).buffered(WATCHERS).try_collect().await
}

/// The drills of this cluster's agents; those into `target` can be cleaned up after here.
async fn drills(cluster: &Cluster, target: &str) -> CatalogResult<Vec<DrillFacts>> {
    let all = catalog::drills(cluster).await?;
    let watched = all.into_iter().map(|(id, ledger)| async move {
        let alive = is_alive(cluster, &format!("drill-{id}")).await?;
        let here = ledger.read().is_some_and(|ledger| ledger.target == target);
        Ok(DrillFacts { id, ledger, alive, here })
    });
    stream::iter(watched).buffered(WATCHERS).try_collect().await
}

async fn leases(cluster: &Cluster) -> CatalogResult<Vec<LeaseFacts>> {
    let names = catalog::lease_names(cluster).await?;
    let once = names.into_iter().filter(|name| ![PRUNE, SWEEP].contains(&name.as_str()));
    let watched = once.map(|name| async move {
        let alive = is_alive(cluster, &name).await?;
        Ok(LeaseFacts { name, alive })
    });
    stream::iter(watched).buffered(WATCHERS).try_collect().await
}

async fn is_alive(cluster: &Cluster, lease: &str) -> CatalogResult<bool> {
    Ok(catalog::observe(cluster, lease).await? == Liveness::Alive)
}

/// The folders of staged files. A restore stages in its own cluster's folder, and has ledger
/// and lease in the folder of the cluster that its backup is of. A drill has them where it stages.
async fn staged(
    own: &Cluster,
    root: &StagingRoot,
    (restores, drills, leases): (&[RestoreFacts], &[DrillFacts], &[LeaseFacts]),
) -> JobResult<Vec<StagingFacts>> {
    let folders = root.store.list_folders(&KeyPrefix::root()).await?;
    if folders.is_empty() {
        return Ok(Vec::new());
    }
    let mut owners: HashMap<String, bool> = HashMap::new();
    let mut know = |name: String, alive: bool| *owners.entry(name).or_default() |= alive;
    for one in restores {
        know(format!("restore-{}", one.id), one.alive);
    }
    for one in drills {
        know(format!("drill-{}", one.id), one.alive);
    }
    for one in leases {
        know(one.name.clone(), one.alive);
    }
    for other in own.repository.clusters().await?.iter().filter(|other| other.name != own.name) {
        for one in self::restores(other).await? {
            know(format!("restore-{}", one.id), one.alive);
        }
        for one in self::drills(other, "").await? {
            know(format!("drill-{}", one.id), one.alive);
        }
        for one in self::leases(other).await? {
            know(one.name, one.alive);
        }
    }
    let mut facts = Vec::new();
    for folder in folders {
        let owner = match (owners.get(&folder), root.shared) {
            (Some(true), _) => StagingOwner::Alive,
            (Some(false), _) => StagingOwner::Dead,
            (None, false) => StagingOwner::Unknown,
            (None, true) => StagingOwner::Foreign,
        };
        let newest = newest(&root.store, &folder).await?;
        facts.push(StagingFacts { folder, owner, newest });
    }
    Ok(facts)
}

async fn newest(store: &Arc<dyn ObjectStore>, folder: &str) -> JobResult<Option<jiff::Timestamp>> {
    let Ok(prefix) = KeyPrefix::new(folder) else { return Ok(None) };
    let files = store.list_all(&prefix).await?;
    Ok(files.into_iter().map(|meta| meta.modified).max())
}
