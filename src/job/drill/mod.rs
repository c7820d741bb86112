//! A drill: one backup restored for a test, compared, and dropped.
//!
//! One collection after the other is filled as `<name>__drill_<id>` in its own database, indexed,
//! loaded, compared with the backup and dropped, so that Milvus holds one copy more at most.
//! Aliases, users and roles are not touched, and nothing that is live is: whatever a drill drops is
//! named in its ledger, and carries the drill's id besides. How long its collections took to be
//! there again is the drill's RTO.
//!
//! A drill is in nobody's way. It has a lease of its own and takes none that a backup, a restore or
//! another drill wants; a second lease, in the folder of the backup's cluster, keeps the backup
//! there meanwhile; without either of them it ends.
//!
//! Every file is read and compared before Milvus has it. What is not as it was written costs its
//! collection, and makes the backup suspect at once, under the lease that keeps it.
//!
//! # What is left when it is killed
//!
//! `_drills/<id>.json` says what a drill makes before it makes anything. A later drill, the agent
//! and `prune --apply` clean up after one whose lease is dead (`clean`), in the Milvus that it
//! filled. Who does it takes the next number of the lease first, so one does.
//!
//! | step | killed after it, there is | who cleans it up |
//! | --- | --- | --- |
//! | 1 lease `drill-<backup>-<n>`, which keeps the backup | a lease without a ledger | `clean`; where the backup is another cluster's, a prune there |
//! | 2 lease `drill-<id>` | two leases without a ledger | the same |
//! | 3 ledger | the ledger, which names both leases | `clean` |
//! | 4 databases that are missing made | and empty databases | `clean` |
//! | 5 for each collection: made, filled from staged files, indexed, loaded, compared | and the collection, staged files | `clean` |
//! | 6 the collection dropped | as after 4 | `clean` |
//! | 7 staging cleared; the ledger says `emptied` | and empty databases | `clean` |
//! | 8 databases dropped that are empty and that no other drill needs | as after 3 | `clean` |
//! | 9 ledger deleted, then the lease `drill-<id>` | leases without a ledger | `clean` |
//! | 10 `_proofs/<policy>/drill.json` | the same; before it, nobody knows of the drill | `clean` |
//! | 11 the first lease released | nothing | – |
//!
//! `clean` goes the way of 6 to 9 and may be killed at any step of it, too: each may be repeated.
//! Of drills that need the same database the last one drops it: each says first that it does no
//! longer, and then looks who still does.
//!
//! A ledger names the Milvus that its drill filled, and is left alone by everyone with another.
//! `cluster adopt` writes the new address into those of before ([`move_drills`]), so that they are
//! cleaned up after where Milvus is now, and says what may be left where it was.

mod clean;
mod collection;
mod compare;
mod expiry;
mod keys;
mod moved;
mod proof;
mod questions;
mod report;
mod run;
mod session;

pub(super) use clean::{Cleaned, clean};
pub use clean::{clean_drills, have_drills_left};
pub use moved::{MovedDrill, move_drills};
pub use proof::drill_failed;
pub use report::{DrillReport, DrilledCollection};
pub use run::{DrillOptions, run_drill};
