//! What a backup is, as lists and metrics tell it.

use serde::Serialize;

use super::words::words;

words! {
    /// The state of a backup.
    #[derive(Serialize)]
    #[serde(rename_all = "lowercase")]
    pub enum BackupState {
        /// Every collection can be restored.
        Complete = "complete",
        /// The same, but something speaks against it: it does not count as a good one.
        Suspect = "suspect",
        /// Some collections can.
        Partial = "partial",
        /// A run ended without a backup.
        Failed = "failed",
        /// A run is at work.
        Running = "running",
        /// Hidden, and will go.
        Tombstoned = "tombstoned",
        /// Something is not as it was written.
        Damaged = "damaged",
        /// A tree that milvus-backup wrote: it can be restored, and is never deleted.
        Foreign = "foreign",
    }
}
