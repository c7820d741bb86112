//! A pattern on the wall clock → instants.
//!
//! Between two transitions of a zone its clock runs evenly, so each such stretch is searched
//! by itself, and a gap or a repeated time can only be at a transition.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::cron::{Hours, Pattern};

/// The first instant after `now` at which `pattern` is due in `zone`.
pub(super) fn after(pattern: &Pattern, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let mut offset = zone.to_offset(now);
    let clock = offset.to_datetime(now);
    let mut slot = match repeated_until(zone, now) {
        Some(end) if pattern.hours() == Hours::Fixed && clock < end => pattern.from(end)?,
        _ => pattern.after(clock)?,
    };
    for transition in zone.following(now) {
        let at = transition.timestamp();
        let due = offset.to_timestamp(slot).ok()?;
        if due < at {
            return Some(due);
        }
        let (before, after) = (offset.to_datetime(at), transition.offset().to_datetime(at));
        let in_gap = before < after && slot < after;
        if in_gap && pattern.hours() != Hours::Every {
            return Some(at);
        }
        let comes_again = after < before && pattern.hours() != Hours::Fixed;
        if in_gap || comes_again {
            slot = pattern.from(after)?;
        }
        offset = transition.offset();
    }
    offset.to_timestamp(slot).ok()
}

/// If the last transition set the clock back: the end, on the clock, of what comes twice.
fn repeated_until(zone: &TimeZone, now: Timestamp) -> Option<DateTime> {
    let moment = SignedDuration::from_nanos(1);
    let at = zone.preceding(now.checked_add(moment).ok()?).next()?.timestamp();
    let earlier = zone.to_offset(at.checked_sub(moment).ok()?);
    (earlier > zone.to_offset(at)).then(|| earlier.to_datetime(at))
}
