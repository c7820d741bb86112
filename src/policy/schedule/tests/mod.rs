//! Changes of the clock, leap days, and a slow oracle.

mod clock_changes;
mod oracle;

use jiff::Timestamp;

use super::Schedule;
use crate::policy::tests::policy;

/// The schedule that is written like this.
pub(super) fn schedule(written: &str) -> Schedule {
    let text = format!("schedule: {written}\nretention: {{keep_all: true}}\n");
    policy(&text).schedule.expect("there is a schedule")
}

/// The next fires after `now`, on the wall clock of the schedule.
pub(super) fn fires(written: &str, now: &str, count: usize) -> Vec<String> {
    let schedule = schedule(written);
    let now: Timestamp = now.parse().expect("a timestamp");
    let zone = schedule.zone();
    let fires = schedule.fires_after(now).take(count);
    fires.map(|at| at.to_zoned(zone.clone()).strftime("%m-%d %H:%M %:z").to_string()).collect()
}
