//! What a restore does not take on trust: files, Milvus's word, and that it is alone.

use std::sync::Arc;

use bytes::Bytes;
use milvus_backup_agent::job::{RunOutcome, run_restore};
use milvus_backup_agent::milvus::testing::{ImportScript, MilvusCall};
use milvus_backup_agent::model::{ErrorKind, ObjectKey};
use milvus_backup_agent::storage::testing::FaultyStore;
use milvus_backup_agent::storage::{ObjectStore, ObjectStoreExt, PutMode, StoreErrorKind, StoreOp};

use crate::support::{
    Lab, PARTITION, Process, collections, keys, leases, ledgers, namespace, restore_beside,
    staging_over,
};

/// A backup called `b` of `default.books` and `default.films`.
async fn lab() -> Lab {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    lab.fill("books", 0..4).await;
    lab.backup("b").await;
    lab
}

#[tokio::test(start_paused = true)]
async fn a_file_with_another_byte_is_never_imported() {
    let lab = lab().await;
    let all = keys(&lab.repository).await;
    let damaged = all.iter().rfind(|key| key.contains("/_segments/insert_log")).unwrap();
    let key = ObjectKey::new(damaged.clone()).unwrap();
    let mut body = lab.repository.get_bytes(&key).await.unwrap().to_vec();
    body[0] ^= 1;
    lab.repository.put(&key, Bytes::from(body), PutMode::Overwrite).await.unwrap();
    let before = lab.milvus.calls(MilvusCall::Import);
    let report = lab.restore(&restore_beside("b")).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Partial, "{report:?}");
    let failed = report.collections.iter().find(|c| c.outcome == RunOutcome::Failed).unwrap();
    let why = failed.error.as_deref().unwrap();
    assert!(why.contains(damaged) && why.contains("is not what was written"), "{why}");
    assert!(why.contains("verify --depth content"), "{why}");
    assert_eq!(lab.milvus.calls(MilvusCall::Import) - before, 2, "the probe, and the other one");
    assert!(!collections(&lab).await.contains(&failed.to));
    assert!(keys(&lab.staging).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_staging_folder_that_milvus_stops_seeing_is_not_taken_for_deleted_rows() {
    let lab = lab().await;
    let seen = || ImportScript::Fail("failed to parse probe".to_owned());
    // The probe of the beginning, then rows that are missing, then the probe that asks why.
    for script in [seen(), ImportScript::Unseen, ImportScript::Unseen] {
        lab.milvus.script_import(script);
    }
    let error = lab.restore(&restore_beside("b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage, "{}", error.chain());
    assert!(error.to_string().contains("cannot read the staging folder"), "{error}");
    assert_eq!(collections(&lab).await, ["default.books", "default.films"]);
    assert!(keys(&lab.staging).await.is_empty() && leases(&lab).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn rows_that_were_deleted_are_believed_to_a_milvus_that_still_sees_the_folder() {
    let lab = Lab::new();
    let films = lab.fill("films", 0..5).await;
    lab.milvus.delete(&films, PARTITION, ["1"]);
    lab.fill("films", 5..6).await;
    lab.backup("b").await;
    let before = lab.milvus.calls(MilvusCall::Import);
    let report = lab.restore(&restore_beside("b")).await.unwrap();
    assert_eq!(report.collections[0].rows_deleted, 1);
    assert_eq!(lab.milvus.calls(MilvusCall::Import) - before, 3, "a probe, rows, a probe");
    assert_eq!(lab.milvus.rows(&namespace("films_r")), lab.milvus.rows(&films));
}

#[tokio::test(start_paused = true)]
async fn of_two_that_find_a_dead_restore_one_finishes_it() {
    for calls in [40, 50, 60, 70] {
        let lab = lab().await;
        let dying = Process::killed_after(calls);
        let (context, staging) = (dying.context(lab.context()), dying.staging(lab.staging()));
        let options = restore_beside("b");
        assert!(dying.run(Box::pin(run_restore(&context, &staging, &options))).await.is_none());
        assert_eq!(ledgers(&lab).await.len(), 1, "{calls}");
        let (one, two) = (lab.context(), lab.context());
        let staging = lab.staging();
        let (one, two) = tokio::join!(
            run_restore(&one, &staging, &options),
            run_restore(&two, &staging, &options),
        );
        let (won, lost): (Vec<_>, Vec<_>) = [one, two].into_iter().partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 1), "{calls}: {won:?} {lost:?}");
        assert_eq!(won[0].as_ref().unwrap().outcome, RunOutcome::Complete, "{calls}");
        let kind = lost[0].as_ref().unwrap_err().kind();
        assert!([ErrorKind::Locked, ErrorKind::Refused].contains(&kind), "{calls}: {lost:?}");
        for name in ["books", "films"] {
            let restored = namespace(&format!("{name}_r"));
            assert_eq!(lab.milvus.rows(&restored), lab.milvus.rows(&namespace(name)), "{calls}");
        }
        assert!(ledgers(&lab).await.is_empty() && keys(&lab.staging).await.is_empty(), "{calls}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_moment_s_failure_of_a_store_costs_no_restore() {
    let lab = lab().await;
    let (repository, staging) = (lab.faulty(), Arc::new(FaultyStore::new(lab.staging().store)));
    repository.fail(StoreOp::Get, "/_segments/", StoreErrorKind::Transient, 3);
    staging.fail(StoreOp::Put, "insert_log/47", StoreErrorKind::Transient, 3);
    let seen = staging_over(Arc::<FaultyStore>::clone(&staging) as Arc<dyn ObjectStore>);
    let report =
        run_restore(&lab.context_over(repository), &seen, &restore_beside("b")).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
    for name in ["books", "films"] {
        let restored = lab.milvus.rows(&namespace(&format!("{name}_r")));
        assert_eq!(restored, lab.milvus.rows(&namespace(name)));
    }
}
