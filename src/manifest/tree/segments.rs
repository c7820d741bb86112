//! The files of one segment of a tree.

use std::collections::BTreeMap;

use super::super::placement::ALL_PARTITIONS;
use super::format::{Binlog, SegmentInfo};
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
    // v0.5.9 was seen to make such trees of a folder that it could not list, and to call it success.
    if logs.is_empty() && info.num_of_rows > 0 && !info.is_l0 && partition != ALL_PARTITIONS {
        return Err(fault(format!("it has {} rows and no file of them", info.num_of_rows)));
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
