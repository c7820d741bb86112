//! Milvus compacts and deletes under a backup; stores answer that it is too much.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use milvus_backup_agent::catalog::BackupState;
use milvus_backup_agent::job::{RunOutcome, run_backup};
use milvus_backup_agent::milvus::testing::{FakeMilvus, MilvusCall};
use milvus_backup_agent::model::{ErrorKind, KeyPrefix, Namespace, ObjectKey};
use milvus_backup_agent::storage::testing::{Cut, FaultyStore};
use milvus_backup_agent::storage::{
    CopySource, DeleteReport, ObjectMeta, ObjectStore, ObjectStream, PutMode, Space,
    StoreErrorKind, StoreOp, StoreResult,
};
use milvus_backup_agent::transfer::Throttle;
use tokio::time::Instant;

use crate::support::{
    Lab, assert_sound, assert_trees_whole, assert_verifies, keys, leases, namespace, request,
    restore_of, standalone, state,
};

/// Milvus's storage, in which files of one collection vanish as they are about to be read.
#[derive(Debug)]
struct Vanishing {
    inner: Arc<dyn ObjectStore>,
    milvus: Arc<FakeMilvus>,
    collection: Namespace,
    times: std::sync::Mutex<u32>,
}

impl std::fmt::Display for Vanishing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Vanishing {
    fn list(&self, under: &KeyPrefix) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list(under)
    }

    async fn list_folders(&self, under: &KeyPrefix) -> StoreResult<Vec<String>> {
        self.inner.list_folders(under).await
    }

    async fn head(&self, key: &ObjectKey) -> StoreResult<ObjectMeta> {
        self.inner.head(key).await
    }

    async fn get(&self, key: &ObjectKey) -> StoreResult<ObjectStream> {
        let id = self.milvus.collection_id(&self.collection);
        let ours = key.as_str().contains(&format!("_log/{id}/"));
        let ours = ours && self.inner.head(key).await.is_ok();
        let vanishes = {
            let mut times = self.times.lock().expect("no holder of this lock panics");
            let vanishes = ours && *times > 0;
            *times -= u32::from(vanishes);
            vanishes
        };
        if vanishes {
            let garbage = self.milvus.compact(&self.collection).await.expect("it compacts");
            self.milvus.collect_garbage(&garbage).await.expect("it collects");
        }
        self.inner.get(key).await
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> StoreResult<ObjectMeta> {
        self.inner.put(key, body, mode).await
    }

    async fn put_stream(
        &self,
        key: &ObjectKey,
        size: u64,
        body: ObjectStream,
    ) -> StoreResult<ObjectMeta> {
        self.inner.put_stream(key, size, body).await
    }

    async fn copy_from(&self, source: &CopySource, to: &ObjectKey) -> StoreResult<ObjectMeta> {
        self.inner.copy_from(source, to).await
    }

    async fn delete(&self, keys: &[ObjectKey]) -> StoreResult<DeleteReport> {
        self.inner.delete(keys).await
    }

    async fn sync(&self) -> StoreResult<()> {
        self.inner.sync().await
    }

    async fn space(&self) -> StoreResult<Option<Space>> {
        self.inner.space().await
    }

    fn copy_source(&self, key: &ObjectKey) -> Option<CopySource> {
        self.inner.copy_source(key)
    }

    async fn settle(&self) {
        self.inner.settle().await;
    }
}

async fn lab() -> Lab {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    lab.fill("films", 5..9).await;
    lab.fill("books", 0..4).await;
    lab
}

fn vanishing(lab: &Lab, times: u32) -> Arc<Vanishing> {
    Arc::new(Vanishing {
        inner: Arc::clone(&lab.source),
        milvus: Arc::<FakeMilvus>::clone(&lab.milvus),
        collection: namespace("films"),
        times: std::sync::Mutex::new(times),
    })
}

#[tokio::test(start_paused = true)]
async fn a_collection_whose_files_vanish_is_planned_again() {
    for times in [1, 2, 3] {
        let mut lab = lab().await;
        let before = lab.milvus.calls(MilvusCall::Flush);
        let mut context = lab.context();
        context.concurrency = 1;
        context.source = Some(vanishing(&lab, times));
        let report = run_backup(&context, request("b")).await.expect("a backup");
        assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
        assert_eq!(report.rows, 13);
        let flushes = u32::try_from(lab.milvus.calls(MilvusCall::Flush) - before).expect("few");
        assert_eq!(flushes, 2 + times, "only the collection of the files is flushed again");
        assert_verifies(&lab, "b").await;
        let rows = lab.milvus.rows(&namespace("films"));
        lab.lose_milvus();
        let mut restore = restore_of("b");
        restore.cluster = None;
        assert!(lab.restore(&restore).await.is_ok());
        assert_eq!(lab.milvus.rows(&namespace("films")), rows);
    }
}

/// What it had copied of the segments that are no more is gone: milvus-backup believes listings.
#[tokio::test(start_paused = true)]
async fn a_collection_that_is_planned_again_leaves_nothing_in_a_tree() {
    for times in [1, 2, 3, 100] {
        let lab = lab().await;
        let mut context = lab.context();
        context.concurrency = 1;
        context.source = Some(vanishing(&lab, times));
        let report = run_backup(&context, standalone("b")).await.expect("a backup");
        let outcome = if times > 3 { RunOutcome::Partial } else { RunOutcome::Complete };
        assert_eq!(report.outcome, outcome, "{report:?}");
        let seen = assert_trees_whole(&lab.repository, "planned again").await;
        assert!(seen.contains("b"), "{times}: {seen:?}");
        assert_verifies(&lab, "b").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_collection_whose_files_never_stop_vanishing_costs_only_itself() {
    let lab = lab().await;
    let mut context = lab.context();
    context.concurrency = 1;
    context.source = Some(vanishing(&lab, 100));
    let report = run_backup(&context, request("b")).await.expect("a backup");
    assert_eq!(report.outcome, RunOutcome::Partial, "{report:?}");
    let failed = report.collections.iter().find(|c| c.name == "films").expect("it was wanted");
    let why = failed.error.as_deref().unwrap_or_default();
    assert!(why.contains("insert_log/"), "{why}");
    assert_verifies(&lab, "b").await;
    assert!(leases(&lab).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_new_plan_is_saved_before_its_copies_start() {
    let lab = lab().await;
    let source = vanishing(&lab, 1);
    for writes in 4..60 {
        let lab = self::lab().await;
        let store = lab.faulty();
        store.stop_after_writes(writes);
        let mut context = lab.context_over(Arc::<FaultyStore>::clone(&store));
        context.source = Some(vanishing(&lab, 1));
        if run_backup(&context, request("b")).await.is_ok() {
            assert!(writes > 20);
            break;
        }
        lab.later();
        assert_sound(&lab).await;
        lab.backup("b").await;
        assert_verifies(&lab, "b").await;
    }
    drop(source);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_asked_too_much_is_given_room() {
    for op in [StoreOp::Put, StoreOp::Get] {
        let lab = lab().await;
        let (store, source) = (lab.faulty(), Arc::new(FaultyStore::new(Arc::clone(&lab.source))));
        let side = if op == StoreOp::Put { &store } else { &source };
        side.fail(op, "_log/", StoreErrorKind::Transient, 8);
        let mut context = lab.context_over(Arc::<FaultyStore>::clone(&store));
        context.source = Some(source);
        context.concurrency = 8;
        let begun = Instant::now();
        let report = run_backup(&context, request("b")).await.expect("a backup");
        assert_eq!(report.outcome, RunOutcome::Complete, "{op:?}: {report:?}");
        assert_eq!(report.files_copied, 15);
        assert!(begun.elapsed() > Duration::from_millis(200), "nobody waited");
        assert_verifies(&lab, "b").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_never_well_ends_the_run_and_a_source_costs_its_collection() {
    for retries in [0, 3] {
        let lab = lab().await;
        let store = lab.faulty();
        store.fail(StoreOp::Put, "/_segments/", StoreErrorKind::Transient, 1000);
        let mut context = lab.context_over(store);
        context.retries = retries;
        let error = run_backup(&context, request("b")).await.expect_err("it cannot be written");
        assert_eq!(error.kind(), ErrorKind::Failed);
        assert_eq!(state(&lab, "b").await, Some(BackupState::Failed));

        let source = Arc::new(FaultyStore::new(Arc::clone(&lab.source)));
        let id = lab.milvus.collection_id(&namespace("films"));
        source.fail(StoreOp::Get, &format!("_log/{id}/"), StoreErrorKind::Transient, 1000);
        let mut context = lab.context();
        context.source = Some(source);
        context.retries = retries;
        let report = run_backup(&context, request("b")).await.expect("a backup");
        assert_eq!(report.outcome, RunOutcome::Partial, "{report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_off_is_read_and_written_again() {
    let lab = lab().await;
    let source = Arc::new(FaultyStore::new(Arc::clone(&lab.source)));
    for _ in 0..3 {
        source.truncate("insert_log", 3, Cut::WithError);
    }
    let mut context = lab.context();
    context.source = Some(source);
    let report = run_backup(&context, request("b")).await.expect("a backup");
    assert_eq!((report.outcome, report.files_copied), (RunOutcome::Complete, 15));
    assert_verifies(&lab, "b").await;
}

#[tokio::test(start_paused = true)]
async fn a_backup_keeps_the_rate() {
    let lab = lab().await;
    let unlimited = Instant::now();
    let bytes = lab.backup("fast").await.bytes_copied;
    let unlimited = unlimited.elapsed();
    let other = self::lab().await;
    let mut context = other.context();
    context.throttle = Arc::new(Throttle::new(std::num::NonZeroU64::new(bytes / 60)));
    context.concurrency = 16;
    let begun = Instant::now();
    let report = run_backup(&context, request("slow")).await.expect("a backup");
    assert_eq!(report.bytes_copied, bytes);
    let took = begun.elapsed().saturating_sub(unlimited);
    // The last file of 15 need not be waited for.
    assert!(took > Duration::from_secs(50) && took < Duration::from_secs(63), "{took:?}");
    let left = keys(&other.repository).await;
    assert!(!left.iter().any(|key| key.contains("checkpoint")), "{left:?}");
}
