//! Jobs: what was accepted runs to exactly one end.
//!
//! A job is one accepted piece of work, a run is one attempt at it. A request is written to
//! the journal and synced before whoever asked is told that it was accepted; from then on
//! nothing but its end takes it away, also when the process is killed or the machine restarts.
//! One task, [`Runner`], moves jobs on. It is the only writer of the journal's jobs.
//!
//! # States
//!
//! ```text
//!            ┌──────────── interrupt ────────────┐
//!            ▼                                   │
//!  ─accept→ Queued ──start──→ Running ──stop──→ Stopping
//!            │                 │   │  ▲           │   │
//!            │                 │ retry│           │ retry (timed out, stalled)
//!            │                 │   ▼ start        │   │
//!            │                 │  Waiting ←───────┼───┘
//!            │ cancel          │ end │ cancel     │ end
//!            └─────────────────┴──→ Ended ←───────┘
//! ```
//!
//! Interrupt means that the process ended under a run: killed, or told to end (draining). The
//! job is queued again and goes on where the run was, since the name of its backup is in the
//! journal from the beginning: what is committed under that name is found, what is copied is
//! used. A job that outlived more than five killed processes ends as failed.
//!
//! # Which run when
//!
//! At most four runs are at work, at most one of a policy, in the order of acceptance. So a
//! policy that fails or hangs is in nobody's way. A policy that has a job does not get another
//! by chance: see [`Busy`]. Who asks by a message joins a job that has not begun ([`Busy::Follow`]),
//! and where a job is replaced, those who asked for it are served by the one in its place.
//!
//! # What others are told
//!
//! The letters that tell of a change are written with it, in one transaction.
//!
//! # Limits
//!
//! A run is asked to stop when its policy's timeout is over, or when nothing has moved in it
//! for the stall timeout. It has 20 s to write a checkpoint and give its leases back, then it
//! is dropped. Both are failures, and tried again like any other that may pass, after a pause
//! that doubles. Time in which the whole process stood still counts for neither: what a run
//! has lost by that, mostly its lease, it finds out by itself.
//!
//! # When the journal cannot be written
//!
//! Nothing new is accepted. What is at work goes on, and its changes are written as soon as
//! that is possible again.

mod handle;
mod journal;
mod record;
mod state;
mod submit;
mod supervise;
mod task;
mod work;

pub use handle::{Active, Busy, RunnerHandle, SubmitError, Submitted};
pub use journal::{
    Journal, JournalError, KnownRequest, Outbox, PolicyMemory, Posted, RequestState,
};
pub use record::{Cause, JobId, JobRecord, JobRequest, Requester};
pub use state::{IllegalTransition, JobEvent, JobState, Stop};
pub use task::{Runner, RunnerParts};
pub use work::{Change, Done, Limits, Observer, Scope, Work};
