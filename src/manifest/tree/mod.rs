//! milvus-backup's own tree: five documents beside the segment files.
//!
//! ```text
//! <backup>/meta/backup_meta.json       what is known of the whole; by it milvus-backup sees a backup
//! <backup>/meta/collection_meta.json   {"infos":[...]}, collections without their segments
//! <backup>/meta/partition_meta.json    {"infos":[...]}, partitions without their segments
//! <backup>/meta/segment_meta.json      {"infos":[...]}, segments of partitions
//! <backup>/meta/full_meta.json         all of it in one; by it milvus-backup restores
//! <backup>/binlogs/...                 the files, where [`super::Placement::Own`] says
//! ```
//!
//! `format` holds the messages, each key in milvus-backup's order; [`tree_documents`] fills them
//! from a manifest and its lists. The text is what Go's `encoding/json` makes of generated
//! structs: a key is absent where its value is zero (but for `size`, `log_size`, `state_code` and
//! `has_index`), ids and timestamps are bare numbers of 64 bits, enums are numbers, and `<`, `>`
//! and `&` are escaped (`text`).
//!
//! What our manifest does not know stays absent: channel checkpoints, and the extra facts of an
//! index that only etcd tells. `backup_timestamp` is the boundary of the collection.

mod document;
mod format;
mod text;
mod write;

pub use document::TreeDocument;
pub use write::{TreeDocuments, tree_documents};
