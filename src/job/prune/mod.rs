//! Deleting: `delete`, `undelete` and `prune`.
//!
//! `delete` puts a tombstone, which hides the backup at once. After the grace, `prune` takes
//! the rest away, one durable step after the other (the order is [`crate::catalog`]'s). What a
//! crash interrupts, the next prune finishes. Whatever takes a hidden backup away or brings it
//! back holds the lease `prune`, so that no `undelete` comes too late and says it did not.
//!
//! # Readers
//!
//! A restore puts its ledger and then looks for a tombstone; a delete puts its tombstone and
//! then looks for ledgers. So at least one sees the other: the restore ends, or the delete
//! waits for a later prune. `verify`, `export`, a drill, `pin` and `unpin` hold a lease in the place of a
//! ledger, under which they write what they have to say: late, beside a backup that is gone, it would
//! stay for ever. On a read-only repository `verify` does without: it looks again when it finds
//! damage, and says that the backup was deleted.
//!
//! # Sweep
//!
//! Files under `_segments` and `_lists` are shared, and go when nothing refers to them:
//!
//! 1. Take the lease `sweep`, then look at all attempts. A live one without a saved plan ends
//!    the sweep at once; a saved plan counts as references, a dead run's too.
//! 2. Compare a listing with the references, one collection after the other, and keep what
//!    nothing refers to in `_sweep.jsonl.zst`, each file with its first sighting. A manifest,
//!    plan or list that cannot be read ends the sweep before anything is deleted.
//! 3. Delete what was seen `orphan_grace` ago or longer, by the store's clock, in batches. No
//!    batch begins in the second half of the lease's life, or in a process that slept (see
//!    Fencing in [`crate::catalog`]).
//!
//! A backup run looks for the lease after putting its attempt and after saving its plan, and
//! waits: so a sweep knows of the run, or the run of the sweep. Lists have names only when
//! their files are copied, in no plan, so they wait until no run is unfinished.
//!
//! A killed run may leave parts of a file in a bucket, which are no objects. A sweep takes away
//! those in its cluster's folder that were begun `orphan_grace` ago or longer, at least a day.
//!
//! What `modified` says is not trusted to make a file older: a hard link has the age of
//! Milvus's file.

mod act;
mod apply;
mod delete;
mod pin;
mod report;
mod request;
mod requests;
mod run;
mod survey;
mod sweep;
mod uploads;

pub(super) use delete::own_cluster;
pub use delete::{DeleteReport, Removal, run_delete, run_undelete};
pub use pin::{PinReport, run_pin, run_unpin};
pub use report::{PruneReport, StagingRoot, VerdictRow};
pub use request::{Prune, PruneRequest, Sweeping};
pub use run::run_prune;
