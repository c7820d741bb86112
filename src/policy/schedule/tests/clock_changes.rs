//! The wall clocks of several zones, around their changes.

use jiff::Timestamp;

use super::{fires, schedule};

fn hold(table: &str) {
    for row in table.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<&str> = row.split(" | ").collect();
        let [cron, zone, now, expected] = cells[..] else { panic!("{row}") };
        let expected: Vec<&str> = expected.split(", ").collect();
        let written = format!("{{cron: \"{cron}\", timezone: {zone}}}");
        assert_eq!(fires(&written, now, expected.len()), expected, "{row}");
    }
}

/// Pattern, zone, now, and the next fires.
const GAPS: &str = "\
# 29 March 2026: 02:00 to 03:00.
30 2 * * * | Europe/Berlin | 2026-03-28T12:00Z | 03-29 03:00 +02:00, 03-30 02:30 +02:00
0 2 * * * | Europe/Berlin | 2026-03-28T12:00Z | 03-29 03:00 +02:00, 03-30 02:00 +02:00
0 3 * * * | Europe/Berlin | 2026-03-28T12:00Z | 03-29 03:00 +02:00, 03-30 03:00 +02:00
59 1 * * * | Europe/Berlin | 2026-03-28T12:00Z | 03-29 01:59 +01:00, 03-30 01:59 +02:00
# Several slots on one instant are one; lists of hours lose none.
*/15 2 * * * | Europe/Berlin | 2026-03-28T12:00Z | 03-29 03:00 +02:00, 03-30 02:00 +02:00
30 2,14 * * * | Europe/Berlin | 2026-03-28T14:00Z | 03-29 03:00 +02:00, 03-29 14:30 +02:00
0 */2 * * * | Europe/Berlin | 2026-03-29T00:00Z | 03-29 03:00 +02:00, 03-29 04:00 +02:00
# Every hour: the hour that is not there is not missed.
30 * * * * | Europe/Berlin | 2026-03-29T00:00Z | 03-29 01:30 +01:00, 03-29 03:30 +02:00
0 * * * * | Europe/Berlin | 2026-03-29T00:00Z | 03-29 03:00 +02:00, 03-29 04:00 +02:00
# 8 March 2026, in New York.
15 2 * * * | America/New_York | 2026-03-07T12:00Z | 03-08 03:00 -04:00, 03-09 02:15 -04:00
0 2 8 * * | America/New_York | 2026-03-07T12:00Z | 03-08 03:00 -04:00, 04-08 02:00 -04:00
# 4 November 2018: the day began at 01:00.
0 0 * * * | America/Sao_Paulo | 2018-11-03T12:00Z | 11-04 01:00 -02:00, 11-05 00:00 -02:00
0 0 * * 0 | America/Sao_Paulo | 2018-11-03T12:00Z | 11-04 01:00 -02:00, 11-11 00:00 -02:00
59 23 * * * | America/Sao_Paulo | 2018-11-03T12:00Z | 11-03 23:59 -03:00, 11-04 23:59 -02:00
0 */12 * * * | America/Sao_Paulo | 2018-11-03T16:00Z | 11-04 01:00 -02:00, 11-04 12:00 -02:00
# 29 March 2026: the day began at 01:00.
@daily | Asia/Beirut | 2026-03-28T12:00Z | 03-29 01:00 +03:00, 03-30 00:00 +03:00
# 4 October 2026: half an hour, from 02:00 to 02:30.
15 2 * * * | Australia/Lord_Howe | 2026-10-03T04:00Z | 10-04 02:30 +11:00, 10-05 02:15 +11:00
30 2 * * * | Australia/Lord_Howe | 2026-10-03T04:00Z | 10-04 02:30 +11:00, 10-05 02:30 +11:00
45 2 * * * | Australia/Lord_Howe | 2026-10-03T04:00Z | 10-04 02:45 +11:00, 10-05 02:45 +11:00
# 30 December 2011: a day that Samoa left out.
0 2 * * * | Pacific/Apia | 2011-12-30T00:00Z | 12-31 00:00 +14:00, 12-31 02:00 +14:00
";

#[test]
fn a_time_that_does_not_exist_fires_at_the_first_instant_after_it() {
    hold(GAPS);
}

/// As [`GAPS`].
const OVERLAPS: &str = "\
# 25 October 2026: 03:00 to 02:00.
30 2 * * * | Europe/Berlin | 2026-10-24T12:00Z | 10-25 02:30 +02:00, 10-26 02:30 +01:00
0 3 * * * | Europe/Berlin | 2026-10-24T12:00Z | 10-25 03:00 +01:00, 10-26 03:00 +01:00
0,30 2 * * * | Europe/Berlin | 2026-10-24T12:00Z | 10-25 02:00 +02:00, 10-25 02:30 +02:00, 10-26 02:00 +01:00
30 * * * * | Europe/Berlin | 2026-10-24T23:45Z | 10-25 02:30 +02:00, 10-25 02:30 +01:00, 10-25 03:30 +01:00
0 */2 * * * | Europe/Berlin | 2026-10-24T23:45Z | 10-25 02:00 +02:00, 10-25 02:00 +01:00, 10-25 04:00 +01:00
# Asked from inside: the second 02:10.
30 2 * * * | Europe/Berlin | 2026-10-25T01:10Z | 10-26 02:30 +01:00
30 * * * * | Europe/Berlin | 2026-10-25T01:10Z | 10-25 02:30 +01:00, 10-25 03:30 +01:00
30 2 * * * | Europe/Berlin | 2026-10-25T00:10Z | 10-25 02:30 +02:00, 10-26 02:30 +01:00
30 2 * * * | Europe/Berlin | 2026-10-25T01:00Z | 10-26 02:30 +01:00
# 1 November 2026.
30 1 * * * | America/New_York | 2026-10-31T12:00Z | 11-01 01:30 -04:00, 11-02 01:30 -05:00
# 17 February 2018: from midnight back to 23:00 of the day before.
30 23 * * * | America/Sao_Paulo | 2018-02-17T12:00Z | 02-17 23:30 -02:00, 02-18 23:30 -03:00
0 0 * * * | America/Sao_Paulo | 2018-02-17T12:00Z | 02-18 00:00 -03:00, 02-19 00:00 -03:00
30 * * * * | America/Sao_Paulo | 2018-02-18T01:00Z | 02-17 23:30 -02:00, 02-17 23:30 -03:00, 02-18 00:30 -03:00
# 5 April 2026: from 02:00 back to 01:30.
45 1 * * * | Australia/Lord_Howe | 2026-04-04T04:00Z | 04-05 01:45 +11:00, 04-06 01:45 +10:30
45 * * * * | Australia/Lord_Howe | 2026-04-04T14:00Z | 04-05 01:45 +11:00, 04-05 01:45 +10:30, 04-05 02:45 +10:30
15 1 * * * | Australia/Lord_Howe | 2026-04-04T04:00Z | 04-05 01:15 +11:00, 04-06 01:15 +10:30
";

#[test]
fn a_time_that_comes_twice_fires_once_and_with_wildcard_hours_twice() {
    hold(OVERLAPS);
}

#[test]
fn zones_without_changes_and_leap_days_are_plain() {
    for (written, now, expected) in [
        (
            "{cron: 0 2 * * *, timezone: Asia/Kolkata}",
            "2026-11-25T00:00Z",
            ["11-26 02:00 +05:30", "11-27 02:00 +05:30"],
        ),
        (
            "{cron: 0 2 * * *, timezone: Asia/Shanghai}",
            "2026-11-25T18:00Z",
            ["11-27 02:00 +08:00", "11-28 02:00 +08:00"],
        ),
        ("{cron: 0 2 * * *}", "2026-11-25T02:00Z", ["11-26 02:00 +00:00", "11-27 02:00 +00:00"]),
        (
            "{cron: 0 2 29 2 *, timezone: Europe/Berlin}",
            "2026-11-25T02:00Z",
            ["02-29 02:00 +01:00", "02-29 02:00 +01:00"],
        ),
        ("{cron: 0 2 1 * MON}", "2026-11-25T02:00Z", ["11-30 02:00 +00:00", "12-01 02:00 +00:00"]),
        ("{every: 30m}", "2026-11-25T02:00:00.5Z", ["11-25 02:30 +00:00", "11-25 03:00 +00:00"]),
        ("{every: 7h}", "1970-01-01T00:00Z", ["01-01 07:00 +00:00", "01-01 14:00 +00:00"]),
        ("{every: 7h}", "1969-12-31T20:00Z", ["01-01 00:00 +00:00", "01-01 07:00 +00:00"]),
    ] {
        assert_eq!(fires(written, now, 2), expected, "{written} after {now}");
    }
}

#[test]
fn a_delay_moves_every_fire_and_nothing_else() {
    let plain = schedule("{cron: 30 2 * * *, timezone: Europe/Berlin}");
    let mut late = schedule("{cron: 30 2 * * *, timezone: Europe/Berlin, jitter: 1h}");
    assert!(late.delay().as_secs() <= 3600);
    late.delay = jiff::SignedDuration::from_mins(40);
    for now in
        ["2026-03-28T12:00Z", "2026-03-29T01:00Z", "2026-03-29T01:39:59Z", "2026-10-25T00:00Z"]
    {
        let now: Timestamp = now.parse().unwrap();
        let expected = plain.next_after(now - late.delay).unwrap() + late.delay;
        assert_eq!(late.next_after(now), Some(expected));
    }
    let at: Timestamp = "2026-03-29T01:40Z".parse().unwrap();
    assert_eq!(late.next_after(at - jiff::SignedDuration::from_secs(1)), Some(at));
}

#[test]
fn the_end_of_time_is_no_panic() {
    for written in
        ["{cron: 0 2 * * *}", "{every: 1s}", "{cron: 0 2 * * *, timezone: Europe/Berlin}"]
    {
        assert_eq!(schedule(written).next_after(Timestamp::MAX), None, "{written}");
        assert!(schedule(written).next_after(Timestamp::MIN).is_some(), "{written}");
    }
}

#[test]
fn the_longest_gap_is_seen() {
    let now: Timestamp = "2026-11-25T00:00Z".parse().unwrap();
    for (written, hours) in [
        ("{cron: 0 2 * * *}", 24),
        ("{cron: 0 2 * * 1-5}", 72),
        ("{cron: 0 2 1 * *}", 31 * 24),
        ("{every: 6h}", 6),
        ("{cron: 0 9-17 * * *}", 16),
    ] {
        let gap = schedule(written).longest_gap(now).unwrap();
        assert_eq!(gap.as_hours(), hours, "{written}");
    }
    // Right after the last of a day, its 50 next are all of another day.
    let evening: Timestamp = "2026-11-25T18:00Z".parse().unwrap();
    let gap = schedule("{cron: \"*/5 9-17 * * *\"}").longest_gap(evening).unwrap();
    assert_eq!(gap.as_secs(), (15 * 60 + 5) * 60);
}
