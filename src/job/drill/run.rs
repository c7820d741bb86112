//! A drill from its request to its report.

use std::collections::{BTreeSet, HashSet};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use crate::catalog::{self, Cluster, Lease, Readable};
use crate::job::filling::{Filling, Staging, ends_run};
use crate::job::restore::may_lose;
use crate::job::verify::{damage, readable};
use crate::job::{JobContext, JobError, JobResult, reading};
use crate::manifest::DrillLedger;
use crate::metrics::LeaseScope;
use crate::milvus::MilvusVersion;
use crate::model::{BackupName, ClusterName, Namespace};
use crate::plan::{RestorePlan, is_drill_id, is_of_drill, plan_drill};
use crate::transfer::Stage;

use super::clean::{clean_drills, collections, made_by_drills};
use super::collection::drill;
use super::proof::{policy_of, remember};
use super::report::{DrillReport, DrilledCollection};
use super::session::Session;

/// Why a collection is passed over in Milvus 2.2.
const LOSES: &str = "it has deletes, and Milvus 2.2 would lose rows that were deleted and then \
                     written again: only a drill into Milvus 2.3 or later is exact";

/// Which backup is to be restored for a test.
#[derive(Debug, Clone)]
pub struct DrillOptions {
    /// The backup.
    pub backup: BackupName,
    /// The cluster that it is of, where its name is not unique.
    pub cluster: Option<ClusterName>,
}

/// Runs a drill to its end. What differs is in the report, which is `failed` then.
pub async fn run_drill(
    context: &JobContext,
    staging: &Staging,
    options: &DrillOptions,
) -> JobResult<DrillReport> {
    let started = Instant::now();
    let (version, cluster) = stoppable(context, look(context, staging, options).boxed()).await?;
    let held = reading::hold_to_drill(&cluster, &options.backup).await?;
    let work = async {
        // It may have gone since it was found, and nobody lets it go from now on.
        let found = backup_of(context, &options.backup, Some(&cluster.name));
        let backup = stoppable(context, found.boxed()).await?;
        let drilled = run(context, staging, (&backup, version), &held).await;
        let seconds = started.elapsed().as_secs_f64();
        let name = options.backup.to_string();
        let done = drilled.map(|all| DrillReport::new(name, all, seconds));
        if let Some(policy) = policy_of(context, &backup) {
            remember(context, (&policy, &backup), &done).await;
        }
        done
    };
    let done = work.await;
    held.release().await;
    done
}

async fn stoppable<T>(context: &JobContext, work: BoxFuture<'_, JobResult<T>>) -> JobResult<T> {
    let ended = context.cancel.run_until_cancelled(work).await;
    ended.unwrap_or_else(|| Err(JobError::cancelled()))
}

/// Cleans up after drills before this one, and finds the backup.
async fn look(
    context: &JobContext,
    staging: &Staging,
    options: &DrillOptions,
) -> JobResult<(MilvusVersion, Cluster)> {
    let version = context.told_version().await?;
    if let Err(error) = clean_drills(context, staging).boxed().await {
        if ends_run(&error) {
            return Err(error);
        }
        let error = error.chain();
        tracing::warn!(error, "what an interrupted drill left is still there");
    }
    let backup = backup_of(context, &options.backup, options.cluster.as_ref()).await?;
    Ok((version, backup.cluster))
}

async fn backup_of(
    context: &JobContext,
    name: &BackupName,
    cluster: Option<&ClusterName>,
) -> JobResult<Readable> {
    let repository = context.open_repository().await?;
    let found = catalog::find(&repository, cluster, name, &*context.clock).boxed().await?;
    readable(&found.0, found.1).boxed().await
}

/// Takes the lease of the drill, and leaves nothing behind, however it ends.
async fn run(
    context: &JobContext,
    staging: &Staging,
    (backup, version): (&Readable, MilvusVersion),
    reading: &Lease,
) -> JobResult<Vec<DrilledCollection>> {
    let cluster = backup.cluster.repository.cluster(&context.cluster);
    let planned = stoppable(context, plan(context, &cluster, (backup, &version)).boxed()).await?;
    let Planned { id, plan, databases, lossy } = planned;
    let lease = Lease::take(&cluster, &format!("drill-{id}")).await?;
    let _held = context.holds(LeaseScope::Drill, &lease);
    let of = (Readable::clone(backup), version);
    let filling = Filling::new(context, of, (staging, lease.name()));
    let ledger = DrillLedger {
        version: 1,
        id,
        backup: backup.manifest.name.clone(),
        of: backup.cluster.name.clone(),
        target: context.identity.server(),
        lease: lease.name().to_owned(),
        reading: reading.name().to_owned(),
        started_at: context.clock.now(),
        staging: vec![filling.staging.place()],
        databases,
        collections: plan.collections.iter().map(|one| one.restoring.clone()).collect(),
        emptied: false,
    };
    let (ledger, made) = (Mutex::new(ledger), Mutex::default());
    let session = Session { filling, cluster, lease, reading, ledger, made };
    let done = tokio::select! {
        () = context.cancel.cancelled() => Err(JobError::cancelled()),
        () = session.lease.lost().cancelled() => Err(session.lease.why_lost().into()),
        // Without it the backup may be deleted, and what is missing then is no fault of it.
        () = reading.lost().cancelled() => Err(reading.why_lost().into()),
        done = work(&session, &plan, &lossy).boxed() => done,
    };
    // The first failure is the one to tell; cleaning up goes on after it.
    let cleaned = session.clean_up().await;
    session.lease.release().await;
    let done = done?;
    cleaned?;
    Ok(done)
}

/// What a drill is about to make.
struct Planned {
    id: String,
    plan: RestorePlan,
    databases: Vec<String>,
    /// What would not come back as it was.
    lossy: BTreeSet<Namespace>,
}

/// Plans under an id that nothing in Milvus has.
async fn plan(
    context: &JobContext,
    cluster: &Cluster,
    (backup, version): (&Readable, &MilvusVersion),
) -> JobResult<Planned> {
    let milvus = &context.milvus;
    let present: HashSet<String> = milvus.databases().await?.into_iter().collect();
    let shared = made_by_drills(cluster, &context.identity.server(), None).await?;
    let of: BTreeSet<&String> = backup.manifest.collections.iter().map(|it| &it.database).collect();
    let mut taken = Vec::new();
    for database in of.into_iter().filter(|database| present.contains(*database)) {
        taken.extend(collections(context, database).await?);
    }
    let id = unused(|| Uuid::new_v4().simple().to_string()[..8].to_owned(), &taken);
    let plan = plan_drill(&backup.manifest, &id);
    let wanted = |name: &&String| !present.contains(*name) || shared.contains(*name);
    let databases = plan.databases.iter().filter(wanted).cloned().collect();
    // What is damaged costs its collection, which is told when that is drilled.
    let lossy = may_lose(backup, version, &plan, damage).await?;
    Ok(Planned { id, plan, databases, lossy })
}

/// The first drawn id that a drill may have and that is in no name.
fn unused(mut draw: impl FnMut() -> String, taken: &[String]) -> String {
    loop {
        let id = draw();
        if is_drill_id(&id) && !taken.iter().any(|name| is_of_drill(name, &id)) {
            return id;
        }
    }
}

/// Drills everything under a ledger, one collection after the other.
async fn work(
    session: &Session<'_>,
    plan: &RestorePlan,
    lossy: &BTreeSet<Namespace>,
) -> JobResult<Vec<DrilledCollection>> {
    let context = session.filling.context;
    catalog::put_drill(&session.cluster, &session.lease, &*session.ledger.lock().await).await?;
    session.make_databases(plan).await?;
    let mut drilled = Vec::new();
    for collection in &plan.collections {
        let from = &collection.from;
        context.progress.enter(Stage::Import, collection.content.bytes);
        context.progress.subject(&from.to_string());
        if lossy.contains(&collection.to) {
            drilled.push(DrilledCollection::skipped(from, LOSES));
            continue;
        }
        let done = drill(session, plan, collection).await?;
        drilled.push(done.unwrap_or_else(|error| DrilledCollection::failed(from, &error)));
    }
    drilled.extend(plan.absent.iter().map(DrilledCollection::absent));
    Ok(drilled)
}

#[cfg(test)]
mod tests {
    use super::unused;

    #[test]
    fn a_drill_takes_no_id_that_looks_like_a_date_or_is_in_use() {
        let mut drawn = ["20240101", "0123abcd", "0123abce"].into_iter().map(str::to_owned);
        let taken = ["films__drill_0123abcd".to_owned()];
        assert_eq!(unused(|| drawn.next().unwrap(), &taken), "0123abce");
    }
}
