//! How long it can take from one slot to the next, at any time.

use jiff::{SignedDuration, Timestamp};

use super::timing::Schedule;

/// Where the look begins: 2024-01-01, a leap year.
const REFERENCE: Timestamp = Timestamp::constant(1_704_067_200, 0);

/// What the look covers: five years, so that a leap day comes twice.
const COVERED: SignedDuration = SignedDuration::from_hours(5 * 366 * 24);

/// Steps of the look. Two of them cover `limit`, so that of a dense schedule and a short limit
/// only the first weeks are seen.
const STEPS: usize = 2000;

impl Schedule {
    /// A gap between two slots that is longer than `limit`, if there is one.
    pub(in crate::policy) fn gap_over(&self, limit: SignedDuration) -> Option<SignedDuration> {
        let mut slot = self.next_after(REFERENCE)?;
        for _ in 0..STEPS {
            if slot.duration_since(REFERENCE) > COVERED {
                return None;
            }
            // The farthest slot that can be reached, so that none before it can be too far.
            match self.newest(slot, slot.checked_add(limit).ok()?) {
                Some(next) => slot = next,
                None => return Some(self.next_after(slot)?.duration_since(slot)),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use crate::policy::schedule::tests::schedule;

    #[test]
    fn a_gap_is_found_wherever_it_is() {
        const DAY: i64 = 24;
        for (written, limit, expected) in [
            ("{cron: 0 2 * * *}", DAY, None),
            ("{cron: 0 2 * * *}", DAY - 1, Some(DAY)),
            ("{cron: 0 2 * * *, timezone: Europe/Berlin}", DAY, Some(DAY + 1)),
            ("{cron: 0 2 * * 1-5}", 3 * DAY, None),
            ("{cron: 0 2 * * 1-5}", 3 * DAY - 1, Some(3 * DAY)),
            // Hourly, and in January alone.
            ("{cron: 0 * * 1 *}", 30 * DAY, Some(335 * DAY + 1)),
            ("{cron: 0 * * 1 *}", 366 * DAY, None),
            ("{cron: 0 0 1 * *}", 31 * DAY, None),
            ("{cron: 0 0 1 * *}", 30 * DAY, Some(31 * DAY)),
            ("{cron: 0 0 29 2 *}", 366 * DAY, Some(1461 * DAY)),
            ("{cron: '* * * * *'}", 1, None),
            ("{cron: '* * * * *'}", 30 * DAY, None),
        ] {
            let found = schedule(written).gap_over(SignedDuration::from_hours(limit));
            assert_eq!(found.map(|gap| gap.as_hours()), expected, "{written} {limit}");
        }
    }
}
