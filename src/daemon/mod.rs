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
//! and end (20 s, then they are dropped); uploads that were dropped are taken back; the
//! listeners go last, so that one can look on. A second signal waits for nothing. Jobs that
//! were at work go on when the agent is back.
//!
//! # Watchdog
//!
//! systemd hears of the agent once a second, but only while the loops that do the work, the
//! runner's and the schedules', go round.

mod agent;
mod besides;
mod catalog;
mod connection;
mod memory;
mod messages;
mod observe;
mod preflight;
mod pruned;
mod pruning;
mod reload;
mod settings;
mod shutdown;
mod sight;
mod spooled;
mod status;
mod systemd;
mod wiring;
mod work;
mod world;

pub use agent::run;
pub use settings::{Client, Settings, Setup};
