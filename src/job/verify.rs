//! Reading a backup again.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};

use crate::catalog::{self, BackupRecord, BackupState, Cluster, Lease, Readable};
use crate::manifest::{Doubt, FileEntry, FileId, FileList};
use crate::model::{BackupName, ClusterName, ErrorKind};
use crate::plan::{Damage, VerifyDepth};
use crate::storage::{StoreError, StoreErrorKind};
use crate::transfer::{Content, Stage, check_content};

use super::{JobContext, JobError, JobResult, RunOutcome, VerifyReport, reading};

/// Verifies one backup. Damage is a report with outcome `failed`, not an error.
pub async fn run_verify(
    context: &JobContext,
    cluster: Option<&ClusterName>,
    name: &BackupName,
    depth: VerifyDepth,
) -> JobResult<VerifyReport> {
    let repository = context.open_repository().await?;
    let found = catalog::find(&repository, cluster, name, &*context.clock).boxed();
    let (cluster, _) = found.await?;
    let reading = reading::begin(&cluster, name).await;
    // It may have gone since it was found, and nobody lets it go from now on.
    let found = catalog::find(&repository, Some(&cluster.name), name, &*context.clock).boxed();
    let record = found.await.map(|(_, record)| record);
    let ours = !record.as_ref().is_ok_and(|record| record.state == BackupState::Foreign);
    let mut report = VerifyReport {
        name: name.to_string(),
        depth,
        files: 0,
        bytes: 0,
        missing: Vec::new(),
        damaged: Vec::new(),
        unchecked: 0,
        outcome: RunOutcome::Complete,
    };
    let work = async { verify(context, &cluster, record?, &mut report).boxed().await };
    let done = context.cancel.run_until_cancelled(work).await;
    let done = done.unwrap_or_else(|| Err(JobError::cancelled()));
    if !report.missing.is_empty() || !report.damaged.is_empty() {
        report.outcome = RunOutcome::Failed;
    }
    if let Some(lease) = reading {
        if done.is_ok() && ours && cluster.name == context.cluster {
            remember(context, (&cluster, &lease), name, &report).await;
        }
        lease.release().await;
    }
    done.map(|()| report)
}

/// Lets a backup that was found damaged count for nothing any more, until a look at every byte
/// finds it good. Whoever may not write that down has at least been told.
async fn remember(
    context: &JobContext,
    (cluster, lease): (&Cluster, &Lease),
    name: &BackupName,
    report: &VerifyReport,
) {
    let bad = report.missing.len() + report.damaged.len();
    match (bad, report.depth) {
        (0, VerifyDepth::Content) => {
            if let Err(error) = catalog::lift_doubt(cluster, lease, name).await {
                tracing::warn!(%name, %error, "that it is good cannot be written down");
            }
        }
        (0, VerifyDepth::Manifest | VerifyDepth::Size) => {}
        (_, _) => {
            let found = (VERIFICATION, report.missing.as_slice(), report.damaged.as_slice());
            doubt(context, (cluster, lease), name, found).await;
        }
    }
}

/// Writes down who found what of a backup missing, and what damaged, as `KEY: why`.
pub(super) async fn doubt(
    context: &JobContext,
    (cluster, lease): (&Cluster, &Lease),
    name: &BackupName,
    (who, missing, damaged): (&str, &[String], &[String]),
) {
    let (at, by) = (context.clock.now(), catalog::this_process().host);
    let first = missing.iter().chain(damaged).next();
    let first = first.map(String::as_str).unwrap_or_default();
    let reason = suspicion(who, missing.len() + damaged.len(), first);
    // What is missing is copied anew in any case.
    let place = |line: &String| {
        let key = line.split_once(": ").map_or(line.as_str(), |(key, _)| key);
        cluster.layout.shared_file(key)
    };
    let files: Vec<FileId> = damaged.iter().filter_map(place).collect();
    let doubt = Doubt { version: 1, at, by, reason, files: Vec::new() }.with_files(files);
    if let Err(error) = catalog::put_doubt(cluster, lease, (name, &doubt)).await {
        tracing::warn!(%name, %error, "what {who} found cannot be written down");
    }
}

/// Who finds damage by reading.
pub(super) const VERIFICATION: &str = "a verification";

/// Why a backup is suspect that has damage in so many places.
pub(super) fn suspicion(who: &str, places: usize, first: &str) -> String {
    match places {
        1 => format!("{who} found damage: {first}"),
        _ => format!("{who} found damage in {places} places, the first: {first}"),
    }
}

/// Fails if a backup was deleted while it was read.
pub(super) async fn still_there(backup: &Readable) -> JobResult<()> {
    if !backup.is_still_there().await? {
        let message = format!("backup `{}` was deleted meanwhile", backup.manifest.name);
        return Err(JobError::new(ErrorKind::NotFound, message)
            .hint("`undelete` brings it back as long as its grace lasts"));
    }
    Ok(())
}

async fn verify(
    context: &JobContext,
    cluster: &Cluster,
    record: BackupRecord,
    report: &mut VerifyReport,
) -> JobResult<()> {
    if record.state == BackupState::Damaged {
        report.damaged.extend(record.reasons);
        return Ok(());
    }
    let backup = readable(cluster, record).boxed().await?;
    report.damaged.extend(backup.tree_damage().await?);
    if let Err(error) = backup.rbac().await {
        report.damaged.push(damage(error.into())?);
    }
    context.progress.enter(Stage::Verify, backup.manifest.bytes());
    for (collection, content) in backup.manifest.contents() {
        context.progress.subject(&collection.namespace().to_string());
        let list = match load_list(&backup, &content.list).await? {
            Ok(list) => list,
            Err(why) => {
                report.damaged.push(why);
                continue;
            }
        };
        report.files += list.files().count() as u64;
        report.bytes += list.files().map(|(_, entry)| entry.size).sum::<u64>();
        if report.depth >= VerifyDepth::Size {
            note(&backup, backup.compare(collection.id, &list).await?, report);
        }
        if report.depth == VerifyDepth::Content {
            read_all(context, &backup, &list, report).await?;
        }
    }
    if !report.missing.is_empty() || !report.damaged.is_empty() {
        // No lease keeps a delete away: a read-only repository takes none.
        still_there(&backup).boxed().await?;
    }
    Ok(())
}

/// A list, or what is wrong with it.
pub(super) async fn load_list(
    backup: &Readable,
    digest: &str,
) -> JobResult<Result<FileList, String>> {
    match backup.list(digest).await {
        Ok(list) => Ok(Ok(list)),
        Err(error) => damage(error.into()).map(Err),
    }
}

/// What is wrong with a document; an error if that is not the document's fault.
pub(super) fn damage(error: JobError) -> JobResult<String> {
    let damage = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Damaged);
    if damage { Ok(error.chain()) } else { Err(error) }
}

fn note(backup: &Readable, damage: Vec<Damage>, report: &mut VerifyReport) {
    let place = |id: &FileId| backup.key(id).to_string();
    for found in damage {
        match found {
            Damage::Missing(id) => report.missing.push(place(&id)),
            Damage::Changed(id, why) => report.damaged.push(format!("{}: {why}", place(&id))),
        }
    }
}

async fn read_all(
    context: &JobContext,
    backup: &Readable,
    list: &FileList,
    report: &mut VerifyReport,
) -> JobResult<()> {
    let files: Vec<(FileId, &FileEntry)> = list.files().collect();
    let mut files = files.into_iter();
    let mut reads = FuturesUnordered::new();
    loop {
        let free = context.concurrency.saturating_sub(reads.len());
        reads.extend(
            files.by_ref().take(free).map(|(id, entry)| read_named(context, backup, id, entry)),
        );
        let Some((id, entry, found)) = reads.next().await else { break };
        context.progress.advance(entry.size);
        let place = backup.key(&id).to_string();
        match found? {
            None | Some(Content::Same) => {}
            Some(Content::Unchecked) => report.unchecked += 1,
            Some(Content::Other(why)) => report.damaged.push(format!("{place}: {why}")),
        }
    }
    Ok(())
}

/// A file of a list, and what came of reading it.
type Named<'a> = (FileId, &'a FileEntry, Result<Option<Content>, StoreError>);

/// [`read_one`], with what was read.
fn read_named<'a>(
    context: &'a JobContext,
    backup: &'a Readable,
    id: FileId,
    entry: &'a FileEntry,
) -> BoxFuture<'a, Named<'a>> {
    async move { (id, entry, read_one(context, backup, id, entry).await) }.boxed()
}

/// How the content of one file compares; `None` if the comparison of sizes has named it.
async fn read_one(
    context: &JobContext,
    backup: &Readable,
    id: FileId,
    entry: &FileEntry,
) -> Result<Option<Content>, StoreError> {
    let store = Arc::clone(&context.repository);
    match store.get(&backup.key(&id)).await {
        Err(error) if error.kind() == StoreErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(object) if object.meta.size != entry.size => Ok(None),
        Ok(object) => check_content(object, entry).await.map(Some),
    }
}

/// A committed backup or a tree of milvus-backup, or why there is none.
pub(super) async fn readable(cluster: &Cluster, record: BackupRecord) -> JobResult<Readable> {
    let (name, state) = (record.name.clone(), record.state);
    if state == BackupState::Foreign {
        let tree = catalog::foreign_tree(cluster, &name).boxed().await?;
        if let Some(tree) = tree {
            return Ok(Readable::foreign(cluster.clone(), tree));
        }
    }
    let usable = record.is_committed();
    match record.manifest {
        Some(manifest) if usable => Ok(Readable::new(cluster.clone(), manifest)),
        _ => {
            let reasons = record.reasons.join("; ");
            let (kind, message) = match state {
                BackupState::Damaged => {
                    (ErrorKind::Damaged, format!("backup `{name}` is damaged: {reasons}"))
                }
                BackupState::Running => {
                    (ErrorKind::NotFound, format!("backup `{name}` is still being made"))
                }
                BackupState::Tombstoned => {
                    (ErrorKind::NotFound, format!("backup `{name}` was deleted: {reasons}"))
                }
                BackupState::Foreign => {
                    (ErrorKind::NotFound, format!("backup `{name}` was deleted meanwhile"))
                }
                BackupState::Failed
                | BackupState::Complete
                | BackupState::Suspect
                | BackupState::Partial => {
                    let why = format!("the run of backup `{name}` made no backup: {reasons}");
                    (ErrorKind::NotFound, why)
                }
            };
            Err(JobError::new(kind, message).hint("`list` shows the complete ones"))
        }
    }
}
