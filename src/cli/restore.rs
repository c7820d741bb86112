//! `restore`.

use crate::config::Config;
use crate::job::{self, JobContext, JobResult, RestoreOptions, RestoreReport, Wanted};
use crate::metrics::Metrics;
use crate::plan::RestoreRequest;
use crate::storage::Access;

use super::ExitStatus;
use super::args::RestoreArguments;
use super::backup::{plan_text, selector};
use super::output::{Output, table};
use super::staging;

/// There is nothing to restore from a repository that would have to be made first.
pub(super) fn access(arguments: &RestoreArguments) -> Access {
    if arguments.plan { Access::Read } else { Access::WriteExisting }
}

pub(super) async fn run(
    config: &Config,
    context: &JobContext,
    arguments: RestoreArguments,
    output: Output,
    metrics: &Metrics,
) -> JobResult<ExitStatus> {
    let unless = |skip| if skip { Wanted::No } else { Wanted::Yes };
    let options = RestoreOptions {
        backup: arguments.backup.name,
        cluster: arguments.backup.cluster,
        request: RestoreRequest {
            selector: selector(&arguments.collections)?,
            suffix: arguments.suffix,
            renames: arguments.rename,
            drop_existing: arguments.drop_existing,
        },
        indexes: unless(arguments.skip_index),
        load: unless(arguments.skip_load),
    };
    if arguments.plan {
        let plan = job::plan_restore_only(context, &options).await?;
        output.print(&plan, || plan_text(&plan));
        return Ok(ExitStatus::OK);
    }
    let staging = staging::staging(config, context).await?.metered(metrics);
    let report = job::run_restore(context, &staging, &options).await?;
    output.print(&report, || report_text(&report));
    Ok(report.outcome.into())
}

fn report_text(report: &RestoreReport) -> String {
    let rows = report.collections.iter().map(|collection| {
        let notes = collection.error.iter().chain(&collection.notes).cloned();
        vec![
            collection.from.clone(),
            collection.to.clone(),
            collection.rows_stored.to_string(),
            collection.rows_imported.to_string(),
            collection.rows_deleted.to_string(),
            collection.outcome.as_str().to_owned(),
            notes.collect::<Vec<_>>().join("; "),
        ]
    });
    let header = ["from", "to", "stored", "imported", "deleted", "outcome", ""];
    format!(
        "{}\nrestore of {}: {}, {:.1} s",
        table(&header, rows),
        report.name,
        report.outcome.as_str(),
        report.duration_seconds
    )
}
