//! The parts of one turn.

use jiff::{SignedDuration, Timestamp};

use crate::manifest::{PARTS, ReadingProof};

use super::PartSizes;

/// A moment this far ahead was written under a clock that was wrong.
const AHEAD: SignedDuration = SignedDuration::from_mins(10);

/// Whether a moment can be one of the past, as far as clocks agree.
pub fn is_credible(at: Timestamp, now: Timestamp) -> bool {
    at.duration_since(now) < AHEAD
}

/// One turn of the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The first slot that no run has dealt with: the slot itself, unless some were missed.
    pub from: Timestamp,
    /// The slot that is dealt with.
    pub slot: Timestamp,
    /// The next.
    pub next: Timestamp,
    /// The one after that.
    pub after_next: Timestamp,
    /// In which time every byte is to be read.
    pub within: SignedDuration,
}

/// The parts to read in a turn, in their order; those without files, too.
///
/// The oldest come first, until the share of all bytes is reached that the time up to the next
/// slot has of all the time; what was read in this turn before (its run was killed) counts. What
/// would be too old before the slot after the next comes in, too, as the next may be missed.
/// Parts that were found damaged are looked at again before others: somebody may have mended them.
/// What was read later than the next slot was not: the clock ran ahead.
pub fn choose_parts(proof: &ReadingProof, sizes: &PartSizes, turn: &Turn) -> Vec<usize> {
    let counts_from = |part| counts_from(proof, part, turn.next);
    let is_done = |part: &usize| read_at(proof, *part, turn.next).is_some_and(|at| at >= turn.slot);
    let done: u64 = (0..PARTS).filter(is_done).map(|part| sizes.bytes(part)).sum();
    let mut parts: Vec<usize> = (0..PARTS).filter(|part| !is_done(part)).collect();
    parts.sort_by_cached_key(|part| (!proof.damaged.contains(part), counts_from(*part), *part));
    let share = share(sizes.all_bytes(), turn);
    let mut sum = done;
    parts.retain(|part| {
        let age = turn.after_next.duration_since(counts_from(*part).unwrap_or_default());
        let chosen = sizes.files(*part) == 0 || sum < share || age > turn.within;
        if chosen {
            sum = sum.saturating_add(sizes.bytes(*part));
        }
        chosen
    });
    parts
}

/// So many of these bytes that all of them are read in time.
fn share(bytes: u64, turn: &Turn) -> u64 {
    let seconds = |length: SignedDuration| u128::from(length.as_secs().max(1).unsigned_abs());
    let (turn, all) = (seconds(turn.next.duration_since(turn.from)), seconds(turn.within));
    let share = (u128::from(bytes) * turn).div_ceil(all);
    u64::try_from(share).unwrap_or(u64::MAX).min(bytes)
}

/// From when on the age of a part counts: when it was read, but not before anybody wanted that.
/// What is said to be later than `latest` is not known.
fn counts_from(proof: &ReadingProof, part: usize, latest: Timestamp) -> Option<Timestamp> {
    read_at(proof, part, latest).max(proof.since.filter(|since| *since <= latest))
}

fn read_at(proof: &ReadingProof, part: usize, latest: Timestamp) -> Option<Timestamp> {
    proof.read_at(part).filter(|at| *at <= latest)
}

/// Since when every byte was read, or from when on that is to be; none where nobody wants it,
/// or where a clock that ran ahead has written that somebody will.
pub fn read_since(proof: &ReadingProof, now: Timestamp) -> Option<Timestamp> {
    proof.since.filter(|since| is_credible(*since, now))?;
    let latest = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
    (0..PARTS).filter_map(|part| counts_from(proof, part, latest)).min()
}
