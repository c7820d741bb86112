//! `unlock`: a lease is taken from its holder by hand.

use serde::Serialize;

use crate::catalog::{self, Cluster};

use super::prune::own_cluster;
use super::{JobContext, JobError, JobResult};

/// `unlock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnlockReport {
    /// The lease's name.
    pub lease: String,
    /// The cluster that it is of.
    pub cluster: String,
    /// The machine of its holder, where that is known.
    pub host: Option<String>,
    /// The holder's process there.
    pub pid: Option<u32>,
    /// Its last heartbeat, by the store's clock.
    pub last_heard: Option<String>,
    /// Why it was taken away.
    pub reason: String,
}

/// Takes a lease from its holder, which can neither commit nor delete from then on.
pub async fn run_unlock(
    context: &JobContext,
    lease: &str,
    reason: &str,
) -> JobResult<UnlockReport> {
    let cluster = cluster_of(context, lease).await?;
    let work = catalog::unlock(&cluster, lease, reason);
    let unlocked = context.cancel.run_until_cancelled(work).await;
    let unlocked = unlocked.ok_or_else(JobError::cancelled)??;
    let holder = unlocked.holder;
    Ok(UnlockReport {
        lease: lease.to_owned(),
        cluster: cluster.name.to_string(),
        host: holder.as_ref().map(|holder| holder.host.clone()),
        pid: holder.map(|holder| holder.pid),
        last_heard: unlocked.heard.map(|heard| heard.to_string()),
        reason: reason.to_owned(),
    })
}

/// The own cluster; but a restore has its lease where its backup is.
async fn cluster_of(context: &JobContext, lease: &str) -> JobResult<Cluster> {
    let (own, repository) = own_cluster(context).await?;
    catalog::admit(&repository).await?;
    if lease.starts_with("restore-") {
        for other in repository.clusters().await? {
            if catalog::lease_names(&other).await?.iter().any(|name| name == lease) {
                return Ok(other);
            }
        }
    }
    Ok(own)
}
