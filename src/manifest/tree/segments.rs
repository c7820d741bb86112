//! The files of one segment of a tree.

use std::collections::BTreeMap;

use super::super::placement::ALL_PARTITIONS;
use super::format::{BackupInfo, Binlog, CollectionInfo, SegmentInfo};
use crate::manifest::{FileEntry, LogKind, SegmentFiles};
use crate::model::SegmentTraits;

/// Groups that are not the segment's own id, by partition and segment.
pub(super) type Groups = BTreeMap<(i64, i64), i64>;

/// A segment of a collection's partition, or what is wrong with it.
pub(super) fn files(
    (collection, partition): (i64, i64),
    info: &SegmentInfo,
    groups: &mut Groups,
) -> Result<SegmentFiles, String> {
    let segment = info.segment_id;
    let fault = |why: String| format!("segment {segment}: {why}");
    if segment == 0 {
        return Err(format!("a segment of partition {partition} has no id"));
    }
    for (what, id, parent) in [
        ("collection", info.collection_id, collection),
        ("partition", info.partition_id, partition),
    ] {
        if id != 0 && id != parent {
            return Err(fault(format!("it is of {what} {id} and stands in {parent}")));
        }
    }
    if info.num_of_rows < 0 {
        return Err(fault(format!("it has {} rows", info.num_of_rows)));
    }
    let mut logs: Vec<(LogKind, FileEntry)> = Vec::new();
    for field in &info.binlogs {
        let kind = LogKind::Insert { field: field.field_id };
        for binlog in &field.binlogs {
            logs.push((kind, entry(binlog).map_err(fault)?));
        }
    }
    // Their field is none, or in old trees the log's own id.
    for binlog in info.deltalogs.iter().flat_map(|field| &field.binlogs) {
        logs.push((LogKind::Delta, entry(binlog).map_err(fault)?));
    }
    let files = SegmentFiles::new((collection, partition, segment), info.num_of_rows, logs);
    let inserts = files.insert.iter().map(|field| &field.files);
    for of_one_kind in inserts.chain([&files.delta]) {
        if let Some(pair) = of_one_kind.windows(2).find(|pair| pair[0].log == pair[1].log) {
            return Err(fault(format!("log {} is in it twice", pair[0].log)));
        }
    }
    if partition != ALL_PARTITIONS && info.group_id != segment {
        groups.insert((partition, segment), info.group_id);
    }
    Ok(files.with_traits(SegmentTraits {
        l0: info.is_l0,
        storage_version: info.storage_version,
        channel: info.v_channel.clone(),
    }))
}

/// A segment that has rows and no file of them: it was compacted away before its files were listed,
/// or the wrong folder was. v0.4.15 to v0.5.3 call it an L0 segment.
pub(super) fn without_files(segments: &[SegmentFiles]) -> Option<String> {
    let has_deletes = |segment: &SegmentFiles| {
        let l0 = segment.traits.l0 || segment.partition == ALL_PARTITIONS;
        l0 && !segment.delta.is_empty()
    };
    let mut lost = segments.iter().filter(|segment| segment.rows > 0 && segment.insert.is_empty());
    let SegmentFiles { segment, rows, .. } = lost.find(|segment| !has_deletes(segment))?;
    Some(format!("segment {segment} has {rows} rows and no file of them"))
}

/// Whether `create --meta_only` of v0.4.5 to v0.5.3 made it, which tells of segments and looks for
/// no file. Where one was looked for there are `deltalogs`, `[{}]` for none.
pub(super) fn is_schema_only(info: &BackupInfo) -> bool {
    let segments = || {
        info.collection_backups.iter().flat_map(|collection| {
            let partitions = collection.partition_backups.iter();
            let segments = partitions.flat_map(|partition| &partition.segment_backups);
            segments.chain(&collection.l0_segments)
        })
    };
    let bare = |segment: &SegmentInfo| {
        segment.binlogs.is_empty() && segment.deltalogs.is_empty() && segment.group_id == 0
    };
    segments().all(bare) && segments().any(|segment| segment.num_of_rows > 0)
}

/// Takes the segments out of a collection, and says how many rows they have.
pub(super) fn take_segments(collection: &mut CollectionInfo) -> u64 {
    let partitions = collection.partition_backups.iter_mut();
    let segments = partitions.flat_map(|partition| partition.segment_backups.drain(..));
    let segments = segments.chain(collection.l0_segments.drain(..));
    let rows = segments.map(|segment| u64::try_from(segment.num_of_rows).unwrap_or(0));
    rows.fold(0, u64::saturating_add)
}

/// The id is what the file is called; some versions tell it only there.
fn entry(binlog: &Binlog) -> Result<FileEntry, String> {
    let called = binlog.log_path.rsplit('/').next().and_then(|name| name.parse::<i64>().ok());
    let log = called.or(Some(binlog.log_id)).filter(|log| *log > 0);
    let Some(log) = log else {
        return Err(format!("nobody can tell the id of its log `{}`", binlog.log_path));
    };
    let (source, copy, crc) = (String::new(), String::new(), String::new());
    Ok(FileEntry { log, size: binlog.log_size, source, copy, crc })
}
