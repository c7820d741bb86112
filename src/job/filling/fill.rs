//! Rows into a new collection, import by import.

use std::sync::atomic::Ordering;

use crate::manifest::SegmentFiles;
use crate::model::ErrorKind;
use crate::plan::{
    Batch, CollectionRestore, Lying, Reads, in_import_order, next_batch, unreadable,
};

use super::create::create;
use super::import::{Ended, import, partition_name};
use super::in_place::{InPlace, import_in_place, look};
use super::jobs::import_all;
use super::probe::probe;
use super::state::Filling;
use crate::job::{JobError, JobResult};

/// How often a collection is filled with smaller imports after a time-out.
const REFILLS: u32 = 4;

/// How a collection was filled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::job) struct Filled {
    pub(in crate::job) stored: u64,
    pub(in crate::job) imported: u64,
    /// Bytes that were staged for it.
    pub(in crate::job) staged: u64,
    /// Why it had to be filled anew.
    pub(in crate::job) notes: Vec<String>,
}

/// How one pass over a collection ended.
enum Pass {
    Whole,
    /// An import ran out of time; what it left behind is unknown.
    TimedOut,
    /// An import in place went wrong; what it left behind is unknown.
    NotInPlace(String),
}

/// Whether folders may be imported as they lie in the repository.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ways {
    All,
    /// One of them brought no rows.
    Doubtful,
    StagedOnly,
}

/// Makes the collection and fills it; after a time-out anew, with smaller imports.
pub(in crate::job) async fn fill(
    filling: &Filling<'_>,
    collection: &CollectionRestore,
) -> JobResult<Filled> {
    let (mut timeouts, mut ways, mut filled) = (0, Ways::All, Filled::default());
    loop {
        create(filling, collection).await?;
        (filled.stored, filled.imported) = (0, 0);
        if filling.version.dialect().import_jobs {
            import_all(filling, collection, &mut filled).await?;
            return Ok(filled);
        }
        match pass(filling, collection, ways, &mut filled).await? {
            Pass::Whole => return Ok(filled),
            Pass::TimedOut => {
                timeouts += 1;
                if timeouts == REFILLS {
                    break;
                }
                let mut limit = filling.limit.lock().await;
                *limit = limit.halved();
                tracing::warn!(
                    collection = %collection.to,
                    bytes = limit.bytes,
                    "an import ran out of time, filling anew with smaller ones"
                );
            }
            Pass::NotInPlace(why) => {
                ways = Ways::StagedOnly;
                tracing::warn!(
                    collection = %collection.to,
                    why,
                    "an import of the repository's own folder went wrong, filling anew from staged files"
                );
                filled.notes.push(format!("filled anew from staged files: {why}"));
            }
        }
        filling.context.milvus.drop_collection(&collection.restoring).await?;
    }
    Err(JobError::new(
        ErrorKind::Failed,
        format!("imports into {} ran out of time {REFILLS} times", collection.restoring),
    )
    .hint("raise `rootCoord.importTaskExpiration` in milvus.yaml"))
}

async fn pass(
    filling: &Filling<'_>,
    collection: &CollectionRestore,
    mut ways: Ways,
    filled: &mut Filled,
) -> JobResult<Pass> {
    let list = filling.backup.list(&collection.content.list).await?;
    check_readable(filling, collection, list.segments())?;
    let segments = in_import_order(list.segments());
    let mut rest = segments.as_slice();
    let mut number = 0;
    let mut seen: Option<((i64, i64), Option<Lying>)> = None;
    while let Some(first) = rest.first() {
        let partition = (first.collection, first.partition);
        let lying = match seen.take() {
            Some((of, lying)) if of == partition => lying,
            _ => look(filling, partition).await?,
        };
        let limit = *filling.limit.lock().await;
        let usable = lying.as_ref().filter(|_| ways == Ways::All);
        let Some(batch) = next_batch(rest, limit, usable) else { break };
        seen = Some((partition, lying));
        number += 1;
        let rows = match (batch.reads, filling.repository()) {
            (Reads::Partition | Reads::Segment, Some(repository)) => {
                match import_in_place(filling, collection, &batch, repository).await? {
                    InPlace::Rows(rows) => rows,
                    // Staged, it shows which of both it is.
                    InPlace::Nothing => {
                        ways = Ways::Doubtful;
                        continue;
                    }
                    InPlace::TimedOut => return Ok(Pass::TimedOut),
                    InPlace::Unknown(why) => return Ok(Pass::NotInPlace(why)),
                }
            }
            (Reads::Staged | Reads::Partition | Reads::Segment, _) => {
                filled.staged += batch.bytes();
                match import_staged(filling, collection, &batch, number).await? {
                    Some(rows) => rows,
                    None => return Ok(Pass::TimedOut),
                }
            }
        };
        if ways == Ways::Doubtful && rows > 0 {
            filling.repository_unseen.store(true, Ordering::Relaxed);
        }
        check_rows(collection, &batch, rows)?;
        rest = &rest[batch.segments.len()..];
        filled.stored += batch.rows();
        filled.imported += rows;
        filling.context.progress.advance(batch.bytes());
    }
    Ok(Pass::Whole)
}

/// Stages and imports one batch; `None` if it ran out of time.
async fn import_staged(
    filling: &Filling<'_>,
    collection: &CollectionRestore,
    batch: &Batch,
    number: usize,
) -> JobResult<Option<u64>> {
    let partition = partition_name(collection, batch)?;
    let milvus = &*filling.context.milvus;
    let probed = || probe(milvus, &filling.staging, &collection.restoring, &partition);
    filling.readable.get_or_try_init(probed).await?;
    let folders = filling.staging.stage(&filling.backup, batch, number).await?;
    let mut ended = import(filling, collection, batch, folders).await;
    if matches!(ended, Ok(Ended::Rows(imported)) if imported < batch.rows()) {
        // A folder that Milvus no longer sees imports fewer rows, too.
        ended = probed().await.and(ended);
    }
    filling.staging.clear(number).await?;
    match ended? {
        Ended::Rows(rows) => Ok(Some(rows)),
        Ended::TimedOut => Ok(None),
        Ended::Failed(why) => Err(JobError::new(ErrorKind::Failed, why)),
    }
}

/// Refuses segments that only newer servers read.
pub(super) fn check_readable(
    filling: &Filling<'_>,
    collection: &CollectionRestore,
    list: &[SegmentFiles],
) -> JobResult<()> {
    let dialect = filling.version.dialect();
    let Some(why) = unreadable(list, dialect.l0_segments, dialect.storage_version) else {
        return Ok(());
    };
    let (from, version) = (&collection.from, &filling.version);
    let message = format!("Milvus {version} cannot read {from}: {why}");
    let source = &filling.backup.manifest.milvus_version;
    Err(JobError::new(ErrorKind::Refused, message)
        .hint(format!("restore into a Milvus no older than {source}")))
}

/// Only deletes, and writes beyond the boundary, may make the imported rows fewer. How many rows
/// milvus-backup counted is not how many are in its files: it counts before it lists them.
fn check_rows(collection: &CollectionRestore, batch: &Batch, imported: u64) -> JobResult<()> {
    if imported <= batch.rows() || collection.content.boundary.is_none() {
        return Ok(());
    }
    let message = format!(
        "{imported} rows were imported into {} where the backup has {}",
        collection.restoring,
        batch.rows()
    );
    Err(JobError::new(ErrorKind::Failed, message))
}
