//! One restore: fill beside, compare, index, load, swap.
//!
//! Every collection is filled (see [`super::filling`]) as `<name>__restoring_<id>`, so that nothing live is touched
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

mod collection;
mod recover;
mod reinserts;
mod run;
mod session;
mod swap;
mod told;

pub use reinserts::LostReinserts;
pub(super) use reinserts::may_lose;
pub use run::{RestoreOptions, plan_only, run_restore};
pub use session::Wanted;
