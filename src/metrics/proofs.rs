//! Drills and scheduled verifications: whether backups come back.

use jiff::Timestamp;

use super::handle::{seconds, set_if_any, unset};
use super::{DrillFacts, Metrics, ReadingFacts};
use crate::model::RunKind;

impl Metrics {
    /// What is known of a policy's drills.
    pub fn drills(&self, policy: &str, facts: &DrillFacts) {
        let state = self.state();
        if !state.knows(policy) {
            return;
        }
        if facts.max_age.is_some() {
            self.count_from_zero(policy, RunKind::Drill);
        }
        let (families, labels) = (self.families(), &[policy]);
        set_if_any(&families.drill_next_run_timestamp_seconds, labels, facts.next_run.map(seconds));
        let max_age = facts.max_age.map(|age| age.as_secs());
        set_if_any(&families.drill_max_age_seconds, labels, max_age);
        set_if_any(&families.drill_since_timestamp_seconds, labels, facts.since.map(seconds));
        let never = facts.since.map(|_| Timestamp::UNIX_EPOCH);
        let success = facts.last_success.map(|(at, _)| at).or(never).map(seconds);
        set_if_any(&families.last_drill_success_timestamp_seconds, labels, success);
        let rto = &families.last_drill_rto_seconds;
        match facts.last_success {
            Some((_, took)) => rto.with_label_values(labels).set(took.as_secs_f64()),
            None => unset(rto, labels),
        }
    }

    /// What is known of a policy's scheduled verifications.
    pub fn readings(&self, policy: &str, facts: &ReadingFacts) {
        let state = self.state();
        if !state.knows(policy) {
            return;
        }
        if facts.max_age.is_some() {
            self.count_from_zero(policy, RunKind::Verify);
        }
        let (families, labels) = (self.families(), &[policy]);
        let next = facts.next_run.map(seconds);
        set_if_any(&families.verify_next_run_timestamp_seconds, labels, next);
        let max_age = facts.max_age.map(|age| age.as_secs());
        set_if_any(&families.verify_max_age_seconds, labels, max_age);
        let since = facts.read_since.map(seconds);
        set_if_any(&families.verify_read_since_timestamp_seconds, labels, since);
    }
}
