//! What an operator intends: one file, one [`Policy`].
//!
//! ```yaml
//! # nightly.yaml
//! schedule: {cron: "0 2 * * *", timezone: Europe/Berlin}
//! retention: {keep_daily: 7, keep_weekly: 4}
//! ```
//!
//! Bytes → [`PolicySet::parse`] → policies that cannot be wrong, or every problem of every
//! file at once, each with its line, what was found and what would be right. The table
//! [`POLICY_KEYS`] is the one list of keys: the parser, the JSON Schema ([`schema`]) and
//! README.md follow it.
//!
//! Nothing here reads a file or a clock; `config::policy_files` reads the folder, and `now` is
//! an argument. What the contract has and the agent cannot do so far is refused by name rather
//! than ignored.

mod document;
mod intent;
mod keys;
mod reader;
mod retention;
mod schedule;
mod schema;
mod selector;
mod set;
mod settings;
#[cfg(test)]
mod tests;
mod verify;

pub use intent::Policy;
pub use keys::{POLICY_KEYS, PolicyKey, PolicyKind};
pub use retention::{KeepRules, Retention};
pub use schedule::{CatchUp, Missed, Overlap, Schedule};
pub use schema::schema;
pub use selector::{CollectionSelector, InvalidPattern};
pub use set::PolicySet;
pub use settings::{AfterBackup, Flush, Retry, Trigger};
pub use verify::Reread;
