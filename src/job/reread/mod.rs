//! Scheduled verification: a share of what all backups of a policy have is read again.
//!
//! records → lists → [`plan::choose_parts`](crate::plan::choose_parts) → reads → doubts
//!
//! Each run looks at every backup of the policy: lists and documents are read, and one listing
//! of each collection's folders tells what is missing or has another size. The content of a
//! part of the files, each file once however many backups have it, is read and compared.
//! `_proofs/<policy>/verify.json` says when each part was last read; it is written every few
//! seconds, so a run that is killed, cancelled or out of time has lost no more than that, and the
//! next one goes on behind it.
//!
//! # Beside deletes
//!
//! No lease keeps backups while they are read: that would keep retention waiting for hours. A
//! file may go with its backup meanwhile. So nothing counts as damage before a backup that has
//! the file is found to be still there, under the lease that keeps deletes away from it; then the
//! backup becomes suspect. What is new since the run began is looked at by the next one.
//!
//! # What cannot be read
//!
//! What fails for a moment is tried again. What a disk cannot give back is damage. What a store
//! refuses, or never answers, says nothing of the content: the run has failed and names it, its
//! part does not count as read, and everything else is read. Where much fails in a row the store
//! is away, and the run ends.
//!
//! # Memory
//!
//! One list, the names of one collection's files, and what is to be read next: up to
//! [`gather::AT_ONCE`] files, or one part.
//!
//! # Two agents
//!
//! Each reads for itself, and both write the same document: what either says in it is true. One
//! that comes to a slot when the other has dealt with it finds its share read.

mod doubt;
mod elsewhere;
mod gather;
mod read;
mod report;
mod run;
mod survey;
mod unread;

pub use report::RereadReport;
pub use run::run_scheduled_verify;
