//! `export`.

use crate::job::{self, ExportOptions, ExportReport, JobContext, JobResult};

use super::ExitStatus;
use super::args::ExportArguments;
use super::output::{Output, size, table};

pub(super) async fn run(
    context: &JobContext,
    arguments: ExportArguments,
    output: Output,
) -> JobResult<ExitStatus> {
    let ExportArguments { backup, to } = arguments;
    let options = ExportOptions { backup: backup.name, cluster: backup.cluster, to };
    let report = job::run_export(context, &options).await?;
    output.print(&report, || text(&report));
    Ok(report.outcome.into())
}

fn text(report: &ExportReport) -> String {
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
    let copied = &report.copied;
    let ways = [
        (copied.by_server, "copied by the server"),
        (copied.linked, "linked"),
        (copied.streamed, "copied by the agent"),
        (copied.found, "there already"),
    ];
    let ways = ways.iter().filter(|(files, _)| *files > 0);
    let ways: Vec<String> = ways.map(|(files, way)| format!("{files} {way}")).collect();
    let suspect = report.suspect.as_ref().map(|why| format!("\nwarning: it is suspect: {why}"));
    format!(
        "{table}\nbackup {} of {}, exported from {}: {}, {} rows, {} files ({}): {}, {:.1} s{}",
        report.name,
        report.cluster,
        report.from,
        report.outcome.as_str(),
        report.rows,
        report.files,
        size(report.bytes),
        ways.join(", "),
        report.duration_seconds,
        suspect.unwrap_or_default()
    )
}
