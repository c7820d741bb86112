//! `verify`.

use crate::job::{self, JobContext, JobResult, RunOutcome, VerifyReport};
use crate::model::ErrorKind;
use crate::plan::VerifyDepth;

use super::ExitStatus;
use super::args::{Depth, VerifyArguments};
use super::output::{Output, size};

pub(super) async fn run(
    context: &JobContext,
    arguments: &VerifyArguments,
    output: Output,
) -> JobResult<ExitStatus> {
    let depth = match arguments.depth {
        Depth::Manifest => VerifyDepth::Manifest,
        Depth::Size => VerifyDepth::Size,
        Depth::Content => VerifyDepth::Content,
    };
    let backup = &arguments.backup;
    let report = job::run_verify(context, backup.cluster.as_ref(), &backup.name, depth).await?;
    output.print(&report, || text(&report));
    Ok(match report.outcome {
        RunOutcome::Complete => ExitStatus::OK,
        RunOutcome::Partial | RunOutcome::Failed | RunOutcome::Cancelled | RunOutcome::Skipped => {
            ErrorKind::Damaged.into()
        }
    })
}

fn text(report: &VerifyReport) -> String {
    let missing = report.missing.iter().map(|file| format!("missing  {file}\n"));
    let damaged = report.damaged.iter().map(|file| format!("damaged  {file}\n"));
    let mut text: String = missing.chain(damaged).collect();
    let verdict = match report.outcome {
        RunOutcome::Complete => "good",
        RunOutcome::Partial | RunOutcome::Failed | RunOutcome::Cancelled | RunOutcome::Skipped => {
            "damaged"
        }
    };
    text.push_str(&format!(
        "backup {} is {verdict}: {} files, {}, {} missing, {} damaged, {} unchecked",
        report.name,
        report.files,
        size(report.bytes),
        report.missing.len(),
        report.damaged.len(),
        report.unchecked
    ));
    text
}
