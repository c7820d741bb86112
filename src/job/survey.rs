//! Which collections a backup is of, and what it will do for each.

use futures::{FutureExt, StreamExt, stream};
use tokio::time::Instant;

use crate::catalog::{self, Cluster, Repute};
use crate::manifest::{CollectionOutcome, CollectionRecord};
use crate::model::{ErrorKind, Namespace};
use crate::plan::{
    self, BackupPlan, CollectionInventory, CollectionPlan, PlanError, plan_collection,
};
use crate::policy::CollectionSelector;

use super::beyond::Beyond;
use super::gather::{GatherError, gather};
use super::settle::{Settling, plan_settled};
use super::{JobContext, JobError, JobResult};

/// Collections asked about at once: Milvus flushes them one after the other anyway.
pub(super) const GATHERERS: usize = 4;

/// How often a collection is looked at when what was seen does not fit together: a partition
/// may have been dropped, the whole collection made again, or a segment compacted and its
/// files deleted, between two questions.
pub(super) const LOOKS: u32 = 4;

/// What planning a backup looks at.
pub(super) struct Survey<'a> {
    pub(super) context: &'a JobContext,
    pub(super) cluster: &'a Cluster,
    /// What is known of the place where files go.
    pub(super) repute: Repute<'a>,
    /// When the run started.
    pub(super) started: Instant,
    /// What it asks of newer servers.
    pub(super) beyond: &'a Beyond<'a>,
    /// What it does about deletes that come late.
    pub(super) settling: Settling,
}

/// What a backup is asked to hold.
#[derive(Debug)]
pub(super) struct Selected {
    /// These.
    pub(super) collections: Vec<Namespace>,
    /// How many others there are.
    pub(super) left_out: u64,
}

/// The collections that are meant, each database's sorted by name.
pub(super) async fn select(
    context: &JobContext,
    selector: &CollectionSelector,
) -> JobResult<Selected> {
    let mut seen = Vec::new();
    for database in context.milvus.databases().await? {
        let collections = context.milvus.collections(&database).await?;
        let (own, kept): (Vec<String>, Vec<String>) =
            collections.into_iter().partition(|collection| plan::is_temporary(collection));
        if !own.is_empty() {
            let why = "left out: named as what a restore, a drill or a check makes for a while";
            tracing::warn!(database, collections = ?own, "{why}");
        }
        seen.extend(kept.into_iter().map(|collection| Namespace::new(&database, collection)));
    }
    seen.sort();
    if seen.is_empty() {
        let place = context.milvus.address();
        return Err(JobError::new(
            ErrorKind::NothingToDo,
            format!("Milvus at {place} has no collection"),
        )
        .hint("check `milvus.address` if there should be one"));
    }
    let unmatched = selector.unmatched(&seen);
    if !unmatched.is_empty() {
        let names: Vec<String> = seen.iter().take(10).map(ToString::to_string).collect();
        return Err(JobError::new(
            ErrorKind::Usage,
            format!("no collection matches `{}`", unmatched.join("`, `")),
        )
        .hint(format!("Milvus has {}", names.join(", "))));
    }
    let (selected, left_out): (Vec<Namespace>, Vec<Namespace>) =
        seen.into_iter().partition(|namespace| selector.matches(namespace));
    if selected.is_empty() {
        let message = format!("`{selector}` leaves out every collection");
        return Err(JobError::new(ErrorKind::NothingToDo, message)
            .hint("loosen the patterns that start with `!`"));
    }
    Ok(Selected { collections: selected, left_out: left_out.len() as u64 })
}

/// Gathers and plans every collection; one that fails costs only itself.
pub(super) async fn make_plan(
    survey: &Survey<'_>,
    selected: Vec<Namespace>,
) -> JobResult<BackupPlan> {
    let mut plan = BackupPlan::default();
    add_to_plan(survey, selected, &mut plan).await?;
    Ok(plan)
}

/// As [`make_plan`], into a plan that there is already.
pub(super) async fn add_to_plan(
    survey: &Survey<'_>,
    selected: Vec<Namespace>,
    plan: &mut BackupPlan,
) -> JobResult<()> {
    if let Settling::Wait(wait) = survey.settling {
        return plan_settled(survey, selected, wait, plan).await;
    }
    let mut planned = stream::iter(selected)
        .map(|namespace| {
            async move {
                let result = plan_one(survey, &namespace).await;
                (namespace, result)
            }
            .boxed()
        })
        .buffered(GATHERERS);
    while let Some((namespace, result)) = planned.next().await {
        survey.context.progress.subject(&namespace.to_string());
        match result? {
            Ok(collection) => plan.collections.push(collection),
            Err(error) => plan.failed.push(failed(&namespace, error)),
        }
    }
    Ok(())
}

async fn plan_one(
    survey: &Survey<'_>,
    namespace: &Namespace,
) -> JobResult<Result<CollectionPlan, String>> {
    let (context, started, beyond) = (survey.context, survey.started, survey.beyond);
    let mut problem = String::new();
    for _ in 0..LOOKS {
        let source = &**context.source()?;
        let inventory = match gather(context, source, namespace, (started, beyond)).await {
            Ok(inventory) => inventory,
            Err(GatherError::Recreated) => {
                problem = GatherError::Recreated.to_string();
                continue;
            }
            Err(error) => return Ok(Err(give_up(error, namespace)?)),
        };
        match plan_inventory(survey, inventory).await? {
            Ok(planned) => return Ok(Ok(planned)),
            Err(error) => problem = error.to_string(),
        }
    }
    Ok(Err(problem))
}

/// Plans a collection that was looked at.
pub(super) async fn plan_inventory(
    survey: &Survey<'_>,
    mut inventory: CollectionInventory,
) -> JobResult<Result<CollectionPlan, PlanError>> {
    let Survey { cluster, repute, .. } = *survey;
    inventory.deletes_complete = survey.settling.deletes_complete();
    let id = inventory.description.id;
    let known = catalog::known_files(cluster, repute, id).await?;
    Ok(plan_collection(inventory, &known))
}

/// Ends the run over what every other collection would meet too; else says why this one fails.
pub(super) fn give_up(error: GatherError, namespace: &Namespace) -> JobResult<String> {
    let described = error.describe(namespace);
    match (error.ends_run(), error) {
        (None, _) => Ok(described),
        (Some(_), GatherError::Milvus(error)) => Err(error.into()),
        (Some(_), GatherError::Storage(error)) => {
            Err(JobError::store("Milvus's storage cannot be read", error).hint(
                "give the agent's user read access to Milvus's folder, by its group or an ACL",
            ))
        }
        (Some(kind), _) => Err(JobError::new(kind, described)),
    }
}

pub(super) fn failed(namespace: &Namespace, error: String) -> CollectionRecord {
    CollectionRecord {
        database: namespace.database.clone(),
        name: namespace.collection.clone(),
        id: 0,
        outcome: CollectionOutcome::Failed,
        error: Some(error),
        content: None,
    }
}
