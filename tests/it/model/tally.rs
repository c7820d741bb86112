//! How often what happened, so that one sees that it did.

use std::fmt;

use super::op::{Op, Work};

/// Counts of one history, or of many.
#[derive(Debug, Default, Clone)]
pub(super) struct Tally {
    pub(super) histories: u64,
    pub(super) lying: u64,
    ops: [u64; 8],
    works: [u64; 12],
    done: [u64; 12],
    pub(super) crashes: u64,
    pub(super) stalls: u64,
    pub(super) wakes: u64,
    pub(super) faults: u64,
    pub(super) calls: u64,
    pub(super) swept: u64,
    pub(super) second_prunes: u64,
}

const OPS: [&str; 8] = ["insert", "erase", "compact", "collect", "drop", "pass", "jump", "kill"];
const WORKS: [&str; 12] = [
    "backup",
    "again",
    "delete",
    "delete --now",
    "undelete",
    "prune",
    "prune --allow",
    "prune plan",
    "pin",
    "unpin",
    "restore",
    "verify",
];

impl Tally {
    pub(super) fn op(&mut self, op: Op) {
        let at = match op {
            Op::Insert { .. } => 0,
            Op::Erase { .. } => 1,
            Op::Compact { .. } => 2,
            Op::Collect => 3,
            Op::Drop { .. } => 4,
            Op::Pass { .. } => 5,
            Op::Jump { .. } => 6,
            Op::Kill { .. } => 7,
            Op::Start { work, .. } => return self.works[place(work)] += 1,
            Op::Wake { .. } => return,
        };
        self.ops[at] += 1;
    }

    /// Some work came to a good end.
    pub(super) fn done(&mut self, work: Work) {
        self.done[place(work)] += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        let sum = |into: &mut [u64], from: &[u64]| {
            into.iter_mut().zip(from).for_each(|(into, from)| *into += from);
        };
        sum(&mut self.ops, &other.ops);
        sum(&mut self.works, &other.works);
        sum(&mut self.done, &other.done);
        self.histories += other.histories;
        self.lying += other.lying;
        self.crashes += other.crashes;
        self.stalls += other.stalls;
        self.wakes += other.wakes;
        self.faults += other.faults;
        self.calls += other.calls;
        self.swept += other.swept;
        self.second_prunes += other.second_prunes;
    }

    /// A test that never gets there proves nothing: each thing happened in at least one history
    /// of forty.
    pub(super) fn assert_rich(&self) {
        let least = self.histories / 40;
        let rare: Vec<_> = self.counts().into_iter().filter(|(_, count)| *count < least).collect();
        assert!(rare.is_empty(), "less than {least} times: {rare:?}");
    }

    /// Every count by its name.
    pub(super) fn counts(&self) -> Vec<(String, u64)> {
        let mut all: Vec<(String, u64)> = [
            ("histories", self.histories),
            ("on a store that lies", self.lying),
            ("crashes", self.crashes),
            ("stalls", self.stalls),
            ("wakes", self.wakes),
            ("faults", self.faults),
            ("store calls", self.calls),
            ("files swept", self.swept),
            ("second prunes", self.second_prunes),
        ]
        .map(|(name, count)| (name.to_owned(), count))
        .into();
        let named = |names: &[&str], counts: &[u64], more: &str| -> Vec<_> {
            names
                .iter()
                .zip(counts)
                .map(|(name, count)| (format!("{name}{more}"), *count))
                .collect()
        };
        all.extend(named(&OPS, &self.ops, ""));
        all.extend(named(&WORKS, &self.works, ""));
        all.extend(named(&WORKS, &self.done, " done"));
        all
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.counts().into_iter().map(|(name, count)| format!("{name} {count}"));
        write!(f, "{}", all.collect::<Vec<_>>().join(", "))
    }
}

fn place(work: Work) -> usize {
    match work {
        Work::Backup(_) => 0,
        Work::Again(_) => 1,
        Work::Hide(_) => 2,
        Work::Remove(_) => 3,
        Work::Undelete(_) => 4,
        Work::Prune => 5,
        Work::Force => 6,
        Work::Preview => 7,
        Work::Pin(_) => 8,
        Work::Unpin(_) => 9,
        Work::Restore(_) => 10,
        Work::Verify(_) => 11,
    }
}
