//! Every byte is read in time, whatever happens to schedules, files and runs.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use super::part::mixed;
use super::{PartSizes, Turn, choose_parts, part_of, read_since};
use crate::manifest::{FileId, LogKind, PARTS, ReadingProof};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn file(number: u64) -> FileId {
    let log = i64::try_from(number).unwrap();
    FileId { collection: 1, partition: 2, segment: 3, kind: LogKind::Insert { field: 100 }, log }
}

/// `_proofs` knows parts by their numbers: these must never change.
#[test]
fn the_part_of_a_file_is_fixed_and_parts_are_even() {
    let delta = FileId { kind: LogKind::Delta, ..file(7) };
    let zero = FileId { kind: LogKind::Insert { field: 0 }, ..file(7) };
    assert_eq!([file(7), file(8), delta, zero].map(|file| part_of(&file)), GOLDEN);
    let mut sizes = PartSizes::default();
    for number in 0..100_000 {
        sizes.add(part_of(&file(number)), 1);
    }
    let (least, most) = (0..PARTS)
        .map(|part| sizes.files(part))
        .fold((u64::MAX, 0), |(a, b), n| (a.min(n), b.max(n)));
    assert!(least > 50 && most < 150, "{least} to {most}");
}

const GOLDEN: [usize; 4] = [255, 494, 503, 213];

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mixed(self.0) % most
    }
}

/// Files with the moments of their first and last backup, and when each was last read.
#[derive(Debug)]
struct Kept {
    part: usize,
    bytes: u64,
    from: i64,
    until: i64,
    read: i64,
}

/// One history: a schedule, and what happens at its slots.
#[derive(Debug)]
struct World {
    slots: Vec<i64>,
    within: i64,
    files: Vec<Kept>,
    proof: ReadingProof,
    /// The index of the last slot with a run.
    last: Option<usize>,
}

impl World {
    fn new(numbers: &mut Numbers) -> Self {
        let regular = numbers.below(2) == 0;
        let gap = 60 + i64::try_from(numbers.below(100_000)).unwrap();
        let mut slots = vec![gap];
        for _ in 0..80 {
            let next = if regular {
                gap
            } else {
                60 + i64::try_from(numbers.below(gap.unsigned_abs() * 3)).unwrap()
            };
            slots.push(slots.last().unwrap() + next);
        }
        let longest = slots.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        let longest = longest.max(gap);
        let within = longest * i64::try_from(1 + numbers.below(12)).unwrap();
        let mut proof = ReadingProof::none();
        proof.since = Some(at(0));
        let end = *slots.last().unwrap();
        let files = (0..numbers.below(3000))
            .map(|number| {
                let from =
                    if numbers.below(3) == 0 { numbers.below(end.unsigned_abs()) } else { 0 };
                let until = if numbers.below(2) == 0 {
                    from + numbers.below(end.unsigned_abs())
                } else {
                    u64::MAX / 4
                };
                let huge = numbers.below(500) == 0;
                let bytes = if huge { 1 << 40 } else { numbers.below(1 << 20) };
                let [from, until] = [from, until].map(|at| i64::try_from(at).unwrap());
                Kept { part: part_of(&file(number)), bytes, from, until, read: from }
            })
            .collect();
        Self { slots, within, files, proof, last: None }
    }

    /// The run of a slot, which may be killed after so many parts and begun anew.
    fn run(&mut self, index: usize, killed_after: Option<usize>) {
        let now = self.slots[index];
        let mut sizes = PartSizes::default();
        for file in self.files.iter().filter(|file| file.from <= now && now < file.until) {
            sizes.add(file.part, file.bytes);
        }
        let turn = Turn {
            from: at(self.slots[self.last.map_or(index, |last| last + 1)]),
            slot: at(now),
            next: at(self.slots[index + 1]),
            after_next: at(self.slots[index + 2]),
            within: SignedDuration::from_secs(self.within),
        };
        for killed_after in [killed_after, None] {
            let chosen = choose_parts(&self.proof, &sizes, &turn);
            let read = &chosen[..chosen.len().min(killed_after.unwrap_or(PARTS))];
            for part in read {
                self.proof.was_read(*part, at(now));
            }
            let read: HashSet<usize> = read.iter().copied().collect();
            let there = self.files.iter_mut().filter(|file| file.from <= now);
            there.filter(|file| read.contains(&file.part)).for_each(|file| file.read = now);
        }
        self.last = Some(index);
    }

    /// How long ago any byte that is there was read, at the most.
    fn oldest(&self, now: i64) -> i64 {
        let there = self.files.iter().filter(|file| file.from <= now && now < file.until);
        there.map(|file| now - file.read).max().unwrap_or(0)
    }
}

#[test]
fn every_byte_is_read_in_time_as_long_as_no_two_slots_in_a_row_are_missed() {
    for seed in 0..30 {
        let numbers = &mut Numbers(seed << 32);
        let mut world = World::new(numbers);
        let mut missed = 0;
        for index in 0..world.slots.len() - 2 {
            let now = world.slots[index];
            // Rarely, an agent is down for long.
            let down = missed > 0 && numbers.below(10) == 0;
            if (missed < 1 || down) && numbers.below(4) == 0 {
                missed += 1;
                continue;
            }
            if let Some(last) = world.last.filter(|_| missed < 2) {
                // Where two gaps are longer than that, the last run had read everything.
                let most = world.within.max(now - world.slots[last]);
                let oldest = world.oldest(now);
                assert!(oldest <= most, "seed {seed}, slot {index}: {oldest}");
            }
            let killed =
                (numbers.below(3) == 0).then(|| usize::try_from(numbers.below(20)).unwrap());
            world.run(index, killed);
            missed = 0;
            // And what is known says so.
            let since = read_since(&world.proof, at(now)).unwrap();
            let age = now - (since.as_second() - at(0).as_second());
            assert!(age <= world.within, "seed {seed}, slot {index}: {age}");
            assert!(world.oldest(now) <= age, "seed {seed}, slot {index}: older than it says");
        }
    }
}

#[test]
fn the_load_is_even() {
    let mut sizes = PartSizes::default();
    for number in 0..20_000 {
        sizes.add(part_of(&file(number)), 1 + number % 1000);
    }
    let largest = (0..PARTS).map(|part| sizes.bytes(part)).max().unwrap();
    let (day, within) = (86_400, 30);
    let mut proof = ReadingProof::none();
    proof.since = Some(at(0));
    for turn in 1..200 {
        let slot = |turn: i64| at(turn * day);
        let within = SignedDuration::from_secs(within * day);
        let (now, next) = (slot(turn), slot(turn + 1));
        let turn = Turn { from: now, slot: now, next, after_next: slot(turn + 2), within };
        let chosen = choose_parts(&proof, &sizes, &turn);
        let read: u64 = chosen.iter().map(|part| sizes.bytes(*part)).sum();
        let share = sizes.all_bytes() / 30;
        assert!(read >= share && read <= 2 * share + largest, "{read}, not about {share}");
        for part in &chosen {
            proof.was_read(*part, now);
        }
        assert_eq!(
            choose_parts(&proof, &sizes, &turn),
            [] as [usize; 0],
            "this turn has its share"
        );
    }
}

#[test]
fn what_was_missed_is_made_up_for_and_what_is_damaged_comes_first() {
    let mut sizes = PartSizes::default();
    (0..PARTS).for_each(|part| sizes.add(part, 10));
    let mut proof = ReadingProof::none();
    proof.since = Some(at(0));
    (0..PARTS).for_each(|part| proof.was_read(part, at(-5000)));
    let within = SignedDuration::from_secs(10_240);
    let turn = Turn { from: at(100), slot: at(100), next: at(110), after_next: at(120), within };
    assert_eq!(choose_parts(&proof, &sizes, &turn), [0]);
    let late = Turn { from: at(71), ..turn };
    assert_eq!(choose_parts(&proof, &sizes, &late), [0, 1, 2, 3]);
    proof.damaged.insert(700);
    assert_eq!(choose_parts(&proof, &sizes, &late), [700, 0, 1, 2]);
    proof.was_read(0, at(99));
    assert_eq!(choose_parts(&proof, &sizes, &late), [700, 1, 2, 3]);
    // A part without files costs nothing; all of them without any file are read at once.
    assert_eq!(choose_parts(&proof, &PartSizes::default(), &turn).len(), PARTS);
    // Long before anybody wanted it, they had been read.
    assert_eq!(read_since(&proof, at(110)), Some(at(0)));
    proof.since = None;
    assert_eq!(read_since(&proof, at(110)), None);
}

#[test]
fn what_a_clock_that_ran_ahead_has_written_does_not_count() {
    let mut sizes = PartSizes::default();
    (0..PARTS).for_each(|part| sizes.add(part, 10));
    let mut proof = ReadingProof::none();
    proof.since = Some(at(0));
    let year = 365 * 86_400;
    (0..PARTS).for_each(|part| proof.was_read(part, at(if part < 3 { year } else { 90 })));
    let within = SignedDuration::from_secs(10_240);
    let turn = Turn { from: at(71), slot: at(100), next: at(110), after_next: at(120), within };
    assert_eq!(choose_parts(&proof, &sizes, &turn), [0, 1, 2, 3]);
    assert_eq!(read_since(&proof, at(100)), Some(at(0)), "three were never read");
    (0..3).for_each(|part| proof.was_read(part, at(100)));
    assert_eq!(read_since(&proof, at(100)), Some(at(90)));
    proof.since = Some(at(year));
    assert_eq!(read_since(&proof, at(100)), None);
}
