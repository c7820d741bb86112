//! Drills that were killed before the cluster's Milvus moved.

use futures::FutureExt;
use serde::Serialize;

use crate::catalog::{self, CatalogError, Lease};
use crate::job::{JobContext, JobResult};
use crate::model::ClusterName;
use crate::plan::Found;

/// What a drill may have left in the Milvus of before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MovedDrill {
    /// The drill.
    pub id: String,
    /// That Milvus.
    pub from: String,
    /// Collections that it makes.
    pub collections: Vec<String>,
    /// Databases that it made, which nobody drops any more.
    pub databases: Vec<String>,
}

impl MovedDrill {
    fn tell(&self) {
        tracing::warn!(
            drill = self.id,
            from = self.from,
            collections = self.collections.join(", "),
            databases = self.databases.join(", "),
            "a killed drill is cleaned up after here from now on: if another Milvus is still at the \
             old address, drop in it what is left of these collections, and these databases if \
             they are empty"
        );
    }
}

/// Lets drills of an adopted cluster be cleaned up after in the configured Milvus. Their
/// collections have names that nothing else has; a database that is empty here may be someone's, so
/// it stays. Those that are at work are left alone.
pub async fn move_drills(context: &JobContext, name: &ClusterName) -> JobResult<Vec<MovedDrill>> {
    let repository = context.open_repository().await?;
    let (cluster, here) = (repository.cluster(name), context.identity.server());
    let mut moved = Vec::new();
    for (id, found) in catalog::drills(&cluster).boxed().await? {
        let Found::Read(seen) = found else { continue };
        if seen.target == here || seen.id != id {
            continue;
        }
        let fence = match Lease::acquire(&cluster, &seen.lease).boxed().await {
            Err(CatalogError::LeaseHeld { .. }) => {
                tracing::warn!(
                    drill = id,
                    target = seen.target,
                    "a drill is at work: adopt again later"
                );
                continue;
            }
            acquired => acquired?,
        };
        let Some(mut ledger) = catalog::read_drill(&cluster, &id).boxed().await? else {
            catalog::remove_lease(&cluster, &fence, &seen.lease).boxed().await?;
            continue;
        };
        let from = std::mem::replace(&mut ledger.target, here.clone());
        let databases = std::mem::take(&mut ledger.databases);
        let collections = ledger.collections.iter().map(ToString::to_string).collect();
        let one = MovedDrill { id, from, collections, databases };
        // Before it is written: afterwards it is not found again, whoever is killed or fails here.
        one.tell();
        catalog::put_drill(&cluster, &fence, &ledger).boxed().await?;
        fence.release().await;
        moved.push(one);
    }
    Ok(moved)
}
