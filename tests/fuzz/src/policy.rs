//! Policies.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use milvus_backup_agent::model::{BackupName, ClusterName, Diagnostics, Namespace};
use milvus_backup_agent::plan::{PolicyRules, keep};
use milvus_backup_agent::policy::{
    CollectionSelector, Missed, POLICY_KEYS, Policy, PolicyKind, PolicySet, Retention, Schedule,
};
use serde_json::{Value, json};

use super::oracle::{self, Cron};
use super::text::{assert_plain, is_name};

const FILE: &str = "/policies/fuzz.yaml";
const BESIDE: &str = "/policies/beside.yaml";

/// So many problems of a file are told, and one line says how many more there are.
const MOST_PROBLEMS: usize = 51;

/// How long the parts of a problem, and all of it, may be.
const MOST_MESSAGE: usize = 1024;
const MOST_SHOWN: usize = 5 * 1024;

/// How long a value may be.
const MOST_VALUE: usize = 1000;

/// An ordinary day.
const TODAY: &str = "2026-11-26T12:34:56.789Z";

/// Other moments: before all, in a year without a leap day, while clocks are set, at the ends
/// of time.
const MOMENTS: [&str; 8] = [
    "1970-01-01T00:00:00Z",
    "2026-03-29T00:59:59.999999999Z",
    "2026-10-25T00:30:00Z",
    "2096-03-01T00:00:00Z",
    "4999-12-31T23:59:59Z",
    "9999-12-30T00:00:00Z",
    "-009999-01-02T03:00:00Z",
    "0000-02-29T00:00:00Z",
];

/// When a slot was dealt with last, and when someone looks: at once, after a while, across a
/// change of the clock, before it, by a clock that is a year ahead.
const LOOKS: [(&str, &str); 5] = [
    (TODAY, TODAY),
    ("2026-11-20T02:00:00Z", TODAY),
    ("2026-10-20T00:00:00Z", TODAY),
    (TODAY, "2026-11-20T02:00:00Z"),
    ("2027-11-26T00:00:00Z", "2027-11-26T12:34:56Z"),
];

/// No YAML has this byte. What follows it are values alone, a line each, so that changes do not
/// end in what is no YAML: a letter for the key, a blank, and the value.
const VALUES: u8 = 1;

/// Any file is a policy that can be used, or its problems are told. Says whether it was
/// accepted.
pub fn policy(data: &[u8]) -> bool {
    let written = data.strip_prefix(&[VALUES]).map(with_values);
    let data = written.as_deref().unwrap_or(data);
    let read = read(&[(FILE, data)]);
    assert_eq!(read, self::read(&[(FILE, data)]), "read again");
    match &read {
        Ok(policies) => {
            assert_eq!(policies.len(), 1);
            let policy = policies.iter().next().expect("there is one");
            assert_eq!(policies.get(policy.name.as_str()), Some(policy));
            usable(policy);
            beside(policy, data);
        }
        Err(problems) => told(problems, data),
    }
    read.is_ok()
}

/// A policy with these values, in JSON, which is YAML.
fn with_values(lines: &[u8]) -> Vec<u8> {
    let mut policy = json!({"retention": {"keep_last": 3}});
    for line in lines.split(|byte| *byte == b'\n') {
        let [letter, b' ', value @ ..] = line else { continue };
        let key = &POLICY_KEYS[usize::from(letter.wrapping_sub(b'A')) % POLICY_KEYS.len()];
        let value = String::from_utf8_lossy(value).into_owned();
        let value = match key.kind {
            PolicyKind::Globs | PolicyKind::Words(_) => value.split(',').collect(),
            PolicyKind::Name
            | PolicyKind::Cron
            | PolicyKind::Zone
            | PolicyKind::Duration
            | PolicyKind::Count(..)
            | PolicyKind::Word(_) => Value::from(value),
        };
        match key.path.split_once('.') {
            Some((section, word)) => policy[section][word] = value,
            None => policy[key.path] = value,
        }
    }
    policy.to_string().into_bytes()
}

fn read(files: &[(&str, &[u8])]) -> Result<PolicySet, Diagnostics> {
    let files: Vec<_> =
        files.iter().map(|(file, data)| (PathBuf::from(file), Ok(data.to_vec()))).collect();
    PolicySet::parse(&files, &ClusterName::new("c1").expect("a name"))
}

/// The same file under another name is another policy, unless it says its own name.
fn beside(policy: &Policy, data: &[u8]) {
    match read(&[(FILE, data), (BESIDE, data)]) {
        Ok(policies) => assert_eq!(policies.len(), 2),
        Err(problems) => {
            let [problem] = problems.as_slice() else { panic!("{problems}") };
            assert_eq!(problem.message(), format!("the policy `{}` is there twice", policy.name));
        }
    }
}

// ---- what can be used ---------------------------------------------------------------------------

fn usable(policy: &Policy) {
    assert!(is_name(policy.name.as_str(), 64, "-_", false), "name {:?}", policy.name);
    let backup = format!("{}_20261126_020000", policy.name.backup_prefix());
    assert!(BackupName::new(&backup).is_ok(), "{backup}");
    assert_eq!(policy.file, Path::new(FILE));
    assert!(policy.timeout.is_none_or(|timeout| !timeout.is_zero()));
    assert!(!policy.stall_timeout.is_zero());
    assert!(policy.retry.attempts.get() <= 100 && !policy.retry.backoff.is_zero());
    collections(&policy.collections);
    if let Some(schedule) = &policy.schedule {
        due(schedule);
        missed(schedule);
        written_again(schedule);
    }
    let reread = policy.reread.as_ref();
    for schedule in policy.drill.iter().chain(reread.map(|reread| &reread.schedule)) {
        due(schedule);
        missed(schedule);
        written_again(schedule);
    }
    if let Some(reread) = reread {
        let gap = reread.schedule.longest_gap(at(TODAY)).expect("it is due more than once");
        assert!(reread.within.is_positive() && reread.max_age_at(at(TODAY)) >= gap);
    }
    let age = policy.max_age_at(at(TODAY));
    assert!(age.is_none_or(|age| age.is_positive()), "max_age {age:?}");
    assert!(age.is_some() || policy.schedule.is_none(), "a schedule without a max_age");
    retention(policy);
}

/// The last glob decides, and globs that are read again are the same.
fn collections(selector: &CollectionSelector) {
    let globs = selector.globs();
    let last = globs.last().expect("there is one");
    assert_plain(last, MOST_VALUE);
    let (keeps, pattern) =
        last.strip_prefix('!').map_or((true, last.as_str()), |bare| (false, bare));
    let named = pattern.replace('?', "x").replace('*', "yz");
    let (database, collection) = named.split_once('.').expect("a glob has a dot");
    assert_eq!(selector.matches(&Namespace::new(database, collection)), keeps, "{globs:?}");

    assert_eq!(CollectionSelector::parse(&globs).as_ref(), Ok(selector));
    assert_eq!(CollectionSelector::parse(selector.to_string().split(',')).as_ref(), Ok(selector));
    let long = Namespace::new("a".repeat(255), "ab".repeat(127));
    let unmatched = selector.unmatched(std::slice::from_ref(&long));
    assert!(!selector.matches(&long) || unmatched.len() < globs.len(), "{globs:?}");
}

/// It is due again and again, each time later; from today on for centuries.
fn due(schedule: &Schedule) {
    assert!(!schedule.delay().is_negative());
    let today = at(TODAY);
    let fires: Vec<Timestamp> = schedule.fires_after(today).take(12).collect();
    assert_eq!(fires.len(), 12, "{schedule} ends after {:?}", fires.last());
    for (now, count) in [(today, 12)].into_iter().chain(MOMENTS.map(|moment| (at(moment), 3))) {
        let fires = std::iter::once(now).chain(schedule.fires_after(now).take(count));
        let fires: Vec<Timestamp> = fires.collect();
        assert!(fires.windows(2).all(|pair| pair[0] < pair[1]), "{schedule}: {fires:?}");
    }
    let gap = schedule.longest_gap(today).expect("it is due more than once");
    assert!(gap.is_positive(), "{schedule}: {gap}");
}

/// What was missed is run at most once, for a slot that was missed.
fn missed(schedule: &Schedule) {
    for (last, now) in LOOKS.map(|(last, now)| (at(last), at(now))) {
        match schedule.missed(last, now) {
            Missed::None => {
                let next = schedule.next_after(last);
                assert!(next.is_none_or(|next| next > now), "{schedule}: {next:?} by {now}");
            }
            Missed::CatchUp(slot) => {
                assert!(last < slot && slot <= now, "{schedule}: {slot} from {last} to {now}");
                let next = schedule.next_after(slot);
                assert!(next.is_none_or(|next| next > now), "{schedule}: {slot} is not the newest");
            }
            Missed::TooOld { count } => assert!((1..=1000).contains(&count), "{schedule}"),
            Missed::NextIsNear { next, count } => {
                assert!(next > now && (1..=1000).contains(&count), "{schedule}");
            }
        }
    }
}

/// What people are shown of a schedule is a schedule that is due at the same times; and in UTC
/// these are the times that it says.
fn written_again(schedule: &Schedule) {
    let (shown, zone, now) = (schedule.to_string(), schedule.zone_name(), at(TODAY));
    assert_plain(&shown, MOST_VALUE);
    assert!(TimeZone::get(zone).is_ok(), "zone {zone:?}");
    let fires = |text: String| -> Vec<Timestamp> {
        let text = format!("schedule: {{{text}}}\nretention: {{keep_all: true}}\n");
        let read = read(&[(FILE, text.as_bytes())]).unwrap_or_else(|problems| panic!("{problems}"));
        let schedule = read.iter().find_map(|policy| policy.schedule.as_ref());
        schedule.expect("it was written").fires_after(now).take(5).collect()
    };
    let delay = schedule.delay();
    let due = schedule.fires_after(now + delay).take(5).map(|fire| fire - delay);
    let due: Vec<Timestamp> = due.collect();
    if let Some(every) = shown.strip_prefix("every ") {
        assert_eq!(due, fires(format!("every: {every:?}")), "{shown}");
        let expected: Vec<Timestamp> = oracle::every(every, now).take(5).collect();
        assert_eq!(due, expected, "{shown}");
    } else {
        assert_eq!(due, fires(format!("cron: {shown:?}, timezone: {zone:?}")), "{shown} in {zone}");
        let utc = TimeZone::UTC.to_datetime(now);
        let cron = Cron::read(&shown);
        let expected = cron.after(utc).map(|at| TimeZone::UTC.to_timestamp(at));
        let expected: Vec<Timestamp> = expected.map_while(Result::ok).take(5).collect();
        let found = fires(format!("cron: {shown:?}"));
        assert!(
            !expected.is_empty() && found.starts_with(&expected),
            "{shown}: {found:?}, not {expected:?}"
        );
    }
}

/// The newest backup stays, whatever the rules are.
fn retention(policy: &Policy) {
    assert_plain(&policy.retention.to_string(), MOST_VALUE);
    let rules = PolicyRules::of(policy, at(TODAY));
    if let Retention::Rules(kept) = &policy.retention {
        let times: Vec<Timestamp> =
            (0..40).map(|index| at(TODAY) - SignedDuration::from_hours(index * index)).collect();
        let reasons = keep(&times, kept, &rules.zone);
        assert_eq!(reasons.len(), times.len());
        assert!(!reasons[0].is_empty(), "nothing keeps the newest: {kept:?}");
    }
}

fn at(moment: &str) -> Timestamp {
    moment.parse().expect("a moment")
}

// ---- what is told -------------------------------------------------------------------------------

/// Each problem is short, plain, and somewhere in the file.
fn told(problems: &Diagnostics, data: &[u8]) {
    let problems = problems.as_slice();
    assert!((1..=MOST_PROBLEMS).contains(&problems.len()), "{} problems", problems.len());
    let text = String::from_utf8_lossy(data);
    let lines: Vec<&str> = text.split(['\n', '\r']).collect();
    for problem in problems {
        assert_plain(problem.message(), MOST_MESSAGE);
        let shown = problem.to_string();
        assert!(shown.len() <= MOST_SHOWN, "{} bytes: {shown}", shown.len());
        assert_plain(&shown.replace('\n', " "), MOST_SHOWN);
        let Some(line) = problem.source_line() else { continue };
        assert_eq!(line.file, Path::new(FILE));
        let position = line.position;
        assert!((1..=lines.len()).contains(&position.line), "{} lines: {shown}", lines.len());
        let most = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
        assert!((1..=most + 1).contains(&position.column), "no such column: {shown}");
    }
}
