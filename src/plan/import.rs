//! The files of a collection → the imports that bring them back: how much each takes, and
//! whether Milvus reads a folder as it lies in the repository or one staged for it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::manifest::{FileEntry, FileId, LogKind, SegmentFiles};

/// How much one import may hold, so that it ends within a third of the server's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimit {
    /// Bytes of insert and delta logs.
    pub bytes: u64,
}

impl BatchLimit {
    /// `rootCoord.importTaskExpiration` is 900 s from the start of an import (measured on 2.3.5).
    pub const SERVER_LIMIT: Duration = Duration::from_mins(15);
    const BUDGET_SECS: u64 = Self::SERVER_LIMIT.as_secs() / 3;
    /// Small enough for a slow disk in the budget: below 1 MiB/s.
    const FIRST: u64 = 256 << 20;
    const LEAST: u64 = 1 << 20;
    /// What is staged must fit on a disk that Milvus may share.
    const MOST: u64 = 8 << 30;
    /// A first batch that was lucky must not decide alone.
    const GROWTH: u64 = 4;

    /// Before anything is known of the server.
    pub fn first() -> Self {
        Self { bytes: Self::FIRST }
    }

    /// After a batch of `bytes` took `took`. Batches much smaller than the limit teach
    /// nothing about large ones, so they only ever lower it.
    #[must_use]
    pub fn after(self, bytes: u64, took: Duration) -> Self {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
        let affordable = bytes.saturating_mul(Self::BUDGET_SECS * 1000) / millis;
        let ceiling = if bytes >= self.bytes / 2 {
            self.bytes.saturating_mul(Self::GROWTH)
        } else {
            self.bytes
        };
        let too_slow = took.as_secs() > Self::BUDGET_SECS;
        let lowered = if too_slow { affordable } else { affordable.max(self.bytes) };
        Self { bytes: lowered.clamp(Self::LEAST, ceiling.min(Self::MOST)) }
    }

    /// After a batch that ran out of time.
    #[must_use]
    pub fn halved(self) -> Self {
        Self { bytes: (self.bytes / 2).max(Self::LEAST) }
    }
}

/// What an import reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// The folder of its partition, as it lies in the repository.
    Partition,
    /// The folder of its only segment, as it lies there.
    Segment,
    /// A folder with exactly its files, made for it.
    Staged,
}

/// The files that lie in the repository's folders of one partition, and their sizes: what an
/// import of these folders would read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lying {
    files: BTreeMap<String, u64>,
    /// Ways to read them that would not find them.
    without: Vec<Reads>,
}

impl Lying {
    /// From what a listing found, each file by its path below `_segments/`.
    pub fn new(files: impl IntoIterator<Item = (String, u64)>) -> Self {
        Self { files: files.into_iter().collect(), without: Vec::new() }
    }

    /// The same files in folders that cannot be read so.
    #[must_use]
    pub fn without(mut self, reads: Reads) -> Self {
        self.without.push(reads);
        self
    }

    /// Whether an import that reads so would find exactly the files of these segments.
    pub fn are(&self, segments: &[SegmentFiles], reads: Reads) -> bool {
        let files = segments.iter().flat_map(SegmentFiles::files);
        let wanted: BTreeMap<String, u64> =
            files.map(|(id, entry)| (id.tail(), entry.size)).collect();
        match (reads, segments) {
            (Reads::Staged, _) => true,
            (reads, _) if self.without.contains(&reads) => false,
            (Reads::Partition, _) => self.files == wanted,
            (Reads::Segment, [segment]) => ["insert_log", "delta_log"].into_iter().all(|kind| {
                let SegmentFiles { collection, partition, segment, .. } = segment;
                let folder = format!("{kind}/{collection}/{partition}/{segment}/");
                below(&self.files, &folder).eq(below(&wanted, &folder))
            }),
            (Reads::Segment, _) => false,
        }
    }
}

fn below<'a>(
    files: &'a BTreeMap<String, u64>,
    folder: &'a str,
) -> impl Iterator<Item = (&'a String, &'a u64)> {
    let from_folder = files.range(folder.to_owned()..);
    from_folder.take_while(move |(file, _)| file.starts_with(folder))
}

/// From this size on a segment is imported by itself, as it lies: a further import takes the
/// server 2 s, however little it reads (24 took 48 s, measured on 2.3.5), and in that time a
/// store that copies 32 MiB in a second has staged as much.
const LARGE: u64 = 64 << 20;

/// One import: some segments of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Collection and partition id in the source, which name the folders.
    pub source: (i64, i64),
    /// What it reads.
    pub reads: Reads,
    /// Its segments.
    pub segments: Vec<SegmentFiles>,
}

impl Batch {
    /// Stored rows.
    pub fn rows(&self) -> u64 {
        self.segments.iter().map(|segment| segment.rows.unsigned_abs()).sum()
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        bytes(&self.segments)
    }

    /// Its files.
    pub fn files(&self) -> impl Iterator<Item = (FileId, &FileEntry)> {
        self.segments.iter().flat_map(SegmentFiles::files)
    }

    /// Whether any row may have been deleted.
    pub fn has_deltas(&self) -> bool {
        self.files().any(|(id, _)| id.kind == LogKind::Delta)
    }
}

fn bytes(segments: &[SegmentFiles]) -> u64 {
    segments.iter().map(SegmentFiles::bytes).sum()
}

/// The segments of a list in the order of their imports: by partition, and large ones first, so
/// that those that are imported alone do not come between small ones.
pub fn in_import_order(list: &[SegmentFiles]) -> Vec<SegmentFiles> {
    let mut segments = list.to_vec();
    segments.sort_by_key(|segment| (segment.partition, segment.bytes() < LARGE, segment.segment));
    segments
}

/// The first import of what is left of a list: segments of one partition, within the limit
/// unless the first alone is larger. `rest` is [`in_import_order`].
///
/// `lying` is what lies in the repository's folders of the first segment's partition, where
/// Milvus can read them. One import of all that is left of a partition is best; then a large
/// segment by itself, which needs no copy; the rest is staged together.
pub fn next_batch(
    rest: &[SegmentFiles],
    limit: BatchLimit,
    lying: Option<&Lying>,
) -> Option<Batch> {
    let first = rest.first()?;
    let source = (first.collection, first.partition);
    let of_partition = |segment: &&SegmentFiles| (segment.collection, segment.partition) == source;
    let partition = &rest[..rest.iter().take_while(of_partition).count()];
    let lies =
        |segments: &[SegmentFiles], reads| lying.is_some_and(|lying| lying.are(segments, reads));
    let alone = |segment: &SegmentFiles| {
        segment.bytes() >= LARGE && lies(std::slice::from_ref(segment), Reads::Segment)
    };
    let (reads, count) = if bytes(partition) <= limit.bytes && lies(partition, Reads::Partition) {
        (Reads::Partition, partition.len())
    } else if alone(first) {
        (Reads::Segment, 1)
    } else {
        let mut room = limit.bytes.saturating_sub(first.bytes());
        let fits = |segment: &&SegmentFiles| {
            let left = room.checked_sub(segment.bytes()).filter(|_| !alone(segment));
            room = left.unwrap_or(room);
            left.is_some()
        };
        (Reads::Staged, 1 + partition[1..].iter().take_while(fits).count())
    };
    Some(Batch { source, reads, segments: partition[..count].to_vec() })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Batch, BatchLimit, LARGE, Lying, Reads, in_import_order, next_batch};
    use crate::manifest::{FileEntry, LogKind, SegmentFiles};

    fn segment(partition: i64, segment: i64, size: u64) -> SegmentFiles {
        let entry = FileEntry {
            log: 1,
            size,
            source: String::new(),
            copy: String::new(),
            crc: String::new(),
        };
        let kind = LogKind::Insert { field: 0 };
        SegmentFiles::new((1, partition, segment), 10, [(kind, entry)])
    }

    #[test]
    fn one_import_never_mixes_partitions_or_passes_the_limit() {
        let segments = [
            segment(1, 1, 40),
            segment(1, 2, 60),
            segment(1, 3, 1),
            segment(2, 4, 1),
            segment(2, 5, 500),
            segment(2, 6, 1),
        ];
        let batches = batches(&segments, BatchLimit { bytes: 100 }, None);
        let shape = batches.iter().map(|batch| (batch.source.1, batch.bytes(), batch.rows()));
        let expected = [(1, 100, 20), (1, 1, 10), (2, 1, 10), (2, 500, 10), (2, 1, 10)];
        assert_eq!(shape.collect::<Vec<_>>(), expected);
        assert!(batches.iter().all(|batch| batch.reads == Reads::Staged));
    }

    fn batches(list: &[SegmentFiles], limit: BatchLimit, lying: Option<&Lying>) -> Vec<Batch> {
        let mut rest = list;
        let mut batches = Vec::new();
        while let Some(batch) = next_batch(rest, limit, lying) {
            rest = &rest[batch.segments.len()..];
            batches.push(batch);
        }
        batches
    }

    fn lying(segments: &[SegmentFiles]) -> Lying {
        let files = segments.iter().flat_map(SegmentFiles::files);
        Lying::new(files.map(|(id, entry)| (id.tail(), entry.size)))
    }

    fn shape(list: &[SegmentFiles], limit: u64, lying: &Lying) -> Vec<(Reads, usize)> {
        let batches = batches(list, BatchLimit { bytes: limit }, Some(lying));
        batches.iter().map(|batch| (batch.reads, batch.segments.len())).collect()
    }

    #[test]
    fn a_partition_that_lies_there_alone_is_read_as_it_lies() {
        let list = [segment(1, 1, 40), segment(1, 2, LARGE)];
        let there = lying(&list);
        assert_eq!(shape(&list, 2 * LARGE, &there), [(Reads::Partition, 2)]);
        // Too much for one import: what is large by itself, as it lies.
        assert_eq!(shape(&list, LARGE, &there), [(Reads::Staged, 1), (Reads::Segment, 1)]);
    }

    #[test]
    fn large_segments_do_not_come_between_small_ones() {
        let list = [segment(1, 1, 4), segment(1, 2, LARGE), segment(1, 3, 5), segment(2, 4, LARGE)];
        let mut there = lying(&list);
        there.files.insert("insert_log/1/1/9/0/1".to_owned(), 1);
        let ordered = in_import_order(&list);
        let ids: Vec<i64> = ordered.iter().map(|segment| segment.segment).collect();
        assert_eq!(ids, [2, 1, 3, 4]);
        let shape = shape(&ordered, 2 * LARGE, &there);
        assert_eq!(shape, [(Reads::Segment, 1), (Reads::Staged, 2), (Reads::Segment, 1)]);
    }

    #[test]
    fn a_folder_with_other_files_is_not_read() {
        let list = [segment(1, 1, 40), segment(1, 2, LARGE), segment(1, 3, 7), segment(1, 4, 8)];
        let delta = |of: i64| (format!("delta_log/1/1/{of}/5"), 1);
        let with = |more: (String, u64)| {
            let mut there = lying(&list);
            there.files.insert(more.0, more.1);
            shape(&list, 2 * LARGE, &there)
        };
        let (staged, alone) = (Reads::Staged, Reads::Segment);
        // A later segment, and a later delete in one that is small.
        for more in [("insert_log/1/1/9/0/1".to_owned(), 1), delta(1)] {
            assert_eq!(with(more), [(staged, 1), (alone, 1), (staged, 2)]);
        }
        // A later delete, or something else, in the large one.
        for more in [delta(2), ("insert_log/1/1/2/x".to_owned(), 1)] {
            assert_eq!(with(more), [(staged, 4)]);
        }
        let mut lacking = lying(&list);
        lacking.files.remove("insert_log/1/1/2/0/1");
        assert_eq!(shape(&list, 2 * LARGE, &lacking), [(staged, 4)]);
        let mut short = lying(&list);
        short.files.insert("insert_log/1/1/2/0/1".to_owned(), LARGE - 1);
        assert_eq!(shape(&list, 2 * LARGE, &short), [(staged, 4)]);
    }

    #[test]
    fn folders_are_read_only_in_ways_that_find_their_files() {
        let list = [segment(1, 1, LARGE), segment(1, 2, LARGE)];
        let grouped = lying(&list).without(Reads::Segment);
        assert_eq!(shape(&list, LARGE, &grouped), [(Reads::Staged, 1), (Reads::Staged, 1)]);
        assert_eq!(shape(&list, 2 * LARGE, &grouped), [(Reads::Partition, 2)]);
        let nested = lying(&list).without(Reads::Partition);
        assert_eq!(shape(&list, 2 * LARGE, &nested), [(Reads::Segment, 1), (Reads::Segment, 1)]);
    }

    #[test]
    fn what_is_left_of_a_partition_is_not_the_partition() {
        let list = [segment(1, 1, 40), segment(1, 2, 50)];
        let batch = next_batch(&list[1..], BatchLimit::first(), Some(&lying(&list))).unwrap();
        assert_eq!(batch.reads, Reads::Staged);
    }

    #[test]
    fn the_limit_learns_from_batches_that_say_something() {
        let limit = BatchLimit { bytes: 1 << 30 };
        let fast = limit.after(1 << 30, Duration::from_secs(10));
        assert_eq!(fast.bytes, 4 << 30);
        let small = limit.after(1 << 10, Duration::from_secs(3));
        assert_eq!(small, limit, "a small batch is all overhead");
        let slow = limit.after(1 << 30, Duration::from_mins(10));
        assert_eq!(slow.bytes, 1 << 29);
        assert_eq!(limit.halved().bytes, 1 << 29);
        assert_eq!(BatchLimit { bytes: 1 }.halved().bytes, 1 << 20);
    }
}
