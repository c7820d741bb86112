//! Which backups of a policy stay, and why: each one gets a verdict with its reasons.
//!
//! A backup stays if *any* of these says so:
//!
//! | reason | what it keeps |
//! | --- | --- |
//! | `keep_last`, `keep_within` | the newest; all that are no older than the newest good one by so much |
//! | `keep_hourly` to `keep_yearly` | the newest of each of so many hours to years that have one |
//! | `min_keep` | the newest good ones that the rules let go, as many as are lacking |
//! | a pin | until its end |
//! | someone who reads it | as long as that lasts |
//! | suspicion | until somebody has looked: it counts for no rule and is no base of a window |
//! | `keep_partial` | the newest partial ones, and those with a collection that no newer backup has |
//!
//! Only *good* backups count for a rule: complete and not suspect. Hours to years are those of
//! the calendar in the policy's time zone (weeks are ISO weeks, of ISO years). As long as a
//! rule has fewer of them than it wants, it keeps the oldest backup too, so that a month grows
//! out of days. Backups are ordered by when their run began, never by name.
//!
//! Everything is a function of what is there: a second prune with nothing new keeps the same.
//!
//! # Guards
//!
//! What no rule keeps stays all the same while a [`Guard`](crate::model::Guard) refuses. Each
//! says what it saw and how to get past it. `policy_changed` holds back only what was made
//! under other rules; the others hold back everything.
//!
//! Backups of no policy, or of one that is not configured, are nobody's to delete here.

mod guards;
mod partial;
mod period;
mod policy;
mod rules;

pub use guards::Refusal;
pub use policy::{PolicyRules, RetentionPlan, RetentionTerms, plan_retention};
pub use rules::keep;
