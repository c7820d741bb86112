//! Acting on verdicts, one after the other, and sweeping.

use std::collections::BTreeSet;

use futures::FutureExt;
use jiff::SignedDuration;

use crate::catalog::{self, Cluster, Lease};
use crate::model::{ErrorKind, Guard};
use crate::plan::{BackupFacts, Judgement, PruneFacts, Refusal, Subject, Verdict, plan_prune};

use super::act::{Deleted, delete};
use super::report::{PruneReport, StagingRoot, VerdictRow, add, row};
use super::request::{PruneRequest, Sweeping};
use super::run::{look, tell_refusals};
use super::sweep::sweep;
use crate::job::{JobContext, JobError, JobResult};

/// How far this host's clock may be from the store's.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(10);

/// Where a prune is at work.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    pub(super) context: &'a JobContext,
    pub(super) cluster: &'a Cluster,
    pub(super) lease: &'a Lease,
    pub(super) staging: Option<&'a StagingRoot>,
}

/// What verdicts are not followed.
#[derive(Default)]
struct Held {
    /// Whether those that follow from how long ago something was.
    clock: bool,
    /// And those of these policies.
    unnoted: BTreeSet<String>,
}

/// Judges everything and does what the verdicts say. What fails fails alone, but for the loss of
/// the lease.
pub(super) async fn apply(
    places: Places<'_>,
    request: &PruneRequest,
    report: &mut PruneReport,
) -> JobResult<()> {
    let Places { context, cluster, lease, staging } = places;
    let (facts, retention) = look(context, (cluster, staging), request).await?;
    tell_refusals(&retention, report);
    let mut held = Held::default();
    if let Some(refusal) = skew(context, lease, request).await? {
        held.clock = true;
        report.refused(refusal.message.clone());
        report.guards.push(refusal);
    }
    for (policy, mark) in retention.marks.iter().filter(|_| !held.clock) {
        let put = catalog::put_retention_mark(cluster, lease, (policy, mark)).await;
        if let Err(error) = fatal(put.map_err(JobError::from))? {
            report.failed(&format!("_retention/{policy}.json"), &error);
            held.unnoted.insert(policy.to_string());
        }
    }
    for judgement in plan_prune(&facts, &retention, (&context.retention, context.clock.now())) {
        let row = follow(places, (&facts, &held), judgement, report).await?;
        report.verdicts.push(row);
    }
    if request.sweeping == Sweeping::Yes {
        match sweep(context, (cluster, staging)).boxed().await {
            Ok(swept) => add(report, swept),
            Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
            Err(error) => report.failed("_segments", &error),
        }
    }
    Ok(())
}

/// Follows one verdict, and tells what came of it.
async fn follow(
    places: Places<'_>,
    (facts, held): (&PruneFacts, &Held),
    judgement: Judgement,
    report: &mut PruneReport,
) -> JobResult<VerdictRow> {
    let Places { context, cluster, lease, staging } = places;
    let backup = backup(facts, &judgement);
    let policy = backup.and_then(BackupFacts::committed).map(|it| it.policy.as_str());
    let mut row = row(judgement.clone());
    if judgement.verdict != Verdict::Delete {
        if let (Some(found), Some(_)) = (backup, policy) {
            let tidied = catalog::tidy(cluster, lease, &found.name).await;
            if let Err(error) = fatal(tidied.map_err(JobError::from))? {
                report.failed(&row.name, &error);
            }
        }
        return Ok(row);
    }
    if held.clock && is_dated(&judgement) {
        row.leave("`clock` refuses");
        return Ok(row);
    }
    if policy.is_some_and(|policy| held.unnoted.contains(policy)) {
        row.leave("that its policy's rules are applied could not be noted");
        return Ok(row);
    }
    let done = delete(context, (cluster, lease), staging, (facts, &judgement)).await;
    match fatal(done)? {
        Ok(Deleted::Files(files, bytes)) => report.deleted((files, bytes)),
        Ok(Deleted::Hidden) => report.backups_hidden += 1,
        Ok(Deleted::Backup(files, bytes)) => {
            report.backups_deleted += 1;
            report.deleted((files, bytes));
        }
        Ok(Deleted::No(why)) => (row.verdict, row.reasons) = (Verdict::Leave, vec![why]),
        Err(error) => {
            (row.verdict, row.reasons) = (Verdict::Leave, vec![error.chain()]);
            report.failed(&row.name, &error);
        }
    }
    Ok(row)
}

/// A failure that others need not share: all but the loss of the lease.
fn fatal<T>(done: JobResult<T>) -> JobResult<JobResult<T>> {
    match done {
        Err(error) if error.kind() == ErrorKind::Locked => Err(error),
        done => Ok(done),
    }
}

/// Refuses where this host's clock is not the store's: graces would be over too early.
async fn skew(
    context: &JobContext,
    lease: &Lease,
    request: &PruneRequest,
) -> JobResult<Option<Refusal>> {
    let (here, there) = (context.clock.now(), lease.store_time().await?);
    let apart = here.duration_since(there).abs();
    if apart <= CLOCK_TOLERANCE || request.allow.contains(&Guard::Clock) {
        return Ok(None);
    }
    let message = format!(
        "it is {here} on this host and {there} in the store: set the clock; `prune --apply --allow \
         clock` goes on all the same"
    );
    Ok(Some(Refusal { policy: String::new(), guard: Guard::Clock, message }))
}

/// Whether a verdict follows from how long ago something was.
fn is_dated(judgement: &Judgement) -> bool {
    matches!(judgement.subject, Subject::Backup(_) | Subject::Staging(_))
}

/// The backup that a judgement is about.
fn backup<'f>(facts: &'f PruneFacts, judgement: &Judgement) -> Option<&'f BackupFacts> {
    let Subject::Backup(name) = &judgement.subject else { return None };
    facts.backups.iter().find(|backup| backup.name == *name)
}
