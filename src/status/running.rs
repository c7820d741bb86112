//! What is at work, as it is shown.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{ByteSize, RunKind};

use super::RunningFacts;
use super::words::from_now;

/// A run that is at work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningView {
    /// Its backup.
    pub backup: String,
    /// Since when.
    pub since: Timestamp,
    /// What it does, and with what.
    pub stage: String,
    /// Bytes done in this stage.
    pub done_bytes: u64,
    /// Bytes to do in it; 0 where that is not known.
    pub total_bytes: u64,
    /// How far that is.
    pub percent: Option<u8>,
}

/// A drill or a scheduled verification that is at work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvingView {
    /// `drill` or `verify`.
    pub kind: RunKind,
    /// The rest is told as of any run; without a backup where it is of all of them.
    #[serde(flatten)]
    pub run: RunningView,
}

impl RunningView {
    pub(super) fn of(run: &RunningFacts) -> Self {
        let share = u128::from(run.done_bytes) * 100;
        let share = share.checked_div(u128::from(run.total_bytes));
        Self {
            backup: run.backup.clone(),
            since: run.since,
            stage: format!("{} {}", run.stage, run.subject).trim_end().to_owned(),
            done_bytes: run.done_bytes,
            total_bytes: run.total_bytes,
            percent: share.map(|share| u8::try_from(share.min(100)).unwrap_or(100)),
        }
    }

    /// What it does, how far it is, and since when.
    pub(super) fn in_words(&self, now: Timestamp) -> String {
        let (stage, since) = (&self.stage, from_now(self.since, now));
        let (done, all) = (ByteSize(self.done_bytes), ByteSize(self.total_bytes));
        let bytes = if self.total_bytes > 0 { format!(", {done} of {all}") } else { String::new() };
        format!("{stage}{bytes}, begun {since}")
    }
}

impl ProvingView {
    pub(super) fn of((kind, run): &(RunKind, RunningFacts)) -> Self {
        Self { kind: *kind, run: RunningView::of(run) }
    }

    /// The same, with what it is and of which backup.
    pub(super) fn in_words(&self, now: Timestamp) -> String {
        let what = match self.run.backup.as_str() {
            "" => "all its backups",
            backup => backup,
        };
        format!("{} of {what}: {}", self.kind, self.run.in_words(now))
    }
}
