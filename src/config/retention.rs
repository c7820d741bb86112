//! How long what is to be deleted stays.

use jiff::SignedDuration;

/// The graces of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// From the tombstone to the deletion: as long, `undelete` works.
    pub delete_grace: SignedDuration,
    /// Between the first and the last look that found a file unreferenced.
    pub orphan_grace: SignedDuration,
    /// How long a run without a backup stays, for those who ask why.
    pub failed_ttl: SignedDuration,
    /// How many of a policy's backups one prune may let go, in percent.
    pub max_delete_percent: u8,
}
