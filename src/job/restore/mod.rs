//! One restore: fill beside, compare, index, load, swap.
//!
//! Every collection is filled as `<name>__restoring_<id>`, so that nothing live is touched
//! until it is whole. Then, and only then: the old one is dropped (`--drop-existing`), the
//! new one renamed, the aliases set.
//!
//! # The ledger
//!
//! `_restores/<id>.json` says how far each collection is, and is written before the step
//! that it names. A rerun for the same backup and the same Milvus finds it:
//!
//! | step in the ledger | the rerun |
//! | --- | --- |
//! | `filling` | drops `__restoring_` and fills anew |
//! | `swapping` | finishes drop, rename and aliases; each may have happened or not |
//! | `done` | leaves the collection alone and reports it; with `--drop-existing` makes it anew |
//!
//! Aliases of a collection that is dropped go into the ledger first, since Milvus leaves
//! them dangling. The ledger goes when every collection is done.
//!
//! # Users and roles
//!
//! Where they are asked for, they come first: what the target lacks goes to it in one call,
//! which makes all of it or nothing, before any collection is touched. A rerun looks anew at what
//! is there, so the ledger need not know of it.
//!
//! # Into Milvus 2.2
//!
//! Its importer loses rows that were deleted and written again in one segment. Nothing tells which
//! segments have such rows, so collections with any delta log are refused before anything is
//! made, unless someone accepts the loss.
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

mod collection;
mod create;
mod fill;
mod import;
mod in_place;
mod jobs;
mod probe;
mod proof;
mod recover;
mod reinserts;
mod run;
mod session;
mod staging;
mod swap;
mod told;

pub(super) use probe::probe;
pub use reinserts::LostReinserts;
pub use run::{RestoreOptions, plan_only, run_restore};
pub use session::{Staging, Wanted};
pub(super) use staging::StagingArea;
