//! What a drill has shown, written down for those who come later.

use crate::catalog::{self, Readable};
use crate::job::{JobContext, JobError, JobResult, RunOutcome};
use crate::manifest::{DrillEnd, DrillProof};
use crate::model::{ErrorKind, PolicyName};

use super::report::DrillReport;

/// The policy that a backup proves something of: none of another cluster's.
pub(super) fn policy_of(context: &JobContext, backup: &Readable) -> Option<PolicyName> {
    let own = backup.cluster.name == context.cluster;
    let policy = Some(backup.manifest.policy.as_str()).filter(|_| own)?;
    PolicyName::new(policy).ok()
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
    let written = async {
        let known = catalog::drill_proof(&backup.cluster, policy).await?;
        let mut proof = known.unwrap_or_else(DrillProof::none);
        proof.ended(end, success);
        catalog::put_drill_proof(&backup.cluster, policy, &proof).await
    };
    if let Err(error) = written.await {
        tracing::warn!(%policy, %error, "how the drill ended cannot be written down");
    }
}

fn of_error(error: &JobError) -> RunOutcome {
    if error.kind() == ErrorKind::Cancelled { RunOutcome::Cancelled } else { RunOutcome::Failed }
}
