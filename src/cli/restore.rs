//! `restore`.

use crate::config::Config;
use crate::job::{
    self, JobContext, JobResult, LostReinserts, RestoreOptions, RestoreReport, Wanted,
};
use crate::metrics::Metrics;
use crate::model::RunKind;
use crate::plan::RestoreRequest;
use crate::storage::Access;

use super::ExitStatus;
use super::args::RestoreArguments;
use super::backup::{plan_text, rbac_text, selector};
use super::output::{Output, table};
use super::staging;
use super::told::{Done, Ended, Told};

/// There is nothing to restore from a repository that would have to be made first.
pub(super) fn access(arguments: &RestoreArguments) -> Access {
    if arguments.plan { Access::Read } else { Access::WriteExisting }
}

/// What others are told of it; nothing of a plan.
pub(super) fn told(arguments: &RestoreArguments) -> Option<Told> {
    let backup = Some(arguments.backup.name.to_string());
    let told = Told { kind: RunKind::Restore, policy: String::new(), backup };
    (!arguments.plan).then_some(told)
}

pub(super) async fn run(
    config: &Config,
    context: &JobContext,
    arguments: RestoreArguments,
    output: Output,
    metrics: &Metrics,
) -> JobResult<Ended> {
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
        rbac: if arguments.rbac { Wanted::Yes } else { Wanted::No },
        lost_reinserts: if arguments.accept_lost_reinserts {
            LostReinserts::Accept
        } else {
            LostReinserts::Refuse
        },
    };
    if arguments.plan {
        let plan = job::plan_restore_only(context, &options).await?;
        output.print(&plan, || plan_text(&plan));
        return Ok(ExitStatus::OK.into());
    }
    let staging = staging::staging(config, context).await?.metered(metrics);
    let report = job::run_restore(context, &staging, &options).await?;
    output.print(&report, || report_text(&report));
    let done = Done { backup: Some(report.name.clone()), detail: None, facts: (&report).into() };
    Ok(Ended {
        status: report.outcome.into(),
        outcome: None,
        metered: None,
        figures: None,
        done: Some(done),
    })
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
    let rbac = report.rbac.as_ref().map(rbac_text).unwrap_or_default();
    format!(
        "{}{rbac}\nrestore of {}: {}, {:.1} s",
        table(&header, rows),
        report.name,
        report.outcome.as_str(),
        report.duration_seconds
    )
}
