//! What a scheduled verification tells in the end.

use jiff::Timestamp;
use serde::Serialize;

use crate::job::RunOutcome;
use crate::metrics::RereadFacts;

/// A scheduled verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RereadReport {
    /// Whose backups.
    pub policy: String,
    /// Backups that were looked at.
    pub backups: u64,
    /// Their files, each once.
    pub files: u64,
    /// The bytes of these.
    pub bytes: u64,
    /// Files that were read.
    pub files_read: u64,
    /// Bytes that were read.
    pub bytes_read: u64,
    /// Files that are not there.
    pub missing: Vec<String>,
    /// Files and documents that are not as they were written, and why.
    pub damaged: Vec<String>,
    /// Files and documents that could not be read, and why: nobody knows how they are.
    pub unread: Vec<String>,
    /// Files that were read, and that nothing could be compared with.
    pub unchecked: u64,
    /// Backups that have any of these.
    pub suspect: Vec<String>,
    /// Since when every byte was read, or that was first wanted.
    pub read_since: Option<Timestamp>,
    /// `complete`, or `failed` if anything is missing, damaged or could not be read.
    pub outcome: RunOutcome,
    #[serde(skip)]
    pub(super) wrong_size: u64,
    #[serde(skip)]
    pub(super) wrong_content: u64,
}

impl RereadReport {
    /// The same, as metrics tell it.
    pub fn facts(&self) -> RereadFacts {
        RereadFacts {
            good: self.files_read.saturating_sub(self.wrong_content),
            missing: self.missing.len() as u64,
            wrong_size: self.wrong_size,
            wrong_content: self.wrong_content,
            damaged: self.outcome == RunOutcome::Failed,
        }
    }

    /// What is wrong, the first few, and how much more there is.
    pub fn problems(&self) -> Vec<String> {
        const NAMED: usize = 5;
        let missing = self.missing.iter().map(|place| format!("{place} is missing"));
        let others = self.damaged.iter().chain(&self.unread).cloned();
        let all: Vec<String> = missing.chain(others).collect();
        let more = all.len().saturating_sub(NAMED);
        let more = (more > 0).then(|| format!("and {more} more"));
        all.into_iter().take(NAMED).chain(more).collect()
    }
}
