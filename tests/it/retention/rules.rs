//! What each rule keeps, and what is said of it.

use jiff::tz::TimeZone;
use milvus_backup_agent::manifest::{ManifestOutcome, Tombstone};
use milvus_backup_agent::model::{BackupName, Guard};
use milvus_backup_agent::plan::{BackupFacts, Found, PolicyRules, Verdict};

use crate::support::backup_name;

use super::world::{NOW, backup, but, collection, doubt, kept, pin, plan, policy, time};

fn backups(times: &[&str]) -> Vec<BackupFacts> {
    times.iter().map(|at| backup(time(at))).collect()
}

/// Names are of the form `nightly_YYYYMMDD_HHMMSS`; the day and hour are enough here.
fn short(backups: &[BackupFacts], policy: &PolicyRules) -> Vec<String> {
    let kept = kept(backups, policy);
    kept.iter().map(|(name, why)| format!("{} {why}", &name[12..19])).collect()
}

#[test]
fn each_rule_keeps_what_it_says() {
    let days = backups(&[
        "2026-11-23T02:00:00Z",
        "2026-11-23T01:00:00Z",
        "2026-11-22T02:00:00Z",
        "2026-11-20T02:00:00Z",
        "2026-11-08T02:00:00Z",
        "2026-10-31T02:00:00Z",
        "2025-12-31T02:00:00Z",
    ]);
    for (rules, expected) in [
        ("keep_last: 2", &["1123_01 last 2 of 2", "1123_02 last 1 of 2"][..]),
        (
            "keep_within: 1d",
            &[
                "1122_02 within 24h of the newest",
                "1123_01 within 24h of the newest",
                "1123_02 within 24h of the newest",
            ],
        ),
        (
            "keep_daily: 2",
            &["1122_02 daily 2026-11-22, 2 of 2", "1123_02 daily 2026-11-23, 1 of 2"],
        ),
        ("keep_weekly: 2", &["1122_02 weekly 2026-W47, 2 of 2", "1123_02 weekly 2026-W48, 1 of 2"]),
        (
            "keep_monthly: 2",
            &["1031_02 monthly 2026-10, 2 of 2", "1123_02 monthly 2026-11, 1 of 2"],
        ),
        ("keep_yearly: 3", &["1123_02 yearly 2026, 1 of 3", "1231_02 yearly 2025, 2 of 3"]),
        (
            "keep_hourly: 1, min_keep: 3",
            &[
                "1122_02 min_keep, 3 of 3",
                "1123_01 min_keep, 2 of 3",
                "1123_02 hourly 2026-11-23 02h+0000, 1 of 1",
            ],
        ),
    ] {
        let mut found = short(&days, &policy(rules));
        found.sort();
        assert_eq!(found, expected, "{rules}");
    }
    assert_eq!(kept(&days, &policy("keep_all: true")).len(), 7);
}

#[test]
fn as_long_as_a_rule_is_not_filled_the_oldest_stays() {
    let morning =
        backups(&["2026-11-23T03:00:00Z", "2026-11-23T02:00:00Z", "2026-11-23T01:00:00Z"]);
    let found = short(&morning, &policy("keep_daily: 7, min_keep: 1"));
    assert_eq!(found, ["1123_01 the oldest, daily has 1 of 7", "1123_03 daily 2026-11-23, 1 of 7"]);
    let filled = short(&morning, &policy("keep_daily: 1, min_keep: 1"));
    assert_eq!(filled, ["1123_03 daily 2026-11-23, 1 of 1"]);
}

#[test]
fn periods_are_those_of_the_zone() {
    // 00:30 in Berlin, on the next day.
    let nights = backups(&["2026-11-22T23:30:00Z", "2026-11-22T20:00:00Z"]);
    let rules = policy("keep_daily: 5, min_keep: 1");
    assert_eq!(short(&nights, &rules).len(), 2, "the oldest stays");
    let berlin = PolicyRules { zone: TimeZone::get("Europe/Berlin").expect("a zone"), ..rules };
    let found = short(&nights, &berlin);
    assert_eq!(found[1], "1122_23 daily 2026-11-23, 1 of 5");
    assert_eq!(found[0], "1122_20 daily 2026-11-22, 2 of 5");
    // The hour that comes twice: each of them is one.
    let twice = backups(&["2026-10-25T01:00:00Z", "2026-10-25T00:00:00Z"]);
    let hourly =
        PolicyRules { retention: policy("keep_hourly: 2, min_keep: 1").retention, ..berlin };
    assert_eq!(short(&twice, &hourly)[0], "1025_00 hourly 2026-10-25 02h+0200, 2 of 2");
    assert_eq!(short(&twice, &hourly)[1], "1025_01 hourly 2026-10-25 02h+0100, 1 of 2");
}

#[test]
fn what_is_not_good_counts_for_nothing() {
    let bad = "2026-11-23T03:00:00Z";
    let good = backups(&["2026-11-23T02:00:00Z", "2026-11-22T02:00:00Z", "2026-11-21T02:00:00Z"]);
    let rules = policy("keep_last: 1, min_keep: 1, keep_within: 1h");
    let with = |odd: BackupFacts| {
        let mut all = good.clone();
        all.push(odd);
        kept(&all, &rules)
    };
    let fell = but(backup(time(bad)), |it| it.suspect = Some("it has 3 rows".to_owned()));
    let doubted = BackupFacts { doubt: doubt(), ..backup(time(bad)) };
    let unknown = BackupFacts { doubt: Found::Unreadable("cut".to_owned()), ..backup(time(bad)) };
    for (odd, why) in [(fell.clone(), "3 rows"), (doubted, "damaged"), (unknown, "cut")] {
        let found = with(odd);
        assert_eq!(found.len(), 2, "{found:?}");
        let said = &found["nightly_20261123_030000"];
        assert!(said.contains("suspect") && said.contains(why) && said.contains("`pin`"), "{said}");
        assert!(found["nightly_20261123_020000"].contains("last 1 of 1"), "{found:?}");
    }
    // Somebody has looked.
    let found = with(BackupFacts { pin: pin(None), ..fell });
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(
        found["nightly_20261123_030000"],
        "last 1 of 1; within 1h of the newest; pinned: audit"
    );
    assert_eq!(found["nightly_20261123_020000"], "within 1h of the newest");
}

#[test]
fn pins_and_readers_keep_what_no_rule_does() {
    let new = backup(time("2026-11-23T02:00:00Z"));
    let old = || backup(time("2026-01-01T02:00:00Z"));
    let rules = policy("keep_last: 1, min_keep: 1");
    let said =
        |old: BackupFacts| kept(&[new.clone(), old], &rules).remove("nightly_20260101_020000");
    assert_eq!(said(old()), None);
    let pinned = |until| BackupFacts { pin: pin(until), ..old() };
    assert_eq!(said(pinned(None)).as_deref(), Some("pinned: audit"));
    let until = Some("2026-11-23T12:00:01Z");
    assert_eq!(said(pinned(until)).as_deref(), Some("pinned until 2026-11-23T12:00:01Z: audit"));
    assert_eq!(said(pinned(Some(NOW))), None, "it is over");
    let cut = BackupFacts { pin: Found::Unreadable("cut".to_owned()), ..old() };
    assert_eq!(said(cut).as_deref(), Some("perhaps pinned: cut"));
    let read = BackupFacts { readers: vec!["a verify".to_owned()], ..old() };
    assert_eq!(said(read).as_deref(), Some("a verify reads it"));
}

#[test]
fn a_partial_backup_goes_when_newer_ones_have_all_of_it() {
    let partial = |at: &str, has: &[&str]| {
        but(backup(time(at)), |it| {
            it.outcome = ManifestOutcome::Partial;
            it.collections = has.iter().map(|name| collection(name)).collect();
        })
    };
    let rules = policy("keep_last: 1, min_keep: 1, keep_partial: 1");
    let partials = [
        partial("2026-11-23T05:00:00Z", &["a", "b"]),
        partial("2026-11-23T04:00:00Z", &["a"]),
        partial("2026-11-23T03:00:00Z", &["c"]),
        partial("2026-11-23T02:00:00Z", &["c"]),
    ];
    assert_eq!(
        short(&partials, &rules),
        ["1123_03 partial, and the newest with default.c", "1123_05 partial 1 of 1"]
    );
    let mut all = partials.to_vec();
    all.push(backup(time("2026-11-23T06:00:00Z")));
    let complete = short(&all, &rules);
    assert_eq!(complete, ["1123_05 partial 1 of 1", "1123_06 last 1 of 1"]);
    // One of another selection has only what it has.
    let narrow = but(all.pop().expect("it was pushed"), |it| it.selection = vec!["x.*".to_owned()]);
    all.push(narrow);
    assert_eq!(short(&all, &rules).len(), 3);
}

#[test]
fn nothing_is_said_of_what_is_not_there_and_nothing_done_to_what_is_nobodys() {
    let rules = policy("keep_last: 1, min_keep: 1");
    let new = backup(time("2026-11-23T02:00:00Z"));
    let old = || backup(time("2026-01-01T02:00:00Z"));
    let by_hand = but(old(), |it| it.policy.clear());
    let of_another =
        but(backup(time("2026-01-02T02:00:00Z")), |it| it.policy = "weekly".to_owned());
    let found = kept(&[new.clone(), by_hand, of_another], &rules);
    assert!(found["nightly_20260101_020000"].contains("of no policy: stays until `delete`"));
    assert!(found["nightly_20260102_020000"].contains("`weekly`, whose rules are not looked at"));
    let hidden = Tombstone { version: 1, at: time(NOW), reason: "old".to_owned(), policy: None };
    let hidden = BackupFacts { tombstone: Found::Read(hidden), ..old() };
    let half = BackupFacts { manifest: Found::Absent, ..old() };
    let damaged = but(old(), |it| it.run = "another".to_owned());
    for odd in [hidden, half, damaged] {
        let plan = plan(&[new.clone(), odd], &rules, (&[], NOW));
        assert_eq!(plan.verdicts.len(), 1, "the rest of prune judges it");
    }
}

#[test]
fn a_copied_folder_is_no_second_backup() {
    let mut all = backups(&["2026-11-23T02:00:00Z", "2026-11-22T02:00:00Z"]);
    all.push(BackupFacts { name: backup_name("nightly_copied_by_hand"), ..all[0].clone() });
    let done = plan(&all, &policy("keep_last: 2, min_keep: 2"), (Guard::ALL, NOW));
    let names: Vec<&str> = done.verdicts.keys().map(BackupName::as_str).collect();
    assert!(done.verdicts.values().all(|(verdict, _)| *verdict == Verdict::Keep));
    assert_eq!(names, ["nightly_20261122_020000", "nightly_20261123_020000"]);
}
