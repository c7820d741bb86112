//! How far a run is, for whoever wants to look.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

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

/// Shared counters of one run.
#[derive(Debug, Default)]
pub struct Progress {
    stage: Mutex<(Stage, String)>,
    done_bytes: AtomicU64,
    total_bytes: AtomicU64,
    moves: AtomicU64,
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
        *self.stage.lock().expect("no holder of this lock panics") = (stage, String::new());
        self.touch();
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

    /// Says that something happened, if only that part of a large file has moved.
    pub fn touch(&self) {
        self.moves.fetch_add(1, Ordering::Relaxed);
    }

    /// The counters now.
    pub fn snapshot(&self) -> ProgressSnapshot {
        let (stage, subject) = self.stage.lock().expect("no holder of this lock panics").clone();
        ProgressSnapshot {
            stage,
            subject,
            done_bytes: self.done_bytes.load(Ordering::Relaxed),
            total_bytes: self.total_bytes.load(Ordering::Relaxed),
            moves: self.moves.load(Ordering::Relaxed),
        }
    }
}
