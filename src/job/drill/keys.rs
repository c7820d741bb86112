//! The keys of a restored collection. To be replaced by those who read them.

use crate::catalog::Readable;
use crate::job::{JobContext, JobResult};
use crate::manifest::{CollectionContent, CollectionRecord};
use crate::model::Namespace;

/// How the keys of a restored collection compare with those of the backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyComparison {
    /// Keys that have to be there and were looked for.
    pub(super) live: u64,
    /// Deleted keys that must not be there and were looked for.
    pub(super) deleted: u64,
    /// Whether these are all keys of the collection, or a sample.
    pub(super) whole: bool,
    /// What differs, in words, the first ten; empty if nothing does.
    pub(super) problems: Vec<String>,
}

pub(super) async fn compare_keys(
    _context: &JobContext,
    _backup: &Readable,
    (_collection, _content): (&CollectionRecord, &CollectionContent),
    _restored: &Namespace,
) -> JobResult<KeyComparison> {
    Ok(KeyComparison { live: 0, deleted: 0, whole: false, problems: Vec::new() })
}
