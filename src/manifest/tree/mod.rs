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
//! index that only etcd tells. `backup_timestamp` of a collection stays absent, too: milvus-backup
//! v0.4 and v0.5.2 hand it to Milvus as `end_ts`, which 2.3 takes for milliseconds, so that a
//! restore of theirs would lose every row of some backups, depending on the moment.
//!
//! # Reading
//!
//! [`read_tree`] makes a manifest and lists of such documents, whichever version wrote them:
//! `full_meta.json` alone, or where there is none the other four joined by collection and
//! partition. Unknown keys are ignored, `state_code` means nothing. A group is the segment's own
//! id since v0.4.4; before, it was 0 (no folder) or a number that several segments share.
//! The id of a log is the name of its file. There is no boundary: a restore brings back all that the
//! files hold. A segment with rows and no file of them costs its collection, and where no row of the
//! tree has a file the tree; one that never looked for files is of schemas alone (`segments`).
//! What does not fit together is a [`super::DocumentError`] that says where; what is
//! only missing, such as a file, a verification finds.

mod document;
mod format;
mod read;
mod segments;
mod text;
mod time;
mod write;

pub use document::TreeDocument;
pub use read::{Tree, TreeSource, read_tree};
pub use write::{TreeDocuments, tree_documents};
