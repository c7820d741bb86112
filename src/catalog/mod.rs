//! Which backups exist: how one comes to be, and what a reader believes.
//!
//! A backup exists when `manifest.json` does, with the folder's name in it, an `attempt.json`
//! of the same run token stands beside it, and no `tombstone.json` does. Everything else is an
//! attempt, a damaged backup (also a folder that was copied) or a deleted one, and is listed as
//! what it is, never skipped.
//!
//! # Commit
//!
//! | step | killed after it, a reader sees | who repairs it |
//! | --- | --- | --- |
//! | 1 lease `run-<token>` | nothing | the lease stops beating; prune removes it |
//! | 2 `attempt.json`, put if absent | `running`, later `failed (interrupted)` | prune, after `failed_ttl` |
//! | 3 plan saved; a live sweep waited for, here and after 2 | the same | the same; its files are swept |
//! | 4 segment files, now and then a sync and a checkpoint of them | the same | the next run adopts or the sweep removes them |
//! | 5 standalone: files deleted that are in no list; one sync of the store | the same | the same |
//! | 6 lists; `rbac.json`, where it was asked for | the same | the same |
//! | 7 standalone: documents in `meta`: partition, segment, collection, full, backup | the same; **milvus-backup sees a whole backup** after the last | a run under the same name, or prune, before anything else |
//! | 8 every file listed again, attempt and lease read | the same; where something is wrong, the last two documents are deleted | the same |
//! | 9 `manifest.json`, put if absent | **the backup, complete** | – |
//! | 10 plan and checkpoint deleted, lease released | the backup, complete | prune removes both |
//!
//! A standalone backup shares no file: its files lie in its own folder, of which an earlier run
//! under its name has the checkpoint, and its saved plan names nothing. milvus-backup believes
//! what it finds in `binlogs/`, so what a collection left there that was planned again is deleted
//! before that tree can be seen. `export` makes a backup in the same steps of one that is there.
//!
//! `tests/it/crash.rs` and `standalone_crash.rs` walk this table: they stop a run after every
//! single write.
//!
//! A run that was suspended, cleaned up after, and then wakes, does not put its manifest any
//! more (see Fencing). Did it, the manifest would lie without an attempt of its token, and
//! count as damaged, never as a backup.
//!
//! # Delete
//!
//! Every step is durable before the next begins, as a disk may keep a later unlink and lose
//! an earlier one. A tombstone beats a manifest wherever both are.
//!
//! | step | killed after it, a reader sees | who repairs it |
//! | --- | --- | --- |
//! | 1 `tombstone.json`, put if absent | `tombstoned` | prune, after `delete_grace`; `undelete` takes it away |
//! | 2 `manifest.json` deleted | `tombstoned`; `undelete` is refused | the next prune, without a grace |
//! | 3 standalone: `backup_meta.json` deleted, then `full_meta.json` | the same; milvus-backup sees nothing | the same |
//! | 4 the rest: plan, `rbac.json`, files of its own | the same | the same |
//! | 5 `attempt.json` deleted | the same | the same |
//! | 6 `tombstone.json` deleted | nothing | – |
//! | 7 its shared files: seen by one sweep | – | the next sweep, after `orphan_grace` |
//!
//! A dead attempt goes the same way, with a tombstone put by prune. `tests/it/prune_crash.rs`
//! and `standalone_crash.rs` walk this table. Steps 2 to 6, and `undelete`, need the lease `prune`.
//!
//! # Resuming
//!
//! What a checkpoint names was durable before it was written and never changes, so any later
//! run uses it without copying or reading it, if the source still has its fingerprint and the
//! copy is listed with its size. What no checkpoint names is compared before it is used.
//!
//! A run that is given the name of an unfinished one takes its place in these steps:
//!
//! | step | killed after it | who repairs it |
//! | --- | --- | --- |
//! | 1 the old run has ended, or its lease is dead, as seen here or by the caller | as before | – |
//! | 2 lease `heir-<old run>-<n>`, put if absent: one taker of all | as before | the next taker, with `n+1`; prune removes it |
//! | 3 attempt, manifest and tombstone read again | the same | the same |
//! | 4 the old plan and `rbac.json` deleted, its checkpoint stays | the same | the same |
//! | 5 `attempt.json` overwritten, with the token of the new run | `running`, later `failed (interrupted)` | as after step 2 of a commit |
//! | 6 after step 2 of the new run's commit: documents of a tree deleted as in a delete; its files too, if the new backup is incremental | the same | the same |
//!
//! The old run may wake at any time. Its lease is lost: it writes no attempt, plan, checkpoint
//! or manifest, and records no end.
//!
//! # Leases
//!
//! A lease is an object that its holder rewrites with a growing counter. It is dead when
//! the counter has not moved for three intervals of the *observer's* monotonic clock, or at
//! once when its process is known to be gone from this machine; no wall clocks are
//! compared.
//!
//! `run-<token>`, `restore-<id>` and `drill-<id>` are never used twice and are deleted at the end. `prune`
//! and `sweep` are one for all: taking one over is put-if-absent of the next number, and its
//! holder marks it `released` at the end. Of any lease the highest number counts, for those
//! who watch and for the holder, who looks for a higher one at each beat. Lower numbers may be
//! deleted, the highest of `prune` and `sweep` never is.
//!
//! # Fencing
//!
//! A holder may stand still anywhere (SIGSTOP, a machine that is out of memory), also between
//! its look at the lease and the call that it allows. So whatever only a holder may do carries
//! a deadline to the store, which looks at the clock last thing before each request or file:
//!
//! (Segment files that backups share need none, as they are the same whoever writes them. Into the
//! folder of a standalone backup neither a chunk nor the end of a file comes outside of that time.)
//!
//! | after the last heartbeat was begun | |
//! | --- | --- |
//! | 10 s | the next one is due; one that fails is tried again every 2.5 s |
//! | 15 s | no call begins any more; who wants to make one waits for the heartbeat |
//! | 25 s | a call without an answer is given up; without a heartbeat the lease is lost |
//! | 27 s to 29 s | last moment to record why a run ended |
//! | 30 s or later | an observer that saw that heartbeat may take the holder for dead |
//!
//! Only differences of one process's monotonic clock are used, and an observer cannot see a
//! heartbeat before it was begun: so all that a holder does is over five seconds before anyone
//! acts on its death. A heartbeat has its own end at 25 s, so none arrives that an observer
//! who has given its holder up did not see. A call that was begun goes on when its caller is
//! cancelled, and a lease is given back only after it.
//!
//! `unlock` takes a lease from a holder that lives, too: it puts the next number, says why in
//! it, and keeps it until the holder has given up, or has been silent for three intervals.
//!
//! What this does not cover: a request that was sent in time and that the network, or a disk
//! that hangs in one system call, holds back for more than five seconds; one that a killed
//! process had just sent, as its death is seen at once on the same machine; a virtual machine
//! that its host paused between the look at the clocks and the request (one that was suspended
//! knows by its boot clock). A manifest that comes so late finds its attempt gone or another's,
//! and counts as damaged.
//!
//! # One agent alone
//!
//! All of this rests on put-if-absent. Whoever takes a lease of its own puts it twice: a
//! store that lets the second put through gets `_single_agent.json` with this machine's id,
//! and from then on no lease is given to an agent of another machine. Who only reads puts its
//! lease once, as it may be a visitor.
//!
//! # Requests
//!
//! A message of the broker may be delivered again, also to another agent. Whoever reads it puts
//! `_requests/<request id>.json` under the condition that it is absent, with its own name in
//! it, after it has written the request to its journal: so the agent that is named knows of the
//! request, whenever it died. A sweep deletes what is older than a day.
//!
//! # Trees of milvus-backup
//!
//! A folder with milvus-backup's `meta/` or `binlogs/` and nothing of ours is a tree of that
//! tool: `foreign` if its documents can be read, else `damaged`. It is listed, verified and restored
//! like a backup of ours, but nothing of ours is ever written into it, retention does not
//! count it, and neither `delete` nor `prune` takes it away. A folder without `_cluster.json` that
//! holds such trees is a cluster for those who read; a repository that has only such needs no
//! `_repository.json`. A restore has its lease and its ledger there as anywhere. A drill
//! has them in the folder of the configured cluster, and there only a lease to read.
//!
//! # Clusters
//!
//! What writes checks `_cluster.json` first: another address or storage under the same name
//! is refused until someone says `cluster adopt`. What reads works from anywhere.

mod cluster;
mod commit;
mod drills;
mod error;
mod fenced;
mod foreign;
mod holder;
mod lease;
mod ledger;
mod listing;
mod own;
mod plans;
mod proofs;
mod pulse;
mod readable;
mod record;
mod remarks;
mod removal;
mod repository;
mod requests;
mod resume;
mod sharing;
mod unlocking;
mod watching;

pub use cluster::{ClusterIdentity, adopt, claim, recognise};
pub use commit::{Reservation, Run, Unfinished, Work};
pub use drills::{delete_drill, drills, put_drill, read_drill};
pub use error::{CatalogError, CatalogResult};
pub use foreign::foreign_tree;
use foreign::{holds_trees, is_begun, is_tree};
pub use holder::{machine_id, this_process};
pub use lease::{Lease, PRUNE, SWEEP};
pub use ledger::{delete_ledger, open_ledgers, put_ledger, read_ledger};
use listing::compare;
pub use listing::{Repute, find, known_files, list, list_own, load_list, read_record, sizes_of};
pub use proofs::{drill_proof, put_drill_proof, put_reading_proof, reading_proof};
pub use readable::Readable;
pub use record::BackupRecord;
pub use remarks::{lift_doubt, pin, put_doubt, put_pin, put_retention_mark, retention_mark};
pub use removal::{
    bury, examine, examine_all, has_manifest, has_tombstone, key_of, lease_names, lift,
    put_sightings, read_sightings, remove_backup, remove_lease, restores, tidy,
};
pub use repository::{Cluster, Repository};
pub use requests::{REQUESTS_KNOWN_FOR, Reserved, forgotten_requests, reserve};
pub use resume::{Checkpoints, checkpoints, own_checkpoint};
pub use sharing::admit;
pub use unlocking::{Unlocked, unlock};
pub use watching::{Liveness, last_heard, observe, wait_for_sweep};

pub use crate::model::BackupState;
