//! How far a run is, for whoever wants to look.

use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use crate::model::RunStage;

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stage {
    /// Asking Milvus and reading the repository.
    #[default]
    Gather,
    /// Copying files.
    Copy,
    /// Checking and writing the manifest.
    Commit,
    /// Filling collections.
    Import,
    /// Reading back.
    Verify,
}

impl Stage {
    /// The word people see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gather => "gathering",
            Self::Copy => "copying",
            Self::Commit => "committing",
            Self::Import => "importing",
            Self::Verify => "verifying",
        }
    }
}

impl From<Stage> for RunStage {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Gather => Self::Plan,
            Stage::Copy => Self::Copy,
            Stage::Commit => Self::Commit,
            Stage::Import => Self::Import,
            Stage::Verify => Self::Verify,
        }
    }
}

/// Shared counters of one run.
#[derive(Debug, Default)]
pub struct Progress {
    stage: Mutex<At>,
    done_bytes: AtomicU64,
    total_bytes: AtomicU64,
}

/// Where a run is, and what was before.
#[derive(Debug, Default)]
struct At {
    stage: Stage,
    subject: String,
    since: Option<Instant>,
    before: Vec<(Stage, Duration)>,
}

impl At {
    fn so_far(&self) -> Option<(Stage, Duration)> {
        self.since.map(|since| (self.stage, since.elapsed()))
    }
}

/// The counters at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressSnapshot {
    /// What the run is doing.
    pub stage: Stage,
    /// With what: a collection, or empty.
    pub subject: String,
    /// Bytes done in this stage.
    pub done_bytes: u64,
    /// Bytes to do in this stage; 0 when that is not known.
    pub total_bytes: u64,
}

impl Progress {
    /// Enters a stage.
    pub fn enter(&self, stage: Stage, total_bytes: u64) {
        self.done_bytes.store(0, Ordering::Relaxed);
        self.total_bytes.store(total_bytes, Ordering::Relaxed);
        let mut at = self.at();
        let ended = at.so_far();
        let mut before = mem::take(&mut at.before);
        before.extend(ended);
        *at = At { stage, subject: String::new(), since: Some(Instant::now()), before };
    }

    /// Names what the stage is about now.
    pub fn subject(&self, subject: &str) {
        subject.clone_into(&mut self.at().subject);
    }

    /// Counts bytes of this stage.
    pub fn advance(&self, bytes: u64) {
        self.done_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The counters now.
    pub fn snapshot(&self) -> ProgressSnapshot {
        let at = self.at();
        ProgressSnapshot {
            stage: at.stage,
            subject: at.subject.clone(),
            done_bytes: self.done_bytes.load(Ordering::Relaxed),
            total_bytes: self.total_bytes.load(Ordering::Relaxed),
        }
    }

    /// How long each stage took so far, in the order in which they were first entered.
    pub fn stages(&self) -> Vec<(RunStage, Duration)> {
        let at = self.at();
        let mut stages: Vec<(RunStage, Duration)> = Vec::new();
        for (stage, took) in at.before.iter().copied().chain(at.so_far()) {
            let stage = stage.into();
            match stages.iter_mut().find(|(known, _)| *known == stage) {
                Some((_, sum)) => *sum += took,
                None => stages.push((stage, took)),
            }
        }
        stages
    }

    fn at(&self) -> MutexGuard<'_, At> {
        self.stage.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::{Progress, Stage};
    use crate::model::RunStage;

    #[tokio::test(start_paused = true)]
    async fn stages_are_timed() {
        let progress = Progress::default();
        assert_eq!(progress.stages(), []);
        for (stage, seconds) in [(Stage::Gather, 1), (Stage::Copy, 5), (Stage::Gather, 2)] {
            progress.enter(stage, 0);
            advance(Duration::from_secs(seconds)).await;
        }
        let took = |seconds| Duration::from_secs(seconds);
        assert_eq!(progress.stages(), [(RunStage::Plan, took(3)), (RunStage::Copy, took(5))]);
    }
}
