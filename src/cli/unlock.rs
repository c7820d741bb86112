//! `unlock`.

use crate::job::{self, JobContext, JobResult, UnlockReport};

use super::ExitStatus;
use super::args::UnlockArguments;
use super::output::Output;

pub(super) async fn run(
    context: &JobContext,
    arguments: &UnlockArguments,
    output: Output,
) -> JobResult<ExitStatus> {
    let report = job::run_unlock(context, &arguments.lease, &arguments.reason).await?;
    output.print(&report, || text(&report));
    Ok(ExitStatus::OK)
}

fn text(report: &UnlockReport) -> String {
    let holder = match (&report.host, report.pid) {
        (Some(host), Some(pid)) => format!("process {pid} on {host}"),
        _ => "someone whose record cannot be read".to_owned(),
    };
    let heard = report.last_heard.as_deref().unwrap_or("an unknown time");
    format!(
        "lease {} of {} is free: it was held by {holder}, last heard of at {heard}",
        report.lease, report.cluster
    )
}
