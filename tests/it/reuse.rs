//! A backup costs what changed; what it did not write itself it does not trust.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use milvus_backup_agent::catalog::BackupState;
use milvus_backup_agent::job::{run_backup, run_verify};
use milvus_backup_agent::model::{ErrorKind, KeyPrefix, ObjectKey};
use milvus_backup_agent::plan::VerifyDepth;
use milvus_backup_agent::storage::{LocalStore, ObjectStore, ObjectStoreExt, PutMode};
use tempfile::TempDir;

use crate::support::{
    Lab, PARTITION, assert_sound, assert_verifies, backup_name, keys, namespace, request, snapshot,
    state,
};

async fn lab() -> Lab {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    lab.fill("books", 0..4).await;
    lab
}

fn key(key: &str) -> ObjectKey {
    ObjectKey::new(key).expect("a key")
}

async fn lists(lab: &Lab) -> BTreeSet<String> {
    let all = keys(&lab.repository).await;
    all.into_iter().filter(|key| key.contains("/_lists/")).collect()
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_backup_copies_nothing_and_shares_every_list() {
    let lab = lab().await;
    lab.backup("first").await;
    let before: BTreeSet<String> = keys(&lab.repository).await.into_iter().collect();
    let second = lab.backup("second").await;
    assert_eq!((second.files_copied, second.bytes_copied), (0, 0));
    assert_eq!(second.files_reused, 10);
    let after: BTreeSet<String> = keys(&lab.repository).await.into_iter().collect();
    let added: Vec<&String> = after.difference(&before).collect();
    assert_eq!(added, ["c1/second/attempt.json", "c1/second/manifest.json"]);
    assert!(before.is_subset(&after));
}

#[tokio::test(start_paused = true)]
async fn only_what_changed_is_copied() {
    let lab = lab().await;
    lab.backup("first").await;
    let before = lists(&lab).await;
    lab.milvus.delete(&namespace("films"), PARTITION, ["1"]);
    lab.fill("films", 5..6).await;
    let second = lab.backup("second").await;
    assert_eq!((second.files_copied, second.files_reused), (6, 10), "five logs and a delta log");
    assert_eq!(lists(&lab).await.difference(&before).count(), 1);
    assert_sound(&lab).await;
}

/// Starts a backup that ends after its copies, and returns a file that it left.
async fn dead_run(lab: &Lab) -> String {
    let store = lab.faulty();
    store.stop_after_writes(8);
    let ended = run_backup(&lab.context_over(store), request("dead")).await;
    assert!(ended.is_err());
    let all = keys(&lab.repository).await;
    all.into_iter().find(|key| key.contains("/_segments/")).expect("it copied something")
}

#[tokio::test(start_paused = true)]
async fn a_file_of_a_dead_run_with_the_same_content_is_adopted() {
    let lab = lab().await;
    dead_run(&lab).await;
    let files = keys(&lab.repository).await.iter().filter(|k| k.contains("_segments")).count();
    let next = lab.backup("next").await;
    assert_eq!((next.files_copied, next.files_reused), (10 - files as u64, files as u64));
    assert_verifies(&lab, "next").await;
}

#[tokio::test(start_paused = true)]
async fn a_file_of_a_dead_run_with_other_content_is_never_overwritten() {
    for other in [&b"other"[..], &b""[..]] {
        let lab = lab().await;
        let left = dead_run(&lab).await;
        let content = Bytes::from_static(other);
        lab.repository.put(&key(&left), content.clone(), PutMode::Overwrite).await.unwrap();
        let error = run_backup(&lab.context(), request("next")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Failed);
        let tail = left.strip_prefix("c1/_segments/").unwrap();
        let sides = [format!("memory/{left}"), format!("/{tail}`")];
        assert!(sides.iter().all(|side| error.to_string().contains(side)), "{error}");
        assert!(error.remedy().is_some_and(|hint| hint.contains("milvus.cluster")));
        assert_eq!(lab.repository.get_bytes(&key(&left)).await.unwrap(), content);
        assert_eq!(state(&lab, "next").await, Some(BackupState::Failed));
    }
}

/// Moves the time of every file under a folder.
fn touch_all(folder: &Path, seconds: u64) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
        if entry.path().is_dir() {
            touch_all(&entry.path(), seconds);
        } else {
            let file = File::options().write(true).open(entry.path()).expect("a file");
            file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).expect("a new time");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_file_with_another_fingerprint_is_compared_and_reused() {
    let folder = TempDir::new().unwrap();
    let source = Arc::new(LocalStore::open(folder.path()).await.unwrap());
    let lab = Lab::over(source);
    lab.fill("films", 0..5).await;
    lab.backup("first").await;
    let copies = snapshot(&lab.repository).await;
    touch_all(&folder.path().join("insert_log"), 1_700_000_000);
    let second = lab.backup("second").await;
    assert_eq!((second.files_copied, second.files_reused), (0, 5));
    for (key, content) in copies {
        assert_eq!(lab.repository.get_bytes(&self::key(&key)).await.unwrap(), content, "{key}");
    }
    let third = lab.backup("third").await;
    assert_eq!((third.files_copied, third.files_reused), (0, 5));
    assert_sound(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn a_source_file_with_other_content_under_its_old_name_is_a_conflict() {
    let lab = lab().await;
    lab.backup("first").await;
    let logs = lab.source.list_all(&KeyPrefix::new("insert_log").unwrap()).await.unwrap();
    let body = Bytes::from(vec![b'x'; usize::try_from(logs[0].size).unwrap()]);
    lab.source.put(&logs[0].key, body, PutMode::Overwrite).await.unwrap();
    let error = run_backup(&lab.context(), request("second")).await.unwrap_err();
    assert!(error.to_string().contains("already holds other content"), "{error}");
    assert_verifies(&lab, "first").await;
}

#[tokio::test(start_paused = true)]
async fn a_damaged_list_is_not_reused_and_its_files_are_compared() {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    lab.backup("first").await;
    let oldest = lists(&lab).await;
    lab.fill("films", 5..6).await;
    lab.backup("second").await;
    let newest: Vec<String> = lists(&lab).await.difference(&oldest).cloned().collect();
    let damage = async |list: &str| {
        let body = Bytes::from_static(b"no list");
        lab.repository.put(&key(list), body, PutMode::Overwrite).await.unwrap();
    };
    damage(&newest[0]).await;
    lab.fill("films", 6..7).await;
    let third = lab.backup("third").await;
    assert_eq!((third.files_copied, third.files_reused), (5, 10), "5 by list, 5 by comparison");
    assert_verifies(&lab, "third").await;
    for list in lists(&lab).await {
        damage(&list).await;
    }
    lab.fill("films", 7..8).await;
    let fourth = lab.backup("fourth").await;
    assert_eq!((fourth.files_copied, fourth.files_reused), (5, 15));
    assert_verifies(&lab, "fourth").await;
}

#[tokio::test(start_paused = true)]
async fn a_damaged_list_is_mended_by_the_next_backup_of_the_same_files() {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    lab.backup("first").await;
    for list in lists(&lab).await {
        let body = Bytes::from_static(b"no list");
        lab.repository.put(&key(&list), body, PutMode::Overwrite).await.unwrap();
    }
    // The same files have the same list, whose name the damaged one has.
    let second = lab.backup("second").await;
    assert_eq!((second.files_copied, second.files_reused), (0, 5));
    assert_verifies(&lab, "second").await;
    assert_verifies(&lab, "first").await;
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_was_lost_is_copied_again() {
    let lab = lab().await;
    lab.backup("first").await;
    let all = keys(&lab.repository).await;
    let lost = all.iter().find(|key| key.contains("/_segments/")).unwrap();
    lab.repository.delete(&[key(lost)]).await.unwrap();
    let second = lab.backup("second").await;
    assert_eq!((second.files_copied, second.files_reused), (1, 9));
    assert_verifies(&lab, "first").await;
}

/// Changes a byte of a shared file.
async fn flip(lab: &Lab) -> ObjectKey {
    let all = keys(&lab.repository).await;
    let file = key(all.iter().find(|key| key.contains("_segments")).expect("a file"));
    let mut bytes = lab.repository.get_bytes(&file).await.expect("it is there").to_vec();
    *bytes.last_mut().expect("it is not empty") ^= 1;
    lab.repository.put(&file, bytes.into(), PutMode::Overwrite).await.expect("it is written");
    file
}

/// The same, and lets a verification find that.
async fn damaged(lab: &Lab) -> ObjectKey {
    lab.backup("first").await;
    let file = flip(lab).await;
    let depth = VerifyDepth::Content;
    let found = run_verify(&lab.context(), None, &backup_name("first"), depth).await;
    assert_eq!(found.expect("it is read").damaged.len(), 1);
    assert_eq!(state(lab, "first").await, Some(BackupState::Suspect));
    file
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_found_damaged_is_written_again_by_the_next_backup() {
    let lab = lab().await;
    damaged(&lab).await;
    let second = lab.backup("second").await;
    assert_eq!((second.files_copied, second.files_reused), (1, 9));
    assert_verifies(&lab, "second").await;
    assert_verifies(&lab, "first").await;
    assert_eq!(state(&lab, "first").await, Some(BackupState::Complete), "it is good again");
    assert_eq!(lab.backup("third").await.files_copied, 0, "nobody doubts it any more");
}

#[tokio::test(start_paused = true)]
async fn a_damaged_file_that_milvus_has_no_more_as_it_was_is_in_no_new_backup() {
    let lab = lab().await;
    let file = damaged(&lab).await;
    let before = lab.repository.get_bytes(&file).await.expect("it is there");
    let tail = file.as_str().strip_prefix("c1/_segments/").expect("a shared file");
    let body = Bytes::from(vec![b'x'; before.len()]);
    lab.source.put(&key(tail), body, PutMode::Overwrite).await.expect("it is written");
    let error = run_backup(&lab.context(), request("second")).await.expect_err("a conflict");
    assert!(error.to_string().contains("already holds other content"), "{error}");
    assert_eq!(lab.repository.get_bytes(&file).await.expect("it is there"), before);
    assert_eq!(state(&lab, "second").await, Some(BackupState::Failed));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_changed_unseen_fails_a_backup_which_tells_the_way_out() {
    let lab = lab().await;
    lab.backup("first").await;
    lab.fill("films", 5..6).await;
    lab.backup("second").await;
    // A store with fingerprints shows that it was written again.
    let file = flip(&lab).await;
    let error = run_backup(&lab.context(), request("third")).await.expect_err("a conflict");
    assert!(error.to_string().contains(file.as_str()), "{error}");
    let hint = error.remedy().expect("there is a way out");
    for part in ["`milvus-backup-agent verify NAME --depth content`", "`milvus.cluster`"] {
        assert!(hint.contains(part), "{hint}");
    }
    lab.later();
    let depth = VerifyDepth::Content;
    let found = run_verify(&lab.context(), None, &backup_name("second"), depth).await;
    assert_eq!(found.expect("it is read").damaged.len(), 1);
    let next = lab.backup("next").await;
    assert_eq!((next.files_copied, next.files_reused), (1, 14));
    for name in ["next", "second", "first"] {
        assert_verifies(&lab, name).await;
    }
    assert_eq!(state(&lab, "second").await, Some(BackupState::Complete));
    assert_eq!(lab.backup("last").await.files_reused, 15);
}
