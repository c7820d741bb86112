//! When a policy is due.
//!
//! A [`Schedule`] is data: it never looks at a clock, and what it answers depends on its
//! arguments and on the time zone database alone (the system's, else the one in the program).
//!
//! # When the clock is changed
//!
//! Cron patterns mean the wall clock of their zone. A slot in a time that does not exist fires
//! at the first instant after it, so that no backup is lost; with `*` as hours nothing is lost,
//! and nothing is added. A slot in a time that comes twice fires once, the first time; where
//! the hours start with `*`, it fires both times, so that the gap does not grow. Several slots
//! that fall on one instant are one.
//!
//! `every` counts from 1970 in UTC, so neither a restart nor a zone moves it.
//!
//! # After being down
//!
//! [`Schedule::missed`] asks for at most one run, for the newest slot, and only while it is
//! worth it; a machine that was off for a week does not run seven backups.

//!
//! # Of `verify`
//!
//! Drills and readings have patterns of their own, in the same zone. They are never late on
//! purpose, and the newest missed slot is made up for, however old it is: the next one has not
//! come, so it is no older than one interval.

mod cron;
mod gaps;
mod jitter;
mod missed;
mod read;
#[cfg(test)]
mod tests;
mod timing;
mod zone;
mod zoned;

pub use missed::Missed;
pub(super) use read::{read, read_cron, read_zone};
pub use timing::{CatchUp, Overlap, Schedule};
