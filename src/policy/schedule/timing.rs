//! The type of a schedule, and when it is due.

use std::fmt;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::cron::Pattern;
use super::{zone, zoned};

/// When a policy is due, and what happens when that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    pub(super) timing: Timing,
    /// How much later than written it fires, at most.
    pub(super) jitter: SignedDuration,
    /// How much later than written it fires: the same for ever.
    pub(super) delay: SignedDuration,
    pub(super) catch_up: CatchUp,
    pub(super) overlap: Overlap,
}

/// What is written of the times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Timing {
    /// On the wall clock of a zone.
    Cron { pattern: Box<Pattern>, zone: TimeZone },
    /// Evenly, counted from 1970; whole seconds.
    Every { text: String, seconds: i64 },
}

/// How old a missed slot may be to be run all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatchUp {
    /// One interval, at most a day.
    Interval,
    /// Never.
    Never,
    /// This long.
    Within(SignedDuration),
}

/// What happens to a slot while the run before is still at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// It is dropped.
    Skip,
    /// It runs afterwards.
    Queue,
    /// The run before is cancelled.
    Replace,
}

impl Overlap {
    /// The words, in the order of the variants.
    pub(crate) const WORDS: &'static [&'static str] = &["skip", "queue", "replace"];
    pub(super) const ALL: [Self; 3] = [Self::Skip, Self::Queue, Self::Replace];

    /// The word in a policy.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
            Self::Replace => "replace",
        }
    }
}

/// How many fires are looked at to tell how far apart they can be.
const LOOKED_AT: usize = 50;

/// How far back the fire before is looked for: a month.
const LOOKED_BACK: SignedDuration = SignedDuration::from_hours(31 * 24);

impl Schedule {
    /// The first instant after `now` at which the policy is due.
    pub fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        let written = now.checked_sub(self.delay).ok()?;
        let next = match &self.timing {
            Timing::Cron { pattern, zone } => zoned::after(pattern, zone, written),
            Timing::Every { seconds, .. } => {
                let next = written.as_nanosecond().div_euclid(i128::from(*seconds) * NANOS) + 1;
                Timestamp::from_nanosecond(next * i128::from(*seconds) * NANOS).ok()
            }
        };
        next?.checked_add(self.delay).ok()
    }

    /// The instants after `now` at which the policy is due.
    pub fn fires_after(&self, now: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.next_after(now), |at| self.next_after(*at))
    }

    /// The longest time between two of the next 50 fires and the one before them.
    pub fn longest_gap(&self, now: Timestamp) -> Option<SignedDuration> {
        let long_ago = now.checked_sub(LOOKED_BACK).unwrap_or(now);
        let before = self.newest(long_ago, now);
        let next = self.fires_after(now).take(LOOKED_AT);
        let fires: Vec<Timestamp> = before.into_iter().chain(next).collect();
        fires.windows(2).map(|pair| pair[1].duration_since(pair[0])).max()
    }

    /// The zone in which its times are written; UTC for `every`.
    pub fn zone(&self) -> TimeZone {
        match &self.timing {
            Timing::Cron { zone, .. } => zone.clone(),
            Timing::Every { .. } => TimeZone::UTC,
        }
    }

    /// The name of that zone.
    pub fn zone_name(&self) -> &str {
        match &self.timing {
            Timing::Cron { zone, .. } => zone::name(zone),
            Timing::Every { .. } => "UTC",
        }
    }

    /// How much later than written it fires: the part of `jitter` that this policy has.
    pub fn delay(&self) -> SignedDuration {
        self.delay
    }

    /// How old a missed slot may be to be run all the same.
    pub fn catch_up(&self) -> CatchUp {
        self.catch_up
    }

    /// What happens to a slot while the run before is still at work.
    pub fn overlap(&self) -> Overlap {
        self.overlap
    }
}

const NANOS: i128 = 1_000_000_000;

/// As it was written, without the zone: `0 2 * * *`, `every 30m`.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.timing {
            Timing::Cron { pattern, .. } => f.write_str(pattern.text()),
            Timing::Every { text, .. } => write!(f, "every {text}"),
        }
    }
}
