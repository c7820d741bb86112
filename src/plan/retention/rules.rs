//! The rules that count good backups.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::period::{PERIODS, Period};
use crate::policy::KeepRules;

/// Why each backup stays, by the moments at which they were begun, the newest first; no
/// reasons for one that no rule keeps. `min_keep` is not a rule.
pub fn keep(times: &[Timestamp], rules: &KeepRules, zone: &TimeZone) -> Vec<Vec<String>> {
    let mut reasons = vec![Vec::new(); times.len()];
    let Some(newest) = times.first() else { return reasons };
    if let Some(wanted) = rules.last {
        for (index, reasons) in reasons.iter_mut().take(size(wanted.get())).enumerate() {
            reasons.push(format!("last {} of {wanted}", index + 1));
        }
    }
    if let Some(within) = rules.within {
        let young = |at: &Timestamp| newest.duration_since(*at) <= within;
        for (_, reasons) in times.iter().zip(&mut reasons).filter(|(at, _)| young(at)) {
            reasons.push(format!("within {within:#} of the newest"));
        }
    }
    for period in PERIODS {
        if let Some(wanted) = (period.wanted)(rules) {
            count(times, (period, wanted.get()), zone, &mut reasons);
        }
    }
    reasons
}

/// The newest of each period, as many periods as are wanted; the oldest of all while there are
/// fewer.
fn count(
    times: &[Timestamp],
    (period, wanted): (&Period, u32),
    zone: &TimeZone,
    reasons: &mut [Vec<String>],
) {
    let (word, mut found, mut last) = (period.word, 0, String::new());
    for (index, (at, reasons)) in times.iter().zip(reasons).enumerate() {
        if found == wanted {
            return;
        }
        let name = period.of(*at, zone);
        if name != last {
            found += 1;
            reasons.push(format!("{word} {name}, {found} of {wanted}"));
            last = name;
        } else if index + 1 == times.len() {
            reasons.push(format!("the oldest, {word} has {found} of {wanted}"));
        }
    }
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
