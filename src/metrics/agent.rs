//! What the agent meets outside of runs: storages, Milvus's garbage collection, itself.

use jiff::Timestamp;

use super::handle::{seconds, set, unset};
use super::{
    Check, CodeClass, Direction, GcCall, GcScope, LeaseScope, Metrics, PruneFacts, RereadFacts,
    Side, StorageCall, VerifyFacts, VerifyLevel, VerifyResult,
};

impl Metrics {
    /// Which Milvus all the rest is about.
    pub fn cluster(&self, name: &str) {
        set(&self.families().cluster_info, &[name], 1_u64);
    }

    /// A storage answered.
    pub fn storage_request(&self, side: Side, call: StorageCall, class: CodeClass) {
        let labels = &[side.as_str(), call.as_str(), class.as_str()];
        self.families().storage_requests_total.with_label_values(labels).inc();
    }

    /// Bytes passed through the agent.
    pub fn transferred(&self, direction: Direction, bytes: u64) {
        let counter = &self.families().transferred_bytes_total;
        counter.with_label_values(&[direction.as_str()]).inc_by(bytes);
    }

    /// This process has one more lease.
    pub fn lease_taken(&self, scope: LeaseScope) {
        self.families().lease_held.with_label_values(&[scope.as_str()]).inc();
    }

    /// This process has given a lease back, or lost it.
    pub fn lease_given_back(&self, scope: LeaseScope) {
        self.families().lease_held.with_label_values(&[scope.as_str()]).dec();
    }

    /// The holder of a lease had died, and this process has it now.
    pub fn lease_taken_over(&self) {
        self.families().lease_takeovers_total.with_label_values(&[] as &[&str]).inc();
    }

    /// Milvus holds its garbage collection back for one more backup.
    pub fn gc_paused(&self, scope: GcScope, at: Timestamp) {
        let mut state = self.state();
        let pauses = state.pauses.entry(scope).or_default();
        *pauses += 1;
        if *pauses == 1 {
            let families = self.families();
            set(&families.gc_pause_active, &[scope.as_str()], 1_u64);
            let started = &families.gc_pause_started_timestamp_seconds;
            set(started, &[scope.as_str()], seconds(at));
        }
    }

    /// A backup gave its pause back. Where Milvus did not answer, the pause ends by itself.
    pub fn gc_resumed(&self, scope: GcScope) {
        let mut state = self.state();
        let pauses = state.pauses.entry(scope).or_default();
        *pauses = pauses.saturating_sub(1);
        if *pauses == 0 {
            let families = self.families();
            set(&families.gc_pause_active, &[scope.as_str()], 0_u64);
            unset(&families.gc_pause_started_timestamp_seconds, &[scope.as_str()]);
        }
    }

    /// Milvus did not do what it was asked about its garbage collection.
    pub fn gc_failed(&self, call: GcCall) {
        self.families().gc_pause_failures_total.with_label_values(&[call.as_str()]).inc();
    }

    /// A backup of a policy was verified, at this moment.
    pub fn verified(&self, policy: &str, found: VerifyFacts, at: Timestamp) {
        let damaged = match found.level {
            VerifyLevel::Size => VerifyResult::Size,
            VerifyLevel::Content => VerifyResult::Checksum,
        };
        let counter = &self.families().verify_objects_total;
        for (result, files) in [
            (VerifyResult::Ok, found.good),
            (VerifyResult::Missing, found.missing),
            (damaged, found.damaged),
        ] {
            counter.with_label_values(&[result.as_str()]).inc_by(files);
        }
        let state = self.state();
        if found.missing + found.damaged == 0 && state.knows(policy) {
            let labels = &[policy, found.level.as_str()];
            set(&self.families().last_verified_timestamp_seconds, labels, seconds(at));
        }
    }

    /// A share of what a policy's backups have was read again. All of it exists with its size,
    /// if nothing was wrong.
    pub fn reread(&self, policy: &str, found: RereadFacts, at: Timestamp) {
        let counter = &self.families().verify_objects_total;
        for (result, files) in [
            (VerifyResult::Ok, found.good),
            (VerifyResult::Missing, found.missing),
            (VerifyResult::Size, found.wrong_size),
            (VerifyResult::Checksum, found.wrong_content),
        ] {
            counter.with_label_values(&[result.as_str()]).inc_by(files);
        }
        let state = self.state();
        if !found.damaged && state.knows(policy) {
            let labels = &[policy, VerifyLevel::Size.as_str()];
            set(&self.families().last_verified_timestamp_seconds, labels, seconds(at));
        }
    }

    /// A prune by the rules of a policy (an empty name for more or fewer than one) came to its
    /// end, or was refused.
    pub fn pruned(&self, policy: &str, done: &PruneFacts) {
        let (families, none) = (self.families(), &[] as &[&str]);
        let backups = &families.prune_deleted_backups_total;
        backups.with_label_values(none).inc_by(done.deleted_backups);
        families.prune_deleted_bytes_total.with_label_values(none).inc_by(done.deleted_bytes);
        for failure in &done.failures {
            families.prune_errors_total.with_label_values(&[failure.as_str()]).inc();
        }
        for guard in &done.refused {
            families.prune_refused_total.with_label_values(&[guard.as_str()]).inc();
        }
        let mut state = self.state();
        if done.is_held() && state.knows(policy) {
            state.held.insert(policy.to_owned());
        } else {
            state.held.remove(policy);
        }
    }

    /// One thing that a backup needs was looked at.
    pub fn preflight(&self, check: &'static str, found: Check) {
        let passed = u64::from(found == Check::Passed);
        set(&self.families().preflight_ok, &[check], passed);
    }

    /// One thing is not looked at any more, as nothing needs it.
    pub fn no_preflight(&self, check: &'static str) {
        unset(&self.families().preflight_ok, &[check]);
    }

    /// A new configuration was taken over, or refused.
    pub fn config_reload(&self, found: Check) {
        let passed = u64::from(found == Check::Passed);
        set(&self.families().config_last_reload_success, &[], passed);
    }
}
