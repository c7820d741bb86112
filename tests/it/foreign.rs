//! Trees of milvus-backup in a repository: listed, verified and restored like backups of ours, and
//! touched by nothing that deletes or counts.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use milvus_backup_agent::catalog::BackupState;
use milvus_backup_agent::job::{
    DrillOptions, ExportOptions, ListRow, Prune, Removal, RunOutcome, Sizes, StagingRoot,
    VerifyReport, run_backup, run_delete, run_drill, run_export, run_list, run_overview, run_pin,
    run_prune, run_restore, run_verify,
};
use milvus_backup_agent::manifest::{
    BackupLayout, ClusterLayout, FileList, Manifest, Placement, TreeDocument, decode,
    tree_documents,
};
use milvus_backup_agent::milvus::MilvusApi;
use milvus_backup_agent::model::{ClusterName, ErrorKind, KeyPrefix, Layout, ObjectKey};
use milvus_backup_agent::plan::{Verdict, VerifyDepth};
use milvus_backup_agent::storage::{MemoryStore, ObjectStore, ObjectStoreExt, PutMode};

use crate::support::{
    Lab, PARTITION, backup_name, keys, namespace, request, restore_beside, snapshot, standalone,
};

/// A Milvus with a collection of two partitions and deleted rows.
async fn lab() -> Lab {
    let lab = Lab::new();
    let films = lab.fill("films", 0..5).await;
    lab.milvus.add_partition(&films, "old");
    lab.milvus.insert(&films, "old", ["90", "91"]);
    lab.milvus.delete(&films, PARTITION, ["1"]);
    lab.fill("films", 5..8).await;
    lab
}

/// Writes what the Milvus has as a tree into a folder of an empty repository, the root for none.
async fn write_tree(lab: &Lab, folder: &str, name: &str) -> BackupLayout {
    let before: Vec<String> = keys(&lab.repository).await;
    lab.backup("first").await;
    let ours = ClusterLayout::new(&ClusterName::new("c1").unwrap());
    let manifest = ours.backup(&backup_name("first")).manifest();
    let manifest: Manifest =
        decode("manifest", &lab.repository.get_bytes(&manifest).await.unwrap()).unwrap();
    let mut lists = BTreeMap::new();
    for (_, content) in manifest.contents() {
        let bytes = lab.repository.get_bytes(&ours.list(&content.list)).await.unwrap();
        lists.insert(content.list.clone(), FileList::decode(&bytes, &content.list).unwrap());
    }
    let documents = tree_documents((&manifest, None), &lists, "files").unwrap();
    let root = match folder {
        "" => KeyPrefix::root(),
        folder => KeyPrefix::new(folder).unwrap(),
    };
    let tree = BackupLayout::in_folder(&root, &backup_name(name));
    for document in TreeDocument::ALL {
        put(&lab.repository, &tree.meta(*document), documents.bytes(*document)).await;
    }
    let places = (ours.shared(), Placement::own(tree.binlogs()));
    for (file, _) in lists.values().flat_map(FileList::files) {
        let bytes = lab.repository.get_bytes(&places.0.key(&file)).await.unwrap();
        put(&lab.repository, &places.1.key(&file), &bytes).await;
    }
    let all = lab.repository.list_all(&KeyPrefix::root()).await.unwrap();
    let ours = all.into_iter().map(|meta| meta.key).filter(|key| {
        tree.folder().strip(key).is_none() && !before.contains(&key.as_str().to_owned())
    });
    let ours: Vec<ObjectKey> = ours.collect();
    assert!(lab.repository.delete(&ours).await.unwrap().failed.is_empty());
    tree
}

async fn put(store: &MemoryStore, key: &ObjectKey, bytes: &[u8]) {
    store.put(key, Bytes::copy_from_slice(bytes), PutMode::Overwrite).await.unwrap();
}

async fn list(lab: &Lab) -> Vec<ListRow> {
    run_list(&lab.context(), Sizes::Unique).await.unwrap()
}

async fn verify(lab: &Lab, name: &str, depth: VerifyDepth) -> VerifyReport {
    run_verify(&lab.context(), None, &backup_name(name), depth).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_tree_in_milvus_backups_own_root_is_a_backup_to_who_reads() {
    let lab = lab().await;
    write_tree(&lab, "backup", "whole").await;
    let before = snapshot(&lab.repository).await;
    let rows = list(&lab).await;
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((row.name.as_str(), row.cluster.as_str()), ("whole", "backup"));
    assert_eq!((row.state, row.layout), (BackupState::Foreign, Some(Layout::Standalone)));
    assert_eq!((row.policy.as_str(), row.collections, row.rows), ("", 1, 10));
    // The fake's flushes lie before the clock of these tests.
    assert_eq!(row.created_at.as_deref().map(|at| &at[..10]), Some("2026-11-18"));
    assert_eq!(row.unique_bytes, Some(row.bytes), "it shares none");
    assert!(row.bytes > 0 && row.reasons.is_empty() && !row.pinned, "{row:?}");

    for depth in [VerifyDepth::Manifest, VerifyDepth::Size, VerifyDepth::Content] {
        let report = verify(&lab, "whole", depth).await;
        let unchecked = if depth == VerifyDepth::Content { report.files } else { 0 };
        assert_eq!((report.outcome, report.unchecked), (RunOutcome::Complete, unchecked));
        assert_eq!((report.bytes, report.files > 0), (row.bytes, true));
    }
    for staging in [lab.staging(), lab.staging_in_place()] {
        let in_place = staging.repository_seen.is_some();
        let options = restore_beside("whole");
        let report = run_restore(&lab.context(), &staging, &options).await.unwrap();
        assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
        assert_eq!(report.collections[0].bytes_staged == 0, in_place, "{report:?}");
        assert_eq!(lab.milvus.rows(&namespace("films_r")), lab.milvus.rows(&namespace("films")));
        let restored = namespace("films_r");
        lab.milvus.drop_collection(&restored).await.unwrap();
    }
    assert_eq!(snapshot(&lab.repository).await, before, "nothing of ours stays there");
}

/// In the folder of a cluster of ours, beside its backups.
#[tokio::test(start_paused = true)]
async fn nothing_that_deletes_or_counts_touches_a_tree() {
    let lab = lab().await;
    lab.backup("ours").await;
    let tree = write_tree(&lab, "c1", "theirs").await;
    let of_tree = || async {
        let all = snapshot(&lab.repository).await;
        all.into_iter().filter(|(key, _)| key.starts_with("c1/theirs/")).collect::<Vec<_>>()
    };
    let before = of_tree().await;
    let context = lab.context();
    let name = backup_name("theirs");

    let taken = run_backup(&context, request("theirs")).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::Refused);
    assert!(taken.chain().contains("is taken by a foreign backup"), "{}", taken.chain());
    for removal in [Removal::Hide, Removal::Now, Removal::Plan] {
        let refused = run_delete(&context, &name, removal).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Refused, "{}", refused.chain());
        assert_eq!(refused.remedy(), Some("`milvus-backup delete -n theirs` deletes it"));
    }
    let refused = run_pin(&context, &name, ("a good one", None)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused, "{}", refused.chain());
    for _ in 0..2 {
        lab.clock.advance(jiff::SignedDuration::from_hours(24 * 365));
        let staging = StagingRoot { store: Arc::new(lab.staging.clone()), shared: true };
        let report = run_prune(&lab.context(), Some(&staging), Prune::Apply).await.unwrap();
        let verdict = report.verdicts.iter().find(|row| row.name == "theirs").unwrap();
        assert_eq!(verdict.verdict, Verdict::Leave);
        assert_eq!(verdict.reasons, ["a tree of milvus-backup: not ours"]);
    }
    assert_eq!(of_tree().await, before);
    let states: Vec<_> = list(&lab).await.into_iter().map(|row| (row.name, row.state)).collect();
    let expected = [("theirs", BackupState::Foreign), ("ours", BackupState::Complete)];
    assert_eq!(states, expected.map(|(name, state)| (name.to_owned(), state)));
    let overview = run_overview(&context, Sizes::Unique).await.unwrap();
    let counted: Vec<_> = overview.policies.values().flat_map(|policy| &policy.states).collect();
    assert_eq!(counted, [(&BackupState::Complete, &1)]);
    assert_eq!(verify(&lab, "theirs", VerifyDepth::Content).await.outcome, RunOutcome::Complete);
    assert_eq!(of_tree().await, before, "a verification leaves no doubt there");

    // Nor what its run has not finished.
    let documents = TreeDocument::ALL.iter().map(|document| tree.meta(*document));
    lab.repository.delete(&documents.collect::<Vec<_>>()).await.unwrap();
    let refused = run_delete(&context, &name, Removal::Now).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused, "{}", refused.chain());
}

/// As v0.4.30 was seen to write 4711.
#[tokio::test(start_paused = true)]
async fn a_default_value_that_was_lost_costs_only_itself() {
    let lab = lab().await;
    let full = write_tree(&lab, "backup", "whole").await.meta(TreeDocument::Full);
    let text = lab.repository.get_bytes(&full).await.unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    let title = r#""name":"title","data_type":21"#;
    let lossy = format!(r#"{title},"default_value_proto":"\u0018\ufffd$""#);
    assert!(text.contains(title), "{text}");
    put(&lab.repository, &full, text.replacen(title, &lossy, 1).as_bytes()).await;

    let lost = "milvus-backup lost the default value of `title` when it wrote the tree";
    let rows = list(&lab).await;
    assert_eq!(rows[0].state, BackupState::Foreign, "{rows:?}");
    assert_eq!(rows[0].reasons, [format!("default.films: {lost}")]);
    let report = lab.restore(&restore_beside("whole")).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
    assert!(report.collections[0].notes.contains(&lost.to_owned()), "{report:?}");
    assert_eq!(lab.milvus.rows(&namespace("films_r")), lab.milvus.rows(&namespace("films")));
    let drill = DrillOptions { backup: backup_name("whole"), cluster: None };
    let report = run_drill(&lab.context(), &lab.staging(), &drill).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
    assert!(report.collections[0].notes.contains(&lost.to_owned()), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_collection_without_its_files_costs_only_itself() {
    let lab = lab().await;
    let books = lab.fill("books", 0..3).await;
    let full = write_tree(&lab, "backup", "whole").await.meta(TreeDocument::Full);
    let text = lab.repository.get_bytes(&full).await.unwrap();
    let mut tree: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let lost = &mut tree["collection_backups"][1];
    assert_eq!(lost["collection_name"], "films");
    let segment = &mut lost["partition_backups"][0]["segment_backups"][0];
    segment.as_object_mut().unwrap().remove("binlogs");
    put(&lab.repository, &full, tree.to_string().as_bytes()).await;

    let rows = list(&lab).await;
    assert_eq!((rows[0].state, rows[0].collections), (BackupState::Foreign, 1), "{rows:?}");
    let reason = &rows[0].reasons[0];
    assert!(reason.starts_with("default.films: segment "), "{reason}");
    assert!(reason.ends_with("rows and no file of them"), "{reason}");
    let report = lab.restore(&restore_beside("whole")).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Partial, "{report:?}");
    let error = report.collections[1].error.as_deref().unwrap();
    assert!(error.starts_with("not in the backup: segment "), "{error}");
    assert_eq!(lab.milvus.rows(&namespace("books_r")), lab.milvus.rows(&books));
    assert_eq!(lab.milvus.rows(&namespace("films_r")), None);
}

#[tokio::test(start_paused = true)]
async fn a_tree_of_schemas_alone_is_restored_without_rows() {
    let lab = lab().await;
    let full = write_tree(&lab, "backup", "whole").await.meta(TreeDocument::Full);
    let text = lab.repository.get_bytes(&full).await.unwrap();
    let mut tree: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let partitions = tree["collection_backups"][0]["partition_backups"].as_array_mut().unwrap();
    for partition in partitions {
        for segment in partition["segment_backups"].as_array_mut().unwrap() {
            let told = ["segment_id", "collection_id", "partition_id", "num_of_rows", "size"];
            segment.as_object_mut().unwrap().retain(|key, _| told.contains(&key.as_str()));
        }
    }
    put(&lab.repository, &full, tree.to_string().as_bytes()).await;

    let told = "milvus-backup took its schema alone (`--meta_only`) and none of its 10 rows";
    let rows = list(&lab).await;
    assert_eq!((rows[0].state, rows[0].rows), (BackupState::Foreign, 0), "{rows:?}");
    assert_eq!(rows[0].reasons, [format!("default.films: {told}")]);
    let report = lab.restore(&restore_beside("whole")).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
    assert!(report.collections[0].notes.contains(&told.to_owned()), "{report:?}");
    let restored = lab.milvus.rows(&namespace("films_r")).expect("an empty collection");
    assert!(restored.values().all(std::collections::BTreeSet::is_empty), "{restored:?}");
}

#[tokio::test(start_paused = true)]
async fn a_tree_that_is_not_whole_is_damaged_and_says_why() {
    let lab = lab().await;
    let tree = write_tree(&lab, "backup", "whole").await;
    let full = lab.repository.get_bytes(&tree.meta(TreeDocument::Full)).await.unwrap();
    let text = String::from_utf8(full.to_vec()).unwrap();
    let why = async |document: &str| {
        put(&lab.repository, &tree.meta(TreeDocument::Full), document.as_bytes()).await;
        let rows = list(&lab).await;
        assert_eq!((rows.len(), rows[0].state), (1, BackupState::Damaged), "{rows:?}");
        let report = verify(&lab, "whole", VerifyDepth::Manifest).await;
        assert_eq!((report.outcome, &report.damaged), (RunOutcome::Failed, &rows[0].reasons));
        let restored = lab.restore(&restore_beside("whole")).await.unwrap_err();
        assert_eq!(restored.kind(), ErrorKind::Damaged, "{}", restored.chain());
        rows[0].reasons[0].clone()
    };
    let cut = why(&text[..text.len() - 1]).await;
    assert!(cut.contains("whole/meta/full_meta.json` cannot be used: the tree"), "{cut}");
    assert!(cut.contains("full_meta.json: EOF while parsing"), "{cut}");
    let snapshot = why(&text.replacen('{', "{\"format\":\"snapshot\",", 1)).await;
    assert!(snapshot.contains("which only Milvus 3.0 restores by itself"), "{snapshot}");

    put(&lab.repository, &tree.meta(TreeDocument::Full), &full).await;
    let file = keys(&lab.repository).await.into_iter().find(|key| key.contains("/insert_log/"));
    let file = ObjectKey::new(file.unwrap()).unwrap();
    lab.repository.delete(std::slice::from_ref(&file)).await.unwrap();
    let report = verify(&lab, "whole", VerifyDepth::Size).await;
    assert_eq!((report.outcome, report.missing), (RunOutcome::Failed, vec![file.to_string()]));

    // It may be put together from the other four, and not without them.
    lab.repository.delete(&[tree.meta(TreeDocument::Full)]).await.unwrap();
    assert_eq!(list(&lab).await[0].state, BackupState::Foreign);
    lab.repository.delete(&[tree.meta(TreeDocument::Segment)]).await.unwrap();
    let row = list(&lab).await.remove(0);
    let expected = "it has neither full_meta.json nor segment_meta.json";
    assert!(row.state == BackupState::Damaged && row.reasons[0].contains(expected), "{row:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_of_milvus_backup_that_did_not_end_is_damage() {
    let lab = lab().await;
    lab.backup("ours").await;
    let tree = write_tree(&lab, "c1", "theirs").await;
    let documents = TreeDocument::ALL.iter().map(|document| tree.meta(*document));
    lab.repository.delete(&documents.collect::<Vec<_>>()).await.unwrap();
    let rows = list(&lab).await;
    let theirs = rows.iter().find(|row| row.name == "theirs").unwrap();
    assert_eq!(theirs.state, BackupState::Damaged);
    assert!(theirs.reasons[0].contains("its run did not end"), "{theirs:?}");
    let before = snapshot(&lab.repository).await;
    for request in [request("theirs"), standalone("theirs")] {
        let error = run_backup(&lab.context(), request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    }
    assert_eq!(snapshot(&lab.repository).await, before, "nothing of theirs is touched");
}

#[tokio::test(start_paused = true)]
async fn a_root_that_is_one_folder_too_deep_is_told() {
    let lab = lab().await;
    write_tree(&lab, "", "whole").await;
    let error = run_list(&lab.context(), Sizes::Known).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.chain().contains("is itself a folder of milvus-backup's trees"), "{error}");
    let hint = error.remedy().unwrap();
    assert!(hint.contains("one level up"), "{hint}");
}

/// As after `config import`: there is no cluster yet, and its trees are there.
#[tokio::test(start_paused = true)]
async fn a_tree_is_refused_to_be_deleted_before_our_first_backup_too() {
    let lab = lab().await;
    write_tree(&lab, "c1", "theirs").await;
    let refused = run_delete(&lab.context(), &backup_name("theirs"), Removal::Hide).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused, "{}", refused.chain());
    let absent = run_delete(&lab.context(), &backup_name("nothing"), Removal::Hide).await;
    assert_eq!(absent.unwrap_err().kind(), ErrorKind::NotFound);
    // A backup and the metrics do not even read it: it may be large.
    let tree = ObjectKey::new("c1/theirs/meta/full_meta.json").unwrap();
    put(&lab.repository, &tree, b"{").await;
    lab.backup("ours").await;
    let overview = run_overview(&lab.context(), Sizes::Unique).await.unwrap();
    let counted: Vec<_> = overview.policies.values().flat_map(|policy| &policy.states).collect();
    assert_eq!(counted, [(&BackupState::Complete, &1)]);
}

/// milvus-backup counts rows before it lists files, so there may be more, or no number at all.
#[tokio::test(start_paused = true)]
async fn more_rows_than_milvus_backup_counted_are_restored() {
    let lab = lab().await;
    let tree = write_tree(&lab, "backup", "whole").await;
    let full = tree.meta(TreeDocument::Full);
    let text = lab.repository.get_bytes(&full).await.unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap().replace("\"num_of_rows\":", "\"was\":");
    put(&lab.repository, &full, text.as_bytes()).await;
    let options = restore_beside("whole");
    let report = run_restore(&lab.context(), &lab.staging(), &options).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
    let restored = &report.collections[0];
    assert_eq!((restored.rows_stored, restored.rows_deleted), (0, 0));
    assert!(restored.rows_imported > 0, "{restored:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_exported_into_milvus_backups_own_root() {
    let lab = lab().await;
    write_tree(&lab, "backup", "whole").await;
    let before = snapshot(&lab.repository).await;
    let (backup, to) = (backup_name("whole"), backup_name("again"));
    let options = ExportOptions { backup, cluster: None, to };
    let error = Box::pin(run_export(&lab.context(), &options)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert_eq!(snapshot(&lab.repository).await, before);
}

/// A repository whose mark is lost is not taken for one of milvus-backup.
#[tokio::test(start_paused = true)]
async fn a_tree_excuses_no_lost_mark() {
    let lab = lab().await;
    lab.backup("ours").await;
    write_tree(&lab, "backup", "theirs").await;
    assert_eq!(list(&lab).await.len(), 2);
    lab.repository.delete(&[ObjectKey::new("_repository.json").unwrap()]).await.unwrap();
    let error = run_list(&lab.context(), Sizes::Known).await.unwrap_err();
    assert!(error.chain().contains("there is no repository"), "{}", error.chain());
}

#[tokio::test(start_paused = true)]
async fn a_tree_can_be_drilled_and_nothing_of_ours_is_left_beside_it() {
    let lab = lab().await;
    write_tree(&lab, "old", "t").await;
    let before = snapshot(&lab.repository).await;
    let options = DrillOptions { backup: backup_name("t"), cluster: None };
    let report = run_drill(&lab.context(), &lab.staging(), &options).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
    assert_eq!(snapshot(&lab.repository).await, before);
}
