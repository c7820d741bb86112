//! Imports of folders as they lie in the repository.
//!
//! A shared folder is read only while it holds exactly the backup's files. A backup that
//! runs beside may add files to it at any moment, so it is listed again when the import has
//! ended: if it is not the same any more, nobody knows what was imported.

use futures::TryStreamExt;

use crate::milvus::ServerLine;
use crate::model::KeyPrefix;
use crate::plan::{Batch, CollectionRestore, Lying, Reads};

use super::import::{Ended, Folders, import};
use super::proof::prove_all;
use super::state::Filling;
use crate::job::JobResult;

/// How an import in place ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum InPlace {
    /// So many rows are in the collection.
    Rows(u64),
    /// Milvus found nothing, so nothing was imported: all rows are deleted, or it does not see
    /// the folder.
    Nothing,
    /// It ran out of time.
    TimedOut,
    /// What is in the collection is unknown, and why.
    Unknown(String),
}

/// What lies in the repository's folders of a partition; `None` where Milvus does not see them.
pub(super) async fn look(
    filling: &Filling<'_>,
    (collection, partition): (i64, i64),
) -> JobResult<Option<Lying>> {
    if filling.repository().is_none() {
        return Ok(None);
    }
    let placement = &filling.backup.placement;
    let folders = placement.partition_folders(collection, partition);
    let mut lying = listed(filling, folders).await?;
    // Milvus 2.2 and 2.3 look for segments at any depth, later ones right below the folder.
    let deep = matches!(filling.version.line(), Some(ServerLine::V2_2 | ServerLine::V2_3));
    if placement.has_groups() && !deep {
        lying = lying.without(Reads::Partition);
    }
    if placement.has_shared_groups() {
        lying = lying.without(Reads::Segment);
    }
    Ok(Some(lying))
}

async fn listed(filling: &Filling<'_>, folders: [KeyPrefix; 2]) -> JobResult<Lying> {
    let placement = &filling.backup.placement;
    let mut files = Vec::new();
    for folder in folders {
        let mut listing = filling.backup.cluster.repository.store().list(&folder);
        while let Some(meta) = listing.try_next().await? {
            // What is no segment file is in the way, under whatever name.
            let file = placement.parse(&meta.key);
            files.push((file.map_or_else(|| meta.key.to_string(), |id| id.tail()), meta.size));
        }
    }
    Ok(Lying::new(files))
}

/// Proves the batch's files, lets Milvus import their folder, and looks at it again.
pub(super) async fn import_in_place(
    filling: &Filling<'_>,
    collection: &CollectionRestore,
    batch: &Batch,
    repository: &str,
) -> JobResult<InPlace> {
    prove_all(filling.context, &filling.backup, batch.files()).await?;
    let folders = folders(filling, batch);
    let [insert, delta] =
        folders.each_ref().map(|folder| format!("{}/{folder}", repository.trim_end_matches('/')));
    let seen = Folders { insert, delta: batch.has_deltas().then_some(delta) };
    let ended = import(filling, collection, batch, seen).await?;
    if !listed(filling, folders).await?.are(&batch.segments, batch.reads) {
        let why = "the folder got other files while it was imported";
        return Ok(InPlace::Unknown(why.to_owned()));
    }
    Ok(match ended {
        Ended::TimedOut => InPlace::TimedOut,
        Ended::Failed(why) => InPlace::Unknown(why),
        Ended::Rows(0) if batch.rows() > 0 => InPlace::Nothing,
        Ended::Rows(rows) if rows > batch.rows() && collection.content.boundary.is_some() => {
            let stored = batch.rows();
            InPlace::Unknown(format!("{rows} rows were imported where the backup has {stored}"))
        }
        Ended::Rows(rows) => InPlace::Rows(rows),
    })
}

/// The folders that a batch reads, in the repository.
fn folders(filling: &Filling<'_>, batch: &Batch) -> [KeyPrefix; 2] {
    let (collection, partition) = batch.source;
    let placement = &filling.backup.placement;
    match (batch.reads, batch.segments.as_slice()) {
        (Reads::Segment, [segment, ..]) => {
            placement.segment_folders((collection, partition, segment.segment))
        }
        (Reads::Partition | Reads::Staged | Reads::Segment, _) => {
            placement.partition_folders(collection, partition)
        }
    }
}
