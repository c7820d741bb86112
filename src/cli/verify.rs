//! `verify`.

use crate::job::{self, JobContext, JobResult, RunOutcome, VerifyReport};
use crate::metrics::Metrics;
use crate::model::{ErrorKind, RunKind};
use crate::plan::VerifyDepth;

use super::ExitStatus;
use super::args::{Depth, VerifyArguments};
use super::output::{Output, size};
use super::told::{Done, Ended, Told};

/// What others are told of it.
pub(super) fn told(arguments: &VerifyArguments) -> Told {
    let backup = Some(arguments.backup.name.to_string());
    Told { kind: RunKind::Verify, policy: String::new(), backup }
}

pub(super) async fn run(
    context: &JobContext,
    arguments: &VerifyArguments,
    (output, metrics): (Output, &Metrics),
) -> JobResult<Ended> {
    let depth = match arguments.depth {
        Depth::Manifest => VerifyDepth::Manifest,
        Depth::Size => VerifyDepth::Size,
        Depth::Content => VerifyDepth::Content,
    };
    let backup = &arguments.backup;
    let report = job::run_verify(context, backup.cluster.as_ref(), &backup.name, depth).await?;
    if let Some(facts) = report.facts() {
        metrics.verified("", facts, context.clock.now());
    }
    output.print(&report, || text(&report));
    let good = report.outcome == RunOutcome::Complete;
    let status = if good { ExitStatus::OK } else { ErrorKind::Damaged.into() };
    let done = Done { backup: Some(report.name.clone()), detail: None, facts: (&report).into() };
    Ok(Ended { status, outcome: None, metered: None, figures: None, done: Some(done) })
}

fn text(report: &VerifyReport) -> String {
    let missing = report.missing.iter().map(|file| format!("missing  {file}"));
    let damaged = report.damaged.iter().map(|file| format!("damaged  {file}"));
    let good = report.outcome == RunOutcome::Complete;
    let summary = format!(
        "backup {} is {}: {} files, {}, {} missing, {} damaged, {} unchecked",
        report.name,
        if good { "good" } else { "damaged" },
        report.files,
        size(report.bytes),
        report.missing.len(),
        report.damaged.len(),
        report.unchecked
    );
    let remedy = (!report.missing.is_empty() || !report.damaged.is_empty()).then(|| {
        "hint: the next backup writes a damaged segment file again, if Milvus still has it, and \
         mends older backups too: make one, and `verify --depth content` this one again; a file under `binlogs/` is of a standalone backup, \
         which nothing mends. A manifest.json or a list has to be put back from a copy; without one, `delete` the backup with --now"
            .to_owned()
    });
    missing.chain(damaged).chain([summary]).chain(remedy).collect::<Vec<_>>().join("\n")
}
