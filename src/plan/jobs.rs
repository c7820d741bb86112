//! The files of a collection → the import jobs that bring them back into a Milvus since 2.4.
//!
//! One job has many folders, each of one segment, so nothing has to be measured: what a job may
//! hold is a matter of counts, and of the disk that staged files take.

use std::collections::BTreeMap;

use crate::manifest::{LogKind, SegmentFiles};

/// The partition of L0 segments that hold deletes of all partitions.
const ALL_PARTITIONS: i64 = -1;

/// What is staged at once must fit on a disk that Milvus may share.
const MOST_BYTES: u64 = 8 << 30;

/// How many segments one job may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobLimits {
    /// Of rows.
    pub rows: usize,
    /// Of deletes alone.
    pub deletes: usize,
}

/// What a job imports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobKind {
    /// Rows with their deletes.
    Rows,
    /// Deletes alone, which must find the rows there.
    Deletes,
}

/// One import job: segments of one kind, channel and storage version, of one partition or, if
/// they are deletes, of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobBatch {
    /// What it imports.
    pub kind: JobKind,
    /// The partition's id in the source; `None` for all.
    pub partition: Option<i64>,
    /// How the files are written.
    pub storage_version: i64,
    /// Its segments.
    pub segments: Vec<SegmentFiles>,
}

impl JobBatch {
    /// Stored rows.
    pub fn rows(&self) -> u64 {
        self.segments.iter().map(|segment| segment.rows.unsigned_abs()).sum()
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(SegmentFiles::bytes).sum()
    }

    /// Whether any row may have been deleted.
    pub fn has_deltas(&self) -> bool {
        self.segments.iter().any(has_deltas)
    }
}

/// Whether any row of a segment may have been deleted.
pub fn has_deltas(segment: &SegmentFiles) -> bool {
    segment.files().any(|(id, _)| id.kind == LogKind::Delta)
}

/// The jobs of a list in their order: of each partition its rows, then its deletes; after all of
/// them the deletes of all partitions.
pub fn import_jobs(list: &[SegmentFiles], limits: JobLimits) -> Vec<JobBatch> {
    let mut groups: BTreeMap<_, Vec<&SegmentFiles>> = BTreeMap::new();
    for segment in list {
        let traits = &segment.traits;
        let everywhere = traits.l0 && segment.partition == ALL_PARTITIONS;
        let kind = if traits.l0 { JobKind::Deletes } else { JobKind::Rows };
        let place = (everywhere, segment.partition, kind);
        groups.entry((place, &traits.channel, traits.storage_version)).or_default().push(segment);
    }
    let mut jobs = Vec::new();
    for (((everywhere, partition, kind), _, storage_version), segments) in groups {
        let most = match kind {
            JobKind::Rows => limits.rows,
            JobKind::Deletes => limits.deletes,
        };
        let mut rest = segments.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(fitting(rest, most));
            jobs.push(JobBatch {
                kind,
                partition: (!everywhere).then_some(partition),
                storage_version,
                segments: now.iter().copied().cloned().collect(),
            });
            rest = later;
        }
    }
    jobs
}

/// How many of the first segments make one job: at least one.
fn fitting(segments: &[&SegmentFiles], most: usize) -> usize {
    let mut bytes = 0_u64;
    let fits = |segment: &&&SegmentFiles| {
        bytes = bytes.saturating_add(segment.bytes());
        bytes <= MOST_BYTES
    };
    segments.iter().take(most).take_while(fits).count().max(1)
}

/// Why a server cannot read a list at all. `storage_version` is the highest that it reads.
pub fn unreadable(list: &[SegmentFiles], l0: bool, storage_version: i64) -> Option<String> {
    list.iter().find_map(|segment| {
        let (id, version) = (segment.segment, segment.traits.storage_version);
        if segment.traits.l0 && !l0 {
            return Some(format!("segment {id} is an L0 segment"));
        }
        // 1 is what 0 is: a file for each field.
        (version > storage_version.max(1))
            .then(|| format!("segment {id} is written in storage version {version}"))
    })
}

#[cfg(test)]
mod tests {
    use super::{JobKind, JobLimits, import_jobs, unreadable};
    use crate::manifest::{FileEntry, LogKind, SegmentFiles};
    use crate::model::SegmentTraits;

    const LIMITS: JobLimits = JobLimits { rows: 256, deletes: 1 };

    fn segment(partition: i64, segment: i64, traits: (bool, i64, &str), size: u64) -> SegmentFiles {
        let (l0, storage_version, channel) = traits;
        let (source, copy, crc) = (String::new(), String::new(), String::new());
        let entry = FileEntry { log: 1, size, source, copy, crc };
        let kind = if l0 { LogKind::Delta } else { LogKind::Insert { field: 0 } };
        let traits = SegmentTraits { l0, storage_version, channel: channel.to_owned() };
        SegmentFiles::new((1, partition, segment), 10, [(kind, entry)]).with_traits(traits)
    }

    fn shape(list: &[SegmentFiles], limits: JobLimits) -> Vec<(JobKind, Option<i64>, Vec<i64>)> {
        let ids = |segments: &[SegmentFiles]| segments.iter().map(|s| s.segment).collect();
        let jobs = import_jobs(list, limits);
        jobs.iter().map(|job| (job.kind, job.partition, ids(&job.segments))).collect()
    }

    #[test]
    fn deletes_come_after_rows_and_those_of_all_partitions_last() {
        use JobKind::{Deletes, Rows};
        let list = [
            segment(-1, 9, (true, 0, "a"), 1),
            segment(2, 3, (true, 0, "a"), 1),
            segment(2, 4, (true, 0, "a"), 1),
            segment(2, 5, (false, 0, "b"), 1),
            segment(2, 6, (false, 0, "a"), 1),
            segment(2, 7, (false, 2, "a"), 1),
            segment(2, 8, (false, 0, "a"), 1),
            segment(3, 1, (false, 0, "a"), 1),
        ];
        let rows = |partition, ids: &[i64]| (Rows, Some(partition), ids.to_vec());
        let deletes = |ids: &[i64]| (Deletes, Some(2), ids.to_vec());
        let (before, behind) = (
            [rows(2, &[6, 8]), rows(2, &[7]), rows(2, &[5])],
            [rows(3, &[1]), (Deletes, None, vec![9])],
        );
        let apart = [&before[..], &[deletes(&[3]), deletes(&[4])], &behind].concat();
        assert_eq!(shape(&list, LIMITS), apart);
        let together = [&before[..], &[deletes(&[3, 4])], &behind].concat();
        assert_eq!(shape(&list, JobLimits { deletes: 256, ..LIMITS }), together);
    }

    #[test]
    fn a_job_passes_neither_the_servers_limit_nor_that_of_the_disk() {
        let many: Vec<_> = (0..600).map(|id| segment(2, id, (false, 0, "a"), 1)).collect();
        let counts: Vec<_> = import_jobs(&many, LIMITS).iter().map(|j| j.segments.len()).collect();
        assert_eq!(counts, [256, 256, 88]);
        let large = [4_u64, 4, 9, 1].map(|gigabytes| gigabytes << 30);
        let large = large.iter().zip(0..).map(|(size, id)| segment(2, id, (false, 0, "a"), *size));
        let counts: Vec<_> = import_jobs(&large.collect::<Vec<_>>(), LIMITS)
            .iter()
            .map(|j| j.segments.len())
            .collect();
        assert_eq!(counts, [2, 1, 1]);
    }

    #[test]
    fn what_an_older_server_cannot_read_is_named() {
        let plain = segment(2, 3, (false, 1, ""), 1);
        let (l0, grouped) = (segment(2, 4, (true, 0, ""), 1), segment(2, 5, (false, 2, ""), 1));
        assert_eq!(unreadable(std::slice::from_ref(&plain), false, 0), None);
        assert_eq!(unreadable(&[plain.clone(), l0.clone(), grouped.clone()], true, 2), None);
        let why = unreadable(&[plain.clone(), l0], false, 0);
        assert_eq!(why.as_deref(), Some("segment 4 is an L0 segment"));
        let why = unreadable(&[plain, grouped], true, 0);
        assert_eq!(why.as_deref(), Some("segment 5 is written in storage version 2"));
    }
}
