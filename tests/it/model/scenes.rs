//! Steps that belong together: one agent is in the midst of something, and another does what
//! might hurt it.

use super::history::{calls, small};
use super::op::{Fate, Keeps, Op, Work};
use super::random::Random;

/// What two agents do to each other.
#[derive(Debug, Clone, Copy)]
enum Scene {
    /// A backup needs again what a sweep may delete.
    GarbageIsNeeded,
    /// The same, and the sweep is the one that stands still.
    SweepStands,
    /// A restore reads what someone deletes.
    ReaderAndDelete,
    /// A restore begins in the midst of a delete, which ends; a prune's clock is days ahead.
    ReaderAndPrune,
    /// Someone brings back what a prune takes away.
    UndeleteAndPrune,
    /// Someone pins what the rules let go.
    PinAndRules,
    /// A run stands still until its attempt is cleaned up.
    LateRun,
    /// Two do the same.
    Twins,
}

/// One scene.
pub(super) fn scene(random: &mut Random, agents: u8) -> Vec<Op> {
    let scene = random.weighed(&[
        (4, Scene::GarbageIsNeeded),
        (4, Scene::SweepStands),
        (2, Scene::ReaderAndDelete),
        (1, Scene::ReaderAndPrune),
        (2, Scene::UndeleteAndPrune),
        (2, Scene::PinAndRules),
        (2, Scene::LateRun),
        (1, Scene::Twins),
    ]);
    let one = small(random, agents.into());
    let other = (one + 1) % agents;
    let prune = random.pick(&[Work::Prune, Work::Force]);
    let mut ops = before(random, scene, (other, prune));
    let (first, second, between) = pair(random, scene, prune);
    ops.push(slow(random, one, first));
    ops.extend(between.map(hours));
    if matches!(scene, Scene::ReaderAndPrune) {
        let (fate, pace, then) = (Fate::Lives, 2500, 5);
        ops.push(Op::Start { agent: other, work: second, fate, pace, then });
        ops.extend([
            Op::Wake { agent: one, then: 1 },
            Op::Jump { agent: one, hours: 100 },
            now(one, prune),
        ]);
        return ops;
    }
    ops.push(now(other, second));
    if random.chance(70) {
        ops.push(Op::Wake { agent: one, then: random.pick(&[0, 0, 3, 20]) });
    }
    ops
}

/// What comes before the two meet.
fn before(random: &mut Random, scene: Scene, (agent, prune): (u8, Work)) -> Vec<Op> {
    let mut ops = Vec::new();
    match scene {
        Scene::GarbageIsNeeded | Scene::SweepStands => {
            let removals = 2 + random.below(3);
            ops.extend((0..removals).map(|_| now(agent, Work::Remove(0))));
            ops.extend([now(agent, prune), hours(25)]);
        }
        Scene::UndeleteAndPrune => {
            let grace = if random.chance(70) { 49 } else { 5 };
            ops.extend([now(agent, Work::Hide(small(random, 8))), hours(grace)]);
        }
        Scene::PinAndRules => {
            for _ in 0..random.below(3) {
                ops.extend([hours(1), now(agent, Work::Backup(Keeps::Two))]);
            }
        }
        Scene::ReaderAndDelete | Scene::ReaderAndPrune | Scene::LateRun | Scene::Twins => {}
    }
    ops
}

/// The work of the one that is slow, that of the other, and how many hours lie between them.
fn pair(random: &mut Random, scene: Scene, prune: Work) -> (Work, Work, Option<u32>) {
    let number = small(random, 8);
    let backup = Work::Backup(random.pick(&[Keeps::All, Keeps::Two, Keeps::Days]));
    let gone = random.pick(&[Work::Hide(number), Work::Remove(number)]);
    let swapped = random.chance(30);
    match scene {
        Scene::GarbageIsNeeded => (backup, prune, None),
        Scene::SweepStands => (prune, backup, None),
        Scene::ReaderAndDelete if swapped => (Work::Verify(number), gone, None),
        Scene::ReaderAndDelete => (Work::Restore(number), gone, None),
        Scene::ReaderAndPrune => (Work::Hide(0), Work::Restore(0), None),
        Scene::UndeleteAndPrune if swapped => (Work::Undelete(0), prune, None),
        Scene::UndeleteAndPrune => (prune, Work::Undelete(0), None),
        Scene::PinAndRules if swapped => (Work::Pin(number), gone, None),
        Scene::PinAndRules => (Work::Force, Work::Pin(number), None),
        Scene::LateRun => {
            let then = random.pick(&[prune, Work::Again(0), Work::Remove(number)]);
            (backup, then, Some(random.pick(&[1, 25, 73])))
        }
        Scene::Twins => {
            let work = random.pick(&[prune, Work::Remove(number), Work::Again(0)]);
            (work, work, None)
        }
    }
}

fn hours(hours: u32) -> Op {
    Op::Pass { minutes: hours * 60 + 7 }
}

/// Work that is done when the next step comes.
fn now(agent: u8, work: Work) -> Op {
    Op::Start { agent, work, fate: Fate::Lives, pace: 0, then: 0 }
}

/// Work that is not done when the next step comes.
fn slow(random: &mut Random, agent: u8, work: Work) -> Op {
    let at = calls(random);
    // Who reads is to be seen reading: it takes others ten seconds to see a heart beat.
    let reads = matches!(work, Work::Restore(_) | Work::Verify(_));
    if random.chance(if reads { 35 } else { 65 }) {
        return Op::Start { agent, work, fate: Fate::Stalls { at }, pace: 0, then: 0 };
    }
    let then = u16::try_from(1 + random.below(30)).expect("it is small");
    let fate = if random.chance(20) { Fate::Dies { at } } else { Fate::Lives };
    Op::Start {
        agent,
        work,
        fate,
        pace: random.pick(if reads { &[900, 2500, 2500] } else { &[100, 900, 2500] }),
        then,
    }
}
