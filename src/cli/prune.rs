//! `prune`.

use crate::config::Config;
use crate::job::{self, JobContext, JobResult, Prune, PruneReport};
use crate::model::ErrorKind;
use crate::storage::Access;

use super::ExitStatus;
use super::args::PruneArguments;
use super::output::{Output, size, table};
use super::staging;

/// A plan writes nothing.
pub(super) fn access(arguments: &PruneArguments) -> Access {
    if arguments.apply { Access::WriteExisting } else { Access::Read }
}

pub(super) async fn run(
    config: &Config,
    context: &JobContext,
    arguments: &PruneArguments,
    output: Output,
) -> JobResult<ExitStatus> {
    let prune = if arguments.apply { Prune::Apply } else { Prune::Plan };
    let staging = staging::staging_root(config, context, access(arguments)).await?;
    let report = job::run_prune(context, staging.as_ref(), prune).await?;
    output.print(&report, || text(&report));
    Ok(if report.refused.is_some() { ErrorKind::Refused.into() } else { report.outcome().into() })
}

fn text(report: &PruneReport) -> String {
    let rows = report
        .verdicts
        .iter()
        .map(|row| vec![row.name.clone(), row.verdict.as_str().to_owned(), row.reasons.join("; ")]);
    let mut lines = vec![table(&["name", "verdict", "reasons"], rows)];
    lines.extend(report.errors.iter().map(|error| format!("not deleted: {error}")));
    lines.extend(report.refused.iter().map(|why| format!("no file was looked for: {why}")));
    lines.push(if report.applied {
        let bytes = size(report.bytes_deleted);
        format!("deleted {} shared and staged files ({bytes})", report.files_deleted)
    } else {
        "nothing was deleted\nhint: `prune --apply` does what is said here".to_owned()
    });
    lines.join("\n")
}
