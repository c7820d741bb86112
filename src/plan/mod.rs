//! Decisions, as plain functions over data: plans leave no choices to executors.
//!
//! Nothing here is async, reads a clock or touches the outside world. The inputs are named
//! by their nature: an *inventory* was seen, possibly a while ago; a *manifest* or list was
//! committed; a *request* is what someone wants. What cannot be planned safely is an error
//! that names the collection, never a guess.

mod backup;
mod boundary;
mod import;
mod jobs;
mod keys;
mod prune;
mod rbac;
mod reread;
mod restore;
mod retention;
mod reuse;
mod suspicion;
mod sweep;
mod temporary;
mod verify;

pub use backup::{BackupPlan, CollectionPlan, CopyItem, plan_collection};
pub use boundary::{
    CollectionInventory, LEAST_MARGIN, PlanError, SourceFile, margin, missing_segments,
    select_files, settle_time, untouched,
};
pub use import::{Batch, BatchLimit, Lying, Reads, in_import_order, next_batch};
pub use jobs::{JobBatch, JobKind, JobLimits, has_deltas, import_jobs, unreadable};
pub use keys::{ExpectedKeys, KeyHistory, KeyRoom};
pub use prune::{
    BackupFacts, DrillFacts, Found, Judgement, LeaseFacts, PruneFacts, RestoreFacts, StagingFacts,
    StagingOwner, Subject, Verdict, goes_at, judge_backup, plan_prune,
};
pub use rbac::{RbacPlan, plan_rbac};
pub use reread::{PartSizes, Turn, choose_parts, is_credible, part_of, read_since};
pub use restore::{
    CollectionRestore, Existing, RestorePlan, RestoreProblem, RestoreRequest, TargetCollection,
    check_request, database_properties, plan_drill, plan_restore, targets,
};
pub use retention::{
    NOT_LOOKED_AT, PolicyRules, Refusal, RetentionPlan, RetentionTerms, keep, plan_retention,
};
pub use reuse::Known;
pub use suspicion::sharp_fall;
pub use sweep::{Obstacle, Planned, References, Sieve, is_due, references};
pub use temporary::{check_name, is_drill_id, is_of_drill, is_temporary};
pub use verify::{Damage, VerifyDepth, compare_listing};
