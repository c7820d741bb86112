//! What a run has copied so far, written down so that the run after a dead one need not
//! copy or read it again.
//!
//! An entry is written only after a sync that began when its file was whole: what is in a
//! checkpoint is durable, whoever wrote it and whatever became of that run. So a checkpoint
//! may be believed without asking whether its run is alive.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use crate::manifest::{FileEntry, FileId, FileList};
use crate::model::ObjectKey;
use crate::storage::{Deadlines, ObjectStore, PutMode, StoreResult};

/// A checkpoint takes at most one part in so many of a run's time.
const SHARE: u32 = 10;

/// How much a run may lose of its knowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointPace {
    /// After so many files,
    pub files: usize,
    /// or after so long.
    pub interval: Duration,
}

impl Default for CheckpointPace {
    /// What is lost is read back, so it need not be little.
    fn default() -> Self {
        Self { files: 1000, interval: Duration::from_secs(2) }
    }
}

/// The checkpoint of one run.
#[derive(Debug)]
pub struct Checkpoint {
    store: Arc<dyn ObjectStore>,
    key: ObjectKey,
    deadlines: Arc<dyn Deadlines>,
    pace: CheckpointPace,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    entries: HashMap<FileId, FileEntry>,
    unwritten: usize,
    flushed_at: Instant,
    took: Duration,
}

impl Checkpoint {
    /// An empty one, to be written as `key` for as long as that is the run's.
    pub fn new(
        store: Arc<dyn ObjectStore>,
        (key, deadlines): (ObjectKey, Arc<dyn Deadlines>),
        pace: CheckpointPace,
    ) -> Self {
        let state = State {
            entries: HashMap::new(),
            unwritten: 0,
            flushed_at: Instant::now(),
            took: Duration::ZERO,
        };
        Self { store, key, deadlines, pace, state: Mutex::new(state) }
    }

    /// Carries over what other checkpoints say, so that they may go.
    pub fn carry(&self, entries: impl IntoIterator<Item = (FileId, FileEntry)>) {
        self.state().entries.extend(entries);
    }

    pub(super) fn note(&self, id: FileId, entry: &FileEntry) {
        let mut state = self.state();
        state.entries.insert(id, entry.clone());
        state.unwritten += 1;
    }

    pub(super) fn is_due(&self) -> bool {
        let state = self.state();
        let since = state.flushed_at.elapsed();
        let wanted = state.unwritten >= self.pace.files || since >= self.pace.interval;
        state.unwritten > 0 && wanted && since >= state.took * SHARE
    }

    /// Makes durable what was copied so far, and writes it down. Not to be called twice at once.
    pub async fn flush(&self) -> StoreResult<()> {
        let begun = Instant::now();
        let (entries, unwritten) = {
            let mut state = self.state();
            state.flushed_at = begun;
            (state.entries.clone(), state.unwritten)
        };
        if unwritten == 0 {
            return Ok(());
        }
        let written = async {
            self.store.sync().await?;
            let body = FileList::of_files(entries).encode().bytes.into();
            let deadline = self.deadlines.deadline();
            self.store.put_before(&self.key, body, PutMode::Overwrite, deadline).await
        };
        let written = written.await;
        let mut state = self.state();
        state.flushed_at = Instant::now();
        state.took = begun.elapsed();
        if written.is_ok() {
            state.unwritten -= unwritten;
        }
        written.map(drop)
    }

    /// As [`Self::flush`]; a run can do without.
    pub async fn try_flush(&self) {
        if let Err(error) = self.flush().await {
            tracing::warn!(key = %self.key, %error, "the checkpoint could not be written");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}
