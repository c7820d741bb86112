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

fn at_once(agent: u8, work: Work) -> Op {
    Op::Start { agent, work, fate: Fate::Lives, pace: 0, then: 0 }
}

fn stalled(work: Work, at: u16) -> Op {
    stalls(0, work, at)
}

fn stalls(agent: u8, work: Work, at: u16) -> Op {
    Op::Start { agent, work, fate: Fate::Stalls { at }, pace: 0, then: 0 }
}

/// A verification that stood still wrote its doubts beside a backup that was gone, where they
/// stayed.
#[test]
fn seed_44() {
    for at in 0..25 {
        replay(
            44,
            HONEST,
            &[
                Op::Insert { collection: 0, rows: 2 },
                at_once(0, Work::Backup(Keeps::All)),
                stalled(Work::Verify(0), at),
                Op::Pass { minutes: 5 },
                at_once(1, Work::Remove(0)),
                Op::Wake { agent: 0, then: 0 },
            ],
        );
    }
}

/// `pin` and `delete` both said yes, and the backup was hidden.
#[test]
fn seed_105() {
    for at in 0..25 {
        for (late, soon) in [(Work::Pin(0), Work::Hide(0)), (Work::Hide(0), Work::Pin(0))] {
            replay(
                105,
                HONEST,
                &[
                    Op::Insert { collection: 0, rows: 2 },
                    at_once(0, Work::Backup(Keeps::All)),
                    stalled(late, at),
                    at_once(1, soon),
                    Op::Wake { agent: 0, then: 0 },
                ],
            );
        }
    }
}

/// Not found by a seed: few histories meet a restore at the right moment.
#[test]
fn a_delete_waits_for_a_slow_restore_at_any_moment() {
    for then in 1..60 {
        let slow =
            Op::Start { agent: 0, work: Work::Restore(0), fate: Fate::Lives, pace: 2500, then };
        let first = [Op::Insert { collection: 0, rows: 2 }, at_once(0, Work::Backup(Keeps::All))];
        replay(0, HONEST, &[first[0], first[1], slow, at_once(1, Work::Remove(0))]);
    }
}

/// Of a dead run that a `delete --now` watched, another run took the place, and lost it.
#[test]
fn seed_65767() {
    let slow = |agent, work, then| Op::Start { agent, work, fate: Fate::Lives, pace: 2500, then };
    let then = |agent, work, then| Op::Start { agent, work, fate: Fate::Lives, pace: 0, then };
    replay(
        65767,
        Kind { honesty: Honesty::Honest, in_place: true, agents: 2 },
        &[
            Op::Insert { collection: 0, rows: 2 },
            at_once(0, Work::Backup(Keeps::Two)),
            Op::Start { agent: 0, work: Work::Undelete(3), fate: Fate::Lives, pace: 900, then: 0 },
            Op::Pass { minutes: 1500 },
            Op::Wake { agent: 0, then: 20 },
            slow(0, Work::Restore(1), 6),
            at_once(1, Work::Remove(1)),
            Op::Wake { agent: 0, then: 0 },
            then(1, Work::Hide(1), 20),
            at_once(1, Work::Remove(0)),
            at_once(1, Work::Remove(0)),
            at_once(1, Work::Force),
            Op::Pass { minutes: 1507 },
            stalled(Work::Backup(Keeps::Two), 42),
            at_once(1, Work::Force),
            Op::Start {
                agent: 1,
                work: Work::Again(6),
                fate: Fate::Meets { at: 95, times: 1, fault: Fault::Busy },
                pace: 0,
                then: 20,
            },
            slow(1, Work::Restore(4), 19),
            at_once(0, Work::Remove(4)),
        ],
    );
}

/// A restore deleted its lease while that was beating, and then its ledger: a heartbeat on its way
/// brought the lease back, and what may not be done without one was refused.
#[test]
fn seed_99661() {
    let slow = |agent, work, pace, then| Op::Start { agent, work, fate: Fate::Lives, pace, then };
    let dies = Fate::Dies { at: 35 };
    replay(
        99661,
        Kind { honesty: Honesty::Honest, in_place: true, agents: 2 },
        &[
            Op::Insert { collection: 0, rows: 2 },
            at_once(0, Work::Backup(Keeps::Two)),
            stalled(Work::Verify(2), 2),
            at_once(1, Work::Remove(2)),
            Op::Wake { agent: 0, then: 3 },
            Op::Start { agent: 0, work: Work::Undelete(7), fate: dies, pace: 400, then: 20 },
            at_once(1, Work::Remove(0)),
            at_once(1, Work::Remove(0)),
            at_once(1, Work::Force),
            Op::Pass { minutes: 1507 },
            slow(0, Work::Force, 100, 25),
            at_once(1, Work::Backup(Keeps::Two)),
            Op::Wake { agent: 0, then: 3 },
            stalls(1, Work::Backup(Keeps::Two), 4),
            Op::Pass { minutes: 1507 },
            at_once(0, Work::Prune),
            Op::Wake { agent: 1, then: 0 },
            stalls(1, Work::Again(5), 21),
            slow(0, Work::Hide(0), 2500, 9),
            slow(1, Work::Restore(0), 2500, 5),
            Op::Wake { agent: 0, then: 1 },
            Op::Jump { agent: 0, hours: 100 },
            at_once(0, Work::Force),
        ],
    );
}
