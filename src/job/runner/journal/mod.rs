//! The journal: what was accepted, on disk before anyone is told so.
//!
//! One [redb](https://www.redb.org) file in the agent's state folder. Every change is one
//! transaction that is synced when the call returns, so a job and the moment of the schedule
//! that it stands for are written together or not at all; and so are a change of a job and the
//! letters that tell others of it, and a job and the request that asked for it.
//!
//! - Jobs, and what is remembered of policies.
//! - Requests that came as messages, by their ids: what became of each, so that one that comes
//!   twice is known.
//! - The outbox: letters that the broker has not taken yet.
//!
//! A folder that an older agent made gets the tables that it lacks when they are first used.

mod error;
mod file;
mod jobs;
mod outbox;
mod requests;
mod tables;

pub use error::JournalError;
pub use file::Journal;
pub use jobs::PolicyMemory;
pub use outbox::{Outbox, Posted};
pub use requests::{KnownRequest, RequestState};
