//! What stands in the way of a plan, and how to get past it.

use jiff::SignedDuration;
use milvus_backup_agent::manifest::RetentionMark;
use milvus_backup_agent::model::Guard;
use milvus_backup_agent::plan::{BackupFacts, Found, PolicyRules, RetentionPlan, Verdict};

use super::world::{NOW, backup, but, plan, policy, time};

/// Four of one day apart, the newest of today; one goes by `keep_last: 3`.
fn four() -> Vec<BackupFacts> {
    let days = ["2026-11-23", "2026-11-22", "2026-11-21", "2026-11-20"];
    days.iter().map(|day| backup(time(&format!("{day}T02:00:00Z")))).collect()
}

/// Rules that were known long before.
fn settled() -> PolicyRules {
    let rules = policy("keep_last: 3");
    let first = plan(&[], &rules, (&[], NOW));
    assert_eq!(first.marks.len(), 0, "nothing is known of a policy without backups");
    let one = plan(&four()[3..], &rules, (&[], "2026-11-20T03:00:00Z"));
    let (_, mark) = one.marks.into_iter().next().expect("a mark");
    assert!(mark.settled, "it has changed nothing");
    PolicyRules { mark: Found::Read(mark), ..rules }
}

fn going(plan: &RetentionPlan) -> Vec<String> {
    let going = plan.verdicts.iter().filter(|(_, (verdict, _))| *verdict == Verdict::Delete);
    going.map(|(name, _)| name.to_string()).collect()
}

/// A guard refuses, says why and how to get past it; allowed, it is written down.
fn assert_guarded(backups: &[BackupFacts], policy: &PolicyRules, (guard, why): (Guard, &str)) {
    let refused = plan(backups, policy, (&[], NOW));
    assert_eq!(going(&refused), Vec::<String>::new(), "{guard} lets something go");
    let [refusal] = refused.refusals.as_slice() else { panic!("{guard}: {:?}", refused.refusals) };
    assert_eq!((refusal.guard, refusal.policy.as_str()), (guard, "nightly"));
    let way_out = format!("`prune --policy nightly --apply --allow {guard}` goes on all the same");
    let message = &refusal.message;
    assert!(message.contains(why) && message.ends_with(&way_out), "{message}");
    let held = refused.verdicts.values().find(|(verdict, _)| *verdict == Verdict::Leave);
    let held = &held.expect("something is held back").1[0];
    assert!(held.contains("no rule of policy `nightly` keeps it"), "{held}");
    assert!(held.contains(&format!("`{guard}` refuses")), "{held}");

    let other = if guard == Guard::Clock { Guard::MassDelete } else { Guard::Clock };
    assert!(going(&plan(backups, policy, (&[other], NOW))).is_empty(), "{other} is another guard");
    let allowed = plan(backups, policy, (&[guard], NOW));
    assert!(!going(&allowed).is_empty() && allowed.refusals.is_empty(), "{guard}");
    let (_, mark) = allowed.marks.first().expect("it is written down");
    let noted = mark.allowed.last().expect("it is written down");
    assert_eq!((noted.guard.as_str(), noted.by.as_str()), (guard.as_str(), "h"));
    assert!(noted.message.contains(why), "{noted:?}");
}

#[test]
fn without_anything_wrong_what_no_rule_keeps_goes() {
    let done = plan(&four(), &settled(), (&[], NOW));
    assert_eq!(going(&done), ["nightly_20261120_020000"]);
    let reasons = &done.verdicts[&four()[3].name].1;
    let said = [
        "no rule of policy `nightly` keeps it (last 3)",
        "hidden now, goes after 2026-11-25T12:00:00Z",
    ];
    assert_eq!(*reasons, said);
    assert!(done.refusals.is_empty() && done.marks.is_empty(), "nothing is new");
    assert!(going(&plan(&four()[..3], &settled(), (&[], NOW))).is_empty());
}

#[test]
fn a_backup_that_cannot_be_read_may_be_anyones() {
    let cut = "cut off".to_owned();
    let other = || BackupFacts {
        manifest: Found::Unreadable(cut.clone()),
        ..backup(time("2026-06-01T00:00:00Z"))
    };
    let newer = || BackupFacts {
        plan: Found::TooNew("version 2".to_owned()),
        ..backup(time("2026-06-01T00:00:00Z"))
    };
    let attempt = BackupFacts { attempt: Found::Unreadable(cut.clone()), ..other() };
    for (odd, why) in [(other(), "cut off"), (newer(), "version 2"), (attempt, "cut off")] {
        let mut all = four();
        all.push(odd);
        assert_guarded(&all, &settled(), (Guard::CatalogIncomplete, why));
    }
}

#[test]
fn where_backups_fail_history_stays() {
    let old = PolicyRules { max_age: Some(SignedDuration::from_hours(9)), ..settled() };
    assert_guarded(&four(), &old, (Guard::StaleSource, "older than the max_age of 9h"));
    let young = PolicyRules { max_age: Some(SignedDuration::from_hours(10)), ..settled() };
    assert_eq!(going(&plan(&four(), &young, (&[], NOW))).len(), 1);
}

#[test]
fn a_backup_of_the_future_means_that_a_clock_is_wrong() {
    let mut all = four();
    all.push(backup(time("2026-11-23T12:10:01Z")));
    assert_guarded(&all, &settled(), (Guard::Clock, "of 2026-11-23T12:10:01Z, in the future"));
    all.pop();
    all.push(backup(time("2026-11-23T12:10:00Z")));
    assert_eq!(going(&plan(&all, &settled(), (&[], NOW))).len(), 2, "clocks differ a little");
}

#[test]
fn not_too_many_go_at_once() {
    let mut all = four();
    for hour in 3..6 {
        all.push(backup(time(&format!("2026-11-19T0{hour}:00:00Z"))));
    }
    assert_guarded(
        &all,
        &settled(),
        (Guard::MassDelete, "4 of 7 backups would go, more than 50 %"),
    );
    all.pop();
    assert_eq!(going(&plan(&all, &settled(), (&[], NOW))).len(), 3, "half may go");
}

#[test]
fn what_was_made_under_other_rules_stays_for_a_day() {
    let mark = |rules: &str, since: &str, settled| RetentionMark {
        version: 1,
        rules: rules.to_owned(),
        since: time(since),
        by: "h".to_owned(),
        settled,
        allowed: Vec::new(),
    };
    let of = |mark| PolicyRules { mark, ..policy("keep_last: 3") };
    let other = of(Found::Read(mark("last 30", "2026-01-01T00:00:00Z", true)));
    assert_guarded(
        &four(),
        &other,
        (Guard::PolicyChanged, "are new since 2026-11-23T12:00:00Z (seen on h, were `last 30`)"),
    );
    let new = plan(&four(), &other, (&[], NOW)).marks.remove(0).1;
    assert_eq!((new.since, new.settled), (time(NOW), false));
    assert!(new.rules.contains("last 3") && new.rules.contains("min_keep 2"), "{}", new.rules);
    assert!(new.rules.ends_with("in UTC, of *.*"), "{}", new.rules);
    // Nothing noted and several backups: rules that were never applied.
    assert_guarded(&four(), &of(Found::Absent), (Guard::PolicyChanged, "are new since"));
    assert_guarded(
        &four(),
        &of(Found::Unreadable("cut".to_owned())),
        (Guard::PolicyChanged, "new"),
    );
    let too_new = plan(&four(), &of(Found::TooNew("version 2".to_owned())), (&[], NOW));
    assert!(too_new.marks.is_empty() && !too_new.refusals.is_empty(), "a newer agent's note stays");

    // The next prunes know it; after a day it is over; made since then, it was never held back.
    let known = of(Found::Read(new.clone()));
    assert!(going(&plan(&four(), &known, (&[], "2026-11-24T11:59:59Z"))).is_empty());
    assert_eq!(going(&plan(&four(), &known, (&[], "2026-11-24T12:00:00Z"))).len(), 1);
    let mut all = four();
    all.extend(
        ["13", "14", "15", "16"].map(|hour| backup(time(&format!("2026-11-23T{hour}:00:00Z")))),
    );
    let amid = plan(&all, &known, (&[], "2026-11-23T16:00:00Z"));
    assert_eq!(going(&amid), ["nightly_20261123_130000"]);
    assert_eq!(amid.refusals.len(), 1, "{:?}", amid.refusals);
    // Whoever has allowed it once is not asked again.
    let allowed = plan(&four(), &known, (&[Guard::PolicyChanged], NOW)).marks.remove(0).1;
    assert!(allowed.settled);
    assert_eq!(going(&plan(&four(), &of(Found::Read(allowed)), (&[], NOW))).len(), 1);
    // The same rules for fewer collections are others.
    let fewer = PolicyRules { selection: vec!["default.a".to_owned()], ..settled() };
    assert_guarded(&four(), &fewer, (Guard::PolicyChanged, "rules or collections are new"));
    // The clock was wrong when they were noted.
    let ahead = of(Found::Read(RetentionMark { since: time("2030-01-01T00:00:00Z"), ..new }));
    assert!(going(&plan(&four(), &ahead, (&[], NOW))).is_empty());
}

#[test]
fn a_guard_of_one_policy_is_in_no_other_ones_way() {
    let mut all = four();
    all.extend(four().into_iter().map(|one| {
        let name = one.name.to_string().replace("nightly", "weekly");
        let name = crate::support::backup_name(&name);
        let one = but(one, |it| {
            it.policy = "weekly".to_owned();
            it.name = name.clone();
        });
        BackupFacts { name, ..one }
    }));
    let stale = PolicyRules { max_age: Some(SignedDuration::from_hours(1)), ..settled() };
    let fine = PolicyRules {
        name: milvus_backup_agent::model::PolicyName::new("weekly").expect("a name"),
        ..settled()
    };
    let terms = milvus_backup_agent::plan::RetentionTerms {
        graces: &super::world::GRACES,
        allow: &std::collections::BTreeSet::new(),
        host: "h",
        now: time(NOW),
    };
    let done = milvus_backup_agent::plan::plan_retention(&all, &[stale, fine], &terms);
    assert_eq!(going(&done), ["weekly_20261120_020000"]);
    assert_eq!(done.refusals.len(), 1, "{:?}", done.refusals);
}

/// A host that believes in 2020 until it hears of the right time.
#[test]
fn a_clock_that_was_wrong_does_not_use_up_the_day_of_new_rules() {
    let changed = PolicyRules { retention: policy("keep_last: 2").retention, ..settled() };
    for backups in [&four()[..], &four()[..2]] {
        let back = plan(backups, &changed, (&[], "2020-01-01T00:00:00Z"));
        assert!(going(&back).is_empty() && back.marks.is_empty(), "{:?}", back.marks);
    }
    assert_guarded(&four(), &changed, (Guard::PolicyChanged, "are new since 2026-11-23T12:00:00Z"));
}

#[test]
fn a_backup_is_as_old_as_its_end() {
    let mut all = four();
    all.push(but(backup(time("2026-11-23T02:30:00Z")), |it| {
        it.completed_at = time("2026-11-23T11:59:00Z");
    }));
    let rules = PolicyRules { max_age: Some(SignedDuration::from_hours(9)), ..settled() };
    assert_eq!(going(&plan(&all, &rules, (&[], NOW))).len(), 2);
}

/// One that was missed makes 2 of 3.
#[test]
fn two_may_go_of_any_number() {
    let one = PolicyRules { retention: policy("keep_last: 1, min_keep: 1").retention, ..settled() };
    let mark = plan(&four()[..1], &one, (&[Guard::PolicyChanged], NOW)).marks.remove(0).1;
    let one = PolicyRules { mark: Found::Read(RetentionMark { settled: true, ..mark }), ..one };
    assert_eq!(going(&plan(&four()[..3], &one, (&[], NOW))).len(), 2);
    assert_guarded(&four(), &one, (Guard::MassDelete, "3 of 4 backups would go"));
}
