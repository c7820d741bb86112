//! What belongs to a collection at its boundary: segments by id, files by segment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::manifest::{Boundary, DeletesComplete, FileId, LogKind};
use crate::model::{
    CollectionDescription, FlushAnswer, IndexDescription, LoadState, Namespace, Partition,
    SegmentInfo, SegmentLogs,
};

/// Why a collection cannot be backed up as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A segment lacks files of a field, or has more of one field than of another.
    #[error(
        "segment {segment} is misaligned: field {field} has {found} files where {expected} were expected"
    )]
    Misaligned {
        /// The segment.
        segment: i64,
        /// The field that differs.
        field: i64,
        /// Its files.
        found: usize,
        /// The files that every field must have.
        expected: usize,
    },
    /// A segment with rows has no files.
    #[error("segment {segment} has {rows} rows in Milvus and no file in the storage")]
    NoFiles {
        /// The segment.
        segment: i64,
        /// Its rows, as Milvus counts them.
        rows: i64,
    },
    /// A segment lies in a partition that Milvus does not list.
    #[error("segment {segment} lies in partition {partition}, which Milvus does not list")]
    UnknownPartition {
        /// The segment.
        segment: i64,
        /// Its partition.
        partition: i64,
    },
    /// Milvus names files that are not there.
    #[error("segment {segment}: {files} of the files that Milvus names are not in the storage")]
    NotListed {
        /// The segment.
        segment: i64,
        /// How many.
        files: usize,
    },
    /// An L0 segment has no files.
    #[error("L0 segment {segment} has no delta log in the storage")]
    NoDeltas {
        /// The segment.
        segment: i64,
    },
    /// The files are written in a way that no import reads.
    #[error(
        "segment {segment} is written in storage version {version}, which Milvus cannot import"
    )]
    NewStorage {
        /// The segment.
        segment: i64,
        /// Its `storage_version`.
        version: i64,
    },
}

/// The partition of L0 segments that hold deletes of all partitions.
const ALL_PARTITIONS: i64 = -1;

/// Up to here a segment has a folder of files for each field.
const FILE_PER_FIELD: i64 = 1;

/// And here for groups of fields, each under the id of one of them.
const FILE_PER_GROUP: i64 = 2;

/// A file that was seen in Milvus's storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its identity.
    pub id: FileId,
    /// Its length in bytes.
    pub size: u64,
    /// Its fingerprint.
    pub source: String,
}

/// All that was seen of one collection for a backup.
#[derive(Debug, Clone)]
pub struct CollectionInventory {
    /// Its name.
    pub namespace: Namespace,
    /// Its schema and settings.
    pub description: CollectionDescription,
    /// Its partitions, read after the listing.
    pub partitions: Vec<Partition>,
    /// Its indexes.
    pub indexes: Vec<IndexDescription>,
    /// What of it was loaded.
    pub load: LoadState,
    /// Where in time it ends.
    pub boundary: Boundary,
    /// Whether all deletes before that are in the files.
    pub deletes_complete: DeletesComplete,
    /// The segments of the flush.
    pub segments: Vec<SegmentInfo>,
    /// Ids of all fields that every segment has, 0 and 1 included.
    pub fields: Vec<i64>,
    /// Those of them that segments may lack: they may have been added later.
    pub optional: Vec<i64>,
    /// The files of each segment as the server names them; none where it does not.
    pub logs: BTreeMap<i64, SegmentLogs>,
    /// Everything listed in its folders.
    pub files: Vec<SourceFile>,
}

/// The least that a boundary lies before its flush.
pub const LEAST_MARGIN: Duration = Duration::from_secs(1);

/// What a stuck flush may cost at most.
const MOST_MARGIN: Duration = Duration::from_secs(10);

/// A write waits for its segment on the same path as a flush does.
const MARGIN_PER_FLUSH: u32 = 8;

/// How far before a flush the boundary lies, by how long the call took: on a busy server a
/// write takes longer from its timestamp to its segment.
pub fn margin(flush_took: Duration) -> Duration {
    flush_took.saturating_mul(MARGIN_PER_FLUSH).clamp(LEAST_MARGIN, MOST_MARGIN)
}

/// The least time that a server gets to write down what it is to write.
const LEAST_LAG: Duration = Duration::from_secs(10);

/// How long after a flush the deletes before it are stored, where Milvus writes them down once
/// in `period`. An idle 2.2.16 does it within a second of that; one with work to do lags.
pub fn settle_time(period: Duration) -> Duration {
    period + (period / 10).max(LEAST_LAG)
}

/// Segments of the flush that are no longer persistent: a compaction came between.
pub fn missing_segments(flush: &FlushAnswer, persistent: &[SegmentInfo]) -> Vec<i64> {
    let present: BTreeSet<i64> = persistent.iter().map(|segment| segment.id).collect();
    let mut missing: Vec<i64> = flush
        .sealed
        .iter()
        .chain(&flush.flushed)
        .filter(|id| !present.contains(id))
        .copied()
        .collect();
    missing.sort_unstable();
    missing.dedup();
    missing
}

/// Whether the segments that were listed after a flush are those at the flush: none that was
/// there before has gone, and none that came is already rewritten.
pub fn untouched(before: &[SegmentInfo], after: &[SegmentInfo]) -> bool {
    let ids = |segments: &[SegmentInfo]| -> BTreeSet<i64> {
        segments.iter().map(|segment| segment.id).collect()
    };
    let (old, new) = (ids(before), ids(after));
    let rewritten = after.iter().any(|segment| segment.sorted && !old.contains(&segment.id));
    old.is_subset(&new) && !rewritten
}

/// The files of the flush's segments, checked to be whole.
///
/// Files of other segments, and what is no segment file, are left out: they are newer than
/// the boundary, compacted away, or not ours. So are files of a segment that Milvus, where it
/// names them, does not name: something took their place.
pub fn select_files(
    inventory: &CollectionInventory,
) -> Result<Vec<(SegmentInfo, Vec<SourceFile>)>, PlanError> {
    let partitions: BTreeSet<i64> = inventory.partitions.iter().map(|p| p.id).collect();
    let mut by_segment: BTreeMap<i64, Vec<SourceFile>> = BTreeMap::new();
    for file in &inventory.files {
        by_segment.entry(file.id.segment).or_default().push(file.clone());
    }
    let mut selected = Vec::with_capacity(inventory.segments.len());
    for segment in &inventory.segments {
        let everywhere = segment.traits.l0 && segment.partition == ALL_PARTITIONS;
        if !everywhere && !partitions.contains(&segment.partition) {
            let (segment, partition) = (segment.id, segment.partition);
            return Err(PlanError::UnknownPartition { segment, partition });
        }
        let listed = by_segment.remove(&segment.id).unwrap_or_default();
        let files = match inventory.logs.get(&segment.id) {
            Some(logs) => named(listed, logs)?,
            None if segment.traits.l0 && listed.is_empty() => {
                return Err(PlanError::NoDeltas { segment: segment.id });
            }
            None => listed,
        };
        if !segment.traits.l0 {
            check_alignment(segment, &files, inventory)?;
        }
        if !files.is_empty() {
            selected.push((segment.clone(), files));
        }
    }
    Ok(selected)
}

/// The files that the server names, all of which must be there.
fn named(listed: Vec<SourceFile>, logs: &SegmentLogs) -> Result<Vec<SourceFile>, PlanError> {
    let is_named = |file: &SourceFile| match file.id.kind {
        LogKind::Insert { field } => logs.insert.contains(&(field, file.id.log)),
        LogKind::Delta => logs.delta.contains(&file.id.log),
    };
    let files: Vec<SourceFile> = listed.into_iter().filter(is_named).collect();
    match logs.insert.len() + logs.delta.len() - files.len() {
        0 => Ok(files),
        missing => Err(PlanError::NotListed { segment: logs.segment, files: missing }),
    }
}

fn check_alignment(
    segment: &SegmentInfo,
    files: &[SourceFile],
    inventory: &CollectionInventory,
) -> Result<(), PlanError> {
    let fields: &[i64] = match segment.traits.storage_version {
        ..=FILE_PER_FIELD => &inventory.fields,
        FILE_PER_GROUP => &[],
        version => return Err(PlanError::NewStorage { segment: segment.id, version }),
    };
    let mut counts: BTreeMap<i64, usize> = fields.iter().map(|field| (*field, 0)).collect();
    for file in files {
        if let LogKind::Insert { field } = file.id.kind {
            *counts.entry(field).or_default() += 1;
        }
    }
    let expected = counts.values().copied().max().unwrap_or_default();
    if expected == 0 {
        if segment.rows == 0 {
            return Ok(());
        }
        return Err(PlanError::NoFiles { segment: segment.id, rows: segment.rows });
    }
    let fits = |field: &i64, found: usize| {
        found == expected || (found == 0 && inventory.optional.contains(field))
    };
    match counts.into_iter().find(|(field, found)| !fits(field, *found)) {
        None => Ok(()),
        Some((field, found)) => {
            Err(PlanError::Misaligned { segment: segment.id, field, found, expected })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use super::{
        CollectionInventory, PlanError, SourceFile, margin, select_files, settle_time, untouched,
    };
    use crate::manifest::{Boundary, DeletesComplete, FileId, LogKind};
    use crate::model::{
        CollectionDescription, CollectionOrigin, LoadState, Namespace, Partition, SegmentInfo,
        SegmentLogs, SegmentTraits,
    };

    #[test]
    fn deletes_get_a_tenth_more_than_their_period_and_some_seconds_at_least() {
        for (period, expected) in [(600, 660), (100, 110), (5, 15), (0, 10)] {
            let found = settle_time(Duration::from_secs(period));
            assert_eq!(found, Duration::from_secs(expected), "{period}");
        }
    }

    #[test]
    fn a_slow_flush_moves_the_boundary_further_back() {
        for (took, expected) in [(0, 1000), (20, 1000), (125, 1000), (500, 4000), (60_000, 10_000)]
        {
            let found = margin(Duration::from_millis(took));
            assert_eq!(found, Duration::from_millis(expected), "{took}");
        }
    }

    fn segment(id: i64, traits: SegmentTraits) -> SegmentInfo {
        let partition = if traits.l0 { -1 } else { 2 };
        SegmentInfo { id, collection: 1, partition, rows: 5, sorted: false, traits }
    }

    fn version(storage_version: i64) -> SegmentTraits {
        SegmentTraits { storage_version, ..SegmentTraits::default() }
    }

    fn l0() -> SegmentTraits {
        SegmentTraits { l0: true, ..SegmentTraits::default() }
    }

    fn file(kind: LogKind, log: i64) -> SourceFile {
        let id = FileId { collection: 1, partition: 2, segment: 3, kind, log };
        SourceFile { id, size: 10, source: "s".to_owned() }
    }

    fn inserts(fields: &[i64]) -> Vec<SourceFile> {
        fields.iter().map(|field| file(LogKind::Insert { field: *field }, 7)).collect()
    }

    /// A collection with the fields 100 and, added later, 101.
    fn inventory(segment: SegmentInfo, files: Vec<SourceFile>) -> CollectionInventory {
        CollectionInventory {
            namespace: Namespace::new("default", "films"),
            description: CollectionDescription {
                id: 1,
                name: "films".to_owned(),
                schema: Vec::new(),
                shards: 1,
                consistency_level: 2,
                num_partitions: 1,
                properties: Vec::new(),
                aliases: Vec::new(),
                origin: CollectionOrigin::default(),
            },
            partitions: vec![Partition { id: 2, name: "_default".to_owned() }],
            indexes: Vec::new(),
            load: LoadState::NotLoaded,
            deletes_complete: DeletesComplete::Yes,
            boundary: Boundary::before(7000 << 18, Duration::from_secs(1)),
            segments: vec![segment],
            fields: vec![0, 1, 100, 101],
            optional: vec![101],
            logs: BTreeMap::new(),
            files,
        }
    }

    fn selected(segment: SegmentInfo, files: Vec<SourceFile>) -> Result<usize, PlanError> {
        let selected = select_files(&inventory(segment, files))?;
        Ok(selected.iter().map(|(_, files)| files.len()).sum())
    }

    #[test]
    fn a_segment_may_lack_a_field_that_was_added_later() {
        let plain = || segment(3, version(0));
        assert_eq!(selected(plain(), inserts(&[0, 1, 100, 101])), Ok(4));
        assert_eq!(selected(plain(), inserts(&[0, 1, 100])), Ok(3));
        let lacking = PlanError::Misaligned { segment: 3, field: 100, found: 0, expected: 1 };
        assert_eq!(selected(plain(), inserts(&[0, 1, 101])), Err(lacking));
    }

    #[test]
    fn groups_of_fields_have_equal_files_and_what_comes_after_them_is_not_taken() {
        assert_eq!(selected(segment(3, version(2)), inserts(&[0, 101])), Ok(2));
        let mut uneven = inserts(&[0, 101]);
        uneven.push(file(LogKind::Insert { field: 0 }, 8));
        let error = PlanError::Misaligned { segment: 3, field: 101, found: 1, expected: 2 };
        assert_eq!(selected(segment(3, version(2)), uneven), Err(error));
        let error = PlanError::NewStorage { segment: 3, version: 3 };
        assert_eq!(selected(segment(3, version(3)), inserts(&[0])), Err(error));
    }

    #[test]
    fn deletes_of_all_partitions_are_taken() {
        assert_eq!(selected(segment(3, l0()), vec![file(LogKind::Delta, 7)]), Ok(1));
        let error = PlanError::NoDeltas { segment: 3 };
        assert_eq!(selected(segment(3, l0()), Vec::new()), Err(error));
        let elsewhere = SegmentInfo { partition: -1, ..segment(3, version(0)) };
        let error = PlanError::UnknownPartition { segment: 3, partition: -1 };
        assert_eq!(selected(elsewhere, Vec::new()), Err(error));
    }

    #[test]
    fn only_what_the_server_names_is_taken_and_all_of_it_must_be_there() {
        let mut files = inserts(&[0, 1, 100]);
        files.extend([file(LogKind::Insert { field: 0 }, 6), file(LogKind::Delta, 9)]);
        let mut seen = inventory(segment(3, version(0)), files);
        let insert: BTreeSet<_> = [(0, 7), (1, 7), (100, 7)].into();
        let logs = SegmentLogs { segment: 3, insert, ..SegmentLogs::default() };
        seen.logs.insert(3, logs);
        let taken = select_files(&seen).unwrap();
        let logs: Vec<i64> = taken[0].1.iter().map(|file| file.id.log).collect();
        assert_eq!(logs, [7, 7, 7]);
        seen.logs.entry(3).and_modify(|logs| logs.delta = [8, 9].into());
        let error = PlanError::NotListed { segment: 3, files: 1 };
        assert_eq!(select_files(&seen), Err(error));
    }

    #[test]
    fn segments_are_those_at_a_flush_unless_one_went_or_came_rewritten() {
        let plain = |ids: &[i64]| -> Vec<SegmentInfo> {
            ids.iter().map(|id| segment(*id, version(0))).collect()
        };
        let sorted = |id| SegmentInfo { sorted: true, ..segment(id, version(0)) };
        assert!(untouched(&plain(&[3]), &plain(&[3, 4])));
        assert!(untouched(&[sorted(3)], &[sorted(3)]));
        assert!(!untouched(&plain(&[3, 4]), &plain(&[3])));
        assert!(!untouched(&plain(&[3]), &[segment(3, version(0)), sorted(4)]));
    }
}
