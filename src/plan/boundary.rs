//! What belongs to a collection at its boundary: segments by id, files by segment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::manifest::{Boundary, DeletesComplete, FileId, LogKind};
use crate::model::{
    CollectionDescription, FlushAnswer, IndexDescription, LoadState, Namespace, Partition,
    SegmentInfo,
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
}

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

/// The files of the flush's segments, checked to be whole.
///
/// Files of other segments, and what is no segment file, are left out: they are newer than
/// the boundary, compacted away, or not ours.
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
        if !partitions.contains(&segment.partition) {
            let (segment, partition) = (segment.id, segment.partition);
            return Err(PlanError::UnknownPartition { segment, partition });
        }
        let files = by_segment.remove(&segment.id).unwrap_or_default();
        check_alignment(segment, &files, &inventory.fields)?;
        if !files.is_empty() {
            selected.push((segment.clone(), files));
        }
    }
    Ok(selected)
}

fn check_alignment(
    segment: &SegmentInfo,
    files: &[SourceFile],
    fields: &[i64],
) -> Result<(), PlanError> {
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
    match counts.into_iter().find(|(_, found)| *found != expected) {
        None => Ok(()),
        Some((field, found)) => {
            Err(PlanError::Misaligned { segment: segment.id, field, found, expected })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{margin, settle_time};

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
}
