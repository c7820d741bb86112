//! What is refused, and in which words.

use super::parse;

/// A file with many problems.
const WRONG: &str = "\
collections: [films, '*.*']
schedule: {cron: 0 0 2 * * *, timezone: Europe/Berln, overlap: never}
retentoin: {keep_last: 3}
retry: {attempts: 0, bakoff: 1m}
timeout: 0s
timeout: 1h
layout: alone
verify:
triggers: amqp
";

const PROBLEMS: &str = "\
error: `collections`: `films` is not a collection pattern: write database.collection, `*` and `?` \
allowed, `!` in front leaves out
 --> /policies/wrong.yaml:1:15
  |
1 | collections: [films, '*.*']
  |               ^

error: `schedule.cron`: expected five fields (minute, hour, day of the month, month, day of the \
week), found 6: `0 0 2 * * *`
 --> /policies/wrong.yaml:2:18
  |
2 | schedule: {cron: 0 0 2 * * *, timezone: Europe/Berln, overlap: never}
  |                  ^
  = hint: with six fields the first would be seconds, or the last a year; such patterns run far \
too often elsewhere, so write five: `0 2 * * *`

error: `schedule.timezone`: expected an IANA time zone such as Europe/Berlin or UTC, found `Europe/Berln`
 --> /policies/wrong.yaml:2:41
  |
2 | schedule: {cron: 0 0 2 * * *, timezone: Europe/Berln, overlap: never}
  |                                         ^
  = hint: did you mean `Europe/Berlin`?

error: `schedule.overlap`: expected one of skip, queue, replace, found `never`
 --> /policies/wrong.yaml:2:64
  |
2 | schedule: {cron: 0 0 2 * * *, timezone: Europe/Berln, overlap: never}
  |                                                                ^

error: unknown key `retentoin`
 --> /policies/wrong.yaml:3:1
  |
3 | retentoin: {keep_last: 3}
  | ^ did you mean `retention`?

error: `retry.attempts`: must be at least 1, found `0`
 --> /policies/wrong.yaml:4:19
  |
4 | retry: {attempts: 0, bakoff: 1m}
  |                   ^
  = hint: it counts the first try; for no second one, write 1

error: unknown key `retry.bakoff`
 --> /policies/wrong.yaml:4:22
  |
4 | retry: {attempts: 0, bakoff: 1m}
  |                      ^ did you mean `backoff`?

error: `timeout`: must be longer than nothing, found `0s`
 --> /policies/wrong.yaml:5:10
  |
5 | timeout: 0s
  |          ^
  = hint: to let a run take as long as it needs, remove the line

error: key `timeout` appears twice
 --> /policies/wrong.yaml:6:1
  |
6 | timeout: 1h
  | ^ first on line 5

error: `layout`: expected one of incremental, standalone, found `alone`
 --> /policies/wrong.yaml:7:9
  |
7 | layout: alone
  |         ^

error: `verify` is empty
 --> /policies/wrong.yaml:8:1
  |
8 | verify:
  | ^
  = hint: remove it, or give it a key; the keys are after_backup, drill, schedule, read_all_within

error: `triggers`: expected a list
 --> /policies/wrong.yaml:9:11
  |
9 | triggers: amqp
  |           ^ found `amqp`
  = hint: write [\"amqp\"]";

#[test]
fn all_problems_of_a_file_are_shown_in_the_order_of_lines() {
    let found = parse(&[("wrong.yaml", WRONG)]).unwrap_err().to_string();
    assert!(found == PROBLEMS, "found:\n{found}\n\nexpected:\n{PROBLEMS}");
}

/// A text, and what the one problem with it starts with and holds.
const SINGLE: &[(&str, &str, &str)] = &[
    ("", "error: the file says nothing", "a policy needs at least `retention`"),
    ("# later\n", "error: the file says nothing", ""),
    ("- a\n", "error: the file must be a section of keys", "the keys are name, collections"),
    ("paused: true\n", "error: `retention` is missing", "`retention: {keep_all: true}`"),
    ("retention: {}\n", "error: `retention` keeps nothing", "keep_daily: 7"),
    ("retention: {min_keep: 2}\n", "error: `retention` keeps nothing", ""),
    ("retention: {keep_all: false}\n", "error: `retention` keeps nothing", ""),
    ("retention:\n", "error: `retention` is empty", "the keys are keep_all"),
    ("retention: 7\n", "error: `retention`: expected a section", "found `7`"),
    (
        "retention: {keep_all: yes}\n",
        "error: `retention.keep_all`: expected one of true, false",
        "",
    ),
    (
        "retention: {keep_all: true, keep_last: 3}\n",
        "error: `retention.keep_last` means nothing beside",
        "1:29",
    ),
    (
        "retention: {keep_all: true, min_keep: 3}\n",
        "error: `retention.min_keep` means nothing beside",
        "",
    ),
    (
        "retention: {keep_daily: 0}\n",
        "error: `retention.keep_daily`: must be at least 1, found `0`",
        "hint: to keep no daily backups, remove the line",
    ),
    (
        "retention: {keep_daily: -1}\n",
        "error: `retention.keep_daily`: expected a number from 1 to 10000",
        "",
    ),
    (
        "retention: {keep_daily: 7d}\n",
        "error: `retention.keep_daily`: expected a number from 1 to 10000",
        "",
    ),
    (
        "retention: {keep_within: 0d}\n",
        "error: `retention.keep_within`: must be longer",
        "remove the line",
    ),
    (
        "retention: {keep_within: 7}\n",
        "error: `retention.keep_within`: expected a duration",
        "write 7h",
    ),
    (
        "retention: {keep_within: 2 months}\n",
        "error: `retention.keep_within`: expected a duration",
        "use days (d) or weeks",
    ),
    (
        "retention: {keep_last: 3, min_keep: 0}\n",
        "error: `retention.min_keep`: must be at least 1",
        "one backup always stays",
    ),
    (
        "retention: {keep_lst: 3}\n",
        "error: unknown key `retention.keep_lst`",
        "did you mean `keep_last`?",
    ),
    (
        "keep_last: 3\nretention: {keep_daily: 3}\n",
        "error: unknown key `keep_last`",
        "did you mean `retention.keep_last`?",
    ),
    (
        "cron: 0 2 * * *\nretention: {keep_daily: 3}\n",
        "error: unknown key `cron`",
        "did you mean `schedule.cron`?",
    ),
    (
        "bucket: x\nretention: {keep_daily: 3}\n",
        "error: unknown key `bucket`",
        "the keys are name, collections, schedule, triggers",
    ),
    (
        "retention: {keep_daily: }\n",
        "error: `retention.keep_daily`: the value is empty",
        "to use the default, remove it",
    ),
    (
        "retention: {keep_daily: [7]}\n",
        "error: `retention.keep_daily`: expected one value",
        "found a list",
    ),
    ("a: [1\n", "error: not valid YAML", ""),
    (
        "name: 1a\nretention: {keep_daily: 3}\n",
        "error: `name`: `1a` is not a policy name",
        "a letter first",
    ),
    ("name: _mba\nretention: {keep_daily: 3}\n", "error: `name`: `_mba` is not a policy name", ""),
    ("name: ''\nretention: {keep_daily: 3}\n", "error: `name`: the value is empty", ""),
];

/// The same for what is wrong beside a good retention.
const BESIDE: &[(&str, &str, &str)] = &[
    ("collections: []", "error: `collections` names nothing", "remove it"),
    ("collections: a.b", "error: `collections`: expected a list", "write [\"a.b\"]"),
    ("collections: [{a: b}]", "error: `collections`: expected a list of texts", ""),
    ("schedule:", "error: `schedule` is empty", "the keys are cron, every"),
    ("schedule: '@daily'", "error: `schedule`: expected a section", "the keys are cron"),
    ("schedule: {}", "error: `schedule` does not say when", "remove `schedule`"),
    ("schedule: {jitter: 5m}", "error: `schedule` does not say when", ""),
    (
        "schedule: {cron: 0 2 * * *, every: 1h}",
        "error: `schedule.cron` and `schedule.every` are both set",
        "remove one",
    ),
    (
        "schedule: {every: 1h, timezone: UTC}",
        "error: `schedule.timezone` means nothing beside",
        "write `cron:",
    ),
    (
        "schedule: {every: 0s}",
        "error: `schedule.every`: expected whole seconds",
        "remove `schedule`",
    ),
    ("schedule: {every: 1500ms}", "error: `schedule.every`: expected whole seconds", ""),
    (
        "schedule: {cron: 0 2 30 2 *}",
        "error: `schedule.cron`: `0 2 30 2 *` does not come within 8 years",
        "30 February",
    ),
    ("schedule: {cron: '@reboot'}", "error: `schedule.cron`: `@reboot` is not a time", ""),
    (
        "schedule: {cron: 0 * * * *, jitter: 10m}",
        "error: `schedule.jitter`: must be at most 10 % of the shortest interval (1h), found `10m`",
        "write at most 6m",
    ),
    (
        "schedule: {every: 5s, jitter: 1s}",
        "error: `schedule.jitter`: must be at most 10 %",
        "remove it",
    ),
    (
        "schedule: {every: 1h, catch_up: 0s}",
        "error: `schedule.catch_up`: must be longer than nothing",
        "write `none`",
    ),
    (
        "schedule: {every: 1h, overlap: forbid}",
        "error: `schedule.overlap`: expected one of skip, queue, replace",
        "",
    ),
    (
        "triggers: [amqb]",
        "error: `triggers`: expected one of amqp, api, found `amqb`",
        "did you mean `amqp`?",
    ),
    ("flush: skip", "error: `flush`: `skip` is not supported yet", "write `required`"),
    ("flush: best_effort", "error: `flush`: `best_effort` is not supported yet", ""),
    ("layout: full", "error: `layout`: expected one of incremental, standalone", ""),
    (
        "verify: {read_all_within: 7d}",
        "error: `verify.read_all_within` means nothing without `verify.schedule`",
        "write when",
    ),
    (
        "verify: {schedule: 0 4 * * 0, read_all_within: 6d}",
        "error: `verify.read_all_within` (144h) must be at least the longest gap of \
         `verify.schedule` (168h)",
        "write at least 168h",
    ),
    (
        "verify: {schedule: 0 4 1 * *}",
        "error: `verify.read_all_within` (720h) must be at least",
        "(744h)",
    ),
    (
        "verify: {schedule: 0 4 * * *, read_all_within: 0d}",
        "error: `verify.read_all_within`: must be longer than nothing",
        "remove `verify.schedule`",
    ),
    ("verify: {schedule: every night}", "error: `verify.schedule`: expected five fields", ""),
    ("schedule: {timezone: UTC}", "error: `schedule` does not say when", "remove `schedule`"),
    (
        "schedule: {timezone: Asia/Tokio}\nverify: {drill: 0 4 * * 0, schedule: 0 5 * * *}",
        "error: `schedule.timezone`: expected an IANA time zone",
        "Asia/Tokyo",
    ),
    (
        "schedule: {timezone: UTC, jitter: 5m}\nverify: {drill: 0 4 * * 0}",
        "error: `schedule` does not say when",
        "",
    ),
    ("verify: {drill: 0 4 * *}", "error: `verify.drill`: expected five fields", ""),
    (
        "verify: {after_backup: sizes}",
        "error: `verify.after_backup`: expected one of none, size, content",
        "did you mean `size`?",
    ),
    ("max_age: 0h", "error: `max_age`: must be longer than nothing", "every backup is older"),
    ("stall_timeout: 0s", "error: `stall_timeout`: must be longer", "such as 6h"),
    ("retry: {attempts: 101}", "error: `retry.attempts`: expected a number from 1 to 100", ""),
    ("retry: {backoff: 0s}", "error: `retry.backoff`: must be longer", ""),
    ("paused: maybe", "error: `paused`: expected one of true, false", ""),
];

#[test]
fn each_problem_is_one_and_says_what_would_be_right() {
    let beside = BESIDE.iter().map(|(text, start, holds)| {
        (format!("retention: {{keep_all: true}}\n{text}\n"), start, holds)
    });
    let single = SINGLE.iter().map(|(text, start, holds)| ((*text).to_owned(), start, holds));
    for (text, start, holds) in single.chain(beside) {
        let problems = parse(&[("p.yaml", &text)]).map(drop).expect_err(&text);
        let told = problems.to_string();
        assert_eq!(problems.as_slice().len(), 1, "{text:?}:\n{told}");
        assert!(told.starts_with(start) && told.contains(holds), "{text:?}:\n{told}");
        assert!(told.contains("/policies/p.yaml"), "{text:?}:\n{told}");
    }
}

#[test]
fn names_must_differ_also_in_the_names_of_backups() {
    const GOOD: &str = "retention: {keep_all: true}\n";
    let named = |name: &str| format!("name: {name}\n{GOOD}");
    assert_eq!(parse(&[("a.yaml", GOOD), ("b.yml", GOOD)]).unwrap().len(), 2);
    let expected = "\
error: the policy `a` is there twice
 --> /policies/b.yaml:1:7
  |
1 | name: a
  |       ^
  = hint: the other one is /policies/a.yaml; rename one of them";
    let told = parse(&[("a.yaml", GOOD), ("b.yaml", &named("a"))]).unwrap_err();
    assert_eq!(told.to_string(), expected);
    let expected = "\
error: the policies `x_y` and `x-y` name their backups alike: `x_y_...`
 --> /policies/x-y.yaml
  = hint: the other one is /policies/a.yaml; rename one of them";
    let told = parse(&[("a.yaml", &named("x_y")), ("x-y.yaml", GOOD)]).unwrap_err();
    assert_eq!(told.to_string(), expected);
    // Also where something else is wrong with one of them.
    let told = parse(&[("a.yaml", GOOD), ("b.yaml", "name: a\n")]).unwrap_err();
    assert_eq!(told.as_slice().len(), 2, "{told}");
    let told = parse(&[("1 a.yaml", GOOD)]).unwrap_err().to_string();
    assert!(told.starts_with("error: the file's name: `1 a` is not a policy name"), "{told}");
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_among_others() {
    let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    let files = [
        ("/policies/a.yaml".into(), Err(denied)),
        ("/policies/b.yaml".into(), Ok(b"x: \xff".to_vec())),
    ];
    let cluster = crate::model::ClusterName::new("c1").unwrap();
    let told = crate::policy::PolicySet::parse(&files, &cluster).unwrap_err().to_string();
    assert!(told.contains("the policy cannot be read: permission denied\n --> /policies/a.yaml"));
    assert!(told.contains("the file is not UTF-8\n --> /policies/b.yaml:1:4"), "{told}");
}
