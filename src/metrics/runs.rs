//! Runs: begun, under way, ended.

use jiff::Timestamp;

use crate::model::{RunKind, RunOutcome};

use super::handle::{seconds, set, set_if_any, unset};
use super::state::{Ended, State};
use super::{BackupFigures, Metrics, RunFacts, RunProgress};

impl Metrics {
    /// A run begins.
    pub fn run_started(&self, policy: &str, kind: RunKind, at: Timestamp) {
        let mut state = self.state();
        if !state.knows(policy) {
            return;
        }
        *state.running.entry((policy.to_owned(), kind)).or_default() += 1;
        self.count_from_zero(policy, kind);
        let (families, labels) = (self.families(), &[policy, kind.as_str()]);
        set(&families.run_in_progress, labels, 1_u64);
        set(&families.run_started_timestamp_seconds, labels, seconds(at));
        set(&families.run_last_progress_timestamp_seconds, labels, seconds(at));
        set(&families.run_done_bytes, labels, 0_u64);
        unset(&families.run_expected_bytes, labels);
    }

    /// A run moves on. Without one at work, nothing is recorded.
    pub fn run_progressed(&self, policy: &str, kind: RunKind, progress: RunProgress) {
        let state = self.state();
        if !state.running.contains_key(&(policy.to_owned(), kind)) {
            return;
        }
        let (families, labels) = (self.families(), &[policy, kind.as_str()]);
        let moved = seconds(progress.moved_at);
        set(&families.run_last_progress_timestamp_seconds, labels, moved);
        set(&families.run_done_bytes, labels, progress.done_bytes);
        set_if_any(&families.run_expected_bytes, labels, progress.expected_bytes);
    }

    /// A run ended: the only thing that counts one.
    pub fn run_ended(&self, run: &RunFacts) {
        let mut state = self.state();
        if !state.knows(&run.policy) {
            return;
        }
        self.at_rest(&mut state, &run.policy, run.kind);
        self.count_from_zero(&run.policy, run.kind);
        let (families, kind) = (self.families(), run.kind.as_str());
        let labels = &[run.policy.as_str(), kind, run.outcome.as_str()];
        families.runs_total.with_label_values(labels).inc();
        if run.outcome != RunOutcome::Skipped {
            let histogram = &families.run_duration_seconds;
            histogram.with_label_values(&[&run.policy, kind]).observe(duration(run));
        }
        self.newest(&mut state, run);
    }

    /// A run that ended before this process began, as the journal has it: sets what is told
    /// of newest runs and counts nothing.
    pub fn run_remembered(&self, run: &RunFacts) {
        let mut state = self.state();
        if state.knows(&run.policy) {
            self.newest(&mut state, run);
        }
    }

    /// How a run ended before this process began, where no more is known.
    pub fn run_proven(&self, policy: &str, kind: RunKind, (outcome, at): (RunOutcome, Timestamp)) {
        let mut state = self.state();
        if !state.knows(policy) {
            return;
        }
        let ended = state.ended.entry((policy.to_owned(), kind)).or_default();
        if ended.is_newest(at) {
            ended.completion = Some((at, outcome));
        }
        if outcome == RunOutcome::Complete {
            ended.success = ended.success.max(Some(at));
        }
        let ended = *ended;
        self.show_ended(policy, kind, (ended, true));
    }

    /// One run fewer is at work.
    fn at_rest(&self, state: &mut State, policy: &str, kind: RunKind) {
        let key = (policy.to_owned(), kind);
        if let Some(running) = state.running.get_mut(&key).filter(|running| **running > 1) {
            *running -= 1;
            return;
        }
        state.running.remove(&key);
        let (families, labels) = (self.families(), &[policy, kind.as_str()]);
        set(&families.run_in_progress, labels, 0_u64);
        unset(&families.run_started_timestamp_seconds, labels);
        unset(&families.run_last_progress_timestamp_seconds, labels);
        unset(&families.run_done_bytes, labels);
        unset(&families.run_expected_bytes, labels);
    }

    /// Takes a run over into the gauges of the newest, as far as it is that.
    fn newest(&self, state: &mut State, run: &RunFacts) {
        let key = (run.policy.clone(), run.kind);
        let ended = state.ended.entry(key).or_default();
        let suspect = run.backup.is_some_and(|figures| figures.suspect);
        let newest_success = run.outcome == RunOutcome::Complete
            && !suspect
            && ended.success.is_none_or(|known| known <= run.ended_at);
        if newest_success {
            ended.success = Some(run.ended_at);
        }
        let newest = ended.is_newest(run.ended_at);
        if newest {
            ended.completion = Some((run.ended_at, run.outcome));
        }
        let ended = *ended;
        // Whether a backup ever succeeded is known when the repository was read.
        let known = state.catalog.is_some() || run.kind != RunKind::Backup;
        self.show_ended(&run.policy, run.kind, (ended, known));
        if newest {
            self.show_durations(run);
        }
        match &run.backup {
            Some(figures) if newest_success => self.show_copied(&run.policy, figures),
            Some(_) | None => {}
        }
        match &run.backup {
            Some(figures) if newest => self.show_left_out(&run.policy, figures),
            Some(_) | None => {}
        }
    }

    /// When the newest runs ended, and how.
    pub(super) fn show_ended(&self, policy: &str, kind: RunKind, (ended, known): (Ended, bool)) {
        let (families, labels) = (self.families(), &[policy, kind.as_str()]);
        let never = Timestamp::UNIX_EPOCH;
        let success = ended.success.or(known.then_some(never)).map(seconds);
        set_if_any(&families.last_success_timestamp_seconds, labels, success);
        let completion = seconds(ended.completion.map_or(never, |(at, _)| at));
        set(&families.last_completion_timestamp_seconds, labels, completion);
        for outcome in RunOutcome::ALL {
            let is_it = ended.completion.is_some_and(|(_, last)| last == *outcome);
            let labels = &[policy, kind.as_str(), outcome.as_str()];
            set(&families.last_run_outcome, labels, u64::from(is_it));
        }
    }

    fn show_durations(&self, run: &RunFacts) {
        let families = self.families();
        let labels = &[run.policy.as_str(), run.kind.as_str()];
        families.last_run_duration_seconds.with_label_values(labels).set(duration(run));
        if run.kind != RunKind::Backup {
            return;
        }
        let gauges = &families.last_run_stage_duration_seconds;
        for stage in crate::model::RunStage::ALL {
            unset(gauges, &[&run.policy, stage.as_str()]);
        }
        for (stage, took) in &run.stages {
            gauges.with_label_values(&[&run.policy, stage.as_str()]).set(took.as_secs_f64());
        }
    }

    fn show_copied(&self, policy: &str, figures: &BackupFigures) {
        let families = self.families();
        self.show_figures(policy, Some(figures));
        set_if_any(&families.last_backup_uploaded_bytes, &[policy], figures.uploaded_bytes);
        set_if_any(&families.last_backup_reused_bytes, &[policy], figures.reused_bytes);
    }

    fn show_left_out(&self, policy: &str, figures: &BackupFigures) {
        let families = self.families();
        let skipped = figures.collections_skipped;
        set_if_any(&families.last_backup_collections_skipped, &[policy], skipped);
        let failed = figures.collections_failed;
        set(&families.last_backup_collections_failed, &[policy], failed);
    }

    /// What the repository can tell of the newest complete backup, too.
    pub(super) fn show_figures(&self, policy: &str, figures: Option<&BackupFigures>) {
        let (families, labels) = (self.families(), &[policy]);
        let of = |figure: fn(&BackupFigures) -> u64| figures.map(figure);
        set_if_any(&families.last_backup_rows, labels, of(|figures| figures.rows));
        set_if_any(&families.last_backup_segments, labels, of(|figures| figures.segments));
        let bytes = of(|figures| figures.logical_bytes);
        set_if_any(&families.last_backup_logical_bytes, labels, bytes);
        let collections = of(|figures| figures.collections);
        set_if_any(&families.last_backup_collections, labels, collections);
    }
}

/// The wall time of a run; a clock that was set back makes it 0, not negative.
fn duration(run: &RunFacts) -> f64 {
    run.ended_at.duration_since(run.started_at).as_secs_f64().max(0.)
}
