//! `pin` and `unpin`.

use crate::job::{self, JobContext, JobResult, PinReport};
use crate::model::{BackupName, BackupState};

use super::ExitStatus;
use super::args::PinArguments;
use super::output::Output;

pub(super) async fn run(
    context: &JobContext,
    arguments: &PinArguments,
    output: Output,
) -> JobResult<ExitStatus> {
    let why = (arguments.reason.as_str(), arguments.until);
    let report = job::run_pin(context, &arguments.name, why).await?;
    output.print(&report, || pinned(&report));
    Ok(ExitStatus::OK)
}

pub(super) async fn undo(
    context: &JobContext,
    name: &BackupName,
    output: Output,
) -> JobResult<ExitStatus> {
    let report = job::run_unpin(context, name).await?;
    output.print(&report, || {
        format!("backup {} of {} is left to the rules again", report.name, report.cluster)
    });
    Ok(ExitStatus::OK)
}

fn pinned(report: &PinReport) -> String {
    let until =
        report.until.as_ref().map_or("for good".to_owned(), |until| format!("until {until}"));
    let pinned = format!("backup {} of {} is pinned {until}", report.name, report.cluster);
    let before = report.replaced.iter().map(|before| format!("it was pinned before, {before}"));
    let suspect = report.was_suspect.iter().map(|why| match report.state {
        BackupState::Suspect => format!("it stays suspect: {why}"),
        BackupState::Complete
        | BackupState::Partial
        | BackupState::Failed
        | BackupState::Running
        | BackupState::Tombstoned
        | BackupState::Damaged
        | BackupState::Foreign => {
            format!("it was suspect ({why}) and counts as a good one from now on")
        }
    });
    std::iter::once(pinned).chain(before).chain(suspect).collect::<Vec<_>>().join("\n")
}
