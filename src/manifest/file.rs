//! One segment file: its identity, and what a list says of it.

use serde::{Deserialize, Serialize};

/// Which of Milvus's two kinds of log a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogKind {
    /// Rows of one field.
    Insert {
        /// The field's id; 0 is the row id, 1 the timestamp.
        field: i64,
    },
    /// Deleted keys.
    Delta,
}

/// The identity of a segment file. Milvus never uses one twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// Collection id.
    pub collection: i64,
    /// Partition id.
    pub partition: i64,
    /// Segment id.
    pub segment: i64,
    /// Insert or delta.
    pub kind: LogKind,
    /// Log id.
    pub log: i64,
}

impl FileId {
    /// The path below Milvus's root, which is also the path below `_segments/`.
    pub fn tail(&self) -> String {
        let Self { collection, partition, segment, kind, log } = self;
        match kind {
            LogKind::Insert { field } => {
                format!("insert_log/{collection}/{partition}/{segment}/{field}/{log}")
            }
            LogKind::Delta => format!("delta_log/{collection}/{partition}/{segment}/{log}"),
        }
    }

    /// The reverse of [`Self::tail`]; `None` for anything that is not a segment file.
    pub fn parse(tail: &str) -> Option<Self> {
        let mut parts = tail.split('/');
        let folder = parts.next()?;
        let numbers: Vec<i64> = parts.map(canonical).collect::<Option<_>>()?;
        let (collection, partition, segment, kind, log) = match (folder, numbers.as_slice()) {
            ("insert_log", &[c, p, s, field, log]) => (c, p, s, LogKind::Insert { field }, log),
            ("delta_log", &[c, p, s, log]) => (c, p, s, LogKind::Delta, log),
            _ => return None,
        };
        Some(Self { collection, partition, segment, kind, log })
    }
}

/// A number whose text is the only text for it, so that parsing and printing are inverse.
fn canonical(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// What a list says of one file: `[log, size, source, copy, crc]`.
///
/// `source` is the fingerprint of Milvus's file when it was copied: the `ETag` on object
/// storage, `mtime` in nanoseconds on a local disk. `copy` is the `ETag` of our copy where
/// the store has one and it differs from `source`, else empty. `crc` is the CRC64NVME of
/// the bytes, 16 hex digits, where they passed through the agent, else empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Wire", into = "Wire")]
pub struct FileEntry {
    /// Log id.
    pub log: i64,
    /// Length in bytes.
    pub size: u64,
    /// Fingerprint of the source.
    pub source: String,
    /// Fingerprint of our copy, where it differs.
    pub copy: String,
    /// CRC64NVME of the content, 16 hex digits.
    pub crc: String,
}

type Wire = (i64, u64, String, String, String);

impl From<Wire> for FileEntry {
    fn from((log, size, source, copy, crc): Wire) -> Self {
        Self { log, size, source, copy, crc }
    }
}

impl From<FileEntry> for Wire {
    fn from(entry: FileEntry) -> Self {
        (entry.log, entry.size, entry.source, entry.copy, entry.crc)
    }
}

#[cfg(test)]
mod tests {
    use super::FileId;

    #[test]
    fn tails_parse_back_and_nothing_else_does() {
        for tail in ["insert_log/1/2/3/100/7", "delta_log/1/-1/3/7"] {
            assert_eq!(FileId::parse(tail).map(|id| id.tail()).as_deref(), Some(tail));
        }
        for other in [
            "insert_log/1/2/3/100",
            "insert_log/1/2/3/100/7/8",
            "delta_log/1/2/3/4/5",
            "stats_log/1/2/3/100/7",
            "insert_log/1/2/3/x/7",
            "insert_log/01/2/3/100/7",
            "insert_log/+1/2/3/100/7",
            "insert_log",
            "",
        ] {
            assert_eq!(FileId::parse(other), None, "{other}");
        }
    }
}
