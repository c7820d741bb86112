//! Folders that Milvus imports as they lie in the repository, and when it must not.

use std::time::Duration;

use bytes::Bytes;
use milvus_backup_agent::job::{JobResult, RestoreReport, RunOutcome, run_restore};
use milvus_backup_agent::milvus::testing::{ImportScript, MilvusCall};
use milvus_backup_agent::model::ObjectKey;
use milvus_backup_agent::storage::{ObjectStore, ObjectStoreExt, PutMode};

use crate::support::{
    Lab, PARTITION, collections, keys, ledgers, namespace, restore_beside, restore_of,
};

/// A backup called `b` of `default.films`, which has two partitions and deleted rows.
async fn lab() -> Lab {
    let lab = Lab::new();
    let films = lab.fill("films", 0..5).await;
    lab.milvus.add_partition(&films, "old");
    lab.milvus.insert(&films, "old", ["90", "91"]);
    lab.milvus.delete(&films, PARTITION, ["1"]);
    lab.fill("films", 5..8).await;
    lab.backup("b").await;
    lab
}

async fn restore(lab: &Lab, name: &str) -> JobResult<RestoreReport> {
    run_restore(&lab.context(), &lab.staging_in_place(), &restore_beside(name)).await
}

/// The bytes that a complete restore staged.
fn staged(report: &RestoreReport) -> u64 {
    assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
    report.collections.iter().map(|collection| collection.bytes_staged).sum()
}

async fn assert_restored(lab: &Lab) {
    let restored = lab.milvus.rows(&namespace("films_r"));
    assert_eq!(restored, lab.milvus.rows(&namespace("films")));
    assert_eq!(collections(lab).await, ["default.films", "default.films_r"]);
    assert!(keys(&lab.staging).await.is_empty() && ledgers(lab).await.is_empty());
}

/// A file of the backup that matches.
async fn file(lab: &Lab, part: &str) -> ObjectKey {
    let all = keys(&lab.repository).await;
    let found = all.into_iter().find(|key| key.contains("/_segments/") && key.contains(part));
    ObjectKey::new(found.expect("a file")).expect("it is a key")
}

#[tokio::test(start_paused = true)]
async fn what_lies_there_as_it_was_backed_up_is_not_staged() {
    let lab = lab().await;
    let before = lab.milvus.calls(MilvusCall::Import);
    let report = restore(&lab, "b").await.unwrap();
    assert_eq!(staged(&report), 0);
    assert_eq!(report.collections[0].rows_deleted, 1, "{report:?}");
    assert_eq!(lab.milvus.calls(MilvusCall::Import) - before, 2, "one for each partition");
    assert_restored(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_has_grown_since_is_staged() {
    let lab = lab().await;
    let films = namespace("films");
    let rows = lab.milvus.rows(&films);
    lab.milvus.delete(&films, PARTITION, ["2"]);
    lab.fill("films", 20..25).await;
    lab.backup("later").await;
    // The newest has all that lies there.
    assert_eq!(staged(&restore(&lab, "later").await.unwrap()), 0);
    assert_restored(&lab).await;
    let mut options = restore_of("b");
    options.request.suffix = Some("_b".to_owned());
    let older = run_restore(&lab.context(), &lab.staging_in_place(), &options).await.unwrap();
    assert!(staged(&older) > 0, "{older:?}");
    assert_eq!(lab.milvus.rows(&namespace("films_b")), rows);
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_grows_under_an_import_is_not_trusted() {
    let lab = lab().await;
    let twin = file(&lab, "/insert_log/").await;
    let body = lab.repository.get_bytes(&twin).await.unwrap();
    let (folder, _) = twin.as_str().rsplit_once('/').unwrap();
    let added = ObjectKey::new(format!("{folder}/99")).unwrap();
    let before = lab.milvus.calls(MilvusCall::CreateCollection);
    let grow = async {
        // Imports are asked about every 250 ms, and end at the second look.
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(lab.milvus.calls(MilvusCall::Import), 1, "the import has begun");
        lab.repository.put(&added, body, PutMode::IfAbsent).await.unwrap();
    };
    let (report, ()) = tokio::join!(restore(&lab, "b"), grow);
    assert!(staged(&report.unwrap()) > 0);
    assert_eq!(lab.milvus.calls(MilvusCall::CreateCollection) - before, 2, "filled anew");
    assert_restored(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn what_milvus_does_not_see_there_is_staged() {
    let lab = lab().await;
    lab.milvus.script_import(ImportScript::Unseen);
    let before = lab.milvus.calls(MilvusCall::CreateCollection);
    assert!(staged(&restore(&lab, "b").await.unwrap()) > 0);
    assert_eq!(lab.milvus.calls(MilvusCall::CreateCollection) - before, 1, "nothing was imported");
    assert_restored(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn what_milvus_cannot_import_there_is_staged() {
    let lab = lab().await;
    lab.milvus.script_import(ImportScript::Fail("permission denied".to_owned()));
    assert!(staged(&restore(&lab, "b").await.unwrap()) > 0);
    assert_restored(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn an_import_in_place_that_runs_out_of_time_is_filled_anew() {
    let lab = lab().await;
    lab.milvus.script_import(ImportScript::Hang);
    let before = lab.milvus.calls(MilvusCall::CreateCollection);
    assert_eq!(staged(&restore(&lab, "b").await.unwrap()), 0);
    assert_eq!(lab.milvus.calls(MilvusCall::CreateCollection) - before, 2);
    assert_restored(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_with_another_byte_is_not_imported_in_place_either() {
    let lab = lab().await;
    let key = file(&lab, "/insert_log/").await;
    let mut body = lab.repository.get_bytes(&key).await.unwrap().to_vec();
    body[0] ^= 1;
    lab.repository.put(&key, Bytes::from(body), PutMode::Overwrite).await.unwrap();
    let report = restore(&lab, "b").await.unwrap();
    let why = report.collections[0].error.clone().unwrap();
    assert!(why.contains(key.as_str()) && why.contains("is not what was written"), "{why}");
    assert_eq!(lab.milvus.calls(MilvusCall::Import), 0);
    assert_eq!(collections(&lab).await, ["default.films"]);
}
