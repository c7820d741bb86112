//! How a backup ends when Milvus, its storage or the repository do not do as they should.

use std::sync::Arc;
use std::time::Duration;

use milvus_backup_agent::catalog::BackupState;
use milvus_backup_agent::config::MinFree;
use milvus_backup_agent::job::{
    BackupReport, BackupRequest, JobResult, RunOutcome, Sizes, run_backup, run_list,
};
use milvus_backup_agent::milvus::testing::MilvusCall;
use milvus_backup_agent::milvus::{MilvusApi, MilvusErrorKind};
use milvus_backup_agent::model::{ErrorKind, KeyPrefix, ObjectKey};
use milvus_backup_agent::policy::CollectionSelector;
use milvus_backup_agent::storage::testing::{Cut, FaultyStore};
use milvus_backup_agent::storage::{ObjectStore, ObjectStoreExt, Space, StoreErrorKind, StoreOp};

use crate::support::{
    Lab, Process, assert_sound, assert_verifies, keys, leases, namespace, request, snapshot, state,
    states,
};

/// `default.books` and `default.films` with a few rows.
async fn lab() -> Lab {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    lab.fill("books", 0..4).await;
    lab
}

async fn backup(lab: &Lab, name: &str) -> JobResult<BackupReport> {
    run_backup(&lab.context(), request(name)).await
}

/// The collections of a report that failed, and why.
fn failures(report: &BackupReport) -> Vec<(&str, &str)> {
    let failed = report.collections.iter().filter(|c| c.outcome == RunOutcome::Failed);
    failed.map(|c| (c.name.as_str(), c.error.as_deref().unwrap_or_default())).collect()
}

/// Why the only listed backup is not complete.
async fn reasons(lab: &Lab) -> String {
    let rows = run_list(&lab.context(), Sizes::Known).await.expect("a list");
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows[0].reasons.join("; ")
}

#[tokio::test(start_paused = true)]
async fn a_whole_backup_is_listed_verified_and_leaves_nothing_else() {
    let lab = lab().await;
    let report = lab.backup("b").await;
    assert_eq!((report.files_copied, report.files_reused, report.rows), (10, 0, 9));
    assert_eq!(state(&lab, "b").await, Some(BackupState::Complete));
    assert_verifies(&lab, "b").await;
    let all = keys(&lab.repository).await;
    let other: Vec<&str> = all
        .iter()
        .filter(|key| !key.contains("/_segments/") && !key.contains("/_lists/"))
        .map(String::as_str)
        .collect();
    let expected =
        ["_repository.json", "c1/_cluster.json", "c1/b/attempt.json", "c1/b/manifest.json"];
    assert_eq!(other, expected);
}

#[tokio::test(start_paused = true)]
async fn a_collection_dropped_during_the_run_costs_only_itself() {
    let lab = lab().await;
    let dropped = async {
        // The run waits for its first flush; by then it has chosen its collections.
        tokio::time::sleep(Duration::from_millis(500)).await;
        lab.milvus.drop_collection(&namespace("books")).await
    };
    let (report, _) = tokio::join!(backup(&lab, "b"), dropped);
    let report = report.unwrap();
    assert_eq!(report.outcome, RunOutcome::Partial);
    let why = "default.books was dropped meanwhile (find default.books: collection not found)";
    assert_eq!(failures(&report), [("books", why)]);
    assert_eq!(state(&lab, "b").await, Some(BackupState::Partial));
    assert_eq!(reasons(&lab).await, format!("default.books: {why}"));
    assert_verifies(&lab, "b").await;
}

#[tokio::test(start_paused = true)]
async fn what_a_restore_is_filling_is_left_out() {
    let lab = lab().await;
    lab.fill("films__restoring_0123abcd", 0..4).await;
    let report = backup(&lab, "b").await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete);
    let names: Vec<&str> = report.collections.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["books", "films"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_without_any_good_collection_fails_and_says_why() {
    let lab = lab().await;
    for nth in [1, 2] {
        lab.milvus.fail(MilvusCall::Flush, nth, MilvusErrorKind::Other);
    }
    let error = backup(&lab, "b").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(error.to_string().contains("default.films: Flush: scripted"), "{error}");
    assert_eq!(state(&lab, "b").await, Some(BackupState::Failed));
    assert!(reasons(&lab).await.starts_with("no collection could be backed up"));
    assert!(leases(&lab).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_compaction_after_the_flush_is_flushed_again() {
    let lab = lab().await;
    let before = lab.milvus.calls(MilvusCall::Flush);
    lab.milvus.compact_before_listings(&namespace("films"), 1);
    let report = lab.backup("b").await;
    assert_eq!(report.rows, 9);
    assert_eq!(lab.milvus.calls(MilvusCall::Flush) - before, 3, "two collections, one twice");
    assert_verifies(&lab, "b").await;
}

#[tokio::test(start_paused = true)]
async fn a_collection_that_never_stops_compacting_fails() {
    let lab = lab().await;
    lab.milvus.compact_before_listings(&namespace("films"), 4);
    let report = backup(&lab, "b").await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Partial);
    let failed = failures(&report);
    assert!(failed[0].0 == "films" && failed[0].1.starts_with("compacting: "), "{failed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_misaligned_segment_is_named_with_its_collection() {
    let lab = lab().await;
    let films = namespace("films");
    let segment = lab.milvus.persistent_segments(&films).await.unwrap().remove(0);
    let logs = lab.source.list_all(&KeyPrefix::new("insert_log").unwrap()).await.unwrap();
    let of_segment = format!("/{}/101/", segment.id);
    let log = logs.iter().find(|log| log.key.as_str().contains(&of_segment)).unwrap();
    lab.source.delete(std::slice::from_ref(&log.key)).await.unwrap();
    let report = backup(&lab, "b").await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Partial);
    let why = format!(
        "segment {} is misaligned: field 101 has 0 files where 1 were expected",
        segment.id
    );
    assert_eq!(failures(&report), [("films", why.as_str())]);
}

#[tokio::test(start_paused = true)]
async fn a_run_ends_when_milvus_stops_answering() {
    let lab = lab().await;
    let calls = [
        MilvusCall::Flush,
        MilvusCall::IsFlushed,
        MilvusCall::PersistentSegments,
        MilvusCall::Describe,
        MilvusCall::Indexes,
        MilvusCall::Partitions,
        MilvusCall::LoadState,
    ];
    for (number, call) in calls.into_iter().enumerate() {
        lab.milvus.fail(call, 2, MilvusErrorKind::Unreachable);
        let name = format!("b{number}");
        let error = backup(&lab, &name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{call:?}");
        assert!(error.remedy().is_some_and(|hint| hint.contains("milvus.address")), "{call:?}");
        assert_eq!(state(&lab, &name).await, Some(BackupState::Failed), "{call:?}");
    }
    assert!(leases(&lab).await.is_empty());
    lab.milvus.cut();
    let error = backup(&lab, "down").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(state(&lab, "down").await, None, "a name was reserved for nothing");
    lab.milvus.reconnect();
    lab.backup("up").await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_says_so_and_gives_its_lease_back() {
    let lab = lab().await;
    let context = lab.context();
    let cancel = context.cancel.clone();
    let stop = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        cancel.cancel();
    };
    let (ended, ()) = tokio::join!(run_backup(&context, request("b")), stop);
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(state(&lab, "b").await, Some(BackupState::Failed));
    assert_eq!(reasons(&lab).await, "cancelled: stopped on request");
    assert!(leases(&lab).await.is_empty());
    lab.backup("next").await;
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_lease_cannot_be_renewed_ends() {
    let lab = lab().await;
    let store = lab.faulty();
    let mut context = lab.context_over(Arc::<FaultyStore>::clone(&store));
    let stuck = Process::killed_after(3);
    context.source = Some(stuck.store(Arc::clone(&lab.source)));
    let fail = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        store.fail(StoreOp::Put, "/_leases/", StoreErrorKind::Transient, 99);
    };
    let (ended, ()) = tokio::join!(run_backup(&context, request("b")), fail);
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Locked);
    let why = reasons(&lab).await;
    assert!(
        why.starts_with("the lease `run-") && why.ends_with("could not be written in time"),
        "{why}"
    );
    assert!(leases(&lab).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_cleaned_up_after_publishes_nothing() {
    for lost in ["attempt.json", "/_leases/"] {
        let lab = lab().await;
        let clean = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let all = keys(&lab.repository).await;
            let key = all.into_iter().find(|key| key.contains(lost)).expect("the run is at work");
            lab.repository.delete(&[ObjectKey::new(key).unwrap()]).await
        };
        let (ended, _) = tokio::join!(backup(&lab, "b"), clean);
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::Locked, "{lost}");
        assert_eq!(state(&lab, "b").await, Some(BackupState::Failed), "{lost}");
        lab.backup("next").await;
        assert_sound(&lab).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_repository_is_refused_before_the_first_byte() {
    let lab = lab().await;
    lab.repository.set_space(Some(Space { free: 1 << 20, total: 1 << 30 }));
    let mut context = lab.context();
    context.min_free = MinFree::Bytes(1 << 20);
    let error = run_backup(&context, request("b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.remedy().is_some_and(|hint| hint.contains("min_free")), "{error:?}");
    assert!(error.chain().contains("1.00 MiB free"), "{}", error.chain());
    assert!(!keys(&lab.repository).await.iter().any(|key| key.contains("_segments")));
    assert_eq!(state(&lab, "b").await, Some(BackupState::Failed));
    assert!(leases(&lab).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_repository_that_fails_ends_the_run() {
    for kind in [StoreErrorKind::Full, StoreErrorKind::PermissionDenied, StoreErrorKind::Other] {
        let lab = lab().await;
        let store = lab.faulty();
        store.fail(StoreOp::Put, "/_segments/", kind, 1);
        let context = lab.context_over(Arc::<FaultyStore>::clone(&store));
        let error = run_backup(&context, request("b")).await.unwrap_err();
        let denied = kind == StoreErrorKind::PermissionDenied;
        let expected = if denied { ErrorKind::NotAuthorised } else { ErrorKind::Failed };
        assert_eq!(error.kind(), expected, "{kind:?}");
        assert_eq!(state(&lab, "b").await, Some(BackupState::Failed));
        lab.backup("next").await;
        assert_sound(&lab).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_only_repository_is_an_error_and_stays_as_it_was() {
    let lab = lab().await;
    lab.backup("b").await;
    let before = snapshot(&lab.repository).await;
    let store = lab.faulty();
    store.make_read_only();
    let context = lab.context_over(Arc::<FaultyStore>::clone(&store));
    let error = run_backup(&context, request("next")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert_eq!(error.remedy(), Some("mount it read-write, or choose another repository"));
    assert_eq!(snapshot(&lab.repository).await, before);
    let listed = run_list(&context, Sizes::Unique).await.unwrap();
    assert_eq!(listed.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_file_of_milvus_that_breaks_off_costs_its_collection() {
    for cut in [Cut::WithError, Cut::Silently] {
        let lab = lab().await;
        let source = Arc::new(FaultyStore::new(Arc::clone(&lab.source)));
        source.truncate("insert_log", 3, cut);
        let mut context = lab.context();
        context.source = Some(source);
        context.retries = 0;
        let ended = run_backup(&context, request("b")).await;
        assert_sound(&lab).await;
        match ended {
            Ok(report) => assert_eq!(failures(&report).len(), 1, "{cut:?}: {report:?}"),
            // A store that breaks its contract is not told from a repository that does.
            Err(error) => assert_eq!((cut, error.kind()), (Cut::Silently, ErrorKind::Failed)),
        }
        lab.backup("next").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_finds_nothing_says_so() {
    let lab = Lab::new();
    let error = backup(&lab, "b").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NothingToDo);
    lab.fill("films", 0..1).await;
    let select = async |pattern: &str| {
        let selector = CollectionSelector::parse([pattern]).unwrap();
        run_backup(&lab.context(), BackupRequest { selector, ..request("b") }).await.unwrap_err()
    };
    assert_eq!(select("default.flims").await.kind(), ErrorKind::Usage);
    assert_eq!(select("!default.films").await.kind(), ErrorKind::NothingToDo);
    assert!(states(&lab).await.is_empty());
}
