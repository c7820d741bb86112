//! What an operator does with what is told.

use std::time::Duration;

use jiff::SignedDuration;

use super::world::{hours_ago, now, policy, running, well};
use crate::model::{BackupState, RunKind, RunOutcome};
use crate::status::{
    BackupsFacts, DoubtfulBackup, PolicyState, Problem, PruneEnd, RepositoryFacts, Severity,
    StatusFacts, StatusView, Teller, Trouble, Unanswered, Waiting, page, text,
};

fn by_command(is_there: bool) -> Teller {
    Teller::Command(Unanswered {
        message: "no agent answers".to_owned(),
        remedy: "start it".to_owned(),
        command: Some("systemctl start milvus-backup-agent".to_owned()),
        is_there,
    })
}

fn all(facts: &StatusFacts) -> Vec<Problem> {
    let view = StatusView::of(facts);
    view.problems.into_iter().chain(view.notes).collect()
}

#[test]
fn a_command_names_the_configuration_of_who_tells_it() {
    let mut facts = well();
    facts.policies[1].intent.max_age = Some(Duration::from_hours(2));
    facts.policies[1].intent.name = "POLICY-1".to_owned();
    facts.told_by = by_command(false);
    facts.config_file = Some("/srv/it's POLICY/c.yaml".to_owned());
    let view = StatusView::of(&facts);
    let commands: Vec<&str> =
        view.problems.iter().filter_map(|problem| problem.command.as_deref()).collect();
    let file = r"'/srv/it'\''s POLICY/c.yaml'";
    let backup = format!("milvus-backup-agent --config {file} backup --policy POLICY-1");
    assert_eq!(commands, ["systemctl start milvus-backup-agent", backup.as_str()]);
    assert!(text(&view, 80).contains(&format!("$ {backup}\n")), "{}", text(&view, 80));
    facts.config_file = None;
    let usual = StatusView::of(&facts).problems.remove(1).command;
    assert_eq!(usual.as_deref(), Some("milvus-backup-agent backup --policy POLICY-1"));
}

#[test]
fn a_start_is_nothing_wrong_until_it_takes_too_long() {
    let started = |seconds: i64, read: bool| {
        let mut facts = well();
        let started_at = now() - SignedDuration::from_secs(seconds);
        facts.told_by = Teller::Agent { version: "1".to_owned(), started_at };
        let why = "it is not read yet".to_owned();
        facts.waiting.push(Waiting { what: "catalog".to_owned(), why });
        if !read {
            let place = facts.repository.place.clone();
            facts.repository = RepositoryFacts { place, ..RepositoryFacts::default() };
            facts.policies.iter_mut().for_each(|policy| policy.backups = None);
        }
        facts
    };
    let view = StatusView::of(&started(30, false));
    assert_eq!((view.well, view.headline.as_str()), (true, "Just started"), "{view:?}");
    assert!(view.policies.iter().all(|policy| policy.state == PolicyState::Unknown));
    assert_eq!(view.notes[0].kind, Trouble::Starting);
    assert!(view.notes[0].message.contains("reads the repository"), "{:?}", view.notes);
    assert!(page(&view).contains("head early"));
    let late = all(&started(31, false));
    assert_eq!((late[0].kind, late[0].severity), (Trouble::NotReady, Severity::Warning));
    assert!(late[0].message.contains("/backup/milvus` is being read for 31 s"), "{late:?}");
    let read = StatusView::of(&started(90, true));
    assert_eq!((read.well, read.notes[0].kind), (true, Trouble::Starting));
    let mut failed = started(1, false);
    failed.repository.unreadable = Some(("no such host".to_owned(), None));
    let kinds: Vec<Trouble> = all(&failed).iter().map(|problem| problem.kind).collect();
    assert_eq!(kinds, [Trouble::RepositoryUnreadable]);
}

#[test]
fn a_prune_that_failed_says_why_and_what_to_do() {
    let ended = |outcome, held| PruneEnd {
        outcome,
        held,
        detail: Some("the disk is read-only".to_owned()),
        hint: Some("mount it anew".to_owned()),
    };
    let mut facts = well();
    facts.leftovers = Some(ended(RunOutcome::Failed, false));
    facts.policies[1].pruned = Some(ended(RunOutcome::Partial, true));
    let found = all(&facts);
    assert_eq!((found[0].kind, found[0].policies.len()), (Trouble::PruneFailed, 0));
    assert_eq!(found[0].message, "the last prune failed: the disk is read-only");
    assert!(found[0].remedy.starts_with("mount it anew; nothing is lost"), "{found:?}");
    assert_eq!((found[1].kind, &*found[1].policies), (Trouble::PruneHeld, &["nightly".into()][..]));
    assert!(found[1].message.ends_with(": the disk is read-only"), "{found:?}");
    let command = found[1].command.as_deref();
    assert_eq!(command, Some("milvus-backup-agent prune --policy nightly"));
    for harmless in [RunOutcome::Partial, RunOutcome::Complete, RunOutcome::Skipped] {
        facts.leftovers = Some(ended(harmless, false));
        facts.policies[1].pruned = Some(ended(harmless, false));
        assert_eq!(all(&facts), [], "{harmless}");
    }
}

#[test]
fn drills_and_verifications_at_work_are_shown_like_backups() {
    let mut facts = well();
    let mut run = running();
    run.backup = "proven_1".to_owned();
    run.stage = "importing";
    facts.policies[2].proving = Some((RunKind::Drill, run.clone()));
    run.backup = String::new();
    (run.stage, run.subject, run.total_bytes) = ("verifying", String::new(), 0);
    facts.policies[1].proving = Some((RunKind::Verify, run.clone()));
    let view = StatusView::of(&facts);
    assert!(view.well, "{view:?}");
    let shown = text(&view, 200);
    for line in [
        "At work: hourly, copying default.books, 4.00 GiB of 9.00 GiB, begun 4 min ago",
        "At work: proven, drill of proven_1: importing default.books, 4.00 GiB of 9.00 GiB, begun \
         4 min ago",
        "At work: nightly, verify of all its backups: verifying, begun 4 min ago",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    assert!(page(&view).contains("drill of proven_1: importing default.books"));
    let json = serde_json::to_value(&view).unwrap();
    let proving = &json["policies"][2]["proving"];
    assert_eq!((&proving["kind"], &proving["backup"]), (&"drill".into(), &"proven_1".into()));
    assert_eq!(serde_json::from_value::<StatusView>(json).unwrap(), view);

    for (hours, kinds) in [(24, vec![]), (25, vec![Trouble::RunStalled])] {
        run.moved_at = Some(hours_ago(hours));
        facts.policies[1].proving = Some((RunKind::Verify, run.clone()));
        let found: Vec<Trouble> = all(&facts).iter().map(|problem| problem.kind).collect();
        assert_eq!(found, kinds, "{hours} h, as the alert has it");
    }
}

#[test]
fn damage_that_backups_share_is_told_once_with_their_names() {
    let doubtful = |name: String, why: &str| DoubtfulBackup {
        name,
        state: BackupState::Suspect,
        found_damaged: true,
        why: why.to_owned(),
    };
    let mut facts = well();
    facts.strays.push(doubtful("by_hand".to_owned(), "file 7 is gone"));
    for policy in [1, 2] {
        let backups = facts.policies[policy].backups.as_mut().unwrap();
        let shared = (0..3).map(|n| doubtful(format!("b{policy}_{n}"), "file 7 is gone"));
        backups.doubtful.extend(shared);
        backups
            .doubtful
            .push(doubtful(format!("own_{policy}"), &format!("file 8{policy} is gone")));
    }
    let view = StatusView::of(&facts);
    assert_eq!(view.problems.len(), 3, "{:?}", view.problems);
    let shared = &view.problems[0];
    assert_eq!(
        shared.message,
        "7 backups (by_hand, b1_0, b1_1, b1_2, b2_0 and 2 more) are suspect: file 7 is gone"
    );
    assert_eq!(shared.policies, ["nightly", "proven"]);
    let command = shared.command.as_deref();
    assert_eq!(command, Some("milvus-backup-agent verify by_hand --depth content"));
    assert!(shared.remedy.contains("verify each by content"), "{}", shared.remedy);
    assert_eq!(view.problems[1].message, "backup `own_1` is suspect: file 81 is gone");
    assert!(view.policies[1..].iter().all(|policy| policy.state == PolicyState::Damaged));
}

#[test]
fn without_an_agent_nothing_is_said_to_come_and_a_new_policy_is_not_too_old() {
    let mut facts = well();
    facts.told_by = by_command(false);
    let mut new = policy("new");
    new.backups = Some(BackupsFacts::default());
    new.intent.created_at = None;
    new.next_run = None;
    new.intent.written_at = Some(hours_ago(50));
    facts.policies = vec![new];
    let view = StatusView::of(&facts);
    let kinds: Vec<_> = view.problems.iter().map(|one| (one.kind, one.severity)).collect();
    let expected = [(Trouble::NoAgent, Severity::Critical), (Trouble::NoneYet, Severity::Warning)];
    assert_eq!(kinds, expected, "{:?}", view.problems);
    assert_eq!(view.policies[0].state, PolicyState::NoneYet);
    let row = |facts: &StatusFacts| {
        let shown = text(&StatusView::of(facts), 80);
        shown.lines().find(|line| line.starts_with("new ")).unwrap().to_owned()
    };
    assert!(row(&facts).contains("no agent"), "{}", row(&facts));
    assert!(page(&view).contains("<div>no agent</div>"), "{}", page(&view));

    facts.policies[0].intent.written_at = Some(hours_ago(51));
    let old = &all(&facts)[1];
    assert_eq!((old.kind, old.severity), (Trouble::TooOld, Severity::Critical));
    facts.policies[0].intent.paused = true;
    assert!(!row(&facts).contains("no agent"), "it waits for nobody");
}
