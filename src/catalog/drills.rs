//! What drills make and have to drop.

use crate::manifest::DrillLedger;
use crate::plan::Found;
use crate::storage::{ObjectStoreExt, PutMode};

use super::lease::leftover;
use super::removal::found;
use super::{CatalogResult, Cluster, Lease};

/// The document's name in errors.
const WHAT: &str = "ledger of a drill";

/// Saves a ledger, under the lease of its drill or of whoever cleans up after it.
pub async fn put_drill(cluster: &Cluster, by: &Lease, ledger: &DrillLedger) -> CatalogResult<()> {
    by.write(&cluster.layout.drill(&ledger.id), ledger, PutMode::Overwrite).await
}

/// One ledger as it is now, `None` once nothing of its drill is left.
pub async fn read_drill(cluster: &Cluster, id: &str) -> CatalogResult<Option<DrillLedger>> {
    cluster.repository.read(WHAT, &cluster.layout.drill(id)).await
}

/// Every drill's ledger by its id.
pub async fn drills(cluster: &Cluster) -> CatalogResult<Vec<(String, Found<DrillLedger>)>> {
    let folder = cluster.layout.drills();
    let mut all = Vec::new();
    for meta in cluster.repository.store().list_all(&folder).await? {
        let name = folder.strip(&meta.key).and_then(|name| name.strip_suffix(".json"));
        if let Some(id) = name.filter(|id| !id.contains('/')) {
            let read = cluster.repository.read::<DrillLedger>(WHAT, &meta.key).await;
            all.push((id.to_owned(), found(read)?));
        }
    }
    Ok(all)
}

/// Removes the ledger of a drill of which nothing is left, and then its lease, which `by` holds.
pub async fn delete_drill(
    cluster: &Cluster,
    by: &Lease,
    ledger: &DrillLedger,
) -> CatalogResult<()> {
    by.delete(&[cluster.layout.drill(&ledger.id)]).await?;
    by.delete(&leftover(cluster, by, &ledger.lease).await?).await
}
