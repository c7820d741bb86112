//! What a [`super::FaultyStore`] has been told to do.

use std::{fmt, io};

use bytes::Bytes;

use crate::model::ObjectKey;
use crate::storage::{PutMode, StoreError, StoreErrorKind, StoreOp, StoreResult};

/// How a stream that breaks off looks to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// A transient error, as the contract demands.
    WithError,
    /// The stream just ends: a store that breaks the contract.
    Silently,
}

/// The state of a faulty store.
#[derive(Debug, Default)]
pub(super) struct Script {
    /// Writes that reached the inner store.
    pub(super) writes: u64,
    /// How many writes the process lives for.
    pub(super) lives_for: Option<u64>,
    /// Whether writes are refused.
    pub(super) read_only: bool,
    /// Whether a put that demands an absent key overwrites a present one.
    pub(super) lies: bool,
    /// What streams and copies wrote since the last sync.
    pub(super) unsynced: Vec<ObjectKey>,
    /// The same of processes that died before; a sync covers only what this one met.
    pub(super) inherited: Vec<ObjectKey>,
    /// What was deleted since the last sync, oldest first, with its content.
    pub(super) deleted: Vec<(ObjectKey, Bytes)>,
    /// The same of processes that died before.
    pub(super) inherited_deleted: Vec<(ObjectKey, Bytes)>,
    faults: Vec<Fault>,
    cuts: Vec<Truncation>,
}

#[derive(Debug)]
struct Fault {
    op: StoreOp,
    key_contains: String,
    /// None of a bad disk.
    kind: Option<StoreErrorKind>,
    times: u32,
}

#[derive(Debug)]
struct Truncation {
    key_contains: String,
    keep_bytes: u64,
    cut: Cut,
}

impl Script {
    /// Adds failures of one call.
    pub(super) fn fail(
        &mut self,
        op: StoreOp,
        key_contains: &str,
        kind: StoreErrorKind,
        times: u32,
    ) {
        let (key_contains, kind) = (key_contains.to_owned(), Some(kind));
        self.faults.push(Fault { op, key_contains, kind, times });
    }

    /// Adds reads that fail as those of a bad disk.
    pub(super) fn spoil(&mut self, key_contains: &str, times: u32) {
        let (op, key_contains) = (StoreOp::Get, key_contains.to_owned());
        self.faults.push(Fault { op, key_contains, kind: None, times });
    }

    /// Adds a stream that breaks off once.
    pub(super) fn truncate(&mut self, key_contains: &str, keep_bytes: u64, cut: Cut) {
        self.cuts.push(Truncation { key_contains: key_contains.to_owned(), keep_bytes, cut });
    }

    /// What a dead process left, and this one found in its way: its next sync is for it too.
    pub(super) fn meet(&mut self, key: &ObjectKey) {
        if let Some(at) = self.inherited.iter().position(|left| left == key) {
            let key = self.inherited.remove(at);
            self.unsynced.push(key);
        }
    }

    /// What a dead process deleted, and this one deletes again: the same.
    pub(super) fn meet_deleted(&mut self, key: &ObjectKey) {
        if let Some(at) = self.inherited_deleted.iter().position(|(left, _)| left == key) {
            let left = self.inherited_deleted.remove(at);
            self.deleted.push(left);
        }
    }

    /// Lets a read through, or not.
    pub(super) fn read(&mut self, op: StoreOp, key: &str) -> StoreResult<()> {
        self.alive(op, key)?;
        self.scripted(op, key)
    }

    /// Lets a write through and counts it, or not.
    pub(super) fn write(&mut self, op: StoreOp, key: &str) -> StoreResult<()> {
        self.alive(op, key)?;
        if self.read_only {
            return Err(failed(op, key, StoreErrorKind::ReadOnly, "scripted to be read-only"));
        }
        self.scripted(op, key)?;
        self.writes += 1;
        Ok(())
    }

    /// The same of a put, which may forget its condition.
    pub(super) fn put(&mut self, key: &ObjectKey, mode: PutMode) -> StoreResult<PutMode> {
        self.write(StoreOp::Put, key.as_str())?;
        Ok(if self.lies { PutMode::Overwrite } else { mode })
    }

    /// Refuses everything once the process is dead.
    pub(super) fn alive(&self, op: StoreOp, key: &str) -> StoreResult<()> {
        if self.lives_for.is_some_and(|writes| self.writes >= writes) {
            return Err(failed(op, key, StoreErrorKind::Other, "stopped"));
        }
        Ok(())
    }

    /// Where the stream of `key` breaks off, once.
    pub(super) fn cut(&mut self, key: &str) -> Option<(u64, Cut)> {
        let found = self.cuts.iter().position(|cut| key.contains(&cut.key_contains))?;
        let cut = self.cuts.remove(found);
        Some((cut.keep_bytes, cut.cut))
    }

    fn scripted(&mut self, op: StoreOp, key: &str) -> StoreResult<()> {
        let matching = |fault: &&mut Fault| {
            fault.times > 0 && fault.op == op && key.contains(&fault.key_contains)
        };
        let Some(fault) = self.faults.iter_mut().find(matching) else {
            return Ok(());
        };
        fault.times -= 1;
        let Some(kind) = fault.kind else {
            let (kind, cause) = (StoreErrorKind::Other, io::Error::from_raw_os_error(5));
            return Err(StoreError::new(op, format!("faulty/{key}"), kind, cause));
        };
        Err(failed(op, key, kind, "scripted to fail"))
    }
}

/// A failure of the faulty store's own.
pub(super) fn failed(
    op: StoreOp,
    key: impl fmt::Display,
    kind: StoreErrorKind,
    cause: &'static str,
) -> StoreError {
    StoreError::new(op, format!("faulty/{key}"), kind, cause)
}
