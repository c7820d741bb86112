//! The work itself: each workflow gathers, plans, acts and commits, in that order.
//!
//! A workflow is a plain async function over a [`JobContext`]. It makes no choices while
//! it acts: those are in [`crate::plan`]. It ends in a report, which may say `partial`, or
//! in a [`JobError`] with a kind for the program and a chain of causes for people.
//!
//! # Stopping
//!
//! Garbage collection in Milvus is paused during a backup where the server can, and resumed
//! however the backup ends. The context's token ends a workflow at its next await. A backup
//! records the end in its attempt and gives its lease back; a restore drops what is
//! half-filled, and keeps its ledger if anything else is left to finish; a drill drops all that it
//! made. A process that is
//! killed does neither, and loses nothing by it: the essay of [`crate::catalog`] says what
//! the next reader sees.
//!
//! # Two agents, one backup
//!
//! Agents with the same policies want the same backup at the same moment, under the name of
//! its slot. [`make_once`] looks at that name, waits for a run that lives, takes the place of
//! one that is dead or has ended without a backup, and looks again when its own place is
//! lost. `attempt.json` says which job of which agent a backup is of, so each agent knows
//! whether it has made it: who finds it made by another has nothing to do.
//!
//! # Deletes that come late
//!
//! A Milvus 2.2 writes deletes down minutes after a flush. A backup of one flushes everything,
//! waits once for all collections, and only then lists files: `settle`.
//!
//! # Failures
//!
//! What one collection does wrong costs that collection. What Milvus as a whole does wrong
//! (unreachable, unauthorised) ends the run; so does, in a backup, a repository that cannot
//! be written.

mod backup;
mod beyond;
mod check;
mod context;
mod copying;
mod drill;
mod ending;
mod error;
mod events;
mod export;
mod filling;
mod gather;
mod held;
mod list;
mod look_over;
mod once;
mod overview;
mod pause;
mod privileges;
mod proofs;
mod prune;
mod rbac;
mod reading;
mod report;
mod requests;
mod reread;
mod restore;
mod runner;
mod settle;
mod survey;
mod unlock;
mod verify;

pub use crate::catalog::Reserved;
pub use backup::{BackupRequest, plan_only, run_backup};
pub use check::{CheckLine, CheckReport, run_check};
pub use context::JobContext;
pub use drill::{
    DrillOptions, DrillReport, DrilledCollection, MovedDrill, clean_drills, drill_failed,
    have_drills_left, move_drills, run_drill,
};
pub use error::{JobError, JobResult};
pub use events::{
    AtWork, Collected, EventEnd, EventFacts, EventFailure, EventRun, EventSource, EventWord,
    JobChange, RefusedRequest, RunEvents, RunsAgain, Spool, job_letters,
};
pub use export::{ExportOptions, run_export};
pub use filling::Staging;
pub use list::{ListRow, Sizes, run_list};
pub use look_over::{Overview, look_over, unread_repository};
pub use once::{Made, make_once};
pub use overview::run_overview;
pub use proofs::{Proofs, ProofsWanted, run_proofs};
pub use prune::{
    DeleteReport, PinReport, Prune, PruneReport, PruneRequest, Removal, StagingRoot, Sweeping,
    VerdictRow, run_delete, run_pin, run_prune, run_undelete, run_unpin,
};
pub use report::{
    BackupReport, CollectionReport, ExportReport, ExportedFiles, PlanReport, RbacReport,
    RestoreReport, RestoredCollection, VerifyReport,
};
pub use requests::{can_reserve, reserve_request};
pub use reread::{RereadReport, run_scheduled_verify};
pub use restore::{
    LostReinserts, RestoreOptions, Wanted, plan_only as plan_restore_only, run_restore,
};
pub use runner::{
    Active, Busy, Cause, Change, Done, IllegalTransition, JobEvent, JobId, JobRecord, JobRequest,
    JobState, Journal, JournalError, KnownRequest, Limits, Observer, Outbox, PolicyMemory, Posted,
    RequestState, Requester, Runner, RunnerHandle, RunnerParts, Scope, Stop, SubmitError,
    Submitted, Work,
};
pub use unlock::{UnlockReport, run_unlock};
pub use verify::run_verify;

pub use crate::model::RunOutcome;
