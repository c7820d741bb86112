//! `prune`.

use crate::config::Config;
use crate::job::{
    self, JobContext, JobResult, Prune, PruneReport, PruneRequest, Sweeping, VerdictRow,
};
use crate::metrics::{Metrics, PruneFacts};
use crate::model::{ErrorKind, Guard, RunKind};
use crate::plan::{NOT_LOOKED_AT, PolicyRules, Verdict};
use crate::policy::PolicySet;
use crate::storage::Access;

use super::args::PruneArguments;
use super::output::{Output, size, table};
use super::told::{Done, Ended, Told};
use super::{policy, staging};

/// A plan writes nothing.
pub(super) fn access(arguments: &PruneArguments) -> Access {
    if arguments.apply { Access::WriteExisting } else { Access::Read }
}

/// What others are told of it; nothing of a plan.
pub(super) fn told(arguments: &PruneArguments) -> Option<Told> {
    let policy = arguments.policy.clone().unwrap_or_default();
    arguments.apply.then_some(Told { kind: RunKind::Prune, policy, backup: None })
}

pub(super) async fn run(
    config: &Config,
    context: &JobContext,
    arguments: &PruneArguments,
    (output, metrics): (Output, &Metrics),
) -> JobResult<Ended> {
    let policies = policies(config, arguments)?;
    let now = context.clock.now();
    let request = PruneRequest {
        prune: if arguments.apply { Prune::Apply } else { Prune::Plan },
        policies: match &arguments.policy {
            Some(wanted) => vec![PolicyRules::of(policy::find(&policies, wanted)?, now)],
            None => policies.iter().map(|policy| PolicyRules::of(policy, now)).collect(),
        },
        all_policies: arguments.policy.is_none(),
        allow: arguments.allow.iter().copied().collect(),
        sweeping: Sweeping::Yes,
    };
    let staging = staging::staging_root(config, context, access(arguments)).await?;
    let policy = arguments.policy.as_deref().unwrap_or_default();
    let report = match job::run_prune(context, staging.as_ref(), request).await {
        Err(error) if error.kind() == ErrorKind::Locked => {
            let refused = PruneFacts { refused: vec![Guard::Lock], ..PruneFacts::default() };
            metrics.pruned(policy, &refused);
            return Err(error);
        }
        pruned => pruned?,
    };
    metrics.pruned(policy, &report.facts());
    output.print(&report, || text(&report, arguments));
    let outcome = report.outcome();
    let refused = report.refused.is_some();
    let status = if refused { ErrorKind::Refused.into() } else { outcome.into() };
    let done = Done { backup: None, detail: None, facts: (&report).into() };
    Ok(Ended { status, outcome: Some(outcome), metered: None, figures: None, done: Some(done) })
}

/// Whoever has no policies prunes what deletes and crashes have left.
fn policies(config: &Config, arguments: &PruneArguments) -> JobResult<PolicySet> {
    if arguments.policy.is_none() && policy::has_none(config) {
        return Ok(PolicySet::default());
    }
    policy::load(config)
}

fn text(report: &PruneReport, arguments: &PruneArguments) -> String {
    // Of one policy, only what concerns it, and what goes.
    let others = |row: &&VerdictRow| {
        let other = row.reasons.iter().any(|why| why.ends_with(NOT_LOOKED_AT));
        arguments.policy.is_some() && other
    };
    let hidden = report.verdicts.iter().filter(others).count();
    let rows =
        report.verdicts.iter().filter(|row| !others(row)).map(|row| {
            vec![row.name.clone(), row.verdict.as_str().to_owned(), row.reasons.join("; ")]
        });
    let mut lines = vec![table(&["name", "verdict", "reasons"], rows)];
    if hidden > 0 {
        lines.push(format!("{} of other policies are not looked at", backups(hidden as u64)));
    }
    lines.extend(report.errors.iter().map(|error| format!("not deleted: {error}")));
    lines.extend(report.refused.iter().map(|why| format!("refused: {why}")));
    lines.push(if report.applied {
        format!(
            "hid {}, removed {}, deleted {} shared and staged files ({})",
            backups(report.backups_hidden),
            backups(report.backups_deleted),
            report.files_deleted,
            size(report.bytes_deleted)
        )
    } else if report.verdicts.iter().any(|row| row.verdict == Verdict::Delete) {
        "nothing was deleted\nhint: `prune --apply` does what is said here".to_owned()
    } else {
        "there is nothing to delete".to_owned()
    });
    lines.join("\n")
}

fn backups(count: u64) -> String {
    format!("{count} {}", if count == 1 { "backup" } else { "backups" })
}
