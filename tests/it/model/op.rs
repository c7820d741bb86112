//! What can happen in a history. Its `Debug` form is the Rust that makes it again.

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    /// Rows come into a collection, which is made if need be.
    Insert { collection: u8, rows: u8 },
    /// The oldest row of a collection goes.
    Erase { collection: u8 },
    /// Milvus rewrites the segments of a collection.
    Compact { collection: u8 },
    /// Milvus deletes the files that it no longer needs.
    Collect,
    /// A collection goes.
    Drop { collection: u8 },
    /// Time passes.
    Pass { minutes: u32 },
    /// The clock of an agent is so many hours off from now on.
    Jump { agent: u8, hours: i32 },
    /// An agent begins some work. The next step comes once all that can end has ended, or
    /// after so many seconds.
    Start { agent: u8, work: Work, fate: Fate, pace: u16, then: u16 },
    /// A stalled agent goes on; the next step comes as after a start.
    Wake { agent: u8, then: u16 },
    /// An agent is killed, and starts anew.
    Kill { agent: u8 },
}

/// What an agent does. Numbers choose among the backups that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// A backup under a new name, of one of the policies.
    Backup(Keeps),
    /// A backup under the name of a run that made none.
    Again(u8),
    /// `delete`.
    Hide(u8),
    /// `delete --now`.
    Remove(u8),
    Undelete(u8),
    /// `prune --apply` with the rules of the policies.
    Prune,
    /// The same over every guard.
    Force,
    /// `prune` that only tells.
    Preview,
    Pin(u8),
    Unpin(u8),
    Restore(u8),
    Verify(u8),
}

/// A policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeps {
    /// None.
    All,
    /// `keep_last: 1`, `min_keep: 2`.
    Two,
    /// `keep_last: 2`, `keep_daily: 2`, `min_keep: 1`, `keep_partial: 1`.
    Days,
}

/// What becomes of an agent while it works, at a call of it to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Lives,
    /// It is killed before this call.
    Dies {
        at: u16,
    },
    /// It stands still before this call.
    Stalls {
        at: u16,
    },
    /// From this call on some fail.
    Meets {
        at: u16,
        times: u16,
        fault: Fault,
    },
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It may work later.
    Busy,
    /// It will not.
    Broken,
    /// It is done, and its answer is lost.
    Unanswered,
}
