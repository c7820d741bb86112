//! Times as people say them.

use std::time::Duration;

use jiff::Timestamp;

/// How long, in its largest fitting unit: `45 s`, `5 min`, `3 h`, `12 d`.
pub(super) fn span(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7199 => format!("{} min", seconds / 60),
        seconds @ 7200..=172_799 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// How long ago, or in how long.
pub(super) fn from_now(at: Timestamp, now: Timestamp) -> String {
    let apart = now.duration_since(at);
    let span = span(apart.unsigned_abs());
    if apart.is_negative() { format!("in {span}") } else { format!("{span} ago") }
}

/// The time between two moments; none where the second is not the later one.
pub(super) fn since(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(at)).unwrap_or_default()
}

/// A moment, to the second, where it is said that it is in UTC.
pub(super) fn clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A moment, to the second.
pub(super) fn moment(at: Timestamp) -> String {
    format!("{} UTC", clock(at))
}

/// A number and what it counts.
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

/// A word for a shell.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::{SignedDuration, Timestamp};

    use super::{from_now, moment, quoted, since, span};

    #[test]
    fn a_shell_takes_a_word_for_what_it_is() {
        assert_eq!(quoted("/etc/milvus/a-b_1.yaml"), "/etc/milvus/a-b_1.yaml");
        assert_eq!(quoted("/my files/$x"), "'/my files/$x'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn a_time_has_one_unit() {
        for (seconds, text) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (7199, "119 min"),
            (7200, "2 h"),
            (172_799, "47 h"),
            (172_800, "2 d"),
            (8_640_000, "100 d"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn what_is_past_and_what_is_to_come_are_told_apart() {
        let now: Timestamp = "2026-11-26T13:00:00Z".parse().unwrap();
        let then = now - SignedDuration::from_hours(3);
        assert_eq!(from_now(then, now), "3 h ago");
        assert_eq!(from_now(now, now), "0 s ago");
        assert_eq!(from_now(now, then), "in 3 h");
        assert_eq!(moment(now), "2026-11-26 13:00:00 UTC");
        assert_eq!(since(now, then), Duration::ZERO, "a clock that was set back");
    }
}
