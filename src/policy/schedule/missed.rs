//! What to do about slots that passed while nobody looked.

use jiff::{SignedDuration, Timestamp};

use super::timing::{CatchUp, Schedule};

/// A day: what `catch_up` is at most, where it is one interval.
const LONGEST_DEFAULT: SignedDuration = SignedDuration::from_hours(24);

/// A slot that comes this soon is not anticipated.
const NEAR: SignedDuration = SignedDuration::from_mins(30);

/// The other measure of near: this part of the interval.
const NEAR_PART: i32 = 10;

/// How far missed slots are counted.
const MOST_COUNTED: usize = 1000;

/// What was missed, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// Nothing.
    None,
    /// Run once, now, for this slot: the newest.
    CatchUp(Timestamp),
    /// Run nothing: the newest of so many slots (counted up to 1000) is older than `catch_up`.
    TooOld {
        /// How many were missed.
        count: usize,
    },
    /// Run nothing yet: the next slot is near.
    NextIsNear {
        /// That slot.
        next: Timestamp,
        /// How many were missed.
        count: usize,
    },
}

impl Schedule {
    /// What to do at `now` about the slots after `last`, the newest slot that was dealt with.
    pub fn missed(&self, last: Timestamp, now: Timestamp) -> Missed {
        let Some(newest) = self.newest(last, now) else { return Missed::None };
        let passed = self.fires_after(last).take_while(|slot| *slot <= now);
        let count = passed.take(MOST_COUNTED).count();
        let next = self.next_after(newest);
        let interval = next.map(|next| next.duration_since(newest));
        let window = match self.catch_up {
            CatchUp::Never => return Missed::TooOld { count },
            CatchUp::Within(window) => window,
            CatchUp::Interval => interval.unwrap_or(LONGEST_DEFAULT).min(LONGEST_DEFAULT),
        };
        if now.duration_since(newest) > window {
            return Missed::TooOld { count };
        }
        match next.zip(interval) {
            Some((next, interval)) if next.duration_since(now) < NEAR.min(interval / NEAR_PART) => {
                Missed::NextIsNear { next, count }
            }
            _ => Missed::CatchUp(newest),
        }
    }

    /// The newest slot after `last` and not after `now`. The search starts near `now`, so that
    /// a year of missed minutes costs nothing.
    pub(in crate::policy) fn newest(&self, last: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let mut back = SignedDuration::from_mins(1);
        loop {
            let start = now.checked_sub(back).unwrap_or(last).max(last);
            let newest = self.fires_after(start).take_while(|slot| *slot <= now).last();
            if newest.is_some() || start == last {
                return newest;
            }
            back = back.saturating_mul(2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Missed;
    use crate::policy::schedule::tests::schedule;

    fn told(written: &str, last: &str, now: &str) -> String {
        match schedule(written).missed(last.parse().unwrap(), now.parse().unwrap()) {
            Missed::None => "none".to_owned(),
            Missed::CatchUp(slot) => format!("catch up {slot}"),
            Missed::TooOld { count } => format!("too old {count}"),
            Missed::NextIsNear { next, count } => format!("near {next} {count}"),
        }
    }

    /// A schedule, the last slot that was dealt with, now, and what to do.
    const CASES: &str = "\
{cron: 0 2 * * *} | 2026-11-25T02:00:00Z | 2026-11-25T03:00:00Z | none
{cron: 0 2 * * *} | 2026-11-25T02:00:00Z | 2026-11-26T01:59:59Z | none
{cron: 0 2 * * *} | 2026-11-25T02:00:00Z | 2026-11-26T02:00:00Z | catch up 2026-11-26T02:00:00Z
{cron: 0 2 * * *} | 2026-11-20T02:00:00Z | 2026-11-26T20:00:00Z | catch up 2026-11-26T02:00:00Z
# The next slot is 29 minutes away: 30 minutes is less than a tenth of a day.
{cron: 0 2 * * *} | 2026-11-20T02:00:00Z | 2026-11-26T01:31:00Z | near 2026-11-26T02:00:00Z 5
{cron: 0 2 * * *} | 2026-11-20T02:00:00Z | 2026-11-26T01:30:00Z | catch up 2026-11-25T02:00:00Z
# A clock that went back, and one that stands still.
{cron: 0 2 * * *} | 2026-11-25T02:00:00Z | 2026-11-01T00:00:00Z | none
{cron: 0 2 * * *} | 2026-11-25T02:00:00Z | 2026-11-25T02:00:00Z | none
{cron: 0 2 * * *, catch_up: 6h} | 2026-11-20T02:00:00Z | 2026-11-26T08:00:00Z | catch up 2026-11-26T02:00:00Z
{cron: 0 2 * * *, catch_up: 6h} | 2026-11-20T02:00:00Z | 2026-11-26T08:00:01Z | too old 6
{cron: 0 2 * * *, catch_up: none} | 2026-11-25T02:00:00Z | 2026-11-26T02:00:01Z | too old 1
# A week is longer than a day.
{cron: 0 2 * * 0} | 2026-11-01T02:00:00Z | 2026-11-23T02:00:00Z | catch up 2026-11-22T02:00:00Z
{cron: 0 2 * * 0} | 2026-11-01T02:00:00Z | 2026-11-23T02:00:01Z | too old 3
{every: 30m} | 2026-11-25T02:00:00Z | 2026-11-25T04:10:00Z | catch up 2026-11-25T04:00:00Z
{every: 30m} | 2026-11-25T02:00:00Z | 2026-11-25T04:28:00Z | near 2026-11-25T04:30:00Z 4
{every: 1s} | 2025-11-25T02:00:00Z | 2026-11-25T02:00:00Z | catch up 2026-11-25T02:00:00Z
{every: 1m, catch_up: none} | 2025-11-25T02:00:00Z | 2026-11-25T02:00:00Z | too old 1000
";

    #[test]
    fn at_most_one_run_and_only_while_it_is_worth_it() {
        for row in CASES.lines().filter(|line| !line.starts_with('#')) {
            let cells: Vec<&str> = row.split(" | ").collect();
            let [written, last, now, expected] = cells[..] else { panic!("{row}") };
            assert_eq!(told(written, last, now), expected, "{row}");
        }
    }
}
