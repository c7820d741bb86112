//! How far scheduled verifications of a policy's backups have come.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::RunOutcome;

/// The files of all backups of a policy fall into so many parts.
pub const PARTS: usize = 1024;

/// `_proofs/<policy>/verify.json`: when each part of the files was last read. It stays as small
/// as it is, however many files there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadingProof {
    /// Format of this document.
    pub version: u32,
    /// When an agent first saw that the policy wants this; none while it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When the last reading of each part as a whole began, in seconds since 1970; 0 for never.
    #[serde(default)]
    read: Vec<i64>,
    /// The parts with files that were found damaged when they were last read.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub damaged: BTreeSet<usize>,
    /// The newest run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<ReadingEnd>,
}

/// How one scheduled verification ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadingEnd {
    /// When it began.
    pub started_at: Timestamp,
    /// When.
    pub at: Timestamp,
    /// How.
    pub outcome: RunOutcome,
    /// Files that it read.
    pub files: u64,
    /// Bytes that it read.
    pub bytes: u64,
    /// What it found wrong, the first of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

impl ReadingProof {
    /// Nothing was ever read.
    pub fn none() -> Self {
        Self { version: 1, since: None, read: Vec::new(), damaged: BTreeSet::new(), last: None }
    }

    /// When a part was last read.
    pub fn read_at(&self, part: usize) -> Option<Timestamp> {
        let second = *self.read.get(part)?;
        Timestamp::from_second(second).ok().filter(|_| second > 0)
    }

    /// Notes that a part was read as a whole, from this moment on.
    pub fn was_read(&mut self, part: usize, at: Timestamp) {
        self.read.resize(PARTS, 0);
        self.read[part] = at.as_second();
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{PARTS, ReadingProof};
    use crate::manifest::{decode, encode};

    #[test]
    fn it_is_small_and_a_list_of_another_length_is_no_trouble() {
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let mut proof = ReadingProof::none();
        assert_eq!(proof.read_at(0), None);
        for part in 0..PARTS {
            proof.was_read(part, at);
        }
        let bytes = encode(&proof);
        assert!(bytes.len() < 12_000, "{}", bytes.len());
        assert!(bytes.starts_with(br#"{"version":1,"read":[1800000000,1800000000,"#));
        let back: ReadingProof = decode("record of readings", &bytes).unwrap();
        assert_eq!(back, proof);
        assert_eq!(back.read_at(PARTS - 1), Some(at));
        for read in ["", r#","read":[5]"#] {
            let text = format!(r#"{{"version":1{read}}}"#);
            let mut short: ReadingProof = decode("x", text.as_bytes()).unwrap();
            assert_eq!(short.read_at(1), None);
            short.was_read(1, at);
            assert_eq!((short.read_at(1), short.read_at(2)), (Some(at), None));
        }
    }
}
