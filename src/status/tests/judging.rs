//! Each problem by itself.

use std::time::Duration;

use jiff::SignedDuration;

use super::world::{end, hours_ago, now, policy, running, well};
use crate::metrics::{DrillFacts, ReadingFacts};
use crate::model::{BackupState, RunKind, RunOutcome};
use crate::status::{
    BackupsFacts, BrokerFacts, DoubtfulBackup, DrillRecord, PolicyState, PolicyStatus, Problem,
    Severity, StatusFacts, StatusView, Teller, Trouble, Unanswered, Waiting, Wrong,
};

fn problems(change: impl FnOnce(&mut StatusFacts)) -> Vec<Problem> {
    let mut facts = well();
    change(&mut facts);
    let view = StatusView::of(&facts);
    assert_eq!(view.well, view.problems.is_empty());
    view.problems.into_iter().chain(view.notes).collect()
}

/// The one problem that a change of the second policy makes, and how that policy stands then.
fn one(change: impl FnOnce(&mut PolicyStatus)) -> (Problem, PolicyState) {
    let mut facts = well();
    change(&mut facts.policies[1]);
    let view = StatusView::of(&facts);
    let mut all: Vec<Problem> = view.problems.into_iter().chain(view.notes).collect();
    assert_eq!(all.len(), 1, "{all:#?}");
    let problem = all.remove(0);
    assert_eq!(problem.policies, ["nightly"]);
    assert!(!problem.remedy.is_empty());
    (problem, view.policies[1].state)
}

fn backups(policy: &mut PolicyStatus) -> &mut BackupsFacts {
    policy.backups.as_mut().unwrap()
}

#[test]
fn nothing_is_wrong_where_all_is_well() {
    let view = StatusView::of(&well());
    assert_eq!((view.headline.as_str(), view.well), ("All well", true));
    assert_eq!((view.problems, view.notes), (Vec::new(), Vec::new()));
    let running = view.policies[0].running.as_ref().unwrap();
    assert_eq!((running.percent, running.stage.as_str()), (Some(44), "copying default.books"));
    assert!(view.policies.iter().all(|policy| policy.state == PolicyState::Well));
}

#[test]
fn the_limit_of_age_is_that_of_the_alert() {
    let aged = |hours: u64| {
        problems(|facts| facts.policies[1].intent.max_age = Some(Duration::from_hours(hours)))
    };
    assert_eq!(aged(11), [], "just as old as it may be");
    let too_old = aged(10);
    assert_eq!((too_old[0].kind, too_old[0].severity), (Trouble::TooOld, Severity::Critical));
    assert_eq!(too_old[0].message, "the newest good backup is 11 h old, and 10 h are allowed");
    let command = too_old[0].command.as_deref();
    assert_eq!(command, Some("milvus-backup-agent backup --policy nightly"));

    let never = |created: i64| {
        problems(|facts| {
            facts.policies[1] = policy("nightly");
            facts.policies[1].backups = Some(BackupsFacts::default());
            facts.policies[1].intent.created_at = Some(hours_ago(created));
        })
    };
    assert_eq!(never(50), [], "a new policy has time for its first backup");
    assert_eq!(never(51)[0].kind, Trouble::TooOld);
}

#[test]
fn the_last_run_says_what_was_wrong_and_what_to_do() {
    let (problem, state) = one(|policy| {
        let detail = "Milvus does not answer (check that it runs)";
        let mut failed = end(RunOutcome::Failed, 2, Some(detail));
        failed.hint = Some("check that it runs".to_owned());
        policy.last_run = Some(failed);
    });
    assert_eq!((problem.kind, state), (Trouble::LastRunFailed, PolicyState::Failed));
    assert_eq!(problem.message, "the last run failed: Milvus does not answer");
    assert_eq!(problem.remedy, "check that it runs");

    let (problem, _) = one(|policy| {
        let mut failed = end(RunOutcome::Failed, 2, Some("away"));
        failed.again_at = Some(now() + SignedDuration::from_mins(2));
        policy.last_run = Some(failed);
    });
    assert_eq!(problem.remedy, "it is tried again at 2026-11-26 13:02:00 UTC");

    let (problem, state) = one(|policy| {
        let why = "default.books: it was dropped meanwhile";
        backups(policy).last_end = Some(end(RunOutcome::Partial, 1, Some(why)));
    });
    assert_eq!((problem.kind, state), (Trouble::LastRunPartial, PolicyState::Partial));
    for harmless in [RunOutcome::Cancelled, RunOutcome::Skipped, RunOutcome::Complete] {
        let found = problems(|facts| facts.policies[1].last_run = Some(end(harmless, 1, None)));
        assert_eq!(found, [], "{harmless}");
    }
}

#[test]
fn a_newer_success_that_someone_else_made_heals_a_failure() {
    let found = problems(|facts| {
        facts.policies[1].last_run = Some(end(RunOutcome::Failed, 20, Some("away")));
    });
    assert_eq!(found, []);
}

#[test]
fn a_backup_that_is_suspect_or_damaged_is_named() {
    let (look, verify) = ("show nightly_1", "verify nightly_1 --depth content");
    for (state, found_damaged, (kind, shown), command, remedy) in [
        (BackupState::Suspect, false, (Trouble::Suspect, PolicyState::Look), look, "pin"),
        (
            BackupState::Suspect,
            true,
            (Trouble::Damaged, PolicyState::Damaged),
            verify,
            "standalone",
        ),
        (BackupState::Damaged, false, (Trouble::Damaged, PolicyState::Damaged), look, "disk"),
    ] {
        let (name, why) = ("nightly_1".to_owned(), "half the rows".to_owned());
        let doubtful = DoubtfulBackup { name, state, found_damaged, why };
        let (problem, is) = one(|policy| backups(policy).doubtful.push(doubtful.clone()));
        assert_eq!((problem.kind, is), (kind, shown));
        assert_eq!(problem.message, format!("backup `nightly_1` is {state}: half the rows"));
        assert_eq!(problem.command, Some(format!("milvus-backup-agent {command}")));
        assert!(problem.remedy.contains(remedy), "{}", problem.remedy);
        let of_pin = problem.remedy.contains("`pin ");
        assert_eq!(of_pin, kind == Trouble::Suspect, "no pin lifts a doubt: {}", problem.remedy);
        let stray = problems(|facts| facts.strays.push(doubtful));
        assert_eq!((stray[0].kind, stray[0].policies.len()), (kind, 0), "of no policy");
    }
}

#[test]
fn a_run_that_stands_still_or_takes_too_long_is_told() {
    let (problem, _) = one(|policy| {
        policy.running = Some(running());
        policy.running.as_mut().unwrap().moved_at = Some(hours_ago(1));
    });
    assert_eq!(problem.kind, Trouble::RunStalled);
    let (problem, _) = one(|policy| {
        policy.running = Some(running());
        policy.running.as_mut().unwrap().since = hours_ago(25);
    });
    assert_eq!(problem.kind, Trouble::RunTooSlow);
}

#[test]
fn a_slot_that_passed_is_told_unless_a_run_is_at_work() {
    let late = now() - SignedDuration::from_mins(16);
    let (problem, state) = one(|policy| policy.next_run = Some(late));
    assert_eq!((problem.kind, state), (Trouble::Overdue, PolicyState::Look));
    let found = problems(|facts| {
        facts.policies[1].next_run = Some(late);
        facts.policies[1].running = Some(running());
    });
    assert_eq!(found, []);
}

#[test]
fn what_proves_backups_and_what_lets_them_go_is_watched() {
    for (kind, trouble) in
        [(RunKind::Verify, Trouble::VerifyFailed), (RunKind::Drill, Trouble::DrillFailed)]
    {
        let ended = (hours_ago(1), RunOutcome::Failed);
        let (problem, _) = one(|policy| policy.others.extend([(kind, ended)]));
        assert_eq!(problem.kind, trouble);
    }
    let month = Some(Duration::from_hours(24 * 30));
    let (problem, _) = one(|policy| {
        let read_since = Some(hours_ago(24 * 31));
        policy.readings = Some(ReadingFacts { next_run: None, max_age: month, read_since });
    });
    assert_eq!(problem.kind, Trouble::ReadTooOld);
    for (last_success, begins) in [
        (Some((hours_ago(24 * 31), Duration::from_secs(9))), "the last good drill is 31 d"),
        (None, "no good drill for 40 d"),
        (Some((hours_ago(24 * 90), Duration::from_secs(9))), "no good drill for 40 d"),
    ] {
        let (problem, _) = one(|policy| {
            let since = Some(hours_ago(24 * 40));
            policy.drills =
                Some(DrillFacts { next_run: None, max_age: month, since, last_success });
        });
        assert_eq!(problem.kind, Trouble::DrillTooOld);
        assert!(problem.message.starts_with(begins), "{}", problem.message);
    }
    let (problem, _) = one(|policy| {
        let why = Some("default.books: 3 rows are missing".to_owned());
        let last = Some((hours_ago(2), RunOutcome::Failed, why));
        backups(policy).drill = Some(DrillRecord { last, last_success: None });
    });
    assert_eq!(problem.kind, Trouble::DrillFailed);
    assert!(problem.message.contains("3 rows are missing"), "{}", problem.message);
    let passed_over = problems(|facts| {
        let last = Some((hours_ago(2), RunOutcome::Partial, Some("it has deletes".to_owned())));
        let last_success = Some((hours_ago(2), "b".to_owned(), Duration::from_secs(9)));
        backups(&mut facts.policies[0]).drill = Some(DrillRecord { last, last_success });
    });
    assert_eq!(passed_over, Vec::new());
}

#[test]
fn drills_that_are_wanted_anew_have_their_time() {
    let found = problems(|facts| {
        facts.policies[1].drills = Some(DrillFacts {
            next_run: None,
            max_age: Some(Duration::from_hours(24 * 30)),
            since: Some(hours_ago(1)),
            last_success: Some((hours_ago(24 * 90), Duration::from_secs(9))),
        });
    });
    assert_eq!(found, []);
}

#[test]
fn too_few_backups_are_told_of_a_policy_that_had_time_for_more() {
    let few = |policy: &mut PolicyStatus| {
        backups(policy).states.extend([(BackupState::Complete, 1)]);
    };
    let (problem, _) = one(few);
    assert_eq!(problem.kind, Trouble::TooFewBackups);
    assert_eq!(problem.message, "1 good backup where `min_keep` wants 2");
    let young = problems(|facts| {
        few(&mut facts.policies[1]);
        facts.policies[1].intent.created_at = Some(hours_ago(72));
    });
    assert_eq!(young, []);
}

#[test]
fn a_note_needs_nobody() {
    let (problem, state) = one(|policy| {
        policy.intent.paused = true;
        policy.next_run = None;
    });
    assert_eq!((problem.kind, state), (Trouble::Paused, PolicyState::Paused));
    let (problem, state) = one(|policy| policy.intent.schedule = None);
    assert_eq!((problem.kind, state), (Trouble::NothingStartsIt, PolicyState::Well));
    let mut facts = well();
    facts.policies[1].intent.paused = true;
    facts.unnamed_broker = true;
    let view = StatusView::of(&facts);
    assert!(view.well && view.headline == "All well" && view.notes.len() == 2, "{view:?}");
}

#[test]
fn what_is_of_no_policy_is_told_too() {
    let why = "the disk is gone".to_owned();
    let found = problems(|facts| facts.repository.unreadable = Some((why.clone(), None)));
    assert_eq!(found[0].kind, Trouble::RepositoryUnreadable);
    let full = problems(|facts| facts.repository.free_bytes = Some(49 << 30));
    assert_eq!(full[0].kind, Trouble::LowSpace);
    let almost = problems(|facts| facts.repository.free_bytes = Some(59 << 30));
    assert_eq!(almost[0].kind, Trouble::AlmostFull);
    assert_eq!(problems(|facts| facts.repository.free_bytes = Some(60 << 30)), []);
    assert!(full[0].message.contains("49.00 GiB free, and 50.00 GiB must"), "{full:?}");
    let refused = problems(|facts| {
        let remedy = "mend it".to_owned();
        facts.settings.push(Wrong { message: why.clone(), remedy });
    });
    assert_eq!(refused[0].kind, Trouble::SettingsRefused);
    let away = problems(|facts| {
        facts.broker = Some(BrokerFacts { state: "away: refused".to_owned(), is_well: false });
        let waiting = |what: &str| Waiting { what: what.to_owned(), why: why.clone() };
        facts.waiting = vec![waiting("milvus"), waiting("amqp")];
    });
    let kinds: Vec<Trouble> = away.iter().map(|problem| problem.kind).collect();
    assert_eq!(kinds, [Trouble::NotReady, Trouble::BrokerAway], "the broker is told once");
    let none = problems(|facts| facts.policies.clear());
    assert_eq!(none[0].kind, Trouble::NoPolicies);
    assert!(none[0].command.as_deref().unwrap().contains("/policies/all.yaml"), "{none:?}");
}

#[test]
fn what_has_no_backup_yet_is_not_said_to_be_well() {
    let mut facts = well();
    let early = |policy: &mut PolicyStatus| {
        policy.backups = Some(BackupsFacts::default());
        policy.intent.created_at = Some(now());
    };
    early(&mut facts.policies[1]);
    let view = StatusView::of(&facts);
    assert_eq!(view.policies[1].state, PolicyState::NoneYet);
    assert_eq!(view.headline, "All well, but 1 policy has no backup yet");
    facts.policies.iter_mut().for_each(early);
    let view = StatusView::of(&facts);
    assert_eq!((view.headline.as_str(), view.well), ("No backup yet", true));
}

#[test]
fn without_an_agent_that_is_the_first_thing_wrong() {
    let mut facts = well();
    facts.policies[0].backups = Some(BackupsFacts::default());
    facts.policies[0].intent.created_at = None;
    facts.told_by = Teller::Command(Unanswered {
        message: "no agent answers".to_owned(),
        remedy: "start it".to_owned(),
        command: Some("systemctl start milvus-backup-agent".to_owned()),
        is_there: false,
    });
    let view = StatusView::of(&facts);
    let kinds: Vec<Trouble> = view.problems.iter().map(|problem| problem.kind).collect();
    assert_eq!(kinds, [Trouble::NoAgent, Trouble::TooOld], "how new the policy is nobody knows");
    assert_eq!((view.agent, view.headline.as_str()), (None, "2 things need you"));
}

#[test]
fn what_many_policies_have_in_common_is_told_once() {
    let mut facts = well();
    facts.policies = (0..200).map(|n| policy(&format!("p{n:03}"))).collect();
    for policy in &mut facts.policies {
        policy.last_run = Some(end(RunOutcome::Failed, 1, Some("Milvus does not answer")));
    }
    facts.policies[7].intent.max_age = Some(Duration::from_hours(1));
    facts.policies[9].intent.max_age = Some(Duration::from_hours(1));
    let view = StatusView::of(&facts);
    assert_eq!(view.headline, "2 things need you");
    assert_eq!(view.problems[0].policies, ["p007", "p009"]);
    let command = view.problems[0].command.as_deref();
    assert_eq!(command, Some("milvus-backup-agent backup --policy POLICY"));
    assert_eq!(view.problems[1].policies.len(), 200);
    assert_eq!(view.problems[1].whose(), "p000, p001, p002, p003, p004 and 195 more");
    let states: Vec<PolicyState> = view.policies.iter().map(|policy| policy.state).collect();
    assert_eq!((states[7], states[8]), (PolicyState::TooOld, PolicyState::Failed));
}
