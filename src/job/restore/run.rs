//! A restore from its request to its report.

use std::collections::HashSet;

use futures::FutureExt;
use tokio::sync::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use crate::catalog::{self, Lease, Readable};
use crate::manifest::{Manifest, RestoreItem, RestoreLedger, RestoreStep};
use crate::metrics::LeaseScope;
use crate::model::{BackupName, ClusterName, ErrorKind};
use crate::plan::{
    CollectionRestore, Existing, RbacPlan, RestorePlan, RestoreProblem, RestoreRequest,
    TargetCollection, check_request, plan_restore, targets,
};
use crate::transfer::Stage;

use super::collection::{Restored, restore};
use super::recover::{Recovered, recover};
use super::reinserts::{self, LostReinserts};
use super::session::{Session, Wanted};
use super::swap::find;
use super::told::{done_before, failed, not_in_backup, outcome};
use crate::job::filling::{Filling, Staging, ends_run};
use crate::job::held::Held;
use crate::job::report::PlannedCollection;
use crate::job::verify::{readable, still_there};
use crate::job::{
    JobContext, JobError, JobResult, PlanReport, RbacReport, RestoreReport, RestoredCollection,
    RunOutcome, rbac,
};

/// Each of 300 collections may be in the way; the first tell enough.
const PROBLEMS_SHOWN: usize = 10;

/// What someone wants restored, and how.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// The backup.
    pub backup: BackupName,
    /// The cluster that it is of, where its name is not unique.
    pub cluster: Option<ClusterName>,
    /// Which collections, under which names.
    pub request: RestoreRequest,
    /// Whether indexes are built.
    pub indexes: Wanted,
    /// Whether what was loaded is loaded.
    pub load: Wanted,
    /// Whether users, roles and grants are made that are not there.
    pub rbac: Wanted,
    /// Whether a Milvus 2.2 may lose rows.
    pub lost_reinserts: LostReinserts,
}

/// Runs a restore to its end.
pub async fn run_restore(
    context: &JobContext,
    staging: &Staging,
    options: &RestoreOptions,
) -> JobResult<RestoreReport> {
    let started = Instant::now();
    let begun = context.cancel.run_until_cancelled(begin(context, staging, options)).await;
    let begun = begun.unwrap_or_else(|| Err(JobError::cancelled()))?;
    let filled = tokio::select! {
        () = context.cancel.cancelled() => Err(JobError::cancelled()),
        () = begun.session.lease.lost().cancelled() => {
            Err(begun.session.lease.why_lost().into())
        }
        filled = work(&begun) => filled,
    };
    // The first failure is the one to tell; cleaning up goes on after it.
    let cleaned = begun.session.clean_up().await;
    begun.session.lease.release().await;
    let mut collections: Vec<RestoredCollection> = begun.done.iter().map(done_before).collect();
    collections.extend(filled?);
    cleaned?;
    collections.extend(begun.plan.absent.iter().map(not_in_backup));
    Ok(RestoreReport {
        name: options.backup.to_string(),
        outcome: outcome(&collections),
        collections,
        rbac: begun.rbac.as_ref().map(RbacReport::from),
        duration_seconds: started.elapsed().as_secs_f64(),
    })
}

/// What a restore would do, without writing anything anywhere.
pub async fn plan_only(context: &JobContext, options: &RestoreOptions) -> JobResult<PlanReport> {
    let version = context.supported_version().await?;
    let backup = backup_of(context, options).await?;
    let rbac = rbac::prepare(context, &backup, options.rbac).await?;
    let manifest = &backup.manifest;
    check_request(manifest, &options.request).map_err(|problems| in_the_way(&problems))?;
    let existing = existing(context, manifest, &options.request).await?;
    let plan = planned(manifest, options, &existing, "plan")?;
    reinserts::look(&backup, &version, &plan, options.lost_reinserts).await?;
    let collections = plan.collections.iter().map(|collection| PlannedCollection {
        from: collection.from.to_string(),
        to: collection.to.to_string(),
        rows: collection.content.rows,
        bytes: collection.content.bytes,
        note: collection.replaces.as_ref().map(|_| "replaces the existing one".to_owned()),
    });
    let absent = plan.absent.iter().map(|(from, why)| PlannedCollection {
        from: from.to_string(),
        to: String::new(),
        rows: 0,
        bytes: 0,
        note: Some(format!("not in the backup: {why}")),
    });
    let contents = || plan.collections.iter().map(|collection| &collection.content);
    Ok(PlanReport {
        collections: collections.chain(absent).collect(),
        files: contents().map(|content| content.files).sum(),
        bytes: contents().map(|content| content.bytes).sum(),
        files_reused: 0,
        bytes_reused: 0,
        rbac: rbac.as_ref().map(RbacReport::from),
    })
}

async fn backup_of(context: &JobContext, options: &RestoreOptions) -> JobResult<Readable> {
    let repository = context.open_repository().await?;
    let cluster = options.cluster.as_ref();
    let found = catalog::find(&repository, cluster, &options.backup, &*context.clock).await?;
    readable(&found.0, found.1).boxed().await
}

/// What the target has under the wanted names.
async fn existing(
    context: &JobContext,
    manifest: &Manifest,
    request: &RestoreRequest,
) -> JobResult<Existing> {
    let databases: HashSet<String> = context.milvus.databases().await?.into_iter().collect();
    let mut existing = Existing::new();
    for (_, to) in targets(manifest, request) {
        if !databases.contains(&to.database) {
            continue;
        }
        if let Some(found) = find(&*context.milvus, &to).await? {
            let (id, name, aliases) = (found.id, found.name, found.aliases);
            existing.insert(to, TargetCollection { id, name, aliases });
        }
    }
    Ok(existing)
}

fn planned(
    manifest: &Manifest,
    options: &RestoreOptions,
    existing: &Existing,
    id: &str,
) -> JobResult<RestorePlan> {
    let plan = plan_restore(manifest, &options.request, existing, id);
    let plan = plan.map_err(|problems| in_the_way(&problems))?;
    let nothing = plan.collections.is_empty() && plan.absent.is_empty();
    if nothing && options.rbac == Wanted::No {
        let message = format!("backup `{}` has nothing that is selected", manifest.name);
        return Err(JobError::new(ErrorKind::NothingToDo, message));
    }
    Ok(plan)
}

fn in_the_way(problems: &[RestoreProblem]) -> JobError {
    let usage = |problem: &RestoreProblem| {
        matches!(problem, RestoreProblem::Request(_) | RestoreProblem::Name(_))
    };
    let kind = if problems.iter().any(usage) { ErrorKind::Usage } else { ErrorKind::Refused };
    let mut shown: Vec<String> =
        problems.iter().take(PROBLEMS_SHOWN).map(ToString::to_string).collect();
    if let Some(more @ 1..) = problems.len().checked_sub(PROBLEMS_SHOWN) {
        shown.push(format!("and {more} more"));
    }
    let error = JobError::new(kind, shown.join("; "));
    match problems.iter().find_map(RestoreProblem::hint) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// A restore that is about to make its first change.
struct Begun<'a> {
    session: Session<'a>,
    plan: RestorePlan,
    rbac: Option<RbacPlan>,
    /// What an earlier, interrupted restore has done.
    done: Vec<RestoreItem>,
    /// Ledgers of earlier restores, each with the lease that keeps others from it.
    taken_over: Vec<(RestoreLedger, Lease)>,
    /// All leases, as metrics tell of them.
    _held: Vec<Held>,
}

/// Everything up to the first change: cleaned up after earlier restores, planned, leased.
async fn begin<'a>(
    context: &'a JobContext,
    staging: &Staging,
    options: &RestoreOptions,
) -> JobResult<Begun<'a>> {
    let version = context.told_version().await?;
    let backup = backup_of(context, options).await?;
    let (from, manifest) = (&backup.cluster, &backup.manifest);
    check_request(manifest, &options.request).map_err(|problems| in_the_way(&problems))?;
    let rbac = rbac::prepare(context, &backup, options.rbac).await?;
    let recovered = recover(context, from, &options.backup, staging).await?;
    let id = Uuid::new_v4().simple().to_string()[..8].to_owned();
    let mut existing = existing(context, manifest, &options.request).await?;
    let done = already_done(manifest, &options.request, &recovered, &mut existing);
    let mut plan = planned(manifest, options, &existing, &id)?;
    plan.collections.retain(|collection| !done.iter().any(|item| item.to == collection.to));
    let lossy = reinserts::look(&backup, &version, &plan, options.lost_reinserts).await?;
    let lease = Lease::take(from, &format!("restore-{id}")).await?;
    let folder = format!("restore-{id}");
    let filling = Filling::new(context, (backup, version), (staging, &folder));
    let ledger = ledger(&filling, &plan, (&id, &lease, &done));
    let session = Session {
        filling,
        indexes: options.indexes,
        load: options.load,
        lossy,
        ledger: Mutex::new(ledger),
        lease,
    };
    let mut held = recovered.held;
    held.push(context.holds(LeaseScope::Restore, &session.lease));
    Ok(Begun { session, plan, rbac, done, taken_over: recovered.ledgers, _held: held })
}

/// Fills everything under a ledger, which takes over those of earlier restores.
async fn work(begun: &Begun<'_>) -> JobResult<Vec<RestoredCollection>> {
    let Begun { session, plan, rbac, taken_over, .. } = begun;
    let Filling { context, backup, .. } = &session.filling;
    let from = &backup.cluster;
    catalog::put_ledger(from, &*session.ledger.lock().await).await?;
    // A delete puts its tombstone and then looks for ledgers: one of both sees the other.
    still_there(backup).boxed().await?;
    for (old, fence) in taken_over {
        catalog::delete_ledger(from, fence, old).await?;
    }
    rbac::put_back(context, rbac.as_ref()).await?;
    fill_all(session, plan).await
}

/// What an interrupted restore has done of this request: still the very collection that it
/// made, and so no reason to refuse. A request that may drop what exists does it anew, unless
/// it got its name only now: what was restored before may have been changed since.
fn already_done(
    manifest: &Manifest,
    request: &RestoreRequest,
    recovered: &Recovered,
    existing: &mut Existing,
) -> Vec<RestoreItem> {
    let known = if request.drop_existing { &recovered.just_made } else { &recovered.done };
    let wanted = targets(manifest, request);
    let asked = |item: &&RestoreItem| {
        let same = existing.get(&item.to).map(|found| found.id) == item.made;
        same && wanted.iter().any(|(from, to)| *from == item.from && *to == item.to)
    };
    let done: Vec<RestoreItem> = known.iter().filter(asked).cloned().collect();
    for item in &done {
        existing.remove(&item.to);
    }
    done
}

fn ledger(
    filling: &Filling<'_>,
    plan: &RestorePlan,
    (id, lease, done): (&str, &Lease, &[RestoreItem]),
) -> RestoreLedger {
    let context = filling.context;
    let fresh = plan.collections.iter().map(|collection| RestoreItem {
        from: collection.from.clone(),
        to: collection.to.clone(),
        restoring: collection.restoring.clone(),
        step: RestoreStep::Filling,
        aliases: Vec::new(),
        made: None,
        replaces: None,
        rows: None,
    });
    RestoreLedger {
        version: 1,
        id: id.to_owned(),
        backup: filling.backup.manifest.name.clone(),
        target: context.identity.server(),
        lease: lease.name().to_owned(),
        started_at: context.clock.now(),
        staging: vec![filling.staging.place()],
        items: done.iter().cloned().chain(fresh).collect(),
    }
}

/// One collection after the other; one that fails costs only itself.
async fn fill_all(session: &Session<'_>, plan: &RestorePlan) -> JobResult<Vec<RestoredCollection>> {
    let context = session.filling.context;
    make_databases(session, plan).await?;
    let bytes = plan.collections.iter().map(|collection| collection.content.bytes).sum();
    context.progress.enter(Stage::Import, bytes);
    let mut report = Vec::new();
    for collection in &plan.collections {
        context.progress.subject(&collection.to.to_string());
        match restore_anywhere(session, plan, collection).await {
            Ok(restored) => report.push(RestoredCollection {
                from: collection.from.to_string(),
                to: collection.to.to_string(),
                rows_stored: restored.filled.stored,
                rows_imported: restored.filled.imported,
                rows_deleted: restored.filled.stored.saturating_sub(restored.filled.imported),
                bytes_staged: restored.filled.staged,
                outcome: RunOutcome::Complete,
                error: None,
                notes: restored.notes,
            }),
            Err(error) if ends_run(&error) => return Err(error),
            Err(error) => report.push(failed(collection, &error)),
        }
    }
    Ok(report)
}

async fn make_databases(session: &Session<'_>, plan: &RestorePlan) -> JobResult<()> {
    let milvus = &session.filling.context.milvus;
    let present: HashSet<String> = milvus.databases().await?.into_iter().collect();
    for database in plan.databases.iter().filter(|database| !present.contains(*database)) {
        session.filling.make_database(plan, database).await?;
    }
    Ok(())
}

/// Restores a collection. A drill drops the database that it made, if it is empty: where that was
/// taken for being there already, it is made again.
async fn restore_anywhere(
    session: &Session<'_>,
    plan: &RestorePlan,
    collection: &CollectionRestore,
) -> JobResult<Restored> {
    let done = restore(session, collection).await;
    let Err(error) = done else { return done };
    if error.kind() != ErrorKind::NotFound {
        return Err(error);
    }
    let database = &collection.to.database;
    match session.filling.make_database(plan, database).await {
        Ok(true) => restore(session, collection).boxed().await,
        Ok(false) => Err(error),
        Err(why) => {
            tracing::debug!(database, why = why.chain(), "a database cannot be made again");
            Err(error)
        }
    }
}
