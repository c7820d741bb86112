//! The files of one collection: a line a segment, named by the digest of the lines.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};

use serde::{Deserialize, Serialize};

use super::{DocumentError, FileEntry, FileId, LogKind};
use crate::model::SegmentTraits;

/// zstd's own default: lists of 100,000 files shrink to about half of what is allowed.
const COMPRESSION_LEVEL: i32 = 3;

/// All files of one segment: one line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SegmentFiles {
    /// Collection id.
    pub collection: i64,
    /// Partition id.
    pub partition: i64,
    /// Segment id.
    pub segment: i64,
    /// Stored rows, deleted ones included.
    pub rows: i64,
    /// What newer servers tell of it.
    #[serde(default, skip_serializing_if = "SegmentTraits::are_ordinary")]
    pub traits: SegmentTraits,
    /// Insert logs by field, in the order of field ids.
    pub insert: Vec<FieldFiles>,
    /// Delta logs, in the order of log ids.
    pub delta: Vec<FileEntry>,
}

/// The insert logs of one field of one segment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FieldFiles {
    /// Field id.
    pub field: i64,
    /// Its files, in the order of log ids.
    pub files: Vec<FileEntry>,
}

impl SegmentFiles {
    /// Sorts files into the shape of a line. Every entry must belong to this segment.
    pub fn new(
        (collection, partition, segment): (i64, i64, i64),
        rows: i64,
        entries: impl IntoIterator<Item = (LogKind, FileEntry)>,
    ) -> Self {
        let mut insert: BTreeMap<i64, Vec<FileEntry>> = BTreeMap::new();
        let mut delta = Vec::new();
        for (kind, entry) in entries {
            match kind {
                LogKind::Insert { field } => insert.entry(field).or_default().push(entry),
                LogKind::Delta => delta.push(entry),
            }
        }
        let insert = insert
            .into_iter()
            .map(|(field, mut files)| {
                files.sort();
                FieldFiles { field, files }
            })
            .collect();
        delta.sort();
        let traits = SegmentTraits::default();
        Self { collection, partition, segment, rows, traits, insert, delta }
    }

    /// The same, of a segment that a newer server told more of.
    #[must_use]
    pub fn with_traits(mut self, traits: SegmentTraits) -> Self {
        self.traits = traits;
        self
    }

    /// Every file with its identity.
    pub fn files(&self) -> impl Iterator<Item = (FileId, &FileEntry)> {
        let id = |kind, entry: &FileEntry| FileId {
            collection: self.collection,
            partition: self.partition,
            segment: self.segment,
            kind,
            log: entry.log,
        };
        let inserts = self.insert.iter().flat_map(move |FieldFiles { field, files }| {
            files.iter().map(move |entry| (id(LogKind::Insert { field: *field }, entry), entry))
        });
        inserts.chain(self.delta.iter().map(move |entry| (id(LogKind::Delta, entry), entry)))
    }

    /// The sum of all sizes.
    pub fn bytes(&self) -> u64 {
        self.files().map(|(_, entry)| entry.size).sum()
    }
}

/// The files of one collection, sorted by partition and segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileList {
    segments: Vec<SegmentFiles>,
}

/// A list as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedList {
    /// BLAKE3 of the uncompressed lines, in hex: the list's name.
    pub digest: String,
    /// The compressed lines.
    pub bytes: Vec<u8>,
}

impl FileList {
    /// Sorts the lines, so that equal content has equal bytes.
    pub fn new(mut segments: Vec<SegmentFiles>) -> Self {
        segments.sort();
        Self { segments }
    }

    /// Files of any segments, without their rows: a checkpoint.
    pub fn of_files(files: impl IntoIterator<Item = (FileId, FileEntry)>) -> Self {
        let mut segments: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (id, entry) in files {
            let segment = (id.collection, id.partition, id.segment);
            segments.entry(segment).or_default().push((id.kind, entry));
        }
        let line = |(ids, entries)| SegmentFiles::new(ids, 0, entries);
        Self::new(segments.into_iter().map(line).collect())
    }

    /// The lines.
    pub fn segments(&self) -> &[SegmentFiles] {
        &self.segments
    }

    /// Every file with its identity.
    pub fn files(&self) -> impl Iterator<Item = (FileId, &FileEntry)> {
        self.segments.iter().flat_map(SegmentFiles::files)
    }

    /// The name of the stored form.
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for segment in &self.segments {
            hasher.update(&line(segment));
        }
        hasher.finalize().to_hex().to_string()
    }

    /// The stored form and its name. Nothing of the run is in it: the same files always
    /// give the same name.
    pub fn encode(&self) -> EncodedList {
        const IN_MEMORY: &str = "writing to memory cannot fail";
        let mut hasher = blake3::Hasher::new();
        let mut compressed = zstd::Encoder::new(Vec::new(), COMPRESSION_LEVEL).expect(IN_MEMORY);
        for segment in &self.segments {
            let line = line(segment);
            hasher.update(&line);
            compressed.write_all(&line).expect(IN_MEMORY);
        }
        let bytes = compressed.finish().expect(IN_MEMORY);
        EncodedList { digest: hasher.finalize().to_hex().to_string(), bytes }
    }

    /// Reads a stored list and proves that it is the one named `digest`.
    pub fn decode(bytes: &[u8], digest: &str) -> Result<Self, DocumentError> {
        let lines =
            zstd::decode_all(bytes).map_err(|error| DocumentError::damaged("list", error))?;
        let found = blake3::hash(&lines).to_hex();
        if found.as_str() != digest {
            return Err(DocumentError::damaged("list", format!("its digest is {found}")));
        }
        Self::parse(&lines)
    }

    /// Reads a stored list that is not named by its digest: a saved plan or a checkpoint.
    pub fn decode_plan(bytes: &[u8]) -> Result<Self, DocumentError> {
        let segments = read_plan(bytes)?.collect::<Result<_, _>>()?;
        Ok(Self { segments })
    }

    fn parse(lines: &[u8]) -> Result<Self, DocumentError> {
        let segments = lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(serde_json::from_slice)
            .collect::<Result<_, _>>()
            .map_err(|error| DocumentError::damaged("list", error))?;
        Ok(Self { segments })
    }
}

fn line(segment: &SegmentFiles) -> Vec<u8> {
    let mut line = serde_json::to_vec(segment).expect("numbers and text always encode");
    line.push(b'\n');
    line
}

/// Reads a saved plan or a checkpoint, one line after the other: a large one needs little memory.
pub fn read_plan(
    bytes: &[u8],
) -> Result<impl Iterator<Item = Result<SegmentFiles, DocumentError>> + Send + '_, DocumentError> {
    fn damaged(error: impl std::fmt::Display) -> DocumentError {
        DocumentError::damaged("plan", error)
    }
    let decoder = zstd::Decoder::with_buffer(bytes).map_err(damaged)?;
    let lines = BufReader::new(decoder).lines();
    Ok(lines.map(|line| serde_json::from_str(&line.map_err(damaged)?).map_err(damaged)))
}

#[cfg(test)]
mod tests {
    use super::{FileList, SegmentFiles};
    use crate::manifest::{FileEntry, LogKind};

    fn segment(segment: i64) -> SegmentFiles {
        let entry = |log| FileEntry {
            log,
            size: 10,
            source: "1700000000000000000".to_owned(),
            copy: String::new(),
            crc: "00000000000000aa".to_owned(),
        };
        SegmentFiles::new(
            (1, 2, segment),
            5,
            [
                (LogKind::Delta, entry(9)),
                (LogKind::Insert { field: 100 }, entry(8)),
                (LogKind::Insert { field: 0 }, entry(7)),
            ],
        )
    }

    #[test]
    fn equal_content_has_one_name_in_any_order() {
        let one = FileList::new(vec![segment(4), segment(3)]).encode();
        let other = FileList::new(vec![segment(3), segment(4)]).encode();
        assert_eq!(one, other);
    }

    #[test]
    fn a_list_reads_back_and_a_changed_one_is_damaged() {
        let list = FileList::new(vec![segment(3)]);
        let encoded = list.encode();
        assert_eq!(FileList::decode(&encoded.bytes, &encoded.digest).unwrap(), list);
        let other = FileList::new(vec![segment(4)]).encode();
        assert!(FileList::decode(&other.bytes, &encoded.digest).is_err());
        assert!(FileList::decode(&encoded.bytes[..20], &encoded.digest).is_err());
        assert_eq!(FileList::decode_plan(&encoded.bytes).unwrap(), list);
        for cut in 1..encoded.bytes.len() {
            assert!(FileList::decode_plan(&encoded.bytes[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn a_line_is_the_fixed_json() {
        let line = serde_json::to_string(&segment(3)).unwrap();
        assert_eq!(
            line,
            r#"{"collection":1,"partition":2,"segment":3,"rows":5,"insert":[{"field":0,"files":[[7,10,"1700000000000000000","","00000000000000aa"]]},{"field":100,"files":[[8,10,"1700000000000000000","","00000000000000aa"]]}],"delta":[[9,10,"1700000000000000000","","00000000000000aa"]]}"#
        );
    }
}
