//! Histories from seeds.

use super::op::{Fate, Fault, Keeps, Op, Work};
use super::random::Random;
use super::scenes::scene;
use super::truth::Honesty;
use super::world::Kind;

/// The most calls that are counted before something happens to an agent: about as many as a
/// backup has.
const CALLS: u32 = 110;

/// What happens, and to what world.
#[derive(Debug, Clone)]
pub(super) struct History {
    pub(super) seed: u64,
    pub(super) kind: Kind,
    pub(super) ops: Vec<Op>,
}

impl History {
    pub(super) fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let lies = random.chance(15);
        let kind = Kind {
            honesty: if lies { Honesty::Lying } else { Honesty::Honest },
            in_place: random.chance(50),
            agents: if lies { 1 } else { u8::try_from(1 + random.below(3)).expect("it is small") },
        };
        let mut ops = vec![
            Op::Insert { collection: 0, rows: 2 },
            Op::Start {
                agent: 0,
                work: Work::Backup(Keeps::Two),
                fate: Fate::Lives,
                pace: 0,
                then: 0,
            },
        ];
        for _ in 0..3 + random.below(6) {
            if random.chance(30) {
                ops.extend(scene(&mut random, kind.agents));
            } else {
                ops.push(step(&mut random, kind.agents));
            }
        }
        Self { seed, kind, ops }
    }
}

pub(super) fn small(random: &mut Random, limit: u32) -> u8 {
    u8::try_from(random.below(limit)).expect("it is small")
}

/// How many calls pass before something happens; early ones are as likely as late ones.
pub(super) fn calls(random: &mut Random) -> u16 {
    let most = random.pick(&[25, 60, CALLS]);
    u16::try_from(random.below(most)).expect("it is small")
}

/// Which kind of step.
#[derive(Debug, Clone, Copy)]
enum Choice {
    Insert,
    Erase,
    Compact,
    Collect,
    Drop,
    Pass,
    Jump,
    Start,
    Wake,
    Kill,
}

fn step(random: &mut Random, agents: u8) -> Op {
    let choice = random.weighed(&[
        (12, Choice::Insert),
        (4, Choice::Erase),
        (5, Choice::Compact),
        (3, Choice::Collect),
        (4, Choice::Drop),
        (18, Choice::Pass),
        (4, Choice::Jump),
        (60, Choice::Start),
        (8, Choice::Wake),
        (3, Choice::Kill),
    ]);
    let collection = random.weighed(&[(3, 0), (2, 1), (1, 2)]);
    let agent = small(random, agents.into());
    match choice {
        Choice::Insert => Op::Insert { collection, rows: 1 + small(random, 3) },
        Choice::Erase => Op::Erase { collection },
        Choice::Compact => Op::Compact { collection },
        Choice::Collect => Op::Collect,
        Choice::Drop => Op::Drop { collection },
        Choice::Pass => Op::Pass { minutes: minutes(random) },
        Choice::Jump => Op::Jump { agent, hours: random.pick(&[-100, -30, -1, 0, 1, 30, 100]) },
        Choice::Start => Op::Start {
            agent,
            work: work(random),
            fate: fate(random),
            pace: random.weighed(&[(4, 0), (1, 50), (2, 400), (1, 900)]),
            then: random.weighed(&[(5, 0), (1, 1), (1, 5), (1, 20), (1, 45)]),
        },
        Choice::Wake => Op::Wake { agent, then: random.pick(&[0, 0, 3, 20]) },
        Choice::Kill => Op::Kill { agent },
    }
}

/// Not so long that two graces end together: each end is to be seen.
fn minutes(random: &mut Random) -> u32 {
    let base =
        random.weighed(&[(2, 1), (1, 20), (2, 13 * 60), (6, 25 * 60), (4, 49 * 60), (3, 73 * 60)]);
    base + random.below(7)
}

fn work(random: &mut Random) -> Work {
    let number = small(random, 8);
    random.weighed(&[
        (8, Work::Backup(Keeps::All)),
        (14, Work::Backup(Keeps::Two)),
        (10, Work::Backup(Keeps::Days)),
        (6, Work::Again(number)),
        (12, Work::Hide(number)),
        (8, Work::Remove(number)),
        (9, Work::Undelete(number)),
        (18, Work::Prune),
        (12, Work::Force),
        (4, Work::Pin(number)),
        (3, Work::Unpin(number)),
        (4, Work::Preview),
        (8, Work::Restore(number)),
        (3, Work::Verify(number)),
    ])
}

fn fate(random: &mut Random) -> Fate {
    let at = calls(random);
    let times = random.weighed(&[(4, 1), (2, 2), (1, 5), (1, 40)]);
    let fault = random.pick(&[Fault::Busy, Fault::Broken, Fault::Unanswered]);
    random.weighed(&[
        (55, Fate::Lives),
        (13, Fate::Dies { at }),
        (20, Fate::Stalls { at }),
        (12, Fate::Meets { at, times, fault }),
    ])
}
