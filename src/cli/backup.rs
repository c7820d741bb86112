//! `backup`.

use crate::config::Config;
use crate::job::{
    self, BackupReport, BackupRequest, JobContext, JobError, JobResult, PlanReport, RbacReport,
};
use crate::model::{ErrorKind, Layout, RunKind};
use crate::policy::CollectionSelector;
use crate::storage::Access;

use super::args::BackupArguments;
use super::output::{Output, size, table};
use super::told::{Done, Ended, Told};
use super::{ExitStatus, policy};

/// A plan writes nothing, so it opens what is there or nothing at all.
pub(super) fn access(arguments: &BackupArguments) -> Access {
    if arguments.plan { Access::ReadIfAny } else { Access::Write }
}

pub(super) async fn run(
    context: &JobContext,
    arguments: &BackupArguments,
    request: BackupRequest,
    output: Output,
) -> JobResult<Ended> {
    if arguments.plan {
        let plan = job::plan_only(context, request).await?;
        output.print(&plan, || plan_text(&plan));
        return Ok(ExitStatus::OK.into());
    }
    let report = job::run_backup(context, request).await?;
    output.print(&report, || report_text(&report));
    Ok(Ended {
        status: report.outcome.into(),
        outcome: None,
        metered: None,
        figures: Some(report.figures()),
        done: Some(Done {
            backup: Some(report.name.clone()),
            detail: report.failures(),
            facts: (&report).into(),
        }),
    })
}

/// What others are told of it; nothing of a plan.
pub(super) fn told(arguments: &BackupArguments) -> Option<Told> {
    let policy = arguments.policy.clone().unwrap_or_default();
    let backup = arguments.name.as_ref().map(ToString::to_string);
    (!arguments.plan).then_some(Told { kind: RunKind::Backup, policy, backup })
}

/// What a policy says, unless the arguments say it.
pub(super) fn request(config: &Config, arguments: &BackupArguments) -> JobResult<BackupRequest> {
    let (name, trigger, job) = (arguments.name.clone(), "cli".to_owned(), None);
    let named = selector(&arguments.collections)?;
    let Some(wanted) = &arguments.policy else {
        let layout = arguments.layout.unwrap_or(Layout::Incremental);
        let (policy, selector, rbac) = (None, named, arguments.rbac);
        return Ok(BackupRequest { name, policy, selector, layout, rbac, trigger, job });
    };
    let policies = policy::load(config)?;
    let policy = policy::find(&policies, wanted)?;
    let theirs = arguments.collections.is_empty();
    Ok(BackupRequest {
        name,
        policy: Some(policy.name.clone()),
        selector: if theirs { policy.collections.clone() } else { named },
        layout: arguments.layout.unwrap_or(policy.layout),
        rbac: arguments.rbac || policy.rbac,
        trigger,
        job,
    })
}

/// The collections that are meant; all, if none are named.
pub(super) fn selector(globs: &[String]) -> JobResult<CollectionSelector> {
    if globs.is_empty() {
        return Ok(CollectionSelector::all());
    }
    CollectionSelector::parse(globs)
        .map_err(|error| JobError::new(ErrorKind::Usage, error.to_string()))
}

/// A plan as a table.
pub(super) fn plan_text(plan: &PlanReport) -> String {
    let rows = plan.collections.iter().map(|collection| {
        vec![
            collection.from.clone(),
            collection.to.clone(),
            collection.rows.to_string(),
            size(collection.bytes),
            collection.note.clone().unwrap_or_default(),
        ]
    });
    let table = table(&["from", "to", "rows", "bytes", "note"], rows);
    let reused = match plan.files_reused {
        0 => String::new(),
        files => format!("; {files} files, {} need no copy", size(plan.bytes_reused)),
    };
    let rbac = plan.rbac.as_ref().map(rbac_text).unwrap_or_default();
    format!("{table}\n{} files, {}{reused}{rbac}", plan.files, size(plan.bytes))
}

/// Users and roles as a line of their own.
pub(super) fn rbac_text(rbac: &RbacReport) -> String {
    let present = match rbac.present {
        nothing if nothing.is_nothing() => String::new(),
        present => format!("; there already: {present}"),
    };
    format!("\n{}{present}", rbac.copied)
}

fn report_text(report: &BackupReport) -> String {
    let rows = report.collections.iter().map(|collection| {
        vec![
            format!("{}.{}", collection.database, collection.name),
            collection.rows.to_string(),
            collection.segments.to_string(),
            collection.outcome.as_str().to_owned(),
            collection.error.clone().unwrap_or_default(),
        ]
    });
    let table = table(&["collection", "rows", "segments", "outcome", ""], rows);
    let suspect = report.suspect.as_ref().map(|why| {
        let name = &report.name;
        format!(
            "\nwarning: it is suspect: {why}. It does not count as a good one until you `pin {name}`; \
             else `delete {name}`"
        )
    });
    let suspect = suspect.unwrap_or_default();
    let rbac = report.rbac.map(|counts| format!("\n{counts}")).unwrap_or_default();
    format!(
        "{table}{rbac}\nbackup {} of {}: {}, {} rows, copied {} files ({}), reused {} files ({}), {:.1} s{suspect}",
        report.name,
        report.cluster,
        report.outcome.as_str(),
        report.rows,
        report.files_copied,
        size(report.bytes_copied),
        report.files_reused,
        size(report.bytes_reused),
        report.duration_seconds
    )
}
