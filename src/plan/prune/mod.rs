//! What is in a cluster's folder → what goes, what stays, and why.
//!
//! Only what is certainly done with goes. What cannot be read, is newer than this agent, or
//! has a date in the future is left alone, with the reason.

mod facts;
mod judge;

pub use facts::{
    BackupFacts, DrillFacts, Found, Judgement, LeaseFacts, PruneFacts, RestoreFacts, StagingFacts,
    StagingOwner, Subject, Verdict,
};
pub use judge::{goes_at, judge_backup, plan_prune};
