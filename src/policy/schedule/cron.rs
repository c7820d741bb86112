//! The five fields of cron(5), on the wall clock. `croner` stays in this file.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Span;
use jiff::civil::{DateTime, date};

use crate::model::{Invalid, nearest};

/// What a nickname stands for.
const NICKNAMES: &[(&str, &str)] = &[
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// A field: its name, what it takes, and words that it knows.
struct Field {
    name: &'static str,
    takes: &'static str,
    words: &'static [&'static str],
}

const MONTHS: &[&str] =
    &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const FIELDS: [Field; 5] = [
    Field { name: "minute", takes: "0-59", words: &[] },
    Field { name: "hour", takes: "0-23", words: &[] },
    Field { name: "day of the month", takes: "1-31", words: &[] },
    Field { name: "month", takes: "1-12 or JAN-DEC", words: MONTHS },
    Field {
        name: "day of the week",
        takes: "0-7 (0 and 7 are Sunday) or SUN-SAT",
        words: WEEKDAYS,
    },
];

/// A leap day comes after at most eight years: no match for so long means never.
const HORIZON_YEARS: i64 = 8;

/// How many matches are looked at to find the shortest interval.
const LOOKED_AT: usize = 500;

/// A Monday in a leap year, from which a pattern is judged; no match depends on it.
const REFERENCE: DateTime = date(2024, 1, 1).at(0, 0, 0, 0);

/// How the hours of a pattern meet a change of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hours {
    /// Every hour: a slot in an hour that does not exist is not missed.
    Every,
    /// `*` with a step: in an hour that comes twice, twice.
    Wildcard,
    /// Named hours: once.
    Fixed,
}

/// A pattern that matches now and then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    text: String,
    cron: Cron,
    hours: Hours,
}

impl Pattern {
    /// Five fields or a nickname.
    pub(super) fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        let plain = if text.starts_with('@') { nickname(text)? } else { text };
        let fields: Vec<&str> = plain.split_whitespace().collect();
        let fields: [&str; 5] =
            fields.try_into().map_err(|fields: Vec<&str>| wrong_count(&fields))?;
        for (index, field) in fields.iter().enumerate() {
            check_field(index, field)?;
        }
        let cron = croner(&fields).map_err(|_| Invalid::expected("a cron pattern", text))?;
        let hours = match fields[1] {
            "*" | "*/1" => Hours::Every,
            hours if hours.starts_with('*') => Hours::Wildcard,
            _ => Hours::Fixed,
        };
        let shown = if plain == text { fields.join(" ") } else { text.to_owned() };
        let pattern = Self { text: shown, cron, hours };
        pattern.matches(REFERENCE).next().ok_or_else(|| {
            let years = HORIZON_YEARS;
            Invalid::new(format!("`{text}` does not come within {years} years, if ever"))
                .hint("check the day of the month against the month; 30 February is no day")
        })?;
        Ok(pattern)
    }

    /// As it was written, with one blank between two fields.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn hours(&self) -> Hours {
        self.hours
    }

    /// The first match after `at`, to the second.
    pub(super) fn after(&self, at: DateTime) -> Option<DateTime> {
        self.cron.find_next_occurrence(&at, false).ok()
    }

    /// The first match at or after `at`, which is a whole second.
    pub(super) fn from(&self, at: DateTime) -> Option<DateTime> {
        self.cron.find_next_occurrence(&at, true).ok()
    }

    /// The matches after `at`, up to the first gap of eight years.
    fn matches(&self, at: DateTime) -> impl Iterator<Item = DateTime> {
        let next = move |at: &DateTime| {
            let limit = at.checked_add(Span::new().years(HORIZON_YEARS)).ok()?;
            self.after(*at).filter(|next| *next <= limit)
        };
        std::iter::successors(next(&at), next)
    }

    /// The shortest time between two matches on a clock that is never changed, in seconds.
    pub(super) fn shortest_seconds(&self) -> i64 {
        let limit = REFERENCE.saturating_add(Span::new().years(HORIZON_YEARS));
        let matches = self.matches(REFERENCE).take(LOOKED_AT).take_while(|at| *at <= limit);
        let matches: Vec<DateTime> = matches.collect();
        let gaps = matches.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_secs());
        gaps.min().unwrap_or(i64::MAX)
    }
}

fn nickname(text: &str) -> Result<&'static str, Invalid> {
    if text == "@reboot" {
        return Err(Invalid::new("`@reboot` is not a time").hint(
            "a start of the agent catches up what was missed; write a time such as `@daily`",
        ));
    }
    let known = NICKNAMES.iter().find(|(name, _)| *name == text);
    known.map(|(_, plain)| *plain).ok_or_else(|| {
        let names = NICKNAMES.iter().map(|(name, _)| *name);
        let invalid = Invalid::expected(
            &format!("one of {}", names.clone().collect::<Vec<_>>().join(", ")),
            text,
        );
        match nearest(text, names) {
            Some(meant) => invalid.hint(format!("did you mean `{meant}`?")),
            None => invalid,
        }
    })
}

fn wrong_count(fields: &[&str]) -> Invalid {
    let count = fields.len();
    let found = fields.join(" ");
    let invalid = Invalid::new(format!(
        "expected five fields (minute, hour, day of the month, month, day of the week), found {count}: `{found}`"
    ));
    if count == 6 {
        let is_year = fields[5].len() == 4 && fields[5].starts_with("20");
        let rest = if is_year { fields[..5].join(" ") } else { fields[1..].join(" ") };
        return invalid.hint(format!(
            "with six fields the first would be seconds, or the last a year; such patterns run far too often elsewhere, so write five: `{rest}`"
        ));
    }
    invalid.hint("`0 2 * * *` is every day at 02:00; `@daily` and the like work, too")
}

/// Checks one field alone, so that it can be named.
fn check_field(index: usize, text: &str) -> Result<(), Invalid> {
    let Field { name, takes, words } = &FIELDS[index];
    let invalid = || Invalid::new(format!("the {name} takes {takes}, found `{text}`"));
    let known = |word: &str| words.contains(&word.to_lowercase().as_str());
    let parts = text.split([',', '-', '/']);
    let usable =
        |part: &str| part == "*" || part.bytes().all(|byte| byte.is_ascii_digit()) || known(part);
    let mut wrong = parts.filter(|part| part.is_empty() || !usable(part));
    if let Some(part) = wrong.next() {
        let foreign = part.contains(['L', 'W', '#', '?', '+']);
        return Err(match nearest(part, words.iter().copied()) {
            _ if foreign => invalid().hint("`L`, `W`, `#`, `?` and `+` are not of cron(5)"),
            Some(meant) => invalid().hint(format!("did you mean `{}`?", meant.to_uppercase())),
            None => invalid()
                .hint("a field is `*`, a number, a range `1-5`, a list `1,15`, or steps `*/10`"),
        });
    }
    let mut fields = ["*"; 5];
    fields[index] = text;
    croner(&fields).map(drop).map_err(|_| {
        invalid().hint("a field is `*`, a number, a range `1-5`, a list `1,15`, or steps `*/10`")
    })
}

/// cron(5): with both day fields restricted, either matches; a field that starts with `*` is
/// not restricted.
fn croner(fields: &[&str; 5]) -> Result<Cron, croner::errors::CronError> {
    let both = fields[2].starts_with('*') || fields[4].starts_with('*');
    CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .dom_and_dow(both)
        .build()
        .parse(&fields.join(" "))
}

#[cfg(test)]
mod tests {
    use jiff::civil::DateTime;

    use super::Pattern;

    fn next(pattern: &str, at: &str) -> String {
        let at: DateTime = at.parse().unwrap();
        let next = Pattern::parse(pattern).unwrap().after(at).unwrap();
        next.strftime("%a %Y-%m-%d %H:%M").to_string()
    }

    #[test]
    fn the_next_match_is_that_of_cron() {
        for (pattern, at, expected) in [
            ("0 2 * * *", "2026-11-25T02:00", "Thu 2026-11-26 02:00"),
            ("0 2 * * *", "2026-11-25T01:59:59", "Wed 2026-11-25 02:00"),
            ("*/15 * * * *", "2026-11-25T02:46", "Wed 2026-11-25 03:00"),
            ("0 2 * * 7", "2026-11-25T02:00", "Sun 2026-11-29 02:00"),
            ("0 2 * * sun", "2026-11-25T02:00", "Sun 2026-11-29 02:00"),
            ("0 2 * * Mon-Fri", "2026-11-27T02:00", "Mon 2026-11-30 02:00"),
            ("0 2 * FEB *", "2026-11-25T02:00", "Mon 2027-02-01 02:00"),
            ("0 0 29 2 *", "2026-11-25T02:00", "Tue 2028-02-29 00:00"),
            ("0 0 29 2 *", "2096-03-01T00:00", "Fri 2104-02-29 00:00"),
            ("0 0 31 * *", "2026-11-25T02:00", "Thu 2026-12-31 00:00"),
            // Both day fields: either. With a star in front: both.
            ("0 2 1 * MON", "2026-11-25T02:00", "Mon 2026-11-30 02:00"),
            ("0 2 1 * MON", "2026-11-30T02:00", "Tue 2026-12-01 02:00"),
            ("0 2 */2 * MON", "2026-11-25T02:00", "Mon 2026-12-07 02:00"),
            ("0 2 30 2 MON", "2026-11-25T02:00", "Mon 2027-02-01 02:00"),
            ("10-50/20 * * * *", "2026-11-25T02:30", "Wed 2026-11-25 02:50"),
            ("0 2 * * 6-7", "2026-11-28T02:00", "Sun 2026-11-29 02:00"),
            ("0 2 * * Sat-Sun", "2026-11-29T02:00", "Sat 2026-12-05 02:00"),
            ("@hourly", "2026-11-25T02:00", "Wed 2026-11-25 03:00"),
            ("@midnight", "2026-11-25T02:00", "Thu 2026-11-26 00:00"),
            ("@weekly", "2026-11-25T02:00", "Sun 2026-11-29 00:00"),
            ("@monthly", "2026-11-25T02:00", "Tue 2026-12-01 00:00"),
            ("@annually", "2026-11-25T02:00", "Fri 2027-01-01 00:00"),
        ] {
            assert_eq!(next(pattern, at), expected, "{pattern} after {at}");
        }
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        for (text, message, hint) in [
            ("0 0 2 * * *", "expected five fields", "the first would be seconds"),
            ("0 2 * *", "expected five fields", "`0 2 * * *` is every day"),
            ("", "expected five fields", ""),
            ("0 2 * * * * *", "expected five fields", ""),
            ("60 2 * * *", "the minute takes 0-59, found `60`", "a field is"),
            ("0 24 * * *", "the hour takes 0-23, found `24`", "a field is"),
            ("0 2 0 * *", "the day of the month takes 1-31, found `0`", ""),
            ("0 2 * 13 *", "the month takes 1-12 or JAN-DEC, found `13`", ""),
            ("0 2 * * 8", "the day of the week takes 0-7", ""),
            ("0 2 * * MOM", "the day of the week takes 0-7", "did you mean `MON`?"),
            ("0 2 * * MON#1", "the day of the week takes 0-7", "`L`, `W`, `#`"),
            ("0 2 L * *", "the day of the month takes 1-31", "`L`, `W`, `#`"),
            ("MON 2 * * *", "the minute takes 0-59, found `MON`", ""),
            ("5-1 2 * * *", "the minute takes 0-59, found `5-1`", ""),
            ("*/0 2 * * *", "the minute takes 0-59, found `*/0`", ""),
            (", 2 * * *", "the minute takes 0-59, found `,`", ""),
            ("1,,2 2 * * *", "the minute takes 0-59, found `1,,2`", ""),
            ("99999999999 2 * * *", "the minute takes 0-59", ""),
            ("0 2 30 2 *", "`0 2 30 2 *` does not come", "check the day of the month"),
            ("0 2 31 4,6,9,11 *", "`0 2 31 4,6,9,11 *` does not come", ""),
            ("@reboot", "`@reboot` is not a time", ""),
            ("@dayly", "expected one of @hourly, @daily", "did you mean `@daily`?"),
            ("@", "expected one of", ""),
        ] {
            let error = Pattern::parse(text).unwrap_err();
            assert!(error.message.starts_with(message), "{text}: {error:?}");
            assert!(error.hint.unwrap_or_default().contains(hint), "{text}");
        }
    }

    #[test]
    fn a_pattern_is_shown_in_one_line() {
        for text in ["0 2 * * 1-5", " 0\t2  * *\n1-5\n"] {
            assert_eq!(Pattern::parse(text).unwrap().text(), "0 2 * * 1-5");
        }
        assert_eq!(Pattern::parse("@daily\n").unwrap().text(), "@daily");
    }

    #[test]
    fn the_shortest_interval_is_found() {
        for (pattern, minutes) in [
            ("*/5 9-17 * * 1-5", 5),
            ("0 2 * * *", 24 * 60),
            ("0,59 23 31 12 *", 59),
            ("0 0 1,31 * *", 24 * 60),
            ("0 0 29 2 *", (4 * 365 + 1) * 24 * 60),
        ] {
            let found = Pattern::parse(pattern).unwrap().shortest_seconds();
            assert_eq!(found, minutes * 60, "{pattern}");
        }
    }
}
