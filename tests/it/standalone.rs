//! Backups in a tree of their own: what they share with others, and what they do not.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;
use milvus_backup_agent::catalog::BackupState;
use milvus_backup_agent::job::{
    BackupReport, Prune, Removal, RunOutcome, Sizes, plan_only, run_backup, run_delete, run_list,
    run_overview, run_prune,
};
use milvus_backup_agent::metrics::RepositoryClass;
use milvus_backup_agent::milvus::MilvusApi;
use milvus_backup_agent::model::{ErrorKind, Layout, ObjectKey};
use milvus_backup_agent::storage::testing::FaultyStore;
use milvus_backup_agent::storage::{ObjectStoreExt, StoreErrorKind, StoreOp};

use crate::support::{
    Lab, PARTITION, Process, Stop, assert_ends_clean, assert_sound, assert_trees_whole,
    assert_verifies, backup_name, keys, namespace, request, restore_of, standalone, state,
};

/// Two collections, one with a deleted row.
async fn lab() -> Lab {
    let lab = Lab::new();
    let films = lab.fill("films", 0..5).await;
    lab.fill("other.books", 0..4).await;
    lab.milvus.delete(&films, PARTITION, ["1"]);
    lab.fill("films", 5..9).await;
    lab
}

async fn alone(lab: &Lab, name: &str) -> BackupReport {
    let report = run_backup(&lab.context(), standalone(name)).await.expect("a backup");
    lab.later();
    report
}

async fn below(lab: &Lab, folder: &str) -> Vec<String> {
    let all = keys(&lab.repository).await;
    all.into_iter().filter(|key| key.starts_with(folder)).collect()
}

async fn trees(lab: &Lab, why: &str) -> Vec<String> {
    assert_trees_whole(&lab.repository, why).await.into_iter().collect()
}

async fn prune(lab: &Lab) -> u64 {
    lab.clock.advance(SignedDuration::from_hours(30));
    let report = run_prune(&lab.context(), None, Prune::Apply).await.expect("a prune");
    assert!(report.refused.is_none() && report.errors.is_empty(), "{report:?}");
    report.files_deleted
}

#[tokio::test(start_paused = true)]
async fn a_standalone_backup_is_a_whole_tree_and_comes_back() {
    let mut lab = lab().await;
    lab.backup("first").await;
    let shared = below(&lab, "c1/_segments/").await;
    let report = alone(&lab, "alone").await;
    assert_eq!((report.outcome, report.rows), (RunOutcome::Complete, 13));
    assert_eq!((report.files_copied, report.files_reused), (16, 0), "nothing is shared");
    assert_eq!(below(&lab, "c1/_segments/").await, shared);
    assert_eq!(below(&lab, "c1/alone/binlogs/").await.len(), 16);
    assert_eq!(trees(&lab, "whole").await, ["alone"]);
    assert_verifies(&lab, "alone").await;
    let rows = run_list(&lab.context(), Sizes::Known).await.unwrap();
    let row = rows.iter().find(|row| row.name == "alone").unwrap();
    assert_eq!((row.state, row.layout), (BackupState::Complete, Some(Layout::Standalone)));
    let others = |key: &&String| !key.contains("/binlogs/");
    let documents = below(&lab, "c1/alone/").await;
    let documents: Vec<&String> = documents.iter().filter(others).collect();
    assert_eq!(
        documents,
        [
            "c1/alone/attempt.json",
            "c1/alone/manifest.json",
            "c1/alone/meta/backup_meta.json",
            "c1/alone/meta/collection_meta.json",
            "c1/alone/meta/full_meta.json",
            "c1/alone/meta/partition_meta.json",
            "c1/alone/meta/segment_meta.json",
        ]
    );
    let (films, books) = (namespace("films"), namespace("other.books"));
    let before = [lab.milvus.rows(&films), lab.milvus.rows(&books)];
    lab.lose_milvus();
    let report = lab.restore(&restore_of("alone")).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
    assert_eq!([lab.milvus.rows(&films), lab.milvus.rows(&books)], before);
}

#[tokio::test(start_paused = true)]
async fn a_tree_is_imported_as_it_lies_where_milvus_sees_it() {
    let mut lab = lab().await;
    alone(&lab, "alone").await;
    let before = lab.milvus.rows(&namespace("films"));
    lab.lose_milvus();
    let (context, staging) = (lab.context(), lab.staging_in_place());
    let restored =
        milvus_backup_agent::job::run_restore(&context, &staging, &restore_of("alone")).await;
    let report = restored.unwrap();
    assert!(report.collections.iter().all(|one| one.bytes_staged == 0), "{report:?}");
    assert_eq!(lab.milvus.rows(&namespace("films")), before);
}

#[tokio::test(start_paused = true)]
async fn no_file_of_a_standalone_backup_stands_for_a_shared_one() {
    let lab = lab().await;
    alone(&lab, "alone").await;
    let plan = plan_only(&lab.context(), request("first")).await.unwrap();
    assert_eq!((plan.files, plan.files_reused), (16, 0));
    let report = lab.backup("first").await;
    assert_eq!((report.files_copied, report.files_reused), (16, 0));
    let again = lab.backup("second").await;
    assert_eq!((again.files_copied, again.files_reused), (0, 16));
    let plan = plan_only(&lab.context(), standalone("third")).await.unwrap();
    assert_eq!((plan.files, plan.files_reused), (16, 0), "it reuses nothing");
    assert_sound(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn a_standalone_backup_keeps_its_lists_and_no_shared_file() {
    let lab = lab().await;
    lab.backup("first").await;
    alone(&lab, "alone").await;
    run_delete(&lab.context(), &backup_name("first"), Removal::Now).await.unwrap();
    for _ in 0..3 {
        prune(&lab).await;
    }
    assert_eq!(below(&lab, "c1/_segments/").await, [""; 0], "nothing needs them");
    assert_eq!(below(&lab, "c1/_lists/").await.len(), 2);
    assert_verifies(&lab, "alone").await;
    assert_eq!(trees(&lab, "swept").await, ["alone"]);
    assert_ends_clean(&lab, "in the end").await;
}

#[tokio::test(start_paused = true)]
async fn the_files_of_a_deleted_one_go_and_are_counted() {
    let lab = lab().await;
    alone(&lab, "alone").await;
    lab.backup("first").await;
    lab.clock.advance(SignedDuration::from_hours(1));
    run_delete(&lab.context(), &backup_name("alone"), Removal::Hide).await.unwrap();
    assert_eq!(trees(&lab, "hidden").await, ["alone"], "milvus-backup knows of no tombstone");
    lab.clock.advance(SignedDuration::from_hours(49));
    assert_eq!(prune(&lab).await, 16);
    assert_eq!(below(&lab, "c1/alone/").await, [""; 0]);
    assert_verifies(&lab, "first").await;
}

#[tokio::test(start_paused = true)]
async fn sizes_tell_what_is_of_a_backup_alone() {
    let lab = lab().await;
    let bytes = lab.backup("first").await.bytes_copied;
    lab.backup("second").await;
    alone(&lab, "alone").await;
    let rows = run_list(&lab.context(), Sizes::Unique).await.unwrap();
    let unique: Vec<(&str, Option<u64>)> =
        rows.iter().map(|row| (row.name.as_str(), row.unique_bytes)).collect();
    assert_eq!(unique, [("first", Some(0)), ("second", Some(0)), ("alone", Some(bytes))]);
    let facts = run_overview(&lab.context(), Sizes::Unique).await.unwrap();
    assert_eq!(facts.bytes[&RepositoryClass::Referenced], 2 * bytes);
    run_delete(&lab.context(), &backup_name("alone"), Removal::Hide).await.unwrap();
    let facts = run_overview(&lab.context(), Sizes::Unique).await.unwrap();
    assert_eq!(facts.bytes[&RepositoryClass::Referenced], bytes);
    assert_eq!(facts.bytes[&RepositoryClass::Tombstoned], bytes);
}

#[tokio::test(start_paused = true)]
async fn a_collection_that_fails_leaves_no_file_in_the_tree() {
    let lab = lab().await;
    let source = Arc::new(FaultyStore::new(Arc::clone(&lab.source)));
    let id = lab.milvus.collection_id(&namespace("films"));
    source.fail(StoreOp::Get, &format!("delta_log/{id}/"), StoreErrorKind::PermissionDenied, 99);
    let mut context = lab.context();
    context.source = Some(source);
    let report = run_backup(&context, standalone("alone")).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Partial);
    assert_eq!(trees(&lab, "partial").await, ["alone"]);
    assert_eq!(below(&lab, "c1/alone/binlogs/").await.len(), 5);
    assert_verifies(&lab, "alone").await;
}

#[tokio::test(start_paused = true)]
async fn who_finds_a_file_missing_commits_nothing_and_shows_nothing() {
    let lab = lab().await;
    let store = lab.faulty();
    // A listing before the commit that lacks a collection, as that of a broken disk.
    store.fail(StoreOp::List, "binlogs/insert_log", StoreErrorKind::Other, 99);
    let context = lab.context_over(Arc::<FaultyStore>::clone(&store));
    let error = run_backup(&context, standalone("alone")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed, "{}", error.chain());
    assert!(below(&lab, "c1/alone/meta/collection").await.len() == 1, "it came as far as that");
    assert_eq!(trees(&lab, "refused").await, [""; 0]);
    assert_eq!(state(&lab, "alone").await, Some(BackupState::Failed));
    alone(&lab, "alone").await;
    assert_eq!(trees(&lab, "again").await, ["alone"]);
}

/// A run under a name in the other layout than the one before it, which died at any write.
#[tokio::test(start_paused = true)]
async fn a_name_may_change_its_layout_while_it_has_no_backup() {
    let mut shapes = BTreeSet::new();
    for (first, then) in [(standalone("b"), request("b")), (request("b"), standalone("b"))] {
        for writes in 0.. {
            let lab = lab().await;
            let store = lab.faulty();
            store.stop_after_writes(writes);
            let context = lab.context_over(Arc::<FaultyStore>::clone(&store));
            if run_backup(&context, first.clone()).await.is_ok() {
                assert!(writes > 25, "{writes}");
                break;
            }
            lab.later();
            let context = lab.context();
            let report = run_backup(&context, then.clone()).await;
            let report = match report {
                Ok(report) => report,
                Err(error) => {
                    // It died after its manifest.
                    assert_eq!(error.kind(), ErrorKind::Refused, "{}", error.chain());
                    continue;
                }
            };
            assert_eq!((report.files_copied, report.outcome), (16, RunOutcome::Complete));
            assert_sound(&lab).await;
            let seen = trees(&lab, &format!("after {writes} writes")).await;
            let left: Vec<String> = below(&lab, "c1/b/").await;
            if then.layout == Layout::Incremental {
                assert_eq!(left, ["c1/b/attempt.json", "c1/b/manifest.json"], "{writes}");
            }
            shapes.insert((seen, left.len()));
            assert_ends_clean(&lab, "in the end").await;
        }
    }
    assert_eq!(shapes, BTreeSet::from([(vec![], 2), (vec!["b".to_owned()], 23)]));
}

/// One run stands still at a call, Milvus rewrites what it was about to copy, and its place is
/// taken; then it wakes, and what it has in its hands must not come into the other's tree.
#[tokio::test(start_paused = true)]
async fn of_two_runs_under_one_name_one_makes_the_tree() {
    let whole = Process::immortal();
    let lab = lab().await;
    run_backup(&whole.context(lab.context()), standalone("b")).await.unwrap();
    for at in (8..whole.calls()).step_by(2) {
        let why = format!("halted before call {at}");
        let lab = self::lab().await;
        let process = Process::halted_before(at, Stop::Everything);
        let halted = process.context(lab.context());
        let other = async {
            lab.later();
            lab.milvus.compact(&namespace("films")).await.expect("it compacts");
            run_backup(&lab.context(), standalone("b")).await
        };
        let (first, second) = process.amid(run_backup(&halted, standalone("b")), other).await;
        let made = [&first, &second].into_iter().filter(|ended| ended.is_ok()).count();
        assert_eq!(made, 1, "{why}: {first:?} {second:?}");
        lab.later();
        assert_sound(&lab).await;
        assert_eq!(trees(&lab, &why).await, ["b"]);
    }
}

/// The documents of a small backup, checked by hand against milvus-backup's tables. The only
/// thing in them that differs from one run to the next is the run's own id.
#[tokio::test(start_paused = true)]
async fn the_tree_is_the_one_that_was_checked_by_hand() {
    let lab = Lab::new();
    let films = lab.fill("films", 0..3).await;
    lab.milvus.delete(&films, PARTITION, ["1"]);
    lab.milvus.flush(&films).await.unwrap();
    alone(&lab, "alone").await;
    let attempt = ObjectKey::new("c1/alone/attempt.json").unwrap();
    let attempt = lab.repository.get_bytes(&attempt).await.unwrap();
    let attempt: serde_json::Value = serde_json::from_slice(&attempt).unwrap();
    let run = attempt["run"].as_str().unwrap();
    let mut found = below(&lab, "c1/alone/binlogs/").await.join("\n");
    for document in ["backup", "collection", "partition", "segment", "full"] {
        let key = ObjectKey::new(format!("c1/alone/meta/{document}_meta.json")).unwrap();
        let body = lab.repository.get_bytes(&key).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap().replace(run, "RUN");
        found.extend(["\n\n", document, "_meta.json\n", &body]);
    }
    let expected = include_str!("../fixtures/standalone.txt");
    assert!(found == expected.trim_end(), "found:\n{found}");
}
