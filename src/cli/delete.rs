//! `delete` and `undelete`.

use crate::catalog::BackupState;
use crate::job::{self, DeleteReport, JobContext, JobResult, Removal};
use crate::model::BackupName;
use crate::storage::Access;

use super::ExitStatus;
use super::args::DeleteArguments;
use super::output::Output;

/// A plan writes nothing.
pub(super) fn access(arguments: &DeleteArguments) -> Access {
    if arguments.plan { Access::Read } else { Access::WriteExisting }
}

pub(super) async fn run(
    context: &JobContext,
    arguments: &DeleteArguments,
    output: Output,
) -> JobResult<ExitStatus> {
    let removal = match (arguments.plan, arguments.now) {
        (true, true) => Removal::PlanNow,
        (true, false) => Removal::Plan,
        (false, true) => Removal::Now,
        (false, false) => Removal::Hide,
    };
    let report = job::run_delete(context, &arguments.name, removal).await?;
    output.print(&report, || deleted(&report));
    Ok(ExitStatus::OK)
}

pub(super) async fn undo(
    context: &JobContext,
    name: &BackupName,
    output: Output,
) -> JobResult<ExitStatus> {
    let report = job::run_undelete(context, name).await?;
    output.print(&report, || {
        let state = report.state.map_or("gone", BackupState::as_str);
        let pinned = if report.pinned {
            format!(
                "\nhint: the rules that let it go would do so again, so it is pinned: `unpin {}`",
                report.name
            )
        } else {
            String::new()
        };
        format!("backup {} of {} is {state} again{pinned}", report.name, report.cluster)
    });
    Ok(ExitStatus::OK)
}

fn deleted(report: &DeleteReport) -> String {
    let verb = if report.applied { "is" } else { "would be" };
    let (name, cluster, was) = (&report.name, &report.cluster, report.was.as_str());
    let files = "hint: `prune --apply` deletes the files that no other backup has";
    match (&report.removed_after, report.state) {
        (Some(at), _) => format!(
            "backup {name} of {cluster} ({was}) {verb} hidden; `prune --apply` removes it after \
             {at}\nhint: `undelete {name}` brings it back until then"
        ),
        (None, Some(BackupState::Tombstoned)) if report.applied => format!(
            "attempt {name} of {cluster} ({was}) is hidden; `prune --apply` removes it\n{files}"
        ),
        (None, _) => format!("backup {name} of {cluster} ({was}) {verb} deleted\n{files}"),
    }
}
