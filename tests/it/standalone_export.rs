//! Exports: the same backup as a tree, whatever it was.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use jiff::SignedDuration;
use milvus_backup_agent::catalog::BackupState;
use milvus_backup_agent::job::{
    ExportOptions, ExportReport, JobContext, JobResult, Prune, Removal, RunOutcome, Sizes,
    run_backup, run_delete, run_export, run_list, run_prune, run_verify,
};
use milvus_backup_agent::manifest::{Manifest, decode};
use milvus_backup_agent::model::{ClusterName, ErrorKind, Layout, ObjectKey, PolicyName};
use milvus_backup_agent::plan::VerifyDepth;
use milvus_backup_agent::storage::testing::FaultyStore;
use milvus_backup_agent::storage::{
    LocalStore, ObjectStore, ObjectStoreExt, PutMode, StoreErrorKind, StoreOp,
};
use tempfile::TempDir;

use crate::support::{
    Lab, PARTITION, Process, Stop, assert_ends_clean, assert_trees_whole, assert_verifies,
    backup_name, keys, leases, namespace, request, restore_of, standalone, state,
};

fn options(from: &str, to: &str) -> ExportOptions {
    ExportOptions { backup: backup_name(from), cluster: None, to: backup_name(to) }
}

async fn export(context: &JobContext, from: &str, to: &str) -> JobResult<ExportReport> {
    Box::pin(run_export(context, &options(from, to))).await
}

/// Two backups of a policy, between which a row was deleted and others came.
async fn lab() -> Lab {
    let lab = Lab::new();
    let films = lab.fill("films", 0..5).await;
    lab.fill("other.books", 0..4).await;
    for name in ["first", "second"] {
        let mut request = request(name);
        request.policy = Some(PolicyName::new("nightly").unwrap());
        run_backup(&lab.context(), request).await.unwrap();
        lab.later();
        lab.milvus.delete(&films, PARTITION, ["1"]);
        lab.fill("films", 5..9).await;
    }
    lab
}

async fn manifest(lab: &Lab, name: &str) -> Manifest {
    let key = ObjectKey::new(format!("c1/{name}/manifest.json")).unwrap();
    decode("manifest", &lab.repository.get_bytes(&key).await.unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_export_is_the_same_backup_in_a_tree_of_its_own() {
    let mut lab = lab().await;
    lab.clock.advance(SignedDuration::from_hours(3));
    let report = export(&lab.context(), "second", "copy").await.unwrap();
    assert_eq!((report.files, report.copied.streamed, report.rows), (16, 16, 13));
    assert_eq!((report.from.as_str(), report.outcome), ("second", RunOutcome::Complete));
    let seen = assert_trees_whole(&lab.repository, "exported").await;
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["copy"]);
    assert_verifies(&lab, "copy").await;
    let (original, copy) = (manifest(&lab, "second").await, manifest(&lab, "copy").await);
    assert_eq!(copy.collections, original.collections, "boundaries and lists, too");
    assert_eq!((copy.created_at, copy.policy.as_str()), (original.created_at, ""));
    assert_eq!((copy.layout, copy.selection.len()), (Layout::Standalone, 0));
    assert!(copy.completed_at > original.completed_at && copy.run != original.run);
    let rows = run_list(&lab.context(), Sizes::Unique).await.unwrap();
    let row = rows.iter().find(|row| row.name == "copy").unwrap();
    assert_eq!(row.created_at, Some(original.created_at.to_string()), "the moment of its data");
    assert_eq!(row.unique_bytes, Some(report.bytes));
    assert!(leases(&lab).await.is_empty());

    for name in ["first", "second"] {
        run_delete(&lab.context(), &backup_name(name), Removal::Now).await.unwrap();
    }
    for _ in 0..3 {
        lab.clock.advance(SignedDuration::from_hours(50));
        run_prune(&lab.context(), None, Prune::Apply).await.unwrap();
    }
    assert!(!keys(&lab.repository).await.iter().any(|key| key.contains("/_segments/")));
    let (films, books) = (namespace("films"), namespace("other.books"));
    lab.lose_milvus();
    let restored = lab.restore(&restore_of("copy")).await.unwrap();
    assert_eq!(restored.outcome, RunOutcome::Complete, "{restored:?}");
    let of = |rows: Option<
        std::collections::BTreeMap<String, std::collections::BTreeSet<String>>,
    >| { rows.unwrap()[PARTITION].iter().cloned().collect::<Vec<_>>() };
    assert_eq!(of(lab.milvus.rows(&films)), ["0", "2", "3", "4", "5", "6", "7", "8"]);
    assert_eq!(of(lab.milvus.rows(&books)).len(), 4);
    assert_ends_clean(&lab, "in the end").await;
}

#[tokio::test(start_paused = true)]
async fn a_standalone_backup_can_be_exported_too() {
    let lab = lab().await;
    run_backup(&lab.context(), standalone("alone")).await.unwrap();
    lab.later();
    export(&lab.context(), "alone", "copy").await.unwrap();
    let seen = assert_trees_whole(&lab.repository, "exported").await;
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["alone", "copy"]);
    assert_verifies(&lab, "copy").await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_of_another_cluster_exports_beside_the_original() {
    let lab = lab().await;
    let mut context = lab.context();
    context.cluster = ClusterName::new("elsewhere").unwrap();
    context.source = None;
    let report = export(&context, "first", "copy").await.unwrap();
    assert_eq!(report.cluster, "c1");
    assert_verifies(&lab, "copy").await;
    assert_eq!(state(&lab, "copy").await, Some(BackupState::Complete));
    let all = keys(&lab.repository).await;
    assert!(!all.iter().any(|key| key.starts_with("elsewhere/")), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn a_partial_backup_is_exported_as_what_it_is() {
    let lab = lab().await;
    let source = Arc::new(FaultyStore::new(Arc::clone(&lab.source)));
    let id = lab.milvus.collection_id(&namespace("films"));
    source.fail(StoreOp::Get, &format!("_log/{id}/"), StoreErrorKind::PermissionDenied, 99);
    let mut context = lab.context();
    context.source = Some(source);
    run_backup(&context, request("partial")).await.unwrap();
    lab.later();
    let report = export(&lab.context(), "partial", "copy").await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Partial);
    let films = report.collections.iter().find(|one| one.name == "films").unwrap();
    assert!(films.outcome == RunOutcome::Failed && films.error.is_some(), "{films:?}");
    assert_eq!(state(&lab, "copy").await, Some(BackupState::Partial));
    assert_trees_whole(&lab.repository, "partial").await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_exported_is_told() {
    let lab = lab().await;
    for (from, to, kind, says) in [
        ("first", "second", ErrorKind::Refused, "taken by a complete backup"),
        ("first", "first", ErrorKind::Usage, "its own name"),
        ("none", "copy", ErrorKind::NotFound, "no backup `none`"),
    ] {
        let error = export(&lab.context(), from, to).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{}", error.chain());
        assert!(error.chain().contains(says), "{}", error.chain());
    }
    run_delete(&lab.context(), &backup_name("first"), Removal::Hide).await.unwrap();
    let error = export(&lab.context(), "first", "copy").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{}", error.chain());
    assert!(leases(&lab).await.is_empty(), "nobody reads any more");
    assert_eq!(state(&lab, "copy").await, None);
}

/// A file that is missing, shorter, or of the same size with other bytes.
#[tokio::test(start_paused = true)]
async fn a_damaged_backup_is_not_exported() {
    for damage in ["missing", "cut", "flipped"] {
        let lab = lab().await;
        let all = keys(&lab.repository).await;
        let file = all.iter().find(|key| key.contains("/_segments/insert_log/")).unwrap();
        let key = ObjectKey::new(file.as_str()).unwrap();
        let mut body = lab.repository.get_bytes(&key).await.unwrap().to_vec();
        match damage {
            "missing" => drop(lab.repository.delete(std::slice::from_ref(&key)).await.unwrap()),
            other => {
                body[0] ^= 1;
                body.truncate(if other == "cut" { body.len() - 1 } else { body.len() });
                lab.repository.put(&key, body.into(), PutMode::Overwrite).await.unwrap();
            }
        }
        let error = export(&lab.context(), "second", "copy").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{damage}: {}", error.chain());
        assert!(error.chain().contains(file.as_str()), "{damage}: {}", error.chain());
        assert!(assert_trees_whole(&lab.repository, damage).await.is_empty());
        assert_eq!(state(&lab, "copy").await, Some(BackupState::Failed));
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_deletes_what_is_being_exported() {
    let whole = Process::immortal();
    let lab = lab().await;
    export(&whole.context(lab.context()), "first", "copy").await.unwrap();
    let at = whole.calls() / 2;
    let lab = self::lab().await;
    let process = Process::halted_before(at, Stop::OneCall);
    let context = process.context(lab.context());
    let (own, name) = (lab.context(), backup_name("first"));
    let delete = run_delete(&own, &name, Removal::Now);
    let (exported, deleted) = process.amid(export(&context, "first", "copy"), delete).await;
    exported.unwrap();
    let error = deleted.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.chain().contains("an export reads backup `first`"), "{}", error.chain());
    assert_verifies(&lab, "copy").await;
}

/// On a disk a file gets a second name, and both are there without the other.
#[tokio::test]
async fn in_a_folder_files_are_linked() {
    let lab = Lab::new();
    lab.clock.advance(SignedDuration::from_hours(24 * 365 * 100));
    lab.fill("films", 0..5).await;
    let folder = TempDir::new().unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(LocalStore::open(folder.path()).await.unwrap());
    let mut context = lab.context_over(Arc::clone(&store));
    run_backup(&context, request("first")).await.unwrap();
    // Links need no room.
    context.min_free = milvus_backup_agent::config::MinFree::Bytes(1 << 60);
    let report = export(&context, "first", "copy").await.unwrap();
    assert_eq!((report.copied.linked, report.copied.streamed, report.files), (5, 0, 5));
    assert_trees_whole(&*store, "linked").await;
    let all = keys(&*store).await;
    let of = |part: &str| {
        let file = all.iter().find(|key| key.contains(part)).unwrap();
        folder.path().join(file)
    };
    let (shared, own) = (of("_segments/insert_log"), of("binlogs/insert_log"));
    let inode = |path| fs::metadata(path).unwrap().ino();
    assert_eq!(inode(&shared), inode(&own), "bytes were copied");
    fs::remove_file(&shared).unwrap();
    let name = backup_name("copy");
    let report = run_verify(&context, None, &name, VerifyDepth::Content).await.unwrap();
    assert_eq!((report.outcome, report.unchecked), (RunOutcome::Complete, 0));
}
