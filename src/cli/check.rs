//! `check`.

use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::job::{self, CheckReport, JobResult};
use crate::storage::Access;

use super::args::CheckArguments;
use super::output::Output;
use super::{ExitStatus, broker, policy, session, staging};

pub(super) async fn run(
    config: &Config,
    arguments: &CheckArguments,
    output: Output,
    cancel: CancellationToken,
) -> JobResult<ExitStatus> {
    let context = session::open(config, Access::Write, cancel).await?;
    let staging =
        if arguments.restore { Some(staging::staging(config, &context).await?) } else { None };
    let policies = policy::load(config).unwrap_or_default();
    let mut report = job::run_check(&context, staging.as_ref(), &policies.with_rbac()).await;
    if let Some(amqp) = &config.amqp {
        report.add("amqp", broker::check(amqp, &context.cluster).await);
    }
    if config.unnamed_broker {
        let unnamed = "`amqp` is configured without `amqp.url`, which this command does not see";
        report.add("amqp", Ok(unnamed.to_owned()));
    }
    report.add("policies", policy::overview(config, context.clock.now()));
    output.print(&report, || text(&report));
    Ok(report.failure.map_or(ExitStatus::OK, ExitStatus::from))
}

fn text(report: &CheckReport) -> String {
    let lines = report.checks.iter().map(|line| {
        let verdict = if line.ok { "ok    " } else { "FAILED" };
        let hint = line.hint.as_ref().map(|hint| format!("\n                    hint: {hint}"));
        format!("{verdict}  {:<10}  {}{}", line.check, line.detail, hint.unwrap_or_default())
    });
    lines.collect::<Vec<_>>().join("\n")
}
