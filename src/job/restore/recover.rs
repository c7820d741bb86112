//! Cleans up after restores that were interrupted, and finishes what they had begun.

use crate::catalog::{self, CatalogError, Cluster, Lease};
use crate::manifest::{RestoreItem, RestoreLedger, RestoreStep};
use crate::metrics::LeaseScope;
use crate::model::{BackupName, ErrorKind};

use super::swap::{Swapped, swap};
use crate::job::filling::{Staging, StagingArea};
use crate::job::held::Held;
use crate::job::{JobContext, JobError, JobResult};

/// What earlier, interrupted restores have finished; their ledgers, to be removed once the
/// new ledger has taken that over.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    pub(super) done: Vec<RestoreItem>,
    /// Those of `done` that got their names only now: nobody can have changed them since.
    pub(super) just_made: Vec<RestoreItem>,
    pub(super) ledgers: Vec<(RestoreLedger, Lease)>,
    /// Those leases, as metrics tell of them.
    pub(super) held: Vec<Held>,
}

/// Looks at every unfinished restore of `backup` into this Milvus.
pub(super) async fn recover(
    context: &JobContext,
    cluster: &Cluster,
    backup: &BackupName,
    staging: &Staging,
) -> JobResult<Recovered> {
    let mut recovered = Recovered::default();
    while look(context, cluster, backup, (staging, &mut recovered)).await? == Look::Again {}
    Ok(recovered)
}

/// Whether what was seen is all there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Enough,
    /// A restore ended while it was watched, and whoever ended it may be at work under a
    /// ledger of its own.
    Again,
}

async fn look(
    context: &JobContext,
    cluster: &Cluster,
    backup: &BackupName,
    (staging, recovered): (&Staging, &mut Recovered),
) -> JobResult<Look> {
    let target = context.identity.server();
    for found in catalog::open_ledgers(cluster, backup, &target).await? {
        if recovered.ledgers.iter().any(|(ledger, _)| ledger.id == found.id) {
            continue;
        }
        tracing::info!(restore = %found.id, "looking whether an earlier restore is still at work");
        // Of several that would clean up after it, one gets the next number of its lease.
        let fence = match Lease::acquire(cluster, &found.lease).await {
            Err(CatalogError::LeaseHeld { .. }) => {
                let message =
                    format!("restore {} of `{backup}` into {target} is at work", found.id);
                return Err(JobError::new(ErrorKind::Locked, message)
                    .hint("wait for it to end, then run again"));
            }
            acquired => acquired?,
        };
        let held = context.holds(LeaseScope::Restore, &fence);
        // It may have gone on, and come to its end, while it was watched.
        let Some(mut ledger) = catalog::read_ledger(cluster, &found.id).await? else {
            catalog::remove_lease(cluster, &fence, &found.lease).await?;
            return Ok(Look::Again);
        };
        for index in 0..ledger.items.len() {
            recovered.just_made.extend(finish(context, cluster, &mut ledger, index).await?);
        }
        clear(&ledger, staging, context).await?;
        let done = ledger.items.iter().filter(|item| item.step == RestoreStep::Done);
        recovered.done.extend(done.cloned());
        recovered.ledgers.push((ledger, fence));
        recovered.held.push(held);
    }
    Ok(Look::Enough)
}

/// Takes one collection to its end, or back to nothing; returns it if it got its name now.
async fn finish(
    context: &JobContext,
    cluster: &Cluster,
    ledger: &mut RestoreLedger,
    index: usize,
) -> JobResult<Option<RestoreItem>> {
    let item = &ledger.items[index];
    match item.step {
        RestoreStep::Filling => {
            tracing::info!(collection = %item.restoring, "dropping what an earlier restore left");
            context.milvus.drop_collection(&item.restoring).await?;
        }
        RestoreStep::Swapping => {
            tracing::info!(collection = %item.to, "finishing what an earlier restore began");
            let swapped = swap(&*context.milvus, item).await?;
            let step = match swapped {
                Swapped::Done { .. } => RestoreStep::Done,
                Swapped::Gone => RestoreStep::Filling,
            };
            ledger.items[index].step = step;
            catalog::put_ledger(cluster, ledger).await?;
            let just_made = matches!(swapped, Swapped::Done { renamed: true, .. });
            return Ok(just_made.then(|| ledger.items[index].clone()));
        }
        RestoreStep::Done => {}
    }
    Ok(None)
}

async fn clear(ledger: &RestoreLedger, staging: &Staging, context: &JobContext) -> JobResult<()> {
    let area = StagingArea::new(staging, &format!("restore-{}", ledger.id), context);
    for place in &ledger.staging {
        if *place != area.place() {
            tracing::warn!(%place, "an earlier restore staged files elsewhere; remove that folder");
        }
    }
    Ok(area.clear_all().await?)
}
