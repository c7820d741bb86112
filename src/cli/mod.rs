//! The command line: arguments → a workflow → a table or JSON, and an exit code.
//!
//! Data goes to stdout, talk to stderr; nothing needs colour. Every command is one file
//! that turns its arguments into a call of [`crate::job`] and the report into output.
//! `--output json` prints one value, also for an error: `{"error": {kind, message, hint,
//! causes}}`. The numbers of the exit codes are in [`ExitStatus`].
//!
//! The first SIGINT or SIGTERM ends the workflow in good order (exit 130), the second at once.

mod args;
mod backup;
mod broker;
mod check;
mod cluster;
mod config;
mod delete;
mod drill;
mod events;
mod exit;
mod export;
mod import;
mod list;
mod log;
mod main;
mod output;
mod pin;
mod policy;
mod progress;
mod prune;
mod remembered;
mod restore;
mod run;
mod session;
mod staging;
mod textfile;
mod told;
mod unlock;
mod verify;

pub use args::Arguments;
pub use exit::ExitStatus;
pub use main::main;
