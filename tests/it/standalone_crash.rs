//! A standalone backup, its export and its end, stopped after every write: whatever
//! milvus-backup sees is whole, and the next run under the name goes on.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use milvus_backup_agent::catalog::BackupState;
use milvus_backup_agent::job::{
    ExportOptions, JobContext, JobResult, Prune, Removal, run_backup, run_delete, run_export,
    run_prune,
};
use milvus_backup_agent::model::ErrorKind;
use milvus_backup_agent::storage::testing::FaultyStore;
use milvus_backup_agent::transfer::CheckpointPace;

use crate::support::{
    Lab, PARTITION, Process, assert_ends_clean, assert_sound, assert_trees_whole, assert_verifies,
    backup_name, keys, leases, snapshot, standalone, state,
};

/// The documents of a tree and the manifest, in the order in which they come.
const ORDER: [&str; 6] = [
    "meta/partition_meta.json",
    "meta/segment_meta.json",
    "meta/collection_meta.json",
    "meta/full_meta.json",
    "meta/backup_meta.json",
    "manifest.json",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    Stop,
    PowerCut,
}

/// What makes the backup `b`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Maker {
    Backup,
    /// From `first`.
    Export,
}

impl Maker {
    async fn make(self, context: &JobContext) -> JobResult<(u64, u64)> {
        Ok(match self {
            Self::Backup => {
                let report = run_backup(context, standalone("b")).await?;
                (report.files_copied, report.files_reused)
            }
            Self::Export => {
                let (backup, to) = (backup_name("first"), backup_name("b"));
                let options = ExportOptions { backup, cluster: None, to };
                let copied = run_export(context, &options).await?.copied;
                (copied.streamed, copied.found)
            }
        })
    }
}

async fn world() -> Lab {
    let lab = Lab::new();
    let films = lab.fill("films", 0..5).await;
    lab.fill("other.books", 0..4).await;
    lab.milvus.delete(&films, PARTITION, ["1"]);
    lab.fill("films", 5..9).await;
    lab.backup("first").await;
    lab
}

async fn own_files(lab: &Lab) -> u64 {
    let all = keys(&lab.repository).await;
    all.iter().filter(|key| key.contains("/b/binlogs/")).count() as u64
}

/// The documents that are there are the first ones of their order.
async fn assert_in_order(lab: &Lab, why: &str) -> usize {
    let all = keys(&lab.repository).await;
    let there = ORDER.map(|name| all.contains(&format!("c1/b/{name}")));
    let first = there.iter().take_while(|there| **there).count();
    assert!(there[first..].iter().all(|there| !there), "{why}: {there:?}");
    first
}

/// The run that makes `b` has ended somehow; only the repository tells where.
async fn assert_recovers(lab: &Lab, maker: Maker, why: &str) {
    let source = snapshot(&*lab.source).await;
    assert_sound(lab).await;
    assert_trees_whole(&lab.repository, why).await;
    assert_in_order(lab, why).await;
    lab.later();
    let there = own_files(lab).await;
    match maker.make(&lab.context()).await {
        Ok((copied, found)) => assert_eq!((copied, found), (16 - there, there), "{why}"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Refused, "{why}: {}", error.chain());
            assert_eq!(state(lab, "b").await, Some(BackupState::Complete), "{why}");
        }
    }
    assert_verifies(lab, "b").await;
    assert_sound(lab).await;
    let seen = assert_trees_whole(&lab.repository, why).await;
    assert!(seen.contains("b"), "{why}");
    assert_eq!(own_files(lab).await, 16, "{why}");
    assert_eq!(snapshot(&*lab.source).await, source, "{why}: Milvus's storage was changed");
    assert_ends_clean(lab, why).await;
}

async fn stops(maker: Maker) {
    let lab = world().await;
    let store = lab.faulty();
    maker.make(&lab.context_over(Arc::<FaultyStore>::clone(&store))).await.unwrap();
    let writes = store.writes();
    assert!(writes > 25, "{writes} writes");
    for death in [Death::Stop, Death::PowerCut] {
        for allowed in 0..=writes {
            let why = format!("{maker:?}: {death:?} after {allowed} of {writes} writes");
            let lab = world().await;
            let store = lab.faulty();
            store.stop_after_writes(allowed);
            let context = lab.context_over(Arc::<FaultyStore>::clone(&store));
            maker.make(&context).await.map(drop).unwrap_or_default();
            if death == Death::PowerCut {
                store.lose_unsynced().await.unwrap();
            }
            assert_recovers(&lab, maker, &why).await;
        }
    }
}

/// One that writes no checkpoint before its end: so all runs make the same writes.
fn steady(context: JobContext) -> JobContext {
    let checkpoint = CheckpointPace { files: 1000, interval: Duration::from_hours(1) };
    JobContext { checkpoint, ..context }
}

/// What is left of a run that stops after so many writes, and how many documents there are.
async fn stopped(maker: Maker, allowed: u64) -> (Lab, usize) {
    let lab = world().await;
    let store = lab.faulty();
    store.stop_after_writes(allowed);
    let context = steady(lab.context_over(store));
    maker.make(&context).await.map(drop).unwrap_or_default();
    let documents = assert_in_order(&lab, "stopped").await;
    (lab, documents)
}

#[tokio::test(start_paused = true)]
async fn documents_come_in_their_order_and_the_manifest_last() {
    for maker in [Maker::Backup, Maker::Export] {
        let mut seen = Vec::new();
        for allowed in 0.. {
            let (_, documents) = stopped(maker, allowed).await;
            seen.push(documents);
            if documents == ORDER.len() {
                break;
            }
        }
        seen.dedup();
        assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6], "{maker:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_standalone_backup_may_stop_after_any_of_its_writes() {
    stops(Maker::Backup).await;
}

#[tokio::test(start_paused = true)]
async fn an_export_may_stop_after_any_of_its_writes() {
    stops(Maker::Export).await;
}

#[tokio::test(start_paused = true)]
async fn a_standalone_backup_and_an_export_may_be_killed_at_any_of_their_calls() {
    for maker in [Maker::Backup, Maker::Export] {
        let lab = world().await;
        let whole = Process::immortal();
        maker.make(&whole.context(lab.context())).await.unwrap();
        assert!(whole.calls() > 60, "{} calls", whole.calls());
        for calls in (0..=whole.calls()).step_by(7) {
            let why = format!("{maker:?} killed at call {calls}");
            let lab = world().await;
            let process = Process::killed_after(calls);
            let context = process.context(lab.context());
            process.run(maker.make(&context)).await.map(drop).unwrap_or_default();
            assert_recovers(&lab, maker, &why).await;
        }
    }
}

/// A run that goes on with the tree of a dead one, and dies, too.
#[tokio::test(start_paused = true)]
async fn an_heir_may_stop_after_any_of_its_writes() {
    let mut all_documents = 20;
    while stopped(Maker::Backup, all_documents).await.1 < 5 {
        all_documents += 1;
    }
    for allowed in 0.. {
        let why = format!("an heir after {allowed} writes");
        let (lab, documents) = stopped(Maker::Backup, all_documents).await;
        assert_eq!(documents, 5, "all but the manifest");
        lab.fill("films", 20..22).await;
        lab.later();
        let store = lab.faulty();
        store.stop_after_writes(allowed);
        let context = lab.context_over(Arc::<FaultyStore>::clone(&store));
        let ended = Maker::Backup.make(&context).await;
        assert_sound(&lab).await;
        assert_trees_whole(&lab.repository, &why).await;
        if ended.is_ok() {
            assert!(allowed > 20, "{allowed}");
            break;
        }
        lab.later();
        Maker::Backup.make(&lab.context()).await.map(drop).unwrap_or_default();
        assert_verifies(&lab, "b").await;
        assert!(assert_trees_whole(&lab.repository, &why).await.contains("b"), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delete_of_a_tree_may_stop_after_any_of_its_writes() {
    let made = async || {
        let lab = world().await;
        Maker::Backup.make(&lab.context()).await.unwrap();
        lab.later();
        lab
    };
    for death in [Death::Stop, Death::PowerCut] {
        let mut left = Vec::new();
        for allowed in 0.. {
            let why = format!("{death:?} after {allowed} writes of a delete");
            let lab = made().await;
            let store = lab.faulty();
            store.stop_after_writes(allowed);
            let context = lab.context_over(Arc::<FaultyStore>::clone(&store));
            let done = run_delete(&context, &backup_name("b"), Removal::Now).await;
            if death == Death::PowerCut {
                store.lose_unsynced().await.unwrap();
            }
            assert_sound_but_hidden(&lab).await;
            assert_trees_whole(&lab.repository, &why).await;
            left.push(assert_gone_in_order(&lab, &why).await);
            for _ in 0..2 {
                lab.clock.advance(SignedDuration::from_hours(100));
                run_prune(&lab.context(), None, Prune::Apply).await.unwrap();
            }
            if state(&lab, "b").await.is_none() {
                assert_eq!(own_files(&lab).await, 0, "{why}");
            }
            assert_eq!(leases(&lab).await.iter().filter(|key| key.contains("run-")).count(), 0);
            assert_verifies(&lab, "first").await;
            if done.is_ok() {
                break;
            }
        }
        left.dedup();
        assert_eq!(left, [6, 5, 4, 3, 0], "{death:?}: manifest, backup_meta, full_meta, the rest");
    }
}

async fn assert_sound_but_hidden(lab: &Lab) {
    match state(lab, "b").await {
        None | Some(BackupState::Tombstoned) => {}
        Some(BackupState::Complete) => assert_verifies(lab, "b").await,
        other => panic!("{other:?}"),
    }
}

/// How many documents are left; the last ones went first, and the first all together.
async fn assert_gone_in_order(lab: &Lab, why: &str) -> usize {
    let all = keys(&lab.repository).await;
    let there = ORDER.map(|name| all.contains(&format!("c1/b/{name}")));
    match there {
        [.., true] => assert_eq!(there, [true; 6], "{why}"),
        [.., true, false] => assert_eq!(there, [true, true, true, true, true, false], "{why}"),
        [_, _, _, true, false, false] => assert!(there[..3] == [true; 3], "{why}"),
        // In the order of their names, file by file.
        _ => return if own_files(lab).await == 16 && there[..3] == [true; 3] { 3 } else { 0 },
    }
    there.iter().filter(|there| **there).count()
}
