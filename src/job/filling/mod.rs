//! Collections that are filled from a backup: by a restore, and by a drill.
//!
//! Each is made empty, with the very field ids that the files have, filled by imports, indexed and
//! loaded. What it is called in the end, and what becomes of it, is its caller's.
//!
//! # In place, or staged
//!
//! An import reads a folder. Where the repository is in Milvus's own bucket, it reads the
//! folder of a partition or of a large segment as it lies there, if that holds exactly the
//! backup's files before and after the import. Since the shared folders grow with every backup,
//! the rest is staged: exactly the backup's files, as hard links or server-side copies where
//! that is possible, one folder for each import, removed as soon as the import has ended.
//! [`crate::plan::next_batch`] decides. Each file is read and compared with its checksum first.
//! If anything is odd about an import in place, the collection is filled anew from staged files.
//!
//! On a disk nothing is imported in place: hard links cost no copy, and there Milvus passes over
//! a folder that it may not read without a word, which would look like deleted rows.
//!
//! # Time
//!
//! Milvus ends an import 900 s after its start. [`crate::plan::BatchLimit`] cuts a
//! partition into imports that should take a third of that, learns from each how fast the
//! server is, and halves after a time-out, after which the collection is filled anew: an
//! import that ran out of time may have left rows behind.

mod create;
mod fill;
mod import;
mod in_place;
mod jobs;
mod probe;
mod proof;
mod serve;
mod staging;
mod state;

pub(super) use create::UNTRIED;
pub(super) use fill::{Filled, fill};
pub(super) use probe::probe;
pub(super) use serve::{index, load};
pub(super) use staging::{StagingArea, remove};
pub use state::Staging;
pub(super) use state::{Filling, ends_run};
