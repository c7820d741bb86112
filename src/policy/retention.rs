//! Which backups of a policy stay.

use std::fmt;
use std::num::NonZeroU32;

use jiff::SignedDuration;

use super::reader::Reader;
use crate::model::Diagnostic;

/// Which backups of a policy stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Every one.
    KeepAll,
    /// Those that a rule keeps.
    Rules(KeepRules),
}

/// Rules, of which at least one is set; a backup stays if any of them keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepRules {
    /// The newest so many.
    pub last: Option<NonZeroU32>,
    /// All that are no older.
    pub within: Option<SignedDuration>,
    /// The newest of each of so many hours.
    pub hourly: Option<NonZeroU32>,
    /// The newest of each of so many days.
    pub daily: Option<NonZeroU32>,
    /// The newest of each of so many weeks.
    pub weekly: Option<NonZeroU32>,
    /// The newest of each of so many months.
    pub monthly: Option<NonZeroU32>,
    /// The newest of each of so many years.
    pub yearly: Option<NonZeroU32>,
    /// So many complete backups stay, whatever the rules say.
    pub min_keep: NonZeroU32,
    /// The newest so many partial backups stay.
    pub partial: u32,
}

/// For people: `all`, or `last 3, daily 7`.
impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = match self {
            Self::KeepAll => return f.write_str("all"),
            Self::Rules(rules) => rules,
        };
        let mut gap = "";
        if let Some(within) = rules.within {
            write!(f, "within {within:#}")?;
            gap = ", ";
        }
        for (word, number) in [
            ("last", rules.last),
            ("hourly", rules.hourly),
            ("daily", rules.daily),
            ("weekly", rules.weekly),
            ("monthly", rules.monthly),
            ("yearly", rules.yearly),
        ] {
            if let Some(number) = number {
                write!(f, "{gap}{word} {number}")?;
                gap = ", ";
            }
        }
        Ok(())
    }
}

/// The keys that keep something by themselves.
const RULES: [&str; 7] = [
    "retention.keep_last",
    "retention.keep_within",
    "retention.keep_hourly",
    "retention.keep_daily",
    "retention.keep_weekly",
    "retention.keep_monthly",
    "retention.keep_yearly",
];

/// The keys that only mean something beside a rule.
const BOUNDS: [&str; 2] = ["retention.min_keep", "retention.keep_partial"];

/// Reads `retention`, which no policy may lack.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Retention> {
    let keep_all = reader.switch("retention.keep_all");
    let rules = KeepRules {
        last: reader.nonzero(RULES[0]),
        within: reader.duration(RULES[1]),
        hourly: reader.nonzero(RULES[2]),
        daily: reader.nonzero(RULES[3]),
        weekly: reader.nonzero(RULES[4]),
        monthly: reader.nonzero(RULES[5]),
        yearly: reader.nonzero(RULES[6]),
        partial: reader.count(BOUNDS[1]).unwrap_or_default(),
        min_keep: reader.nonzero(BOUNDS[0])?,
    };
    let written: Vec<&str> =
        RULES.into_iter().chain(BOUNDS).filter(|path| reader.has(path)).collect();
    if keep_all? {
        if let Some(first) = written.first() {
            let problem = format!("`{first}` means nothing beside `keep_all: true`");
            let hint = "remove `keep_all`, or every other key of `retention`";
            reader.refuse(first, Diagnostic::new(problem).hint(hint));
        }
        return Some(Retention::KeepAll);
    }
    let keeps = RULES.iter().any(|path| reader.has(path));
    if !keeps && !reader.is_spoiled("retention") {
        let problem = if reader.document.sections.contains_key("retention") {
            "`retention` keeps nothing"
        } else {
            "`retention` is missing"
        };
        let hint = "write a rule such as `retention: {keep_last: 3, keep_daily: 7}`, or `retention: {keep_all: true}`";
        reader.refuse("retention", Diagnostic::new(problem).hint(hint));
    }
    Some(Retention::Rules(rules))
}
