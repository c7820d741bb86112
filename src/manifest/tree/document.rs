//! The five documents by name.

use crate::model::words;

words! {
    /// A document of a tree, in the order in which they are written. milvus-backup sees a backup by
    /// the last and restores it by the one before.
    pub enum TreeDocument {
        /// Partitions without their segments.
        Partition = "partition_meta",
        /// Segments of partitions.
        Segment = "segment_meta",
        /// Collections without their segments.
        Collection = "collection_meta",
        /// Everything.
        Full = "full_meta",
        /// What is known of the whole.
        Backup = "backup_meta",
    }
}
