//! What restores made and have to clean up.

use futures::TryStreamExt;

use crate::manifest::RestoreLedger;
use crate::model::BackupName;
use crate::storage::PutMode;

use super::lease::leftover;
use super::{CatalogResult, Cluster, Lease};

/// The document's name in errors.
const WHAT: &str = "restore ledger";

/// Saves a ledger.
pub async fn put_ledger(cluster: &Cluster, ledger: &RestoreLedger) -> CatalogResult<()> {
    let key = cluster.layout.restore(&ledger.id);
    cluster.repository.write(&key, ledger, PutMode::Overwrite).await?;
    Ok(())
}

/// One ledger as it is now, `None` once its restore is finished.
pub async fn read_ledger(cluster: &Cluster, id: &str) -> CatalogResult<Option<RestoreLedger>> {
    cluster.repository.read(WHAT, &cluster.layout.restore(id)).await
}

/// Removes the ledger of a finished restore, and then its lease, which `by` holds, but for what
/// goes when that is given back: as long as it beats, a heartbeat may bring it back.
pub async fn delete_ledger(
    cluster: &Cluster,
    by: &Lease,
    ledger: &RestoreLedger,
) -> CatalogResult<()> {
    let mut keys = vec![cluster.layout.restore(&ledger.id)];
    keys.extend(leftover(cluster, by, &ledger.lease).await?);
    by.delete(&keys).await
}

/// Ledgers of unfinished restores of one backup into one Milvus, oldest first.
pub async fn open_ledgers(
    cluster: &Cluster,
    backup: &BackupName,
    target: &str,
) -> CatalogResult<Vec<RestoreLedger>> {
    let store = cluster.repository.store();
    let metas: Vec<_> = store.list(&cluster.layout.restores()).try_collect().await?;
    let mut ledgers = Vec::new();
    for meta in metas {
        let read = cluster.repository.read::<RestoreLedger>(WHAT, &meta.key).await?;
        ledgers.extend(read.filter(|ledger| &ledger.backup == backup && ledger.target == target));
    }
    ledgers.sort_by_key(|ledger| ledger.started_at);
    Ok(ledgers)
}
