//! A run that goes on where a dead one stopped, under its own name or under the dead one's.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use milvus_backup_agent::catalog::BackupState;
use milvus_backup_agent::job::{BackupReport, RunOutcome, Sizes, run_backup, run_list};
use milvus_backup_agent::manifest::FileList;
use milvus_backup_agent::model::{ErrorKind, ObjectKey};
use milvus_backup_agent::storage::testing::FaultyStore;
use milvus_backup_agent::storage::{ObjectStore, ObjectStoreExt, PutMode, StoreErrorKind, StoreOp};

use crate::support::{
    Lab, Process, assert_ends_clean, assert_sound, assert_verifies, keys, leases, request, state,
};

/// What no run in these tests comes near.
const OFTEN: u32 = 1000;

/// Ten files of two collections; checkpoints are written every three.
async fn world() -> Lab {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    lab.fill("other.books", 0..4).await;
    lab
}

fn key(key: &str) -> ObjectKey {
    ObjectKey::new(key).unwrap()
}

/// The tails of the segment files in the repository.
async fn copied(lab: &Lab) -> BTreeSet<String> {
    let all = keys(&lab.repository).await;
    all.iter().filter_map(|key| Some(key.strip_prefix("c1/_segments/")?.to_owned())).collect()
}

/// The tails of the files that a backup's checkpoint names.
async fn checkpointed(lab: &Lab, name: &str) -> BTreeSet<String> {
    let key = key(&format!("c1/{name}/checkpoint.jsonl.zst"));
    let Some(bytes) = lab.repository.find_bytes(&key).await.unwrap() else {
        return BTreeSet::new();
    };
    let list = FileList::decode_plan(&bytes).unwrap();
    list.files().map(|(id, _)| id.tail()).collect()
}

/// Runs a backup that stops after so many writes, and takes what was not durable.
async fn interrupted(lab: &Lab, name: &str, writes: u64) -> bool {
    let store = lab.faulty();
    store.stop_after_writes(writes);
    let context = lab.context_over(Arc::<FaultyStore>::clone(&store));
    let ended = run_backup(&context, request(name)).await;
    store.lose_unsynced().await.unwrap();
    lab.later();
    ended.is_err()
}

/// What an interrupted run has left that has written a checkpoint: after how many writes it does
/// so, among copies and heartbeats, is not the same on every machine.
async fn left_with_a_checkpoint() -> Lab {
    for writes in 14..24 {
        let lab = world().await;
        assert!(interrupted(&lab, "dead", writes).await, "{writes}");
        if !checkpointed(&lab, "dead").await.is_empty() {
            return lab;
        }
    }
    panic!("no run has left a checkpoint");
}

/// Runs a backup during which none of `files` can be read, on either side.
async fn without_reading(lab: &Lab, name: &str, files: &BTreeSet<String>) -> BackupReport {
    let store = lab.faulty();
    let source = Arc::new(FaultyStore::new(Arc::clone(&lab.source)));
    for file in files {
        store.fail(StoreOp::Get, file, StoreErrorKind::Other, OFTEN);
        source.fail(StoreOp::Get, file, StoreErrorKind::Other, OFTEN);
    }
    let mut context = lab.context_over(store);
    context.source = Some(source);
    run_backup(&context, request(name)).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_a_checkpoint_names_is_neither_copied_nor_read_again() {
    for next in ["second", "dead"] {
        let mut most = 0;
        for writes in 5..40 {
            let lab = world().await;
            if !interrupted(&lab, "dead", writes).await {
                break;
            }
            let durable = checkpointed(&lab, "dead").await;
            let there = copied(&lab).await;
            assert!(durable.is_subset(&there), "{writes}: a checkpoint names what was lost");
            most = most.max(durable.len());
            let report = without_reading(&lab, next, &durable).await;
            assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
            assert_eq!(report.files_copied, 10 - there.len() as u64, "{writes}");
            assert_eq!(report.files_reused, there.len() as u64, "{writes}");
            assert_verifies(&lab, next).await;
            let left = keys(&lab.repository).await;
            let beside = |file: &str| left.contains(&format!("c1/{next}/{file}.jsonl.zst"));
            assert!(!beside("plan") && !beside("checkpoint"), "{writes}: {left:?}");
            assert_ends_clean(&lab, next).await;
        }
        assert!(most >= 9, "only {most} files of 10 were ever in a checkpoint");
    }
}

/// Every run goes a little further than the last, until one is whole. Watching each heir that
/// died takes heartbeats.
#[tokio::test(start_paused = true)]
async fn a_backup_that_dies_again_and_again_copies_every_file_once() {
    for names in [["same", "same"], ["odd", "even"]] {
        let lab = world().await;
        let mut runs = 0;
        loop {
            let (name, writes) = (names[runs % 2], 5 * runs);
            assert!(runs < 60, "it never ends");
            let store = lab.faulty();
            store.stop_after_writes(writes as u64);
            let durable = copied(&lab).await;
            let context = lab.context_over(Arc::<FaultyStore>::clone(&store));
            let ended = run_backup(&context, request(name)).await;
            // Files that this run wrote and did not sync are lost.
            store.lose_unsynced().await.unwrap();
            assert!(durable.is_subset(&copied(&lab).await), "a file was lost again");
            lab.later();
            assert_sound(&lab).await;
            runs += 1;
            match ended {
                Ok(report) => {
                    assert_eq!(report.files_reused, durable.len() as u64);
                    break;
                }
                Err(_) => assert_ne!(state(&lab, name).await, Some(BackupState::Complete)),
            }
        }
        assert!(runs > 3, "{runs} runs");
    }
}

/// A resumed backup is stopped after each of its writes, and then resumed once more.
#[tokio::test(start_paused = true)]
async fn a_resumed_backup_may_stop_after_any_of_its_writes() {
    for (second, third) in [("dead", "dead"), ("second", "third"), ("dead", "third")] {
        for writes in 0.. {
            let lab = world().await;
            assert!(interrupted(&lab, "dead", 12).await);
            let whole = !interrupted(&lab, second, writes).await;
            assert_sound(&lab).await;
            let (there, left) = (copied(&lab).await, leases(&lab).await);
            let mut durable = checkpointed(&lab, "dead").await;
            durable.append(&mut checkpointed(&lab, second).await);
            if whole {
                assert_eq!(state(&lab, second).await, Some(BackupState::Complete));
                break;
            }
            if state(&lab, second).await == Some(BackupState::Complete) {
                continue;
            }
            let report = without_reading(&lab, third, &durable).await;
            assert_eq!(report.files_copied, 10 - there.len() as u64, "after {writes} writes");
            assert_verifies(&lab, third).await;
            assert_sound(&lab).await;
            let after = leases(&lab).await;
            let new: Vec<_> = after.iter().filter(|lease| !left.contains(lease)).collect();
            assert_eq!(new, Vec::<&String>::new(), "a lease is left");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopped_run_writes_its_last_checkpoint() {
    let lab = world().await;
    let mut context = lab.context();
    context.checkpoint.files = 1000;
    let store = lab.faulty();
    // The third file hangs the second stream for good.
    let stuck = Process::killed_after(7);
    context.repository = store;
    context.source = Some(stuck.store(Arc::clone(&lab.source)));
    let cancel = context.cancel.clone();
    let stop = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        cancel.cancel();
    };
    let (ended, ()) = tokio::join!(run_backup(&context, request("stopped")), stop);
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
    let durable = checkpointed(&lab, "stopped").await;
    assert!(!durable.is_empty());
    assert_eq!(durable, copied(&lab).await);
    let report = without_reading(&lab, "stopped", &durable).await;
    assert_eq!(report.files_reused, durable.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_taken_over_only_from_a_run_that_is_over() {
    let lab = world().await;
    let mut context = lab.context();
    context.source = Some(Process::killed_after(2).store(Arc::clone(&lab.source)));
    let cancel = context.cancel.clone();
    let other = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let refused = run_backup(&lab.context(), request("b")).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Locked);
        assert!(refused.to_string().contains("is making backup `b`"), "{refused}");
        assert!(refused.remedy().unwrap().contains("wait for that run to end"), "{refused:?}");
        cancel.cancel();
    };
    let (ended, ()) = tokio::join!(run_backup(&context, request("b")), other);
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
    lab.backup("b").await;
    assert!(leases(&lab).await.is_empty());
}

/// Two that want the same dead run's name: one gets it.
#[tokio::test(start_paused = true)]
async fn of_two_heirs_one_gets_the_name() {
    for writes in 5..20 {
        let lab = world().await;
        assert!(interrupted(&lab, "dead", writes).await);
        let (one, other) = (lab.context(), lab.context());
        let (one, other) =
            tokio::join!(run_backup(&one, request("dead")), run_backup(&other, request("dead")));
        assert!(one.is_ok() || other.is_ok(), "{one:?} {other:?}");
        assert!(one.is_err() || other.is_err(), "both made a backup of one name");
        assert_eq!(state(&lab, "dead").await, Some(BackupState::Complete));
        assert_verifies(&lab, "dead").await;
    }
}

/// The old run sleeps through its lease, is taken over, and wakes.
#[tokio::test(start_paused = true)]
async fn a_run_that_wakes_after_its_name_was_taken_over_publishes_nothing() {
    let lab = world().await;
    // It writes nothing from its third file on, its heartbeats included.
    let store = lab.faulty();
    let stuck = Process::killed_after(7);
    let mut context = lab.context_over(Arc::<FaultyStore>::clone(&store));
    context.source = Some(stuck.store(Arc::clone(&lab.source)));
    let cancel = context.cancel.clone();
    let sleeper = run_backup(&context, request("b"));
    let heir = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        store.fail(StoreOp::Put, "/_leases/", StoreErrorKind::Transient, 2);
        let key = keys(&lab.repository).await.into_iter().find(|key| key.contains("/_leases/run-"));
        lab.repository.delete(&[self::key(&key.unwrap())]).await.unwrap();
        let report = run_backup(&lab.context(), request("b")).await.unwrap();
        cancel.cancel();
        report
    };
    let (woken, report) = tokio::join!(sleeper, heir);
    assert!(woken.is_err());
    assert_eq!(report.outcome, RunOutcome::Complete);
    assert_eq!(state(&lab, "b").await, Some(BackupState::Complete), "it recorded its end");
    assert_verifies(&lab, "b").await;
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_cannot_be_read_costs_only_time() {
    let lab = left_with_a_checkpoint().await;
    let there = copied(&lab).await;
    let body = Bytes::from_static(b"no checkpoint");
    let checkpoint = key("c1/dead/checkpoint.jsonl.zst");
    lab.repository.put(&checkpoint, body, PutMode::Overwrite).await.unwrap();
    let report = lab.backup("next").await;
    assert_eq!(report.files_reused, there.len() as u64);
    assert_verifies(&lab, "next").await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_a_checkpoint_names_and_that_is_gone_is_copied_again() {
    let lab = left_with_a_checkpoint().await;
    let durable = checkpointed(&lab, "dead").await;
    let lost = key(&format!("c1/_segments/{}", durable.first().unwrap()));
    lab.repository.delete(&[lost]).await.unwrap();
    let there = copied(&lab).await.len() as u64;
    let report = lab.backup("dead").await;
    assert_eq!((report.files_copied, report.files_reused), (10 - there, there));
    let rows = run_list(&lab.context(), Sizes::Known).await.unwrap();
    assert_eq!(rows.len(), 1);
}
