//! What goes wrong, and when.

use std::collections::{BTreeMap, VecDeque};

use crate::milvus::{MilvusError, MilvusErrorKind, MilvusResult};

use super::spoil::Spoil;

/// A call of [`crate::milvus::MilvusApi`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the method of that name")]
pub enum MilvusCall {
    Version,
    Databases,
    Collections,
    Describe,
    Partitions,
    Indexes,
    LoadState,
    Flush,
    IsFlushed,
    PersistentSegments,
    CreateDatabase,
    DropDatabase,
    CreateCollection,
    CreatePartition,
    CreateIndex,
    Import,
    ImportState,
    Load,
    LoadPercent,
    RenameCollection,
    DropCollection,
    SetAlias,
    Rbac,
    RestoreRbac,
}

/// How an import goes other than well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportScript {
    /// It runs for ever.
    Hang,
    /// It fails with these words after one question for its state, as a time-out does.
    Fail(String),
    /// It sees no folder, which is an empty one, and completes.
    Unseen,
}

#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) unreachable: bool,
    pub(super) imports: VecDeque<ImportScript>,
    counts: BTreeMap<MilvusCall, usize>,
    faults: Vec<(MilvusCall, usize, MilvusErrorKind)>,
    pub(super) spoilt: Vec<(String, Spoil)>,
}

impl Script {
    pub(super) fn fail(&mut self, call: MilvusCall, nth: usize, kind: MilvusErrorKind) {
        let at = self.count(call) + nth;
        self.faults.push((call, at, kind));
    }

    pub(super) fn count(&self, call: MilvusCall) -> usize {
        self.counts.get(&call).copied().unwrap_or(0)
    }

    /// What happens to a collection that is loaded under this name.
    pub(super) fn spoils(&mut self, name: &str) -> Vec<Spoil> {
        let these = |(beginning, _): &mut (String, Spoil)| name.starts_with(&*beginning);
        self.spoilt.extract_if(.., these).map(|(_, spoil)| spoil).collect()
    }

    /// Every call goes through here first.
    pub(super) fn enter(&mut self, call: MilvusCall) -> MilvusResult<()> {
        let count = self.counts.entry(call).or_default();
        *count += 1;
        let fault = self.faults.iter().find(|(of, nth, _)| (*of, *nth) == (call, *count));
        let kind = match fault {
            _ if self.unreachable => MilvusErrorKind::Unreachable,
            Some((_, _, kind)) => *kind,
            None => return Ok(()),
        };
        Err(MilvusError::new(format!("{call:?}"), kind, "scripted"))
    }
}
