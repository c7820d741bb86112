//! Values and defaults.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{parse, policy};
use crate::model::{Layout, Namespace};
use crate::policy::{
    AfterBackup, CatchUp, Flush, Overlap, Retention, Trigger, keys::POLICY_KEYS, schema,
};

/// The example of the contract, without what is refused so far, and with what came later.
const NIGHTLY: &str = r#"
name: nightly
collections: ["*.*", "!default.tmp_*"]
schedule: {cron: "0 2 * * *", timezone: Asia/Shanghai, jitter: 5m, catch_up: 6h, overlap: queue}
triggers: [api, amqp, api]
layout: incremental
flush: required
rbac: true
retention: {keep_last: 3, keep_within: 2d, keep_hourly: 24, keep_daily: 7, keep_weekly: 4, keep_monthly: 6, keep_yearly: 1, min_keep: 5, keep_partial: 0}
max_age: 26h
timeout: 4h
stall_timeout: 20m
retry: {attempts: 3, backoff: 2m}
verify: {after_backup: content, drill: 0 4 * * 0, schedule: 0 5 * * *, read_all_within: 14d}
paused: true
"#;

#[test]
fn every_key_can_be_written() {
    let policy = policy(NIGHTLY);
    assert_eq!(policy.name.as_str(), "nightly");
    assert!(!policy.collections.matches(&Namespace::new("default", "tmp_1")));
    let schedule = policy.schedule.as_ref().unwrap();
    assert_eq!(schedule.to_string(), "0 2 * * *");
    assert_eq!(schedule.zone_name(), "Asia/Shanghai");
    assert_eq!(schedule.catch_up(), CatchUp::Within(SignedDuration::from_hours(6)));
    assert_eq!(schedule.overlap(), Overlap::Queue);
    assert!(schedule.delay() <= SignedDuration::from_mins(5));
    assert_eq!(policy.triggers, [Trigger::Amqp, Trigger::Api]);
    assert_eq!((policy.layout, policy.flush), (Layout::Incremental, Flush::Required));
    assert!(policy.rbac);
    let Retention::Rules(rules) = policy.retention else { panic!("{:?}", policy.retention) };
    let numbers =
        [rules.last, rules.hourly, rules.daily, rules.weekly, rules.monthly, rules.yearly];
    assert_eq!(numbers.map(|number| number.unwrap().get()), [3, 24, 7, 4, 6, 1]);
    assert_eq!(rules.within, Some(SignedDuration::from_hours(48)));
    assert_eq!((rules.min_keep.get(), rules.partial), (5, 0));
    assert_eq!(policy.max_age_at(Timestamp::UNIX_EPOCH), Some(SignedDuration::from_hours(26)));
    assert_eq!(policy.timeout, Some(Duration::from_hours(4)));
    assert_eq!(policy.stall_timeout, Duration::from_mins(20));
    assert_eq!((policy.retry.attempts.get(), policy.retry.backoff.as_secs()), (3, 120));
    assert_eq!(policy.after_backup, AfterBackup::Content);
    let drill = policy.drill.as_ref().unwrap();
    assert_eq!((drill.to_string().as_str(), drill.zone_name()), ("0 4 * * 0", "Asia/Shanghai"));
    let reread = policy.reread.as_ref().unwrap();
    assert_eq!((reread.schedule.zone_name(), reread.within.as_hours()), ("Asia/Shanghai", 336));
    assert_eq!(reread.schedule.delay(), SignedDuration::ZERO, "jitter is for backups");
    let now = "2026-11-26T00:00Z".parse().unwrap();
    assert_eq!(reread.max_age_at(now), SignedDuration::from_hours((14 + 2) * 24));
    assert!(policy.paused && !policy.accepts(Trigger::Api));
    for key in POLICY_KEYS {
        let word = key.path.rsplit('.').next().unwrap();
        let apart = ["schedule.every", "retention.keep_all"].contains(&key.path);
        assert!(apart || NIGHTLY.contains(&format!("{word}:")), "{} is not here", key.path);
    }
}

#[test]
fn nothing_written_means_the_defaults() {
    let set = parse(&[("before-deploy.yaml", "retention: {keep_last: 3}\n")]).unwrap();
    let policy = set.get("before-deploy").unwrap();
    assert_eq!(policy.name.backup_prefix(), "before_deploy");
    assert_eq!(policy.collections.to_string(), "*.*");
    assert!(policy.schedule.is_none() && policy.triggers.is_empty() && !policy.paused);
    assert!(!policy.rbac);
    let Retention::Rules(rules) = policy.retention else { panic!("{:?}", policy.retention) };
    assert_eq!((rules.min_keep.get(), rules.partial, rules.daily), (2, 3, None));
    assert_eq!((policy.max_age, policy.timeout), (None, None));
    assert_eq!(policy.max_age_at(Timestamp::UNIX_EPOCH), None);
    assert_eq!(policy.stall_timeout, Duration::from_mins(15));
    assert_eq!((policy.retry.attempts.get(), policy.retry.backoff.as_secs()), (1, 60));
    assert_eq!(policy.after_backup, AfterBackup::Size);
    assert!(policy.drill.is_none() && policy.reread.is_none());
    assert_eq!(set.nearest("before_deplyo"), Some("before-deploy"));
    assert!(set.get("before_deploy").is_none() && set.len() == 1);
}

#[test]
fn a_policy_without_a_schedule_may_have_those_of_verify_in_a_zone() {
    let keeps = "retention: {keep_last: 3}\n";
    let zone = "schedule: {timezone: Asia/Tokyo}\nverify: {drill: 0 4 * * 0}\n";
    let manual = policy(&format!("{zone}{keeps}"));
    assert!(manual.schedule.is_none());
    assert_eq!(manual.drill.unwrap().zone_name(), "Asia/Tokyo");
    let every = "schedule: {every: 1h, timezone: Asia/Tokyo}\nverify: {schedule: 0 4 * * *}\n";
    let every = policy(&format!("{every}{keeps}"));
    assert_eq!(every.schedule.unwrap().zone_name(), "UTC");
    let reread = every.reread.unwrap();
    assert_eq!((reread.schedule.zone_name(), reread.within.as_hours()), ("Asia/Tokyo", 720));
    let off = "verify: {schedule: none, drill: none, read_all_within: 7d}\n";
    let off = policy(&format!("{off}{keeps}"));
    assert!(off.drill.is_none() && off.reread.is_none());
}

#[test]
fn the_age_follows_from_the_schedule() {
    let now: Timestamp = "2026-11-25T00:00Z".parse().unwrap();
    for (text, hours) in [
        ("schedule: {every: 6h}\nretention: {keep_all: true}\n", Some(12)),
        ("schedule: {cron: 0 2 * * *}\ntimeout: 4h\nretention: {keep_all: true}\n", Some(52)),
        ("schedule: {cron: 0 2 * * 1-5}\nretention: {keep_all: true}\n", Some(144)),
        ("timeout: 4h\nretention: {keep_all: true}\n", None),
    ] {
        let age = policy(text).max_age_at(now);
        assert_eq!(age.map(|age| age.as_hours()), hours, "{text}");
    }
}

#[test]
fn a_change_is_a_difference() {
    let text = "schedule: {cron: 0 2 * * *}\nretention: {keep_all: true}\n";
    assert_eq!(policy(text), policy(&format!("# a comment\n{text}paused: false\n")));
    for other in [
        "paused: true",
        "rbac: true",
        "timeout: 1h",
        "collections: [a.b]",
        "verify: {after_backup: none}",
        "verify: {drill: 0 4 * * 0}",
        "verify: {schedule: 0 4 * * *}",
    ] {
        assert_ne!(policy(text), policy(&format!("{text}{other}\n")), "{other}");
    }
    assert_ne!(policy(text), policy(&text.replace("0 2", "0 3")));
    assert_ne!(policy(text), policy(&text.replace("*}", "*, timezone: Asia/Tokyo}")));
}

#[test]
fn the_schema_has_every_key() {
    let schema = schema();
    for key in POLICY_KEYS {
        let path = key.path.replace('.', "/properties/");
        let entry = schema.pointer(&format!("/properties/{path}"));
        let told = entry.and_then(|entry| entry["description"].as_str()).unwrap_or_default();
        assert!(told.starts_with(key.help), "{}: {entry:?}", key.path);
    }
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["retry"]["properties"]["attempts"]["minimum"], 1);
}
