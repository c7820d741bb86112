//! Every minute of some weeks, looked at one by one.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Span, Timestamp};

use super::schedule;
use crate::policy::schedule::cron::Pattern;

/// A field as text and as the numbers it means, written down apart from any parser.
#[derive(Debug, Clone)]
struct Field {
    text: String,
    /// A bit for each.
    numbers: u64,
}

/// A simple generator (SplitMix64): the same cases each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn number(&mut self, from: i8, to: i8) -> i8 {
        let span = u64::try_from(to - from + 1).expect("from is not after to");
        from + i8::try_from(self.below(span)).expect("it is small")
    }

    /// A star, a number, a range, steps or a list.
    fn field(&mut self, from: i8, to: i8) -> Field {
        let (one, two) = (self.number(from, to), self.number(from, to));
        let (low, high) = (one.min(two), one.max(two));
        let step = self.number(2, 13);
        let (text, numbers): (String, Vec<i8>) = match self.below(6) {
            0 | 1 => ("*".to_owned(), (from..=to).collect()),
            2 => (one.to_string(), vec![one]),
            3 => (format!("{low}-{high}"), (low..=high).collect()),
            4 => (format!("*/{step}"), (from..=to).step_by(step.unsigned_abs().into()).collect()),
            _ => (format!("{high},{low}"), vec![low, high]),
        };
        let numbers = numbers.into_iter().fold(0, |bits, number| bits | 1 << number);
        Field { text, numbers }
    }
}

#[derive(Debug)]
struct Case {
    fields: [Field; 5],
    zone: TimeZone,
}

impl Case {
    fn random(random: &mut Random, zone: &TimeZone) -> Self {
        let fields = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];
        let fields = fields.map(|(from, to)| random.field(from, to));
        Self { fields, zone: zone.clone() }
    }

    fn pattern(&self) -> String {
        self.fields.each_ref().map(|field| field.text.as_str()).join(" ")
    }

    fn written(&self) -> String {
        let name = self.zone.iana_name().expect("a named zone");
        format!("{{cron: \"{}\", timezone: {name}}}", self.pattern())
    }

    fn has(&self, index: usize, number: i8) -> bool {
        self.fields[index].numbers >> number & 1 == 1
    }

    fn stars(&self, index: usize) -> bool {
        self.fields[index].text.starts_with('*')
    }

    /// cron(5), by the book.
    fn matches(&self, at: DateTime) -> bool {
        if !self.has(0, at.minute()) || !self.has(1, at.hour()) || !self.has(3, at.month()) {
            return false;
        }
        let weekday = at.weekday().to_sunday_zero_offset();
        let weekday = self.has(4, weekday) || (weekday == 0 && self.has(4, 7));
        let day = self.has(2, at.day());
        if self.stars(2) || self.stars(4) { day && weekday } else { day || weekday }
    }

    /// Whether it is due at this minute.
    fn is_due(&self, minute: &Minute) -> bool {
        let first = !minute.again || self.stars(1);
        // The first minute after a gap stands for all that are not there.
        let gap = self.fields[1].text != "*";
        (first && self.matches(minute.clock))
            || (gap && minute.missing.iter().any(|clock| self.matches(*clock)))
    }
}

/// A minute and what the wall clock makes of it.
struct Minute {
    at: Timestamp,
    clock: DateTime,
    /// Whether the clock has shown this before.
    again: bool,
    /// What the clock left out just before.
    missing: Vec<DateTime>,
}

impl Minute {
    fn of(zone: &TimeZone, at: Timestamp) -> Self {
        let clock = zone.to_datetime(at);
        let offset = |clock: DateTime| zone.to_ambiguous_timestamp(clock).offset();
        let again = match offset(clock) {
            AmbiguousOffset::Fold { before, .. } => before != zone.to_offset(at),
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Gap { .. } => false,
        };
        let minute = Span::new().minutes(1);
        let before = |clock: &DateTime| clock.checked_sub(minute).ok();
        let missing = std::iter::successors(before(&clock), before);
        let missing =
            missing.take_while(|clock| matches!(offset(*clock), AmbiguousOffset::Gap { .. }));
        Self { at, clock, again, missing: missing.collect() }
    }
}

/// Weeks with and without changes of the clock.
const WEEKS: &[(&str, &str)] = &[
    ("Europe/Berlin", "2026-03-26T00:00Z"),
    ("Europe/Berlin", "2026-10-22T00:00Z"),
    ("America/New_York", "2026-03-05T00:00Z"),
    ("America/New_York", "2026-10-29T00:00Z"),
    ("America/Sao_Paulo", "2018-11-01T00:00Z"),
    ("America/Sao_Paulo", "2018-02-15T00:00Z"),
    ("Australia/Lord_Howe", "2026-10-01T00:00Z"),
    ("Australia/Lord_Howe", "2026-04-02T00:00Z"),
    ("Asia/Kolkata", "2028-02-26T00:00Z"),
    ("Africa/Casablanca", "2026-02-12T00:00Z"),
];

const DAYS: i64 = 5;
const CASES_PER_WEEK: usize = 120;

#[test]
fn no_fire_is_skipped_and_none_is_added() {
    let mut random = Random(42);
    let (mut cases, mut fires) = (0, 0);
    for (zone, start) in WEEKS {
        let zone = TimeZone::get(zone).unwrap();
        let start: Timestamp = start.parse().unwrap();
        let minutes: Vec<Minute> = (1..=DAYS * 24 * 60)
            .map(|minute| Minute::of(&zone, start + SignedDuration::from_mins(minute)))
            .collect();
        for _ in 0..CASES_PER_WEEK {
            let case = Case::random(&mut random, &zone);
            let written = case.written();
            let due = minutes.iter().filter(|minute| case.is_due(minute));
            let expected: Vec<Timestamp> = due.map(|minute| minute.at).collect();
            if Pattern::parse(&case.pattern()).is_err() {
                assert!(expected.is_empty(), "{written}");
                continue;
            }
            let end = start + SignedDuration::from_hours(DAYS * 24);
            let found = schedule(&written);
            let found: Vec<Timestamp> =
                found.fires_after(start).take_while(|at| *at <= end).collect();
            assert_eq!(found, expected, "{written} after {start}");
            assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{written}");
            cases += 1;
            fires += found.len();
        }
    }
    assert!(cases > 1000 && fires > 10_000, "{cases} cases, {fires} fires");
}

/// From anywhere, seconds and folds included, the next fire is the next one of the list.
#[test]
fn it_does_not_matter_from_where_one_asks() {
    let mut random = Random(7);
    for (zone, start) in WEEKS {
        let zone = TimeZone::get(zone).unwrap();
        let start: Timestamp = start.parse().unwrap();
        for hours in ["*", "*/3", "1-3", "0,2,23"] {
            let name = zone.iana_name().unwrap();
            let schedule = schedule(&format!("{{cron: \"7,30 {hours} * * *\", timezone: {name}}}"));
            let fires: Vec<Timestamp> = schedule.fires_after(start).take(200).collect();
            for _ in 0..60 {
                let seconds = i64::try_from(random.below(3 * 24 * 3600)).unwrap();
                let now = start + SignedDuration::from_millis(seconds * 1000 + 500 * (seconds % 2));
                let expected = fires.iter().find(|at| **at > now);
                assert_eq!(schedule.next_after(now).as_ref(), expected, "{hours} {name} {now}");
            }
        }
    }
}
