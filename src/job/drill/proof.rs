//! What a drill has shown, written down for those who come later.

use futures::FutureExt;
use jiff::Timestamp;

use crate::catalog::{self, Cluster, Readable};
use crate::job::error::Damage;
use crate::job::filling::Filling;
use crate::job::prune::own_cluster;
use crate::job::{JobContext, JobError, JobResult, RunOutcome, verify};
use crate::manifest::{DrillEnd, DrillProof};
use crate::model::{BackupName, ErrorKind, PolicyName};

use super::report::DrillReport;
use super::session::Session;

/// The policy that a backup proves something of: none of another cluster's.
pub(super) fn policy_of(context: &JobContext, backup: &Readable) -> Option<PolicyName> {
    let own = backup.cluster.name == context.cluster;
    let policy = Some(backup.manifest.policy.as_str()).filter(|_| own)?;
    PolicyName::new(policy).ok()
}

/// Lets the backup count for nothing any more, as a verification does that finds the same. Of
/// another cluster's, and of milvus-backup's, it is only told.
pub(super) async fn doubt(session: &Session<'_>, found: &Damage) {
    let Filling { context, backup, .. } = &session.filling;
    if backup.is_foreign() || backup.cluster.name != context.cluster {
        return;
    }
    let (at, name) = ((&backup.cluster, session.reading), &backup.manifest.name);
    let damaged = [found.line()];
    verify::doubt(context, at, name, ("a drill", &[], &damaged)).boxed().await;
}

/// Writes down how a drill of a policy's backup ended. A proof that cannot be written is the next
/// drill's.
pub(super) async fn remember(
    context: &JobContext,
    (policy, backup): (&PolicyName, &Readable),
    done: &JobResult<DrillReport>,
) {
    let at = context.clock.now();
    let (outcome, rto_seconds, detail) = match done {
        Ok(report) => (report.outcome, report.rto_seconds, report.failures()),
        Err(error) => (of_error(error), 0.0, Some(error.chain())),
    };
    let name = backup.manifest.name.to_string();
    let success = done.as_ref().is_ok_and(DrillReport::succeeded);
    let end = DrillEnd { at, backup: name, outcome, rto_seconds, detail };
    let written = write(&backup.cluster, policy, (end, success, None)).await;
    if let Err(error) = written {
        tracing::warn!(%policy, error = error.chain(), "how the drill ended cannot be written down");
    }
}

/// Writes down that a drill has failed, unless it has written something down by itself: it ended
/// before it found its backup, or others ended it.
pub async fn drill_failed(
    context: &JobContext,
    (policy, backup): (&PolicyName, &BackupName),
    (started_at, why): (Timestamp, &JobError),
) {
    let (at, backup) = (context.clock.now(), backup.to_string());
    let (outcome, detail) = (RunOutcome::Failed, Some(why.chain()));
    let end = DrillEnd { at, backup, outcome, rto_seconds: 0.0, detail };
    let written = async {
        let (cluster, _) = own_cluster(context).boxed().await?;
        write(&cluster, policy, (end, false, Some(started_at))).await
    };
    if let Err(error) = written.await {
        tracing::warn!(%policy, error = error.chain(), "that the drill failed cannot be written down");
    }
}

/// Writes an end down, unless another one came after `unless_since`.
async fn write(
    cluster: &Cluster,
    policy: &PolicyName,
    (end, success, unless_since): (DrillEnd, bool, Option<Timestamp>),
) -> JobResult<()> {
    let known = catalog::drill_proof(cluster, policy).await?;
    let mut proof = known.unwrap_or_else(DrillProof::none);
    let is_known = |since: Timestamp| {
        proof.last.as_ref().is_some_and(|last| last.at >= since && last.at <= end.at)
    };
    if unless_since.is_some_and(is_known) {
        return Ok(());
    }
    proof.ended(end, success);
    Ok(catalog::put_drill_proof(cluster, policy, &proof).await?)
}

fn of_error(error: &JobError) -> RunOutcome {
    if error.kind() == ErrorKind::Cancelled { RunOutcome::Cancelled } else { RunOutcome::Failed }
}
