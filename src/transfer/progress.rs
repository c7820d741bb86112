//! How far a run is, for whoever wants to look.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
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

/// How long stages take.
#[derive(Debug, Default)]
struct Times {
    /// When the present one was entered.
    since: Option<Instant>,
    /// Those before.
    past: Vec<(Stage, Duration)>,
}

/// Shared counters of one run.
#[derive(Debug, Default)]
pub struct Progress {
    stage: Mutex<(Stage, String)>,
    times: Mutex<Times>,
    done_bytes: AtomicU64,
    /// Bytes of files that are not done.
    flying_bytes: AtomicU64,
    total_bytes: AtomicU64,
    moves: AtomicU64,
}

/// The bytes of one file that is being copied. They count until this is dropped: by then the
/// file is done and counted as a whole, or is begun again.
#[derive(Debug)]
pub(super) struct Flight {
    progress: Arc<Progress>,
    bytes: AtomicU64,
}

impl Flight {
    pub(super) fn begin(progress: &Arc<Progress>) -> Arc<Self> {
        Arc::new(Self { progress: Arc::clone(progress), bytes: AtomicU64::new(0) })
    }

    /// So many more have moved.
    pub(super) fn moved(&self, bytes: usize) {
        let bytes = bytes as u64;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.progress.flying_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.progress.touch();
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        self.progress.flying_bytes.fetch_sub(bytes, Ordering::Relaxed);
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
    /// Rises with everything that happens in the run: it hangs if this stands still.
    pub moves: u64,
}

impl Progress {
    /// Enters a stage.
    pub fn enter(&self, stage: Stage, total_bytes: u64) {
        self.done_bytes.store(0, Ordering::Relaxed);
        self.total_bytes.store(total_bytes, Ordering::Relaxed);
        let before = {
            let mut now = self.stage.lock().expect("no holder of this lock panics");
            std::mem::replace(&mut *now, (stage, String::new())).0
        };
        let mut times = self.times.lock().expect("no holder of this lock panics");
        if let Some(since) = times.since.replace(Instant::now()) {
            times.past.push((before, since.elapsed()));
        }
        drop(times);
        self.touch();
    }

    /// How long each stage has taken, the one that it is in up to now.
    pub fn stages(&self) -> Vec<(Stage, Duration)> {
        let stage = self.snapshot().stage;
        let times = self.times.lock().expect("no holder of this lock panics");
        let now = times.since.map(|since| (stage, since.elapsed()));
        let mut sums: Vec<(Stage, Duration)> = Vec::new();
        for (stage, took) in times.past.iter().copied().chain(now) {
            match sums.iter_mut().find(|(known, _)| *known == stage) {
                Some((_, sum)) => *sum += took,
                None => sums.push((stage, took)),
            }
        }
        sums
    }

    /// Names what the stage is about now.
    pub fn subject(&self, subject: &str) {
        subject.clone_into(&mut self.stage.lock().expect("no holder of this lock panics").1);
        self.touch();
    }

    /// Counts bytes of this stage.
    pub fn advance(&self, bytes: u64) {
        self.done_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.touch();
    }

    /// Says that something happened.
    pub fn touch(&self) {
        self.moves.fetch_add(1, Ordering::Relaxed);
    }

    /// The counters now.
    pub fn snapshot(&self) -> ProgressSnapshot {
        let (stage, subject) = self.stage.lock().expect("no holder of this lock panics").clone();
        ProgressSnapshot {
            stage,
            subject,
            done_bytes: self.done_bytes.load(Ordering::Relaxed)
                + self.flying_bytes.load(Ordering::Relaxed),
            total_bytes: self.total_bytes.load(Ordering::Relaxed),
            moves: self.moves.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Flight, Progress, Stage};

    #[test]
    fn parts_of_files_count_until_their_file_does() {
        let progress = Arc::new(Progress::default());
        progress.enter(Stage::Copy, 100);
        let done = || progress.snapshot().done_bytes;
        let flight = Flight::begin(&progress);
        flight.moved(30);
        flight.moved(20);
        assert_eq!(done(), 50);
        drop(flight);
        assert_eq!(done(), 0, "it is begun again");
        progress.advance(50);
        assert_eq!(done(), 50);
    }
}
