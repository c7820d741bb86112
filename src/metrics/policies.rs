//! Policies and what the repository holds of them.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{BackupState, RunKind};

use super::handle::{seconds, set, set_if_any, unset};
use super::state::State;
use super::{CatalogFacts, Metrics, MissReason, PolicyCatalog, PolicyFacts, TriggerSource};

impl Metrics {
    /// The policies that are configured from now on; what others had is gone.
    pub fn set_policies(&self, policies: &[PolicyFacts]) {
        let mut state = self.state();
        let names: BTreeSet<String> = policies.iter().map(|policy| policy.name.clone()).collect();
        for removed in state.policies.difference(&names) {
            self.families().forget(removed);
        }
        state.ended.retain(|(policy, _), _| policy.is_empty() || names.contains(policy));
        state.running.retain(|(policy, _), _| policy.is_empty() || names.contains(policy));
        let added: Vec<String> = names.difference(&state.policies).cloned().collect();
        state.policies = names;
        for policy in policies {
            self.show_policy(policy);
        }
        for policy in &added {
            self.show_catalog(&mut state, policy);
        }
    }

    /// Takes events of one more policy, of which nothing but the name is told.
    pub fn add_policy(&self, name: &str) {
        let mut state = self.state();
        if !name.is_empty() && state.policies.insert(name.to_owned()) {
            self.count_from_zero(name, RunKind::Backup);
            self.show_catalog(&mut state, name);
        }
    }

    /// The policy's next slot; none if it has no schedule or is paused.
    pub fn next_run(&self, policy: &str, at: Option<Timestamp>) {
        let state = self.state();
        if state.knows(policy) {
            let gauges = &self.families().schedule_next_run_timestamp_seconds;
            set_if_any(gauges, &[policy], at.map(seconds));
        }
    }

    /// Something asked for a run.
    pub fn trigger(&self, policy: &str, source: TriggerSource) {
        let state = self.state();
        if state.knows(policy) {
            let counter = &self.families().triggers_total;
            counter.with_label_values(&[policy, source.as_str()]).inc();
        }
    }

    /// Slots passed without a run.
    pub fn schedule_missed(&self, policy: &str, reason: MissReason, slots: u64) {
        let state = self.state();
        if state.knows(policy) {
            let counter = &self.families().schedule_missed_total;
            counter.with_label_values(&[policy, reason.as_str()]).inc_by(slots);
        }
    }

    /// What the repository holds now: the truth about backups.
    pub fn catalog(&self, facts: CatalogFacts) {
        let mut state = self.state();
        let families = self.families();
        set(&families.catalog_refresh_timestamp_seconds, &[], seconds(facts.read_at));
        set_if_any(&families.repository_free_bytes, &[], facts.free_bytes);
        set_if_any(&families.repository_min_free_bytes, &[], facts.min_free_bytes);
        for (class, bytes) in &facts.bytes {
            set(&families.repository_bytes, &[class.as_str()], *bytes);
        }
        state.catalog = Some(facts);
        let policies: Vec<String> = state.policies.iter().cloned().collect();
        for policy in policies.iter().map(String::as_str).chain([""]) {
            self.show_catalog(&mut state, policy);
        }
    }

    fn show_policy(&self, policy: &PolicyFacts) {
        let (families, labels) = (self.families(), &[policy.name.as_str()]);
        let created = seconds(policy.created_at);
        set(&families.policy_created_timestamp_seconds, labels, created);
        set_if_any(&families.policy_max_age_seconds, labels, policy.max_age.map(whole));
        set_if_any(&families.policy_min_keep, labels, policy.min_keep);
        set_if_any(&families.schedule_interval_seconds, labels, policy.interval.map(whole));
        for source in TriggerSource::ALL {
            families.triggers_total.with_label_values(&[&policy.name, source.as_str()]);
        }
        for reason in MissReason::ALL {
            families.schedule_missed_total.with_label_values(&[&policy.name, reason.as_str()]);
        }
        self.count_from_zero(&policy.name, RunKind::Backup);
        self.count_from_zero(&policy.name, RunKind::Prune);
        let labels = &[policy.name.as_str(), RunKind::Backup.as_str()];
        families.run_in_progress.with_label_values(labels);
    }

    /// Takes over what the repository holds of one policy.
    fn show_catalog(&self, state: &mut State, policy: &str) {
        let empty = PolicyCatalog::default();
        let Some(facts) = &state.catalog else {
            // Whether it ever succeeded is not known before the repository was read.
            let key = (policy.to_owned(), RunKind::Backup);
            if let Some(ended) = state.ended.get(&key) {
                self.show_ended(policy, RunKind::Backup, (*ended, false));
            }
            return;
        };
        let found = facts.policies.get(policy);
        let key = (policy.to_owned(), RunKind::Backup);
        let nothing = found.is_none() && !state.ended.contains_key(&key);
        if policy.is_empty() && nothing {
            return;
        }
        let found = found.unwrap_or(&empty);
        let families = self.families();
        for is in BackupState::ALL.iter().filter(|is| **is != BackupState::Foreign) {
            let count = found.states.get(is).copied().unwrap_or(0);
            set(&families.backups, &[policy, is.as_str()], count);
        }
        set(&families.pinned_backups, &[policy], found.pinned);
        set(&families.damaged_backups, &[policy], found.damaged);
        let oldest = found.oldest_restorable.map(seconds);
        set_if_any(&families.oldest_restorable_timestamp_seconds, &[policy], oldest);
        let newest = found.newest_restorable.map(seconds);
        set_if_any(&families.newest_restorable_timestamp_seconds, &[policy], newest);
        let ended = state.ended.entry(key).or_default();
        let unseen = ended.success.filter(|at| *at > facts.read_at);
        let from_elsewhere = found.last_success > ended.success;
        ended.success = unseen.max(found.last_success);
        if let Some((at, outcome)) = found.last_completion.filter(|(at, _)| ended.is_newest(*at)) {
            ended.completion = Some((at, outcome));
        }
        self.show_ended(policy, RunKind::Backup, (*ended, true));
        if unseen.is_none() {
            self.show_figures(policy, found.newest_complete.as_ref());
        }
        if from_elsewhere {
            unset(&families.last_backup_uploaded_bytes, &[policy]);
            unset(&families.last_backup_reused_bytes, &[policy]);
        }
    }
}

/// Whole seconds.
fn whole(length: Duration) -> u64 {
    length.as_secs()
}
