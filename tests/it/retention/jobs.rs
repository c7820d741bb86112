//! Retention as `prune` applies it, on fakes.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;
use milvus_backup_agent::catalog::BackupState;
use milvus_backup_agent::job::{
    ExportOptions, JobContext, JobError, JobResult, Prune, PruneReport, PruneRequest, Removal,
    Sizes, Sweeping, run_backup, run_delete, run_export, run_list, run_pin, run_prune,
    run_undelete, run_unpin,
};
use milvus_backup_agent::model::{Clock, ErrorKind, Guard, ManualClock, ObjectKey, PolicyName};
use milvus_backup_agent::plan::Verdict;
use milvus_backup_agent::storage::{ObjectStore, PutMode, StoreErrorKind, StoreOp};

use crate::support::{
    Lab, Process, Stop, assert_verifies, backup_name, keys, request, restore_beside, standalone,
    state, states,
};

use super::world::policy;

/// A backup of the policy `nightly`.
async fn backup(lab: &Lab, name: &str) -> Option<String> {
    let mut wanted = request(name);
    wanted.policy = Some(PolicyName::new("nightly").expect("a name"));
    let report = run_backup(&lab.context(), wanted).await.expect("a backup");
    lab.later();
    report.suspect
}

fn rules(rules: &str, prune: Prune, allow: &[Guard]) -> PruneRequest {
    PruneRequest {
        prune,
        policies: vec![policy(rules)],
        all_policies: false,
        allow: allow.iter().copied().collect::<BTreeSet<_>>(),
        sweeping: Sweeping::Yes,
    }
}

async fn prune(lab: &Lab, request: PruneRequest) -> PruneReport {
    let report = Box::pin(run_prune(&lab.context(), None, request)).await;
    report.unwrap_or_else(|error| panic!("{}", error.chain()))
}

fn kind<T: std::fmt::Debug>(result: JobResult<T>) -> ErrorKind {
    result.expect_err("it is refused").kind()
}

/// Five backups of `nightly`, `b1` to `b5`, each with a segment more.
async fn five() -> Lab {
    let lab = Lab::new();
    for number in 1..=5_u32 {
        lab.fill("films", number * 10..number * 10 + 5).await;
        backup(&lab, &format!("b{number}")).await;
        lab.clock.advance(SignedDuration::from_hours(1));
    }
    lab
}

#[tokio::test(start_paused = true)]
async fn what_no_rule_keeps_is_hidden_then_removed_and_its_files_go() {
    let lab = five().await;
    let keep_two = |prune, allow| rules("keep_last: 2", prune, allow);
    let told = prune(&lab, keep_two(Prune::Plan, &[])).await;
    let refused = told.refused.expect("rules that were never applied");
    assert!(
        refused.contains("`nightly`") && refused.contains("--allow policy_changed"),
        "{refused}"
    );
    assert_eq!(told.guards[0].guard, Guard::PolicyChanged);
    let before = keys(&lab.repository).await;
    assert!(!before.iter().any(|key| key.contains("_retention")), "a plan writes nothing");

    let refused = prune(&lab, keep_two(Prune::Apply, &[])).await;
    assert_eq!((refused.backups_hidden, refused.guards.len()), (0, 1), "{refused:?}");
    assert!(states(&lab).await.values().all(|state| *state == BackupState::Complete));
    let allow = &[Guard::PolicyChanged, Guard::MassDelete];
    let done = prune(&lab, keep_two(Prune::Apply, allow)).await;
    assert_eq!((done.backups_hidden, done.refused), (3, None), "{:?}", done.verdicts);
    let rows = run_list(&lab.context(), Sizes::Known).await.expect("a list");
    for row in &rows[..3] {
        assert_eq!(row.state, BackupState::Tombstoned, "{row:?}");
        assert!(
            row.reasons[0].contains("no rule of policy `nightly` keeps it (last 2)"),
            "{row:?}"
        );
    }
    let second = prune(&lab, keep_two(Prune::Apply, &[])).await;
    assert!(second.verdicts.iter().all(|row| row.verdict != Verdict::Delete), "{second:?}");

    // What comes back is pinned, since the same rules would let it go again.
    let back = run_undelete(&lab.context(), &backup_name("b2")).await.expect("it comes back");
    assert!(back.pinned, "{back:?}");
    assert_eq!(prune(&lab, keep_two(Prune::Apply, &[])).await.backups_hidden, 0);
    assert_verifies(&lab, "b2").await;
    for removal in [Removal::Hide, Removal::Now, Removal::Plan] {
        let refused = run_delete(&lab.context(), &backup_name("b2"), removal).await;
        let error = refused.expect_err("it is pinned");
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.remedy().is_some_and(|hint| hint.contains("`unpin b2`")), "{error:?}");
    }
    run_unpin(&lab.context(), &backup_name("b2")).await.expect("it is unpinned");
    assert_eq!(kind(run_unpin(&lab.context(), &backup_name("b2")).await), ErrorKind::NothingToDo);
    assert_eq!(prune(&lab, keep_two(Prune::Apply, &[])).await.backups_hidden, 1);

    lab.clock.advance(SignedDuration::from_hours(49));
    let gone = prune(&lab, keep_two(Prune::Apply, &[])).await;
    assert_eq!((gone.backups_deleted, gone.files_deleted), (3, 0), "{gone:?}");
    assert_eq!(states(&lab).await.into_keys().collect::<Vec<_>>(), ["b4", "b5"]);
    lab.clock.advance(SignedDuration::from_hours(25));
    let swept = prune(&lab, keep_two(Prune::Apply, &[])).await;
    assert!(swept.files_deleted > 0, "{swept:?}");
    for name in ["b4", "b5"] {
        assert_verifies(&lab, name).await;
    }
    let restored = lab.restore(&restore_beside("b4")).await.expect("it restores");
    assert_eq!(restored.collections[0].rows_imported, 20);
}

#[tokio::test(start_paused = true)]
async fn only_the_wanted_policy_is_looked_at() {
    let lab = five().await;
    let mut other = rules("keep_last: 1, min_keep: 1", Prune::Apply, Guard::ALL);
    other.policies[0].name = PolicyName::new("weekly").expect("a name");
    let report = prune(&lab, other).await;
    assert_eq!(report.backups_hidden, 0);
    let row = report.verdicts.iter().find(|row| row.name == "b1").expect("a verdict");
    assert!(row.reasons[0].contains("`nightly`, whose rules are not looked at"), "{row:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pin_and_a_prune_never_both_say_yes() {
    let whole = Process::immortal();
    let keep_two = || rules("keep_last: 2", Prune::Apply, Guard::ALL);
    let lab = five().await;
    run_prune(&whole.context(lab.context()), None, keep_two()).await.expect("it prunes");
    let (mut kept, mut refused) = (0, 0);
    for calls in 0..whole.calls() {
        let lab = five().await;
        let process = Process::halted_before(calls, Stop::OneCall);
        let context = process.context(lab.context());
        let pinning = lab.context();
        let name = backup_name("b1");
        let pruning = run_prune(&context, None, keep_two());
        let (pruned, pinned) =
            process.amid(pruning, run_pin(&pinning, &name, ("mine", None))).await;
        pruned.unwrap_or_else(|error| panic!("call {calls}: {}", error.chain()));
        match pinned {
            Ok(_) => {
                kept += 1;
                assert_eq!(state(&lab, "b1").await, Some(BackupState::Complete), "call {calls}");
            }
            Err(error) => {
                refused += 1;
                assert_eq!(
                    error.kind(),
                    ErrorKind::Refused,
                    "call {calls}: {}",
                    JobError::chain(&error)
                );
            }
        }
        // Either way the next prune takes nothing that is pinned.
        prune(&lab, keep_two()).await;
        lab.clock.advance(SignedDuration::from_hours(100));
        prune(&lab, keep_two()).await;
        if let Some(state) = state(&lab, "b1").await {
            let list = run_list(&lab.context(), Sizes::Known).await.expect("a list");
            let row = list.iter().find(|row| row.name == "b1").expect("it is listed");
            assert!(row.pinned, "call {calls}: {state:?}");
        }
    }
    assert!(kept > 3 && refused > 3, "kept {kept} times, refused {refused} times");
}

#[tokio::test(start_paused = true)]
async fn only_a_backup_can_be_pinned() {
    let lab = five().await;
    let context = lab.context();
    let pin = async |name: &str| run_pin(&context, &backup_name(name), ("why", None)).await;
    assert_eq!(kind(pin("none").await), ErrorKind::NotFound);
    let past = Some(jiff::Timestamp::UNIX_EPOCH);
    let past = run_pin(&context, &backup_name("b1"), ("why", past)).await;
    assert_eq!(kind(past), ErrorKind::Usage);
    run_delete(&context, &backup_name("b1"), Removal::Hide).await.expect("it is hidden");
    let error = pin("b1").await.expect_err("it is hidden");
    assert!(error.remedy().is_some_and(|hint| hint.contains("`undelete b1`")), "{error:?}");
    let back = run_undelete(&context, &backup_name("b1")).await.expect("it comes back");
    assert!(!back.pinned, "somebody had deleted it, not a rule");
    let pinned = pin("b1").await.expect("it is pinned");
    assert!(pinned.pinned && pinned.until.is_none() && pinned.was_suspect.is_none());
    // A pin with an end is one until then.
    let until = jiff::Timestamp::from_second(1_900_000_000).expect("a time");
    let pinned = run_pin(&context, &backup_name("b2"), ("why", Some(until))).await;
    assert_eq!(pinned.expect("it is pinned").until, Some(until.to_string()));
}

#[tokio::test(start_paused = true)]
async fn what_milvus_backup_wrote_is_left_alone() {
    let lab = five().await;
    let tree = ["meta/full_meta.json", "meta/backup_meta.json", "binlogs/insert_log/1/2/3/0/1"];
    // Beside our clusters, and in the folder of one.
    for place in ["old_backup", "c1/old_backup"] {
        for file in tree {
            let key = ObjectKey::new(format!("{place}/{file}")).expect("a key");
            lab.repository.put(&key, "{}".into(), PutMode::IfAbsent).await.expect("it is written");
        }
    }
    for _ in 0..3 {
        let report =
            prune(&lab, rules("keep_last: 1, min_keep: 1", Prune::Apply, Guard::ALL)).await;
        let row = report.verdicts.iter().find(|row| row.name == "old_backup").expect("a verdict");
        assert_eq!(row.verdict, Verdict::Leave);
        lab.clock.advance(SignedDuration::from_hours(100));
    }
    assert_eq!(states(&lab).await.len(), 2, "the newest, and one that is no backup of ours");
    let left = keys(&lab.repository).await.into_iter().filter(|key| key.contains("old_backup"));
    assert_eq!(left.count(), 2 * tree.len());
}

/// What a prune has done is told, and others go on, whatever fails in it.
#[tokio::test(start_paused = true)]
async fn one_thing_that_cannot_be_done_stops_no_other() {
    let keep_two = || rules("keep_last: 2", Prune::Apply, Guard::ALL);
    let pruned = async |lab: &Lab, op, key, request: PruneRequest| {
        let store = lab.faulty();
        store.fail(op, key, StoreErrorKind::PermissionDenied, 1000);
        let context = lab.context_over(store);
        let report = Box::pin(run_prune(&context, None, request)).await;
        report.unwrap_or_else(|error| panic!("{key}: {}", error.chain()))
    };
    let lab = five().await;
    let report = pruned(&lab, StoreOp::List, "/_lists", keep_two()).await;
    assert_eq!(
        (report.backups_hidden, report.errors.len(), report.swept),
        (3, 1, false),
        "{report:?}"
    );

    // What cannot be noted is not done; what was due before is.
    let lab = five().await;
    run_delete(&lab.context(), &backup_name("b1"), Removal::Hide).await.expect("it is hidden");
    lab.clock.advance(SignedDuration::from_hours(49));
    let report = pruned(&lab, StoreOp::Put, "/_retention/", keep_two()).await;
    assert_eq!((report.backups_hidden, report.backups_deleted), (0, 1), "{report:?}");
    let row = report.verdicts.iter().find(|row| row.name == "b2").expect("a verdict");
    assert_eq!((row.verdict, row.reasons.len()), (Verdict::Leave, 2), "{row:?}");

    // One that cannot be hidden is told as it is.
    let lab = five().await;
    let report = pruned(&lab, StoreOp::Put, "b2/tombstone.json", keep_two()).await;
    assert_eq!((report.backups_hidden, report.errors.len()), (2, 1), "{report:?}");
    let row = report.verdicts.iter().find(|row| row.name == "b2").expect("a verdict");
    assert!(row.verdict == Verdict::Leave && row.reasons[0].contains("scripted"), "{row:?}");
}

/// A host that is days ahead would take every grace for over.
#[tokio::test(start_paused = true)]
async fn nothing_dated_goes_while_this_hosts_clock_is_not_the_stores() {
    let lab = five().await;
    run_delete(&lab.context(), &backup_name("b1"), Removal::Hide).await.expect("it is hidden");
    let ahead = |by| JobContext {
        clock: Arc::new(ManualClock::at(lab.clock.now() + SignedDuration::from_mins(by))),
        ..lab.context()
    };
    let far = ahead(3 * 24 * 60);
    let keep_two =
        || rules("keep_last: 2", Prune::Apply, &[Guard::PolicyChanged, Guard::MassDelete]);
    let report = run_prune(&far, None, keep_two()).await.expect("it looks");
    assert_eq!((report.backups_hidden, report.backups_deleted), (0, 0), "{report:?}");
    assert_eq!(report.guards.last().expect("it refuses").guard, Guard::Clock);
    assert!(report.refused.expect("it refuses").contains("in the store: set the clock"));
    assert!(!keys(&lab.repository).await.iter().any(|key| key.contains("_retention")));
    let allowed = PruneRequest { allow: Guard::ALL.iter().copied().collect(), ..keep_two() };
    let report = run_prune(&far, None, allowed).await.expect("it prunes");
    assert_eq!((report.backups_hidden, report.backups_deleted), (2, 1), "{report:?}");
    let report = run_prune(&ahead(9), None, keep_two()).await.expect("it prunes");
    assert!(report.guards.is_empty(), "clocks differ a little: {report:?}");
}

/// A policy may change its layout, and what is exported is of no policy.
#[tokio::test(start_paused = true)]
async fn backups_of_both_layouts_count_and_exports_do_not() {
    let lab = five().await;
    let mut wanted = standalone("b6");
    wanted.policy = Some(PolicyName::new("nightly").expect("a name"));
    run_backup(&lab.context(), wanted).await.expect("a backup");
    lab.later();
    let (backup, to) = (backup_name("b1"), backup_name("copy"));
    let options = ExportOptions { backup, cluster: None, to };
    run_export(&lab.context(), &options).await.expect("an export");
    lab.later();
    let allow = &[Guard::PolicyChanged, Guard::MassDelete];
    let done = prune(&lab, rules("keep_last: 2", Prune::Apply, allow)).await;
    assert_eq!((done.backups_hidden, done.refused), (4, None), "{:?}", done.verdicts);
    let complete = states(&lab).await.into_iter();
    let complete = complete.filter(|(_, state)| *state == BackupState::Complete);
    let complete: Vec<String> = complete.map(|(name, _)| name).collect();
    assert_eq!(complete, ["b5", "b6", "copy"]);
}
