//! What goes wrong in a restore, and what is left of it.

use std::sync::Arc;
use std::time::Duration;

use milvus_backup_agent::catalog::{Cluster, Lease, Repository, delete_ledger, put_ledger};
use milvus_backup_agent::job::{RunOutcome, Staging, run_restore};
use milvus_backup_agent::manifest::{RestoreItem, RestoreLedger, RestoreStep};
use milvus_backup_agent::milvus::testing::{ImportScript, MilvusCall};
use milvus_backup_agent::milvus::{MilvusApi, MilvusErrorKind};
use milvus_backup_agent::model::{Clock, ErrorKind, LoadState, ObjectKey};
use milvus_backup_agent::storage::{MemoryStore, ObjectStore};

use crate::drill::index;
use crate::support::{
    Lab, PARTITION, collections, keys, leases, ledgers, namespace, restore_beside, restore_of,
};

/// A backup called `b` of `default.books` and `default.films`.
async fn lab() -> Lab {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    lab.milvus.delete(&namespace("films"), PARTITION, ["1"]);
    lab.fill("films", 5..9).await;
    lab.fill("books", 0..4).await;
    lab.backup("b").await;
    lab
}

/// The probe of the staging folder is the first import: this one is the first of rows.
fn script_first_rows(lab: &Lab, script: ImportScript) {
    lab.milvus.script_import(ImportScript::Fail("failed to parse probe".to_owned()));
    lab.milvus.script_import(script);
}

#[tokio::test(start_paused = true)]
async fn an_import_that_fails_costs_its_collection_and_leaves_nothing_of_it() {
    let lab = lab().await;
    script_first_rows(&lab, ImportScript::Fail("no space left".to_owned()));
    let report = lab.restore(&restore_beside("b")).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Partial);
    let (books, films) = (&report.collections[0], &report.collections[1]);
    assert_eq!(books.outcome, RunOutcome::Failed);
    assert!(books.error.as_deref().is_some_and(|why| why.contains("no space left")), "{books:?}");
    assert_eq!(films.outcome, RunOutcome::Complete);
    assert_eq!(collections(&lab).await, ["default.books", "default.films", "default.films_r"]);
    assert!(keys(&lab.staging).await.is_empty() && leases(&lab).await.is_empty());

    let again = lab.restore(&restore_beside("b")).await.unwrap();
    assert_eq!(again.outcome, RunOutcome::Complete, "{again:?}");
    assert_eq!(lab.milvus.rows(&namespace("books_r")), lab.milvus.rows(&namespace("books")));
    assert!(ledgers(&lab).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_load_that_fails_costs_its_collection_and_says_how_to_do_without() {
    let lab = lab().await;
    for name in ["books", "films"] {
        index(&lab, name).await;
        let loaded = LoadState::Loaded { replicas: 1 };
        lab.milvus.load(&namespace(name), &loaded).await.unwrap();
    }
    lab.backup("loaded").await;
    lab.milvus.fail(MilvusCall::LoadPercent, 1, MilvusErrorKind::Other);
    let report = lab.restore(&restore_beside("loaded")).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Partial, "{report:?}");
    let books = &report.collections[0];
    assert!(books.error.as_deref().is_some_and(|why| why.contains("`--skip-load`")), "{books:?}");
    assert_eq!(collections(&lab).await, ["default.books", "default.films", "default.films_r"]);
}

#[tokio::test(start_paused = true)]
async fn an_import_that_runs_out_of_time_is_filled_anew_without_duplicates() {
    for script in
        [ImportScript::Fail("the import task has timed out".to_owned()), ImportScript::Hang]
    {
        let lab = lab().await;
        script_first_rows(&lab, script.clone());
        let before = lab.milvus.calls(MilvusCall::CreateCollection);
        let report = lab.restore(&restore_beside("b")).await.unwrap();
        assert_eq!(report.outcome, RunOutcome::Complete, "{script:?}: {report:?}");
        assert_eq!(lab.milvus.calls(MilvusCall::CreateCollection) - before, 3, "one twice");
        for name in ["books", "films"] {
            let restored = namespace(&format!("{name}_r"));
            assert_eq!(lab.milvus.rows(&restored), lab.milvus.rows(&namespace(name)));
        }
        let films = &report.collections[1];
        assert_eq!((films.rows_stored, films.rows_imported), (9, 8));
        assert!(keys(&lab.staging).await.is_empty() && ledgers(&lab).await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn imports_that_always_run_out_of_time_fail_with_a_remedy() {
    let lab = lab().await;
    lab.milvus.script_import(ImportScript::Fail("failed to parse probe".to_owned()));
    for _ in 0..4 {
        lab.milvus.script_import(ImportScript::Fail("the import task has timed out".to_owned()));
    }
    let report = lab.restore(&restore_beside("b")).await.unwrap();
    let why = report.collections[0].error.clone().unwrap();
    assert!(why.contains("4 times") && why.contains("importTaskExpiration"), "{why}");
    assert_eq!(report.collections[1].outcome, RunOutcome::Complete);
    assert!(!collections(&lab).await.iter().any(|name| name.contains("__restoring_")));
}

#[tokio::test(start_paused = true)]
async fn a_staging_folder_that_milvus_cannot_see_ends_the_restore_before_any_row() {
    let lab = lab().await;
    let staging = Staging { seen_by_milvus: "/not/mounted".to_owned(), ..lab.staging() };
    let before = lab.milvus.calls(MilvusCall::Import);
    let error = run_restore(&lab.context(), &staging, &restore_beside("b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    let hint = error.remedy().unwrap();
    assert!(hint.contains("milvus_path") && hint.contains("repository.staging"), "{hint}");
    assert!(error.to_string().contains("/not/mounted/"), "{error}");
    assert_eq!(lab.milvus.calls(MilvusCall::Import) - before, 1, "rows were imported");
    assert_eq!(collections(&lab).await, ["default.books", "default.films"]);
    assert!(keys(&lab.staging).await.is_empty() && leases(&lab).await.is_empty());

    let again = lab.restore(&restore_beside("b")).await.unwrap();
    assert_eq!(again.outcome, RunOutcome::Complete);
    assert!(ledgers(&lab).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_second_restore_of_the_same_backup_waits_for_nobody_and_is_refused() {
    let lab = lab().await;
    script_first_rows(&lab, ImportScript::Hang);
    let (first, second) = (lab.context(), lab.context());
    let staging = lab.staging();
    let options = restore_beside("b");
    let first = run_restore(&first, &staging, &options);
    let second = async {
        tokio::time::sleep(Duration::from_mins(1)).await;
        run_restore(&second, &staging, &options).await
    };
    let (first, second) = tokio::join!(first, second);
    let error = second.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.to_string().contains("is at work"), "{error}");
    let first = first.unwrap();
    assert_eq!(first.outcome, RunOutcome::Complete, "it was disturbed: {first:?}");
    assert!(ledgers(&lab).await.is_empty() && leases(&lab).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn of_two_restores_that_start_at_once_nothing_is_left_half_done() {
    let lab = lab().await;
    let (first, second) = (lab.context(), lab.context());
    let (staging, options) = (lab.staging(), restore_beside("b"));
    let (first, second) = tokio::join!(
        run_restore(&first, &staging, &options),
        run_restore(&second, &staging, &options)
    );
    assert_eq!(first.unwrap().outcome, RunOutcome::Complete);
    // It waits until the first is done, whose collections are in its way then.
    assert_eq!(second.unwrap_err().kind(), ErrorKind::Refused);
    for name in ["books", "films"] {
        let restored = namespace(&format!("{name}_r"));
        assert_eq!(lab.milvus.rows(&restored), lab.milvus.rows(&namespace(name)));
    }
    let all = collections(&lab).await;
    assert!(!all.iter().any(|name| name.contains("__restoring_")), "{all:?}");
    assert!(keys(&lab.staging).await.is_empty());
    assert!(ledgers(&lab).await.is_empty() && leases(&lab).await.is_empty());
}

/// The ledger of a restore that had begun to swap `books` when it was last heard of.
fn swapping(lab: &Lab, replaces: Option<i64>) -> RestoreLedger {
    let item = RestoreItem {
        from: namespace("books"),
        to: namespace("books"),
        restoring: namespace("books__restoring_0123abcd"),
        step: RestoreStep::Swapping,
        aliases: Vec::new(),
        made: None,
        replaces,
        rows: None,
    };
    RestoreLedger {
        version: 1,
        id: "0123abcd".to_owned(),
        backup: restore_of("b").backup,
        target: lab.context().identity.server(),
        lease: "restore-0123abcd".to_owned(),
        started_at: lab.clock.now(),
        staging: Vec::new(),
        items: vec![item],
    }
}

fn cluster(lab: &Lab) -> Cluster {
    Repository::unopened(Arc::new(lab.repository.clone())).cluster(&lab.context().cluster)
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_its_own_restore_finishes_is_not_taken_over() {
    let lab = lab().await;
    let (cluster, ledger) = (cluster(&lab), swapping(&lab, None));
    let lease = Lease::take(&cluster, &ledger.lease).await.unwrap();
    put_ledger(&cluster, &ledger).await.unwrap();
    let finish = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        delete_ledger(&cluster, &lease, &ledger).await.unwrap();
        lease.release().await;
    };
    let options = restore_of("b");
    let (ended, ()) = tokio::join!(lab.restore(&options), finish);
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Refused);
    assert!(ledgers(&lab).await.is_empty(), "a finished ledger came back");
}

#[tokio::test(start_paused = true)]
async fn a_rerun_never_drops_what_someone_made_between_drop_and_rename() {
    let lab = lab().await;
    let books = namespace("books");
    let old = lab.milvus.describe(&books).await.unwrap().id;
    lab.milvus.drop_collection(&books).await.unwrap();
    lab.fill("books__restoring_0123abcd", 0..4).await;
    lab.fill("books", 70..75).await;
    let theirs = lab.milvus.rows(&books);
    put_ledger(&cluster(&lab), &swapping(&lab, Some(old))).await.unwrap();
    let mut options = restore_of("b");
    options.request.drop_existing = true;
    let error = lab.restore(&options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("made by someone else meanwhile"), "{error}");
    assert!(error.remedy().is_some_and(|hint| hint.contains("run again")));
    assert_eq!(lab.milvus.rows(&books), theirs);

    lab.milvus.drop_collection(&books).await.unwrap();
    assert_eq!(lab.restore(&options).await.unwrap().outcome, RunOutcome::Complete);
    assert!(ledgers(&lab).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_collection_that_someone_makes_meanwhile_is_left_alone() {
    let lab = lab().await;
    script_first_rows(&lab, ImportScript::Hang);
    let make = async {
        tokio::time::sleep(Duration::from_mins(1)).await;
        lab.fill("books_r", 70..75).await
    };
    let options = restore_beside("b");
    let (report, theirs) = tokio::join!(lab.restore(&options), make);
    let report = report.unwrap();
    assert_eq!(report.outcome, RunOutcome::Partial);
    let why = report.collections[0].error.as_deref().unwrap();
    assert!(why.contains("default.books_r was made, dropped or replaced meanwhile"), "{why}");
    assert_eq!(lab.milvus.rows(&theirs).unwrap()[PARTITION].len(), 5);
    assert!(!collections(&lab).await.iter().any(|name| name.contains("__restoring_")));
}

#[tokio::test(start_paused = true)]
async fn a_backup_with_a_lost_file_fails_that_collection_and_restores_the_others() {
    let lab = lab().await;
    let books = lab.backup("again").await;
    assert_eq!(books.files_copied, 0);
    let all = keys(&lab.repository).await;
    let lost = all.iter().rfind(|key| key.contains("/_segments/insert_log")).unwrap();
    lab.repository.delete(&[ObjectKey::new(lost.clone()).unwrap()]).await.unwrap();
    let report = lab.restore(&restore_beside("b")).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Partial, "{report:?}");
    let failed = report.collections.iter().find(|c| c.outcome == RunOutcome::Failed).unwrap();
    assert!(failed.error.as_deref().is_some_and(|why| why.contains(lost)), "{failed:?}");
    assert!(keys(&lab.staging).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn staging_that_moved_between_two_runs_is_not_in_the_way() {
    let lab = lab().await;
    let whole = crate::support::Process::killed_after(60);
    let staging = whole.staging(lab.staging());
    let context = whole.context(lab.context());
    let options = restore_beside("b");
    assert!(whole.run(Box::pin(run_restore(&context, &staging, &options))).await.is_none());
    let elsewhere = MemoryStore::default();
    let milvus = Staging {
        store: Arc::new(elsewhere.clone()),
        seen_by_milvus: "/x/".to_owned(),
        repository_seen: None,
    };
    let error = run_restore(&lab.context(), &milvus, &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(keys(&elsewhere).await.is_empty());
    assert_eq!(lab.restore(&options).await.unwrap().outcome, RunOutcome::Complete);
}

#[tokio::test(start_paused = true)]
async fn a_database_that_another_one_made_and_dropped_is_made_again() {
    let mut lab = Lab::new();
    lab.fill("other.books", 0..4).await;
    lab.backup("b").await;
    lab.lose_milvus();
    // A drill made it first, and drops it before there is a collection of ours in it.
    lab.milvus.fail(MilvusCall::CreateDatabase, 1, MilvusErrorKind::AlreadyExists);
    let report = lab.restore(&restore_of("b")).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
    assert_eq!(lab.milvus.calls(MilvusCall::CreateDatabase), 2);
    assert_eq!(collections(&lab).await, ["other.books"]);
}
