//! `list` and `show`.

use std::collections::BTreeMap;

use crate::catalog::{self, BackupRecord, Repository};
use crate::job::{self, JobContext, JobResult, ListRow, Sizes};
use crate::manifest::{Boundary, Manifest, Pin};
use crate::model::BackupState;

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
    let damage = shared_damage(rows);
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
            reasons(row, &damage),
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

/// What is wrong with several backups of a cluster, and the names of those.
type Damage<'r> = BTreeMap<(&'r str, &'r str), Vec<&'r str>>;

fn shared_damage(rows: &[ListRow]) -> Damage<'_> {
    let mut all = Damage::new();
    for row in rows.iter().filter(|row| is_bad(row)) {
        for reason in &row.reasons {
            all.entry((&row.cluster, reason)).or_default().push(&row.name);
        }
    }
    all.retain(|_, names| names.len() > 1);
    all
}

fn is_bad(row: &ListRow) -> bool {
    matches!(row.state, BackupState::Suspect | BackupState::Damaged)
}

/// A file that is damaged is told with the first backup that has it.
fn reasons(row: &ListRow, damage: &Damage<'_>) -> String {
    let told = |reason: &String| {
        let key = (row.cluster.as_str(), reason.as_str());
        match damage.get(&key).filter(|_| is_bad(row)) {
            Some(names) if names[0] == row.name => {
                format!("{reason} (the same in {} more)", names.len() - 1)
            }
            Some(names) => format!("the same as `{}`", names[0]),
            None => reason.clone(),
        }
    };
    let goes = row.removed_after.iter().map(|at| format!("goes after {at}"));
    let pinned = row.pinned.then(|| "pinned".to_owned());
    row.reasons.iter().map(told).chain(goes).chain(pinned).collect::<Vec<_>>().join("; ")
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

#[cfg(test)]
mod tests {
    use super::text;
    use crate::job::ListRow;
    use crate::model::BackupState;

    fn row(name: &str, cluster: &str, state: BackupState) -> ListRow {
        ListRow {
            name: name.to_owned(),
            cluster: cluster.to_owned(),
            policy: String::new(),
            state,
            layout: None,
            created_at: None,
            rows: 0,
            bytes: 0,
            unique_bytes: None,
            collections: 0,
            pinned: false,
            reasons: vec!["file 7 is gone".to_owned()],
            removed_after: None,
        }
    }

    #[test]
    fn damage_that_backups_share_is_told_once() {
        let rows = [
            row("a", "c1", BackupState::Suspect),
            row("b", "c1", BackupState::Suspect),
            row("c", "c1", BackupState::Damaged),
            row("d", "c1", BackupState::Tombstoned),
            row("e", "c2", BackupState::Suspect),
        ];
        let shown = text(&rows);
        let told: Vec<&str> =
            shown.lines().skip(1).map(|line| line.rsplit("  ").next().unwrap().trim()).collect();
        let (first, same) = ("file 7 is gone (the same in 2 more)", "the same as `a`");
        assert_eq!(told, [first, same, same, "file 7 is gone", "file 7 is gone"], "{shown}");
    }
}
