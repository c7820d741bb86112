//! What `verify` says of reading backups again.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::reader::Reader;
use super::schedule::{self, Schedule};
use crate::model::Diagnostic;

/// When a share of what a policy's backups have is read again, and how large it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reread {
    /// When.
    pub schedule: Schedule,
    /// In which time every byte is read.
    pub within: SignedDuration,
}

impl Reread {
    /// How long ago a byte may have been read last before that is an alert: two slots may be
    /// lost.
    pub fn max_age_at(&self, now: Timestamp) -> SignedDuration {
        let gap = self.schedule.longest_gap(now).unwrap_or_default();
        self.within.saturating_add(gap.saturating_mul(2))
    }
}

/// Reads `verify.schedule` and `verify.read_all_within`.
pub(super) fn read(reader: &mut Reader<'_>, zone: Option<&TimeZone>) -> Option<Reread> {
    const PATH: &str = "verify.read_all_within";
    let schedule = schedule::read_cron(reader, "verify.schedule", zone);
    let within = reader.duration(PATH);
    if reader.has(PATH) && !reader.has("verify.schedule") && !reader.is_spoiled("verify") {
        let problem = Diagnostic::new(format!("`{PATH}` means nothing without `verify.schedule`"));
        let hint = "write when, such as `schedule: \"0 4 * * *\"` in `verify`, or remove it";
        reader.refuse(PATH, problem.hint(hint));
    }
    let (schedule, within) = (schedule?, within?);
    if let Some(gap) = schedule.gap_over(within) {
        let message = format!(
            "`{PATH}` ({within:#}) must be at least the longest gap of `verify.schedule` ({gap:#})"
        );
        let path = if reader.has(PATH) { PATH } else { "verify.schedule" };
        let hint = format!("write at least {gap:#}, or let `verify.schedule` come more often");
        reader.refuse(path, Diagnostic::new(message).hint(hint));
    }
    Some(Reread { schedule, within })
}
