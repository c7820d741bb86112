//! The periods of the calendar that a rule can count.

use std::num::NonZeroU32;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::policy::KeepRules;

/// One row of the table.
pub(super) struct Period {
    /// The word in reasons.
    pub(super) word: &'static str,
    /// How many of them a policy wants.
    pub(super) wanted: fn(&KeepRules) -> Option<NonZeroU32>,
    /// What two moments in the same one have in common.
    format: &'static str,
}

/// The hour has its offset: of an hour that comes twice, each is one of its own.
pub(super) const PERIODS: &[Period] = &[
    Period { word: "hourly", wanted: |rules| rules.hourly, format: "%Y-%m-%d %Hh%z" },
    Period { word: "daily", wanted: |rules| rules.daily, format: "%Y-%m-%d" },
    Period { word: "weekly", wanted: |rules| rules.weekly, format: "%G-W%V" },
    Period { word: "monthly", wanted: |rules| rules.monthly, format: "%Y-%m" },
    Period { word: "yearly", wanted: |rules| rules.yearly, format: "%Y" },
];

impl Period {
    /// The name of the period that a moment is in.
    pub(super) fn of(&self, at: Timestamp, zone: &TimeZone) -> String {
        at.to_zoned(zone.clone()).strftime(self.format).to_string()
    }
}
