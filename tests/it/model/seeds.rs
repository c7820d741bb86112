//! Histories that found something wrong, by their seeds. The numbers of calls in them are of
//! the day when they were found.

use super::campaign::play;
use super::history::History;
use super::op::{Fate, Fault, Keeps, Op, Work};
use super::truth::Honesty;
use super::world::Kind;

const HONEST: Kind = Kind { honesty: Honesty::Honest, in_place: false, agents: 3 };

fn replay(seed: u64, kind: Kind, ops: &[Op]) {
    let history = History { seed, kind, ops: ops.to_vec() };
    if let Err(failure) = play(&history, true) {
        panic!("{failure}");
    }
}

/// A backup whose plan could not be removed kept it, and what it names, for ever.
#[test]
fn seed_16() {
    for at in 35..55 {
        let fate = Fate::Meets { at, times: 1, fault: Fault::Busy };
        replay(
            16,
            HONEST,
            &[
                Op::Insert { collection: 0, rows: 2 },
                Op::Start {
                    agent: 0,
                    work: Work::Backup(Keeps::All),
                    fate: Fate::Lives,
                    pace: 0,
                    then: 0,
                },
                Op::Start { agent: 0, work: Work::Backup(Keeps::All), fate, pace: 0, then: 0 },
            ],
        );
    }
}
