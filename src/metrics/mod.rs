//! What the agent tells Prometheus: one table of families, one handle that records.
//!
//! [`Metrics`] is handed down to whatever has something to tell. Each of its methods records
//! one event or takes over one view of the world; none of them fails or waits.
//! [`Metrics::render`] reads memory only: no scrape ever asks a store or Milvus.
//!
//! # Contract
//!
//! - `last_success` comes from a run that ended complete, or from the repository, and from
//!   nothing else. What fails, starts or restarts does not touch it. A new process that is
//!   told what the repository holds ([`Metrics::catalog`]) says the same as the one before.
//! - The gauges of a run are set when it ends, all at once: a scrape sees it before or after.
//! - What is not configured or not known has no gauge; 0 is a fact. A time of 0 means never.
//! - The counters of a policy are there, at 0, as soon as it is configured, so that its first
//!   event shows as an increase. Everything of a policy is gone when it is.
//! - Events of a policy that is not configured (it was removed under its run) are dropped.
//!   Runs without a policy have `policy=""`.
//!
//! # How to add one
//!
//! A line in `families.rs`: the name is `milvus_backup_<noun>_<unit>[_total]`, in base units,
//! times as timestamps and not as ages; the comment is the help text and the row in README.md,
//! which a test compares. Labels are few and of few values: never a backup, collection or key.
//!
//! # What it does not do
//!
//! It has no clock: every moment is an argument. Counters start anew with the process.

mod agent;
mod broker;
mod facts;
mod families;
mod handle;
mod labels;
mod policies;
mod proofs;
mod runs;
mod state;
#[cfg(test)]
mod tests;
mod textfile;

pub use facts::{
    BackupFigures, CatalogFacts, DrillFacts, PolicyCatalog, PolicyFacts, PruneFacts, ReadingFacts,
    RereadFacts, RunFacts, RunProgress, VerifyFacts,
};
pub use families::{FAMILIES, Family};
pub use handle::Metrics;
pub use labels::{
    Check, CodeClass, Direction, EventResult, GcCall, GcScope, LeaseScope, MessageResult,
    MissReason, PruneFailure, RepositoryClass, Side, StorageCall, TriggerSource, VerifyLevel,
    VerifyResult,
};
pub use textfile::write_textfile;
