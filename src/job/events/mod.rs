//! What is told of runs, for whoever listens.
//!
//! Every backup, prune, restore and verification has an event when it begins and one when it
//! ends, each a [CloudEvent](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md)
//! in JSON on its way as a [`Letter`](crate::model::Letter). [`EventRun`] is what the events of
//! one run have in common, [`EventEnd`] what its last one adds, and [`job_letters`] what is told
//! of a job when its state changes. All of it is made of arguments: no clock, no disk.
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

mod data;
mod event;
mod facts;
mod job;
mod refused;
mod reply;
mod source;
#[cfg(test)]
mod tests;
mod word;

pub use event::{EventEnd, EventFailure, EventRun, RunsAgain};
pub use facts::EventFacts;
pub use job::{JobChange, job_letters};
pub use refused::RefusedRequest;
pub use source::EventSource;
pub use word::EventWord;
