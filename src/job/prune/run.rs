//! `prune`: judge, act on the verdicts, sweep.

use futures::FutureExt;

use crate::catalog::{self, Cluster, Lease, PRUNE};
use crate::metrics::LeaseScope;
use crate::plan::{Found, PruneFacts, RetentionPlan, RetentionTerms, plan_prune, plan_retention};

use super::apply::{Places, apply};
use super::delete::own_cluster;
use super::report::{PruneReport, StagingRoot, add, row};
use super::request::{Prune, PruneRequest, Sweeping};
use super::survey::survey;
use super::sweep::preview;
use crate::job::{JobContext, JobError, JobResult};

/// Tells what can go, or deletes it.
pub async fn run_prune(
    context: &JobContext,
    staging: Option<&StagingRoot>,
    request: impl Into<PruneRequest>,
) -> JobResult<PruneReport> {
    let request = request.into();
    let (cluster, _) = own_cluster(context).await?;
    let mut report = PruneReport {
        applied: request.prune == Prune::Apply,
        refused: None,
        guards: Vec::new(),
        verdicts: Vec::new(),
        backups_hidden: 0,
        backups_deleted: 0,
        files_deleted: 0,
        bytes_deleted: 0,
        errors: Vec::new(),
        error_kinds: Vec::new(),
        unswept: false,
        swept: false,
    };
    if request.prune == Prune::Plan {
        let work = async {
            let (facts, retention) = look(context, (&cluster, staging), &request).await?;
            tell_refusals(&retention, &mut report);
            let judged = plan_prune(&facts, &retention, (&context.retention, context.clock.now()));
            report.verdicts = judged.into_iter().map(row).collect();
            if request.sweeping == Sweeping::Yes {
                add(&mut report, preview(context, (&cluster, staging), facts).await?);
            }
            Ok(())
        };
        context
            .cancel
            .run_until_cancelled(work)
            .await
            .unwrap_or_else(|| Err(JobError::cancelled()))?;
        return Ok(report);
    }
    let lease = Lease::acquire(&cluster, PRUNE).await?;
    let _held = context.holds(LeaseScope::Prune, &lease);
    let places = Places { context, cluster: &cluster, lease: &lease, staging };
    let work = apply(places, &request, &mut report);
    let lost = lease.lost().clone();
    let ended = tokio::select! {
        () = context.cancel.cancelled() => Err(JobError::cancelled()),
        () = lost.cancelled() => lease.check().await.map_err(JobError::from),
        ended = work => ended,
    };
    lease.release().await;
    if let Err(error) = ended {
        let (hidden, removed) = (report.backups_hidden, report.backups_deleted);
        if hidden + removed > 0 {
            tracing::info!(hidden, removed, files = report.files_deleted, "pruned in part");
        }
        return Err(error);
    }
    Ok(report)
}

/// What is there, and what the rules say of it.
pub(super) async fn look(
    context: &JobContext,
    (cluster, staging): (&Cluster, Option<&StagingRoot>),
    request: &PruneRequest,
) -> JobResult<(PruneFacts, RetentionPlan)> {
    // What is found may be a minute younger: leases are watched meanwhile.
    let now = context.clock.now();
    let facts =
        survey(cluster, (staging, &context.identity.server()), request.prune).boxed().await?;
    let mut policies = request.policies.clone();
    for policy in &mut policies {
        let read = catalog::retention_mark(cluster, &policy.name).await.map_err(JobError::from);
        policy.mark = read.unwrap_or_else(|error| Found::Unreadable(error.chain()));
    }
    let host = catalog::this_process().host;
    let terms = RetentionTerms {
        graces: &context.retention,
        allow: &request.allow,
        all_policies: request.all_policies,
        host: &host,
        now,
    };
    let retention = plan_retention(&facts.backups, &policies, &terms);
    Ok((facts, retention))
}

pub(super) fn tell_refusals(retention: &RetentionPlan, report: &mut PruneReport) {
    report.guards.clone_from(&retention.refusals);
    for refusal in &retention.refusals {
        report.refused(refusal.message.clone());
    }
}
