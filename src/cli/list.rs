//! `list` and `show`.

use crate::catalog::{self, BackupRecord, Repository};
use crate::job::{self, JobContext, JobResult, ListRow, Sizes};
use crate::manifest::{Boundary, Manifest, Pin};

use super::ExitStatus;
use super::args::{ListArguments, NameArguments};
use super::output::{Output, size, table};

pub(super) async fn run(
    context: &JobContext,
    arguments: &ListArguments,
    output: Output,
) -> JobResult<ExitStatus> {
    let sizes = if arguments.sizes { Sizes::Unique } else { Sizes::Known };
    let rows = job::run_list(context, sizes).await?;
    output.print(&rows, || text(&rows));
    Ok(ExitStatus::OK)
}

fn text(rows: &[ListRow]) -> String {
    if rows.is_empty() {
        return "no backups yet".to_owned();
    }
    let lines = rows.iter().map(|row| {
        vec![
            row.name.clone(),
            row.cluster.clone(),
            row.state.as_str().to_owned(),
            row.created_at.clone().unwrap_or_default(),
            row.collections.to_string(),
            row.rows.to_string(),
            size(row.bytes),
            row.unique_bytes.map(size).unwrap_or_default(),
            reasons(row),
        ]
    });
    let header = [
        "name",
        "cluster",
        "state",
        "created",
        "collections",
        "rows",
        "bytes",
        "unique",
        "reasons",
    ];
    table(&header, lines)
}

fn reasons(row: &ListRow) -> String {
    let goes = row.removed_after.iter().map(|at| format!("goes after {at}"));
    let pinned = row.pinned.then(|| "pinned".to_owned());
    row.reasons.iter().cloned().chain(goes).chain(pinned).collect::<Vec<_>>().join("; ")
}

pub(super) async fn show(
    context: &JobContext,
    arguments: &NameArguments,
    output: Output,
) -> JobResult<ExitStatus> {
    let repository = Repository::open(std::sync::Arc::clone(&context.repository)).await?;
    let cluster = arguments.cluster.as_ref();
    let (_, record) = catalog::find(&repository, cluster, &arguments.name, &*context.clock).await?;
    let value = serde_json::json!({
        "name": record.name,
        "cluster": record.cluster,
        "state": record.state,
        "reasons": record.reasons,
        "attempt": record.attempt,
        "manifest": record.content(),
        "pin": record.pin,
        "tombstone": record.tombstone,
    });
    output.print(&value, || shown(&record));
    Ok(ExitStatus::OK)
}

fn shown(record: &BackupRecord) -> String {
    let attempt = record.attempt.as_ref();
    let mut lines = vec![
        format!("backup   {}", record.name),
        format!("cluster  {}", record.cluster),
        format!("state    {}", record.state.as_str()),
    ];
    lines.extend(record.reasons.iter().map(|reason| format!("         {reason}")));
    lines.extend(record.manifest.as_ref().and_then(unknown_deletes));
    let pin = record.pin.iter().filter(|pin| pin.ended.is_none());
    lines.extend(pin.map(pinned));
    lines.extend(attempt.map(|run| format!("started  {} on {}", run.started_at, run.host)));
    lines.extend(record.content().map(details));
    lines.join("\n")
}

/// What was backed up without waiting for its deletes.
fn unknown_deletes(manifest: &Manifest) -> Option<String> {
    let unknown = manifest.contents().filter(|(_, content)| !content.deletes_complete.is_yes());
    let names: Vec<String> = unknown.map(|(record, _)| record.namespace().to_string()).collect();
    let said =
        || format!("deletes  the latest may be missing (settle: none) in {}", names.join(", "));
    (!names.is_empty()).then(said)
}

fn pinned(pin: &Pin) -> String {
    let until = pin.until.map(|until| format!(" until {until}")).unwrap_or_default();
    format!("pinned   {} on {}{until}: {}", pin.at, pin.by, pin.reason)
}

fn details(manifest: &Manifest) -> String {
    let rows = manifest.collections.iter().map(|record| {
        let name = record.namespace().to_string();
        match &record.content {
            None => vec![name, record.error.clone().unwrap_or_default()],
            Some(content) => vec![
                name,
                content.rows.to_string(),
                content.segments.to_string(),
                size(content.bytes),
                content.partitions.len().to_string(),
                content.indexes.len().to_string(),
                content.aliases.join(" "),
                content.boundary.map(boundary).unwrap_or_default(),
            ],
        }
    });
    let header =
        ["collection", "rows", "segments", "bytes", "partitions", "indexes", "aliases", "boundary"];
    let rbac = manifest.rbac.as_ref().map(|rbac| format!("\nrbac     {}", rbac.counts));
    format!(
        "ended    {}\nmilvus   {}\nlayout   {}{}\n\n{}",
        manifest.completed_at,
        manifest.milvus_version,
        manifest.layout,
        rbac.unwrap_or_default(),
        table(&header, rows)
    )
}

fn boundary(boundary: Boundary) -> String {
    let milliseconds = i64::try_from(boundary.physical_ms()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(milliseconds).map(|at| at.to_string()).unwrap_or_default()
}
