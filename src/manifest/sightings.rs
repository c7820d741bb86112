//! `_sweep.jsonl.zst`: which files were seen to be in no backup, and since when.
//!
//! A line for the version, then a line a file, in the order of [`Sighting::order`]. It is
//! written and read as a stream: a million lines need little memory.

use std::io::{BufRead, BufReader, Write};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{DocumentError, FileId, decode, encode};

const WHAT: &str = "sweep record";

/// zstd's own default.
const COMPRESSION_LEVEL: i32 = 3;

const IN_MEMORY: &str = "writing to memory cannot fail";

/// One file that is in no backup: `[path, first_seen, size]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Wire", into = "Wire")]
pub struct Sighting {
    /// Its path in the cluster's folder.
    pub path: String,
    /// When a sweep saw it first, by the store's clock.
    pub first_seen: Timestamp,
    /// Its length in bytes.
    pub size: u64,
}

type Wire = (String, Timestamp, u64);

impl From<Wire> for Sighting {
    fn from((path, first_seen, size): Wire) -> Self {
        Self { path, first_seen, size }
    }
}

impl From<Sighting> for Wire {
    fn from(sighting: Sighting) -> Self {
        (sighting.path, sighting.first_seen, sighting.size)
    }
}

impl Sighting {
    /// Where a path stands: segment files first, by the number of their collection, since
    /// they are looked at one collection after the other; then everything else.
    pub fn order(path: &str) -> (bool, i64, &str) {
        match path.strip_prefix("_segments/").and_then(FileId::parse) {
            Some(id) => (false, id.collection, path),
            None => (true, 0, path),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Head {
    version: u32,
}

/// Writes the document.
pub struct SightingsWriter(zstd::Encoder<'static, Vec<u8>>);

impl std::fmt::Debug for SightingsWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SightingsWriter")
    }
}

impl Default for SightingsWriter {
    fn default() -> Self {
        let mut writer = Self(zstd::Encoder::new(Vec::new(), COMPRESSION_LEVEL).expect(IN_MEMORY));
        writer.line(&Head { version: 1 });
        writer
    }
}

impl SightingsWriter {
    /// Adds a file. The caller keeps the order.
    pub fn push(&mut self, sighting: &Sighting) {
        self.line(sighting);
    }

    /// The stored form.
    pub fn finish(self) -> Vec<u8> {
        self.0.finish().expect(IN_MEMORY)
    }

    fn line(&mut self, value: &impl Serialize) {
        let mut line = encode(value);
        line.push(b'\n');
        self.0.write_all(&line).expect(IN_MEMORY);
    }
}

/// Reads the document, one file after the other. A newer version is refused at once.
pub fn read_sightings(
    bytes: &[u8],
) -> Result<impl Iterator<Item = Result<Sighting, DocumentError>> + Send + '_, DocumentError> {
    fn damaged(error: impl std::fmt::Display) -> DocumentError {
        DocumentError::damaged(WHAT, error)
    }
    let decoder = zstd::Decoder::with_buffer(bytes).map_err(damaged)?;
    let mut lines = BufReader::new(decoder).lines();
    let head = lines.next().ok_or_else(|| damaged("it is empty"))?.map_err(damaged)?;
    decode::<Head>(WHAT, head.as_bytes())?;
    Ok(lines.map(|line| serde_json::from_str(&line.map_err(damaged)?).map_err(damaged)))
}

#[cfg(test)]
mod tests {
    use super::{Sighting, SightingsWriter, read_sightings};
    use crate::manifest::DocumentError;

    fn sighting(path: &str) -> Sighting {
        let first_seen = "2026-11-23T02:00:00Z".parse().unwrap();
        Sighting { path: path.to_owned(), first_seen, size: 7 }
    }

    #[test]
    fn what_is_written_is_read_and_what_is_cut_off_is_damage() {
        let all = ["_segments/insert_log/1/2/3/0/7", "_lists/a.jsonl.zst"].map(sighting);
        let mut writer = SightingsWriter::default();
        for one in &all {
            writer.push(one);
        }
        let bytes = writer.finish();
        let read: Result<Vec<_>, _> = read_sightings(&bytes).unwrap().collect();
        assert_eq!(read.unwrap(), all);
        for cut in 0..bytes.len() {
            let whole = read_sightings(&bytes[..cut]).is_ok_and(|read| read.flatten().count() == 2);
            let clean =
                read_sightings(&bytes[..cut]).is_ok_and(|mut read| read.all(|one| one.is_ok()));
            assert!(!clean || whole, "{cut} of {} bytes read as a whole", bytes.len());
        }
    }

    #[test]
    fn a_newer_version_is_refused_and_a_line_is_the_fixed_json() {
        let newer = zstd::encode_all(&b"{\"version\":2}\n"[..], 3).unwrap();
        let refused = read_sightings(&newer).map(drop).unwrap_err();
        assert!(matches!(refused, DocumentError::TooNew { found: 2, .. }), "{refused}");
        let line = serde_json::to_string(&sighting("_lists/a")).unwrap();
        assert_eq!(line, r#"["_lists/a","2026-11-23T02:00:00Z",7]"#);
    }

    #[test]
    fn files_are_in_the_order_of_their_collections() {
        let mut paths = [
            "_segments/insert_log/10/1/1/0/1",
            "_lists/a",
            "_segments/insert_log/9/1/1/0/1",
            "_segments/delta_log/10/1/1/1",
        ];
        paths.sort_by_key(|path| Sighting::order(path));
        let expected = ["insert_log/9", "delta_log/10", "insert_log/10", "_lists"];
        for (path, expected) in paths.iter().zip(expected) {
            assert!(path.contains(expected), "{paths:?}");
        }
    }
}
