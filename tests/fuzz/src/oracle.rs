//! When schedules are due, told apart from the agent: cron(5) by the book, and `every`.

use jiff::civil::{Date, DateTime};
use jiff::{Span, SpanRelativeTo, Timestamp};

const NICKNAMES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// How far this looks: a 29 February that is a certain day of the week may take 40 years.
const DAYS: usize = 41 * 366;

/// A pattern whose clock is UTC.
pub(crate) struct Cron {
    /// A bit for each minute, hour, day of the month, month, day of the week.
    fields: [u64; 5],
    /// Whether a day has to match both of its fields.
    both: bool,
}

impl Cron {
    pub(crate) fn read(text: &str) -> Self {
        let plain = NICKNAMES.iter().find(|(name, _)| *name == text);
        let plain = plain.map_or(text, |(_, plain)| plain);
        let words: Vec<&str> = plain.split(' ').collect();
        let [minute, hour, day, month, weekday] = words[..] else { panic!("{text:?}") };
        let weekdays = field(weekday, (0, 7), (&WEEKDAYS, 0));
        Self {
            fields: [
                field(minute, (0, 59), (&[], 0)),
                field(hour, (0, 23), (&[], 0)),
                field(day, (1, 31), (&[], 0)),
                field(month, (1, 12), (&MONTHS, 1)),
                weekdays | weekdays >> 7,
            ],
            both: day.starts_with('*') || weekday.starts_with('*'),
        }
    }

    fn has(&self, field: usize, number: i8) -> bool {
        self.fields[field] >> number & 1 == 1
    }

    fn is_due_on(&self, date: Date) -> bool {
        let day = self.has(2, date.day());
        let weekday = self.has(4, date.weekday().to_sunday_zero_offset());
        let matches = if self.both { day && weekday } else { day || weekday };
        matches && self.has(3, date.month())
    }

    /// The matches after a moment, as far as this looks.
    pub(crate) fn after(&self, moment: DateTime) -> impl Iterator<Item = DateTime> {
        let days = moment.date().series(Span::new().days(1)).take(DAYS);
        let times = days.filter(|date| self.is_due_on(*date)).flat_map(|date| {
            let minutes = (0..24).flat_map(|hour| (0..60).map(move |minute| (hour, minute)));
            let due = minutes.filter(|(hour, minute)| self.has(1, *hour) && self.has(0, *minute));
            due.map(move |(hour, minute)| date.at(hour, minute, 0, 0))
        });
        times.filter(move |at| *at > moment)
    }
}

/// The numbers of a field: a star, numbers, ranges, steps, and lists of them.
fn field(text: &str, (first, last): (u32, u32), (words, offset): (&[&str], usize)) -> u64 {
    let number = |text: &str| {
        let word = words.iter().position(|word| text.eq_ignore_ascii_case(word));
        let number = word.map_or_else(|| text.parse().ok(), |at| u32::try_from(at + offset).ok());
        number.unwrap_or_else(|| panic!("{text:?} is no number"))
    };
    let part = |part: &str| {
        let (range, step) = part.split_once('/').map_or((part, None), |(a, b)| (a, Some(b)));
        let (low, high) = match range.split_once('-') {
            // A range ends on a Sunday, and does not begin before it.
            Some((low, high)) if high.eq_ignore_ascii_case("sun") => (number(low), 7),
            Some((low, high)) => (number(low), number(high)),
            // A week has seven days, though there are eight numbers for them.
            None if range == "*" => (first, if last == 7 { 6 } else { last }),
            None => (number(range), step.map_or(number(range), |_| last)),
        };
        assert!(first <= low && low <= high && high <= last, "{part:?} is no range");
        let step = usize::try_from(step.map_or(1, number)).expect("it is small");
        (low..=high).step_by(step).fold(0, |bits, number| bits | 1 << number)
    };
    text.split(',').map(part).fold(0, |all, some| all | some)
}

/// The moments after another at which `every` so long is due, without end.
pub(crate) fn every(text: &str, moment: Timestamp) -> impl Iterator<Item = Timestamp> {
    let span: Span = text.parse().expect("a duration");
    let days = SpanRelativeTo::days_are_24_hours();
    let seconds = span.to_duration(days).expect("a duration without months").as_secs();
    let first = (moment.as_second().div_euclid(seconds) + 1) * seconds;
    let at = move |count: i64| Timestamp::from_second(first + count * seconds).ok();
    (0..).map_while(at)
}
