//! `delete`, `undelete` and `prune`: what goes, what stays, and when.

use std::sync::Arc;

use bytes::Bytes;
use jiff::SignedDuration;
use milvus_backup_agent::catalog::{
    BackupState, Cluster, Lease, Repository, Reservation, Run, Unfinished,
};
use milvus_backup_agent::job::{
    JobContext, Prune, PruneReport, Removal, Reserved, RunOutcome, Sizes, StagingRoot, VerdictRow,
    reserve_request, run_backup, run_delete, run_list, run_prune, run_restore, run_undelete,
};
use milvus_backup_agent::manifest::FileList;
use milvus_backup_agent::model::{Clock, ClusterName, ErrorKind, ObjectKey, RequestId};
use milvus_backup_agent::plan::Verdict;
use milvus_backup_agent::storage::testing::FaultyStore;
use milvus_backup_agent::storage::{ObjectStore, ObjectStoreExt, PutMode, StoreErrorKind, StoreOp};

use crate::support::{
    Lab, Process, Stop, assert_sound, assert_verifies, backup_name, keys, leases, ledgers,
    namespace, request, restore_of, snapshot, state, states,
};

/// Hours that pass on every clock.
fn hours(lab: &Lab, hours: i64) {
    lab.clock.advance(SignedDuration::from_hours(hours));
}

fn staging(lab: &Lab) -> StagingRoot {
    StagingRoot { store: Arc::new(lab.staging.clone()), shared: true }
}

async fn prune(lab: &Lab) -> PruneReport {
    let report = run_prune(&lab.context(), Some(&staging(lab)), Prune::Apply).await;
    let report = report.unwrap_or_else(|error| panic!("{}", error.chain()));
    assert_eq!(report.errors, [""; 0]);
    report
}

async fn delete(lab: &Lab, name: &str, removal: Removal) {
    let report = run_delete(&lab.context(), &backup_name(name), removal).await;
    report.unwrap_or_else(|error| panic!("{}", error.chain()));
}

/// Segment files and lists in the repository.
async fn shared(lab: &Lab) -> (usize, usize) {
    let all = keys(&lab.repository).await;
    let count = |folder: &str| all.iter().filter(|key| key.contains(folder)).count();
    (count("/_segments/"), count("/_lists/"))
}

fn verdict<'r>(report: &'r PruneReport, name: &str) -> (Verdict, &'r str) {
    let row = report.verdicts.iter().find(|row| row.name == name);
    let row = row.unwrap_or_else(|| panic!("no verdict on {name}: {report:?}"));
    (row.verdict, &row.reasons[0])
}

/// `first`, then `films` grew: `second` shares its old files.
async fn two_backups() -> Lab {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    lab.backup("first").await;
    lab.fill("films", 5..9).await;
    lab.backup("second").await;
    lab
}

#[tokio::test(start_paused = true)]
async fn a_deleted_backup_is_hidden_for_its_grace_and_then_gone() {
    let lab = two_backups().await;
    let context = lab.context();
    let report = run_delete(&context, &backup_name("second"), Removal::Hide).await.unwrap();
    assert_eq!((report.was, report.state), (BackupState::Complete, Some(BackupState::Tombstoned)));
    let goes = report.removed_after.unwrap();
    assert_eq!(goes, "2026-11-25T02:02:00Z");
    let rows = run_list(&context, Sizes::Known).await.unwrap();
    let row = rows.iter().find(|row| row.name == "second").unwrap();
    assert_eq!((row.state, row.removed_after.as_ref()), (BackupState::Tombstoned, Some(&goes)));
    let refused = run_restore(&context, &lab.staging(), &restore_of("second")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound);

    hours(&lab, 47);
    let report = prune(&lab).await;
    let (kept, reason) = verdict(&report, "second");
    assert!(kept == Verdict::Leave && reason.contains(&goes), "{reason}");
    assert_eq!(state(&lab, "second").await, Some(BackupState::Tombstoned));
    assert_eq!(shared(&lab).await, (10, 2));

    hours(&lab, 1);
    assert_eq!(verdict(&prune(&lab).await, "second").0, Verdict::Delete);
    assert_eq!(state(&lab, "second").await, None);
    assert!(!keys(&lab.repository).await.iter().any(|key| key.contains("/second/")));
    // Its own files are seen to be in no backup only now.
    assert_eq!(shared(&lab).await, (10, 2));
    hours(&lab, 23);
    assert_eq!(prune(&lab).await.files_deleted, 0);
    hours(&lab, 1);
    assert_eq!(prune(&lab).await.files_deleted, 6, "five logs and a list");
    assert_eq!(shared(&lab).await, (5, 1));
    assert_verifies(&lab, "first").await;
    hours(&lab, 1);
    let before = keys(&lab.repository).await;
    let idle = prune(&lab).await;
    assert!(idle.verdicts.iter().all(|row| row.verdict == Verdict::Keep), "{idle:?}");
    let numbered = |key: &String| !key.contains("/_leases/");
    let left: Vec<_> = before.into_iter().filter(numbered).collect();
    let after: Vec<_> = keys(&lab.repository).await.into_iter().filter(numbered).collect();
    assert_eq!(left, after);
}

#[tokio::test(start_paused = true)]
async fn undelete_works_until_the_manifest_is_gone() {
    let lab = two_backups().await;
    let context = lab.context();
    let (name, none) = (backup_name("first"), backup_name("none"));
    let kind = async |name| run_undelete(&context, name).await.map_err(|error| error.kind());
    assert_eq!(kind(&name).await.unwrap_err(), ErrorKind::NothingToDo);
    assert_eq!(kind(&none).await.unwrap_err(), ErrorKind::NotFound);
    delete(&lab, "first", Removal::Hide).await;
    hours(&lab, 1000);
    let report = kind(&name).await.unwrap();
    assert_eq!(report.state, Some(BackupState::Complete));
    assert_verifies(&lab, "first").await;
    delete(&lab, "first", Removal::Hide).await;
    lab.repository.delete(&[ObjectKey::new("c1/first/manifest.json").unwrap()]).await.unwrap();
    assert_eq!(kind(&name).await.unwrap_err(), ErrorKind::Refused);
    assert_eq!(verdict(&prune(&lab).await, "first").0, Verdict::Delete);
    assert_eq!(states(&lab).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn undelete_does_not_meet_a_prune() {
    let lab = two_backups().await;
    delete(&lab, "first", Removal::Hide).await;
    let context = lab.context();
    let cluster = context_cluster(&context).await;
    let lease = Lease::acquire(&cluster, "prune").await.unwrap();
    let error = run_undelete(&context, &backup_name("first")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    lease.release().await;
    run_undelete(&context, &backup_name("first")).await.unwrap();
}

async fn context_cluster(context: &JobContext) -> Cluster {
    let store = Arc::clone(&context.repository);
    let repository = Repository::open(store).await;
    repository.expect("a repository").cluster(&context.cluster)
}

#[tokio::test(start_paused = true)]
async fn a_plan_changes_nothing_and_says_what_would_go() {
    let lab = two_backups().await;
    delete(&lab, "second", Removal::Hide).await;
    hours(&lab, 48);
    let store = lab.faulty();
    store.make_read_only();
    let context = lab.context_over(Arc::<FaultyStore>::clone(&store));
    let plan = run_prune(&context, Some(&staging(&lab)), Prune::Plan).await.unwrap();
    assert!(!plan.applied && plan.refused.is_none() && plan.files_deleted == 0);
    assert_eq!(verdict(&plan, "second").0, Verdict::Delete);
    assert_eq!(verdict(&plan, "first").0, Verdict::Keep);
    for removal in [Removal::Plan, Removal::PlanNow] {
        let told = run_delete(&context, &backup_name("first"), removal).await.unwrap();
        assert_eq!((told.applied, told.state), (false, Some(BackupState::Complete)));
        assert_eq!(told.removed_after.is_some(), removal == Removal::Plan);
    }
    assert_verifies(&lab, "first").await;
}

#[tokio::test(start_paused = true)]
async fn delete_now_needs_no_grace_and_is_final() {
    let lab = two_backups().await;
    delete(&lab, "first", Removal::Hide).await;
    delete(&lab, "first", Removal::Now).await;
    assert_eq!(state(&lab, "first").await, None);
    let error = run_undelete(&lab.context(), &backup_name("first")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    // Every file of the first is in the second, too.
    prune(&lab).await;
    hours(&lab, 100);
    let report = prune(&lab).await;
    assert_eq!(report.files_deleted, 1, "only its list");
    assert_verifies(&lab, "second").await;
}

#[tokio::test(start_paused = true)]
async fn another_cluster_is_not_deleted_from_here() {
    let lab = two_backups().await;
    let other = JobContext { cluster: ClusterName::new("c2").unwrap(), ..lab.context() };
    run_backup(&other, request("theirs")).await.unwrap();
    let name = backup_name("theirs");
    let error = run_delete(&lab.context(), &name, Removal::Now).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.remedy().unwrap().contains("`c2`"), "{error:?}");
    let mut moved = lab.context();
    moved.identity.address = "http://elsewhere:19530".to_owned();
    let first = backup_name("first");
    let error = run_delete(&moved, &first, Removal::Hide).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(run_prune(&moved, None, Prune::Apply).await.unwrap_err().kind(), ErrorKind::Refused);
}

#[tokio::test(start_paused = true)]
async fn dead_attempts_go_after_a_while_with_plan_and_lease() {
    let lab = two_backups().await;
    let process = Process::immortal();
    run_backup(&process.context(lab.context()), request("whole")).await.unwrap();
    let dying = Process::killed_after(process.calls() - 8);
    let context = dying.context(lab.context());
    lab.fill("films", 20..22).await;
    assert!(dying.run(run_backup(&context, request("dead"))).await.is_none());
    hours(&lab, 71);
    let before = shared(&lab).await;
    let report = prune(&lab).await;
    assert_eq!(verdict(&report, "dead").0, Verdict::Leave, "{report:?}");
    assert!(leases(&lab).await.iter().any(|lease| lease.contains("/run-")));
    hours(&lab, 2);
    assert_eq!(verdict(&prune(&lab).await, "dead").0, Verdict::Delete);
    assert_eq!(state(&lab, "dead").await, None);
    assert!(!leases(&lab).await.iter().any(|lease| lease.contains("/run-")));
    assert_eq!(shared(&lab).await, before, "its plan was a reference until now");
    hours(&lab, 24);
    prune(&lab).await;
    assert_sound(&lab).await;
    assert_eq!(shared(&lab).await.0, 10);
}

#[tokio::test(start_paused = true)]
async fn requests_are_known_for_a_day_and_then_swept() {
    let lab = two_backups().await;
    let reserve = async |id: &str, agent: &str| {
        let asked = (&RequestId::new(id).unwrap(), "nightly");
        reserve_request(&lab.context(), asked, agent).await.unwrap()
    };
    assert_eq!(reserve("old", "a").await, Reserved::Ours);
    let strange = ObjectKey::new("c1/_requests/notes.txt").unwrap();
    lab.repository.put(&strange, "mine".into(), PutMode::IfAbsent).await.unwrap();
    hours(&lab, 23);
    assert_eq!(reserve("new", "a").await, Reserved::Ours);
    prune(&lab).await;
    assert!(matches!(reserve("old", "b").await, Reserved::Elsewhere { .. }), "it is 23 h old");
    hours(&lab, 2);
    let plan = run_prune(&lab.context(), None, Prune::Plan).await.unwrap();
    let (gone, why) = verdict(&plan, "_requests");
    assert_eq!((gone, why), (Verdict::Delete, "1 request older than 24h"));
    prune(&lab).await;
    assert_eq!(reserve("old", "b").await, Reserved::Ours, "nobody remembers it");
    lab.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(reserve("old", "b").await, Reserved::OursBefore);
    assert!(matches!(reserve("new", "b").await, Reserved::Elsewhere { .. }));
    assert!(lab.repository.find_bytes(&strange).await.unwrap().is_some(), "that is not ours");
}

#[tokio::test(start_paused = true)]
async fn a_live_run_stays_and_a_sweep_gives_up_while_it_plans() {
    let lab = two_backups().await;
    delete(&lab, "first", Removal::Now).await;
    prune(&lab).await;
    hours(&lab, 1000);
    let context = lab.context();
    let cluster = context_cluster(&context).await;
    let run = Run::reserve(
        &cluster,
        Reservation {
            name: backup_name("live"),
            policy: String::new(),
            trigger: "test".to_owned(),
            job: None,
            unfinished: Unfinished::Leave,
        },
        &*context.clock,
    );
    let run = run.await.unwrap();
    let report = prune(&lab).await;
    assert_eq!(verdict(&report, "live").0, Verdict::Keep);
    let (kept, why) = verdict(&report, "_segments");
    assert!(kept == Verdict::Leave && why.contains("`live`"), "{report:?}");
    for removal in [Removal::Hide, Removal::Now] {
        let error = run_delete(&context, &backup_name("live"), removal).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked);
    }
    run.save_plan(&FileList::default()).await.unwrap();
    let report = prune(&lab).await;
    let (kept, why) = verdict(&report, "_lists");
    assert!(kept == Verdict::Leave && why.contains("`live`"), "{report:?}");
    run.end("failed", "enough".to_owned(), context.clock.now()).await;
    assert_eq!(prune(&lab).await.files_deleted, 1);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_a_saved_plan_names_stays() {
    let lab = two_backups().await;
    let whole = Process::immortal();
    run_backup(&whole.context(lab.context()), request("whole")).await.unwrap();
    let mut reached = false;
    for calls in 20..whole.calls() {
        let lab = two_backups().await;
        let process = Process::killed_after(calls);
        let context = process.context(lab.context());
        assert!(process.run(run_backup(&context, request("dead"))).await.is_none());
        let planned = keys(&lab.repository).await.contains(&"c1/dead/plan.jsonl.zst".to_owned());
        delete(&lab, "first", Removal::Now).await;
        delete(&lab, "second", Removal::Now).await;
        prune(&lab).await;
        hours(&lab, 25);
        let files = shared(&lab).await.0;
        let told = run_prune(&lab.context(), Some(&staging(&lab)), Prune::Plan).await.unwrap();
        let goes = |row: &VerdictRow| row.name == "_segments" && row.verdict == Verdict::Delete;
        prune(&lab).await;
        reached |= planned;
        if planned && state(&lab, "dead").await != Some(BackupState::Complete) {
            assert!(!told.verdicts.iter().any(goes), "{calls} calls: {told:?}");
            assert_eq!(shared(&lab).await.0, files, "{calls} calls");
        }
        hours(&lab, 72);
        prune(&lab).await;
        hours(&lab, 25);
        prune(&lab).await;
        let whole = state(&lab, "dead").await == Some(BackupState::Complete);
        assert_eq!(shared(&lab).await.0, if whole { 10 } else { 0 }, "{calls} calls");
        assert_sound(&lab).await;
    }
    assert!(reached);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_stops_the_sweep_and_nothing_else() {
    let cut = Bytes::from_static(b"{\"version\":1");
    let newer = Bytes::from_static(b"{\"version\":9}");
    let spoiled = [
        ("c1/second/manifest.json", &cut),
        ("c1/second/manifest.json", &newer),
        ("c1/strange-name/manifest.json", &cut),
        ("c1/odd/plan.jsonl.zst", &cut),
        ("c1/odd/attempt.json", &newer),
        ("c1/_lists/", &cut),
    ];
    for (key, content) in spoiled {
        let lab = two_backups().await;
        lab.fill("films", 30..31).await;
        lab.backup("third").await;
        delete(&lab, "third", Removal::Now).await;
        prune(&lab).await;
        hours(&lab, 25);
        let all = keys(&lab.repository).await;
        // Of the two lists at least one is referred to.
        for key in if key.ends_with('/') {
            all.iter().filter(|found| found.starts_with(key)).map(String::as_str).collect()
        } else {
            vec![key]
        } {
            let key = ObjectKey::new(key).unwrap();
            lab.repository.put(&key, content.clone(), PutMode::Overwrite).await.unwrap();
        }
        delete(&lab, "first", Removal::Hide).await;
        hours(&lab, 49);
        let before = shared(&lab).await;
        let report = run_prune(&lab.context(), None, Prune::Apply).await;
        if key.contains("strange-name") {
            assert!(report.is_err_and(|error| error.kind() == ErrorKind::Damaged));
        } else {
            let report = report.unwrap();
            assert!(report.refused.is_some(), "{key}: {report:?}");
            assert_eq!(state(&lab, "first").await, None, "{key}");
        }
        assert_eq!(shared(&lab).await, before, "{key}");
        let plan = run_prune(&lab.context(), None, Prune::Plan).await;
        assert!(plan.is_ok_and(|plan| plan.refused.is_some()) || key.contains("strange-name"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_deleted_is_told_and_tried_again() {
    let lab = two_backups().await;
    delete(&lab, "second", Removal::Now).await;
    prune(&lab).await;
    hours(&lab, 25);
    let store = lab.faulty();
    store.fail(StoreOp::Delete, "/_segments/", StoreErrorKind::PermissionDenied, 2);
    let context = lab.context_over(Arc::<FaultyStore>::clone(&store));
    let report = run_prune(&context, None, Prune::Apply).await.unwrap();
    assert_eq!((report.files_deleted, report.errors.len()), (4, 1), "{report:?}");
    assert_eq!(prune(&lab).await.files_deleted, 2);
    assert_eq!(prune(&lab).await.files_deleted, 0);
    assert_verifies(&lab, "first").await;
}

#[tokio::test(start_paused = true)]
async fn a_backup_that_is_being_restored_is_not_deleted() {
    let lab = two_backups().await;
    let mut options = restore_of("first");
    options.request.suffix = Some("_copy".to_owned());
    let process = Process::halted_before(30, Stop::OneCall);
    let context = process.context(lab.context());
    let staged = process.staging(lab.staging());
    let amid = async {
        let left = ledgers(&lab).await;
        assert_eq!(left.len(), 1);
        for removal in [Removal::Hide, Removal::Now] {
            let error = run_delete(&lab.context(), &backup_name("first"), removal).await;
            assert_eq!(error.unwrap_err().kind(), ErrorKind::Locked);
        }
        // Someone else hid it long ago.
        let tombstone = format!(r#"{{"version":1,"at":"{}","reason":"old"}}"#, lab.clock.now());
        let key = ObjectKey::new("c1/first/tombstone.json").unwrap();
        lab.repository.put(&key, tombstone.into(), PutMode::IfAbsent).await.unwrap();
        hours(&lab, 1000);
        let staged = keys(&lab.staging).await;
        let report = prune(&lab).await;
        let ledger = left[0].strip_prefix("c1/").unwrap();
        assert_eq!(verdict(&report, ledger).0, Verdict::Keep);
        let (kept, why) = verdict(&report, "first");
        assert!(kept == Verdict::Leave && why.contains("reads it"), "{why}");
        assert_eq!(keys(&lab.staging).await, staged);
    };
    let (restored, ()) = process.amid(run_restore(&context, &staged, &options), amid).await;
    assert_eq!(restored.unwrap().outcome, RunOutcome::Complete);
    assert_eq!(verdict(&prune(&lab).await, "first").0, Verdict::Delete);
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_restore_staged_goes_and_its_collection_is_told() {
    let lab = two_backups().await;
    let mut options = restore_of("first");
    options.request.suffix = Some("_copy".to_owned());
    let whole = Process::immortal();
    let context = whole.context(lab.context());
    run_restore(&context, &whole.staging(lab.staging()), &options).await.unwrap();
    let mut staged_once = false;
    for calls in 0..whole.calls() {
        let lab = two_backups().await;
        let process = Process::killed_after(calls);
        let context = process.context(lab.context());
        let staged = process.staging(lab.staging());
        let restore = Box::pin(run_restore(&context, &staged, &options));
        assert!(process.run(restore).await.is_none());
        staged_once |= !keys(&lab.staging).await.is_empty();
        let left = ledgers(&lab).await;
        let report = prune(&lab).await;
        assert!(keys(&lab.staging).await.is_empty(), "{calls}: {report:?}");
        assert_eq!(ledgers(&lab).await, left);
        for ledger in left {
            let (kept, why) = verdict(&report, ledger.strip_prefix("c1/").unwrap());
            assert_eq!(kept, Verdict::Leave);
            assert!(why.contains("run it again"), "{why}");
        }
        let orphans = leases(&lab).await.iter().filter(|l| l.contains("/restore-")).count();
        // A restore that ends removes its lease before its ledger.
        assert!(orphans <= ledgers(&lab).await.len());
        if let Err(error) = lab.restore(&options).await {
            assert!(error.chain().contains("films_copy"), "{calls}: {}", error.chain());
            assert!(ledgers(&lab).await.is_empty(), "it is done");
        }
    }
    assert!(staged_once);
}

#[tokio::test(start_paused = true)]
async fn a_restore_and_a_delete_see_each_other() {
    let mut options = restore_of("first");
    options.request.suffix = Some("_copy".to_owned());
    let lab = two_backups().await;
    let whole = Process::immortal();
    let context = whole.context(lab.context());
    run_restore(&context, &whole.staging(lab.staging()), &options).await.unwrap();
    for calls in 0..whole.calls() {
        let lab = two_backups().await;
        let process = Process::halted_before(calls, Stop::OneCall);
        let context = process.context(lab.context());
        let staged = process.staging(lab.staging());
        let name = backup_name("first");
        let deleting = lab.context();
        let delete = run_delete(&deleting, &name, Removal::Now);
        let restore = run_restore(&context, &staged, &options);
        let (restored, deleted) = process.amid(restore, delete).await;
        let why = format!("{calls}: {restored:?} {deleted:?}");
        match (restored, deleted) {
            // Either the restore was whole, or it was told; never half a backup as a whole.
            (Ok(report), _) => {
                let rows = lab.milvus.rows(&namespace("films_copy"));
                assert_eq!(report.outcome, RunOutcome::Complete, "{why}");
                assert!(rows.is_some_and(|rows| rows["_default"].len() == 5), "{why}");
            }
            (Err(error), Ok(_)) => assert_eq!(error.kind(), ErrorKind::NotFound, "{why}"),
            (Err(_), Err(_)) => panic!("{why}"),
        }
    }
}

/// What lies in one folder, in another one, too: `cp -r`.
async fn copy(lab: &Lab, from: &str, to: &str) {
    for (key, bytes) in snapshot(&lab.repository).await {
        if let Some(rest) = key.strip_prefix(&format!("c1/{from}/")) {
            let key = ObjectKey::new(format!("c1/{to}/{rest}")).expect("a key");
            lab.repository.put(&key, bytes, PutMode::Overwrite).await.expect("it is written");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_copied_folder_is_a_damaged_backup_whose_files_stay() {
    let lab = two_backups().await;
    copy(&lab, "second", "second_copy").await;
    let list = run_list(&lab.context(), Sizes::Known).await.unwrap();
    let row = list.iter().find(|row| row.name == "second_copy").unwrap();
    let why = "it is a copy of backup `second`: rename the folder back or delete it";
    assert_eq!((row.state, row.reasons.as_slice()), (BackupState::Damaged, &[why.to_owned()][..]));
    let before = shared(&lab).await;
    delete(&lab, "second", Removal::Now).await;
    for _ in 0..3 {
        let report = prune(&lab).await;
        let (verdict, why) = verdict(&report, "second_copy");
        assert!(verdict == Verdict::Leave && why.contains("a copy of backup `second`"), "{why}");
        hours(&lab, 25);
    }
    assert_eq!(shared(&lab).await, before, "the copy may be renamed back");
    copy(&lab, "second_copy", "second").await;
    delete(&lab, "second_copy", Removal::Now).await;
    assert_verifies(&lab, "second").await;
}

#[tokio::test(start_paused = true)]
async fn a_manifest_in_a_folder_that_no_backup_can_have_stops_a_prune_until_it_is_moved() {
    let lab = two_backups().await;
    copy(&lab, "second", "second copy").await;
    let error = run_prune(&lab.context(), None, Prune::Apply).await.unwrap_err();
    let told = "/c1/second copy/manifest.json` is in a folder that no backup can have";
    assert!(error.chain().contains(told), "{}", error.chain());
    assert_eq!(error.kind(), ErrorKind::Damaged);
    let remedy = error.remedy().unwrap();
    assert!(remedy.starts_with("move that folder out of the cluster's folder"), "{remedy}");
    for key in keys(&lab.repository).await {
        if key.starts_with("c1/second copy/") {
            lab.repository.delete(&[ObjectKey::new(key).unwrap()]).await.unwrap();
        }
    }
    prune(&lab).await;
}
