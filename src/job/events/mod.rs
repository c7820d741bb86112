//! What is told of runs, for whoever listens.
//!
//! Every backup, prune, restore and verification has an event when it begins and one when it
//! ends, each a [CloudEvent](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md)
//! in JSON on its way as a [`Letter`](crate::model::Letter). [`EventRun`] is what the events of
//! one run have in common, [`EventEnd`] what its last one adds, and [`job_letters`] what is told
//! of a job when its state changes: both are functions of their arguments.
//!
//! # Once told, told the same
//!
//! An event may be sent twice, and never gets a new id by that. The run of a job is named by
//! the agent, the job and the moment it began, so whoever makes its events again makes the same
//! ones. Any other run gets a UUID when it begins. The id of an event is the run and its word.
//!
//! # What is not told
//!
//! Nothing that is secret: only what the reports and the log have, too. No list is longer than
//! 1,000 entries, and a number beside it says how long it was; no text is longer than a page.
//! What does not apply is absent, not null, but for the outcome of what has not ended.
//!
//! # Runs that are no jobs
//!
//! The events of a job are in the journal together with what they tell. Commands cannot write
//! there, since the journal is the agent's alone; what they do, and what the agent does besides
//! its jobs, goes through the [`Spool`]: files in the folder `outbox` of the state, which the
//! agent takes up. [`RunEvents`] leaves them. A disk that is full, slow or not ours is a warning
//! and never a reason for a run to fail or to wait.
//!
//! A run that begins leaves two files: the event of its beginning, and a mark that it is at
//! work, which it keeps locked. The event of its end takes the mark's place in one step. What
//! is found of a process that was killed, or of a machine that was:
//!
//! | killed | found | told |
//! | --- | --- | --- |
//! | before the mark is there | an unfinished file, swept after an hour | nothing |
//! | after the mark | the mark, unlocked | failed |
//! | after the event of the beginning | both | started, failed |
//! | after the end is in the mark's place | both events | as it was |
//! | the agent, before its journal has them | the same files | the same, by the same ids |
//!
//! Files are read by whom the state belongs to, also those that root left. What cannot be read
//! is put aside, not looked at again, and said once in the log.

mod collect;
mod data;
mod event;
mod facts;
mod job;
mod note;
mod refused;
mod reply;
mod source;
mod spool;
mod telling;
#[cfg(test)]
mod tests;
mod word;

pub use collect::Collected;
pub use event::{EventEnd, EventFailure, EventRun, RunsAgain};
pub use facts::EventFacts;
pub use job::{JobChange, job_letters};
pub use refused::RefusedRequest;
pub use source::EventSource;
pub use spool::{AtWork, Spool};
pub use telling::RunEvents;
pub use word::EventWord;
