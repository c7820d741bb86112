//! `drill`.

use crate::config::Config;
use crate::job::{self, DrillOptions, DrillReport, JobContext, JobResult};
use crate::metrics::Metrics;
use crate::model::{ErrorKind, RunKind};

use super::ExitStatus;
use super::args::NameArguments;
use super::output::{Output, table};
use super::staging;
use super::told::{Done, Ended, Told};

/// What others are told of it.
pub(super) fn told(arguments: &NameArguments) -> Told {
    let backup = Some(arguments.name.to_string());
    Told { kind: RunKind::Drill, policy: String::new(), backup }
}

pub(super) async fn run(
    config: &Config,
    context: &JobContext,
    arguments: NameArguments,
    (output, metrics): (Output, &Metrics),
) -> JobResult<Ended> {
    let NameArguments { name, cluster } = arguments;
    let staging = staging::staging(config, context).await?.metered(metrics);
    let options = DrillOptions { backup: name, cluster };
    let report = job::run_drill(context, &staging, &options).await?;
    output.print(&report, || text(&report));
    let status: ExitStatus =
        if report.differs() { ErrorKind::Damaged.into() } else { report.outcome.into() };
    let done = Done {
        backup: Some(report.name.clone()),
        detail: report.failures(),
        facts: (&report).into(),
    };
    let (outcome, metered) = (Some(report.outcome), Some(report.told_outcome()));
    Ok(Ended { status, outcome, metered, figures: None, done: Some(done) })
}

fn text(report: &DrillReport) -> String {
    let rows = report.collections.iter().map(|one| {
        let told = one.problems.iter().chain(&one.error).chain(&one.notes).cloned();
        let keys = one.keys_checked + one.deleted_keys_checked;
        vec![
            format!("{}.{}", one.database, one.name),
            one.rows.to_string(),
            format!("{keys}{}", if one.whole || keys == 0 { "" } else { " (sample)" }),
            format!("{:.1} s", one.restore_seconds),
            one.outcome.as_str().to_owned(),
            told.collect::<Vec<_>>().join("; "),
        ]
    });
    let header = ["collection", "rows", "keys looked for", "back after", "outcome", ""];
    let verdict = if report.differs() { ", what came back differs" } else { "" };
    format!(
        "{}\ndrill of {}: {}{verdict}, everything back after {:.1} s, {:.1} s in all",
        table(&header, rows),
        report.name,
        report.outcome.as_str(),
        report.rto_seconds,
        report.duration_seconds
    )
}
