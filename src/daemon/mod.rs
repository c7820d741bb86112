//! The life of `milvus-backup-agent run`.
//!
//! It reads the configuration and the policies, connects, opens the journal, takes its ports
//! and reads the repository, so that the metrics of last successes are there before it says
//! that it is ready. What is wrong by then ends it with a clear error. From then on it does
//! not end by itself: Milvus may be away, the repository may be away, runs may fail and hang.
//! Should one of its own tasks end, that is a bug, and the process ends with it, for systemd
//! to start anew; the journal knows what was at work.
//!
//! # Messages and events
//!
//! Where the configuration names a broker, one loop connects to it, takes messages in and sends
//! out what the journal's outbox has, for ever: whatever fails, the link is dropped and made
//! anew after a pause. Nothing else waits for it. Messages are taken in only while journal and
//! repository can be written; else they stay in the queue. What commands, prunes and
//! verifications tell comes by a folder into the same outbox.
//!
//! # Proofs
//!
//! What `verify` of the policies wants, readings and drills, is done by one loop, one run after
//! the other and the oldest slot first, and never while a backup of the same policy is at work.
//! Backups do not wait for it. A slot counts as dealt with when its run has ended, however; what
//! failed is tried at the next. What was stopped with the agent, or killed, is made up for once
//! when it is back; a reading goes on where it was. How the last ones ended is in the
//! repository, and the metrics tell it before the agent is ready.
//!
//! # Reload
//!
//! SIGHUP reads configuration and policies again. If anything is wrong with them, everything
//! stays as it is, the log has every problem, and a metric says so. Runs that are at work end
//! with the settings that they began with. Listeners, the broker, the journal, the cluster's
//! name and the log's form are those of the start.
//!
//! # Stopping
//!
//! SIGTERM and SIGINT drain, in this order, each step with a limit: no slot is looked at any
//! more; runs write a checkpoint, give their leases and the pause of garbage collection back,
//! and end (20 s, then they are dropped), as do drills and readings; uploads that were dropped
//! are taken back; the listeners go last, so that one can look on. A second signal waits for
//! nothing. Jobs that were at work go on when the agent is back.
//!
//! # Watchdog
//!
//! systemd hears of the agent once a second, but only while the loops that do the work, the
//! runner's and the schedules', go round.

mod agent;
mod besides;
mod catalog;
mod connection;
mod driller;
mod memory;
mod messages;
mod observe;
mod preflight;
mod proof;
mod proven;
mod proving;
mod pruned;
mod pruning;
mod reload;
mod settings;
mod shutdown;
mod slots;
mod spooled;
mod status;
mod systemd;
#[cfg(test)]
mod tests;
mod watched;
mod wiring;
mod work;
mod world;

pub use agent::run;
pub use settings::{Client, Settings, Setup};
