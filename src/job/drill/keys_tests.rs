//! Keys of restored collections against those of backups, on the fake.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use super::{Expiry, KeyComparison, compare_keys};
use crate::catalog::{self, ClusterIdentity, Readable};
use crate::config::{MinFree, Retention, Settle};
use crate::job::verify::readable;
use crate::job::{
    BackupRequest, JobContext, LostReinserts, RestoreOptions, Staging, Wanted, run_backup,
    run_restore,
};
use crate::metrics::Metrics;
use crate::milvus::testing::{FakeMilvus, SchemaDraft};
use crate::milvus::{KeyValue, MilvusApi, MilvusVersion};
use crate::model::{
    BackupName, Clock, ClusterName, ErrorKind, Layout, LoadState, ManualClock, Namespace, ObjectKey,
};
use crate::plan::RestoreRequest;
use crate::policy::CollectionSelector;
use crate::storage::{MemoryStore, ObjectStore, ObjectStoreExt, PutMode};
use crate::transfer::{CheckpointPace, Progress, Throttle};

const PARTITION: &str = "_default";

/// `films` with two partitions: inserts, deletes, keys that were inserted again; in a backup, and
/// restored as `films_r`.
struct World {
    context: JobContext,
    repository: MemoryStore,
    milvus: Arc<FakeMilvus>,
    restored: Namespace,
}

impl World {
    async fn new(keys: fn(u32) -> String) -> Self {
        let clock = Arc::new(ManualClock::at("2026-11-23T02:00:00Z".parse().unwrap()));
        let memory = || MemoryStore::new(Arc::<ManualClock>::clone(&clock) as Arc<dyn Clock>);
        let (source, repository, staging) = (memory(), memory(), memory());
        let milvus = FakeMilvus::new(Arc::new(source.clone()))
            .with_mount("/staging/", Arc::new(staging.clone()));
        let milvus = Arc::new(milvus);
        let films = Namespace::new("default", "films");
        let named = |range: std::ops::Range<u32>| range.map(keys);
        milvus.add_collection(&films, SchemaDraft::new("films").encode());
        milvus.add_partition(&films, "old");
        milvus.load(&films, &LoadState::Loaded { replicas: 1 }).await.unwrap();
        milvus.insert(&films, PARTITION, named(0..20));
        milvus.insert(&films, "old", named(20..30));
        milvus.flush(&films).await.unwrap();
        milvus.delete(&films, PARTITION, named(0..5));
        milvus.insert(&films, PARTITION, named(3..5));
        // Of a key in two partitions one row goes.
        milvus.insert(&films, PARTITION, named(29..30));
        milvus.delete(&films, "old", named(28..30));
        let context = context(&milvus, &source, &repository, &clock);
        let name = BackupName::new("b1").unwrap();
        let request = BackupRequest {
            name: Some(name.clone()),
            policy: None,
            selector: CollectionSelector::all(),
            layout: Layout::Incremental,
            rbac: false,
            trigger: "test".to_owned(),
            job: None,
        };
        run_backup(&context, request).await.unwrap();
        let options = RestoreOptions {
            backup: name,
            cluster: None,
            request: RestoreRequest {
                selector: CollectionSelector::all(),
                suffix: Some("_r".to_owned()),
                renames: Vec::new(),
                drop_existing: false,
            },
            indexes: Wanted::Yes,
            load: Wanted::Yes,
            rbac: Wanted::No,
            lost_reinserts: LostReinserts::Refuse,
        };
        let staging = Staging {
            store: Arc::new(staging),
            seen_by_milvus: "/staging/".to_owned(),
            repository_seen: None,
        };
        run_restore(&context, &staging, &options).await.unwrap();
        let restored = Namespace::new("default", "films_r");
        Self { context, repository, milvus, restored }
    }

    async fn backup(&self) -> Readable {
        let repository = self.context.open_repository().await.unwrap();
        let name = BackupName::new("b1").unwrap();
        let found = catalog::find(&repository, None, &name, &*self.context.clock).await;
        let (cluster, record) = found.unwrap();
        readable(&cluster, record).await.unwrap()
    }

    async fn compare(&self) -> KeyComparison {
        let backup = self.backup().await;
        let content = backup.manifest.contents().next().expect("it holds `films`");
        compare_keys(&self.context, &backup, content, (&self.restored, None)).await.unwrap()
    }

    /// The first file of the backup below a folder.
    async fn file(&self, folder: &str, end: &str) -> ObjectKey {
        let all = self.repository.list_all(&crate::model::KeyPrefix::root()).await.unwrap();
        let keys = all.into_iter().map(|meta| meta.key);
        let is_it = |key: &ObjectKey| key.as_str().contains(folder) && key.as_str().contains(end);
        keys.into_iter().find(is_it).expect("it has one")
    }
}

fn context(
    milvus: &Arc<FakeMilvus>,
    source: &MemoryStore,
    repository: &MemoryStore,
    clock: &Arc<ManualClock>,
) -> JobContext {
    JobContext {
        milvus: Arc::<FakeMilvus>::clone(milvus),
        gc: None,
        source: Some(Arc::new(source.clone())),
        repository: Arc::new(repository.clone()),
        cluster: ClusterName::new("c1").unwrap(),
        identity: ClusterIdentity { address: "fake".to_owned(), storage: "memory".to_owned() },
        clock: Arc::<ManualClock>::clone(clock),
        progress: Arc::new(Progress::default()),
        cancel: CancellationToken::new(),
        concurrency: 2,
        retries: 1,
        throttle: Arc::new(Throttle::new(None)),
        checkpoint: CheckpointPace { files: 3, interval: Duration::from_secs(5) },
        min_free: MinFree::Bytes(0),
        retention: Retention {
            delete_grace: SignedDuration::from_hours(48),
            orphan_grace: SignedDuration::from_hours(24),
            failed_ttl: SignedDuration::from_hours(72),
            max_delete_percent: 50,
        },
        settle: Settle::Auto(Duration::from_mins(10)),
        metrics: Metrics::default(),
    }
}

fn equal() -> KeyComparison {
    // 30 keys were there; 0, 1, 2 and 28 are gone.
    KeyComparison {
        live: 26,
        deleted: 4,
        whole: true,
        problems: Vec::new(),
        unread: None,
        expired: false,
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_back_as_it_was_is_equal() {
    for keys in [|key: u32| key.to_string(), |key: u32| format!("key \"{key}\"")] {
        let world = World::new(keys).await;
        assert_eq!(world.compare().await, equal());
        let progress = world.context.progress.snapshot();
        assert!(progress.total_bytes > 0);
        assert_eq!(progress.done_bytes, progress.total_bytes);
    }
}

/// The rows of the fake are five days old. Where an import keeps that, none has to be there.
#[tokio::test(start_paused = true)]
async fn rows_that_are_too_old_may_be_missing_and_deleted_keys_may_not_be_there() {
    let world = World::new(|key| key.to_string()).await;
    world.milvus.delete(&world.restored, PARTITION, ["4", "7"]);
    world.milvus.insert(&world.restored, PARTITION, ["1"]);
    let backup = world.backup().await;
    let (record, was) = backup.manifest.contents().next().expect("it holds `films`");
    let mut was = was.clone();
    was.properties.push(KeyValue { key: "collection.ttl.seconds".into(), value: "60".into() });
    for (version, live, problems) in [
        ("v2.4.1", 0, &["a deleted key is there: 1"][..]),
        ("v2.3.5", 26, &["2 keys are missing: 4, 7", "a deleted key is there: 1"]),
    ] {
        let expiry = Expiry::of(&was, &MilvusVersion::parse(version));
        let restored = (&world.restored, expiry.as_ref());
        let found = compare_keys(&world.context, &backup, (record, &was), restored).await.unwrap();
        assert_eq!((found.live, found.deleted, found.expired), (live, 4, live == 0), "{found:?}");
        assert_eq!(found.problems, problems);
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_missing_or_came_back_are_named() {
    let world = World::new(|key| key.to_string()).await;
    world.milvus.insert(&world.restored, PARTITION, ["1", "100"]);
    assert_eq!(world.compare().await.problems, ["a deleted key is there: 1"]);
    world.milvus.delete(&world.restored, PARTITION, ["1", "4", "7"]);
    assert_eq!(world.compare().await.problems, ["2 keys are missing: 4, 7"]);
    world.milvus.insert(&world.restored, "old", ["28", "2"]);
    world.milvus.delete(&world.restored, PARTITION, (8..20).map(|key: u32| key.to_string()));
    let problems = [
        "14 keys are missing, the first: 4, 7, 8, 9, 10, 11, 12, 13, 14, 15",
        "2 deleted keys are there: 2, 28",
    ];
    let problems = problems.map(str::to_owned).to_vec();
    assert_eq!(world.compare().await, KeyComparison { problems, ..equal() });
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_missing_or_damaged_is_named_and_nothing_is_asked() {
    let world = World::new(|key| key.to_string()).await;
    let (keys, deletes) =
        (world.file("insert_log", "/100/").await, world.file("delta_log", "").await);
    let whole = world.repository.get_bytes(&deletes).await.unwrap();
    let cut = whole.slice(..whole.len() / 2);
    world.repository.put(&deletes, cut, PutMode::Overwrite).await.unwrap();
    world.repository.delete(std::slice::from_ref(&keys)).await.unwrap();
    let found = world.compare().await;
    assert_eq!((found.live, found.deleted, found.whole), (0, 0, false));
    let mut problems = found.problems;
    problems.sort();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains(deletes.as_str()) && problems[0].contains("it is damaged"));
    assert!(problems[1].contains(keys.as_str()) && problems[1].ends_with("it is missing"));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_this_agent_cannot_read_is_no_failure() {
    let world = World::new(|key| key.to_string()).await;
    let log = world.file("insert_log", "/100/").await;
    world.repository.put(&log, "PAR1".into(), PutMode::Overwrite).await.unwrap();
    let found = world.compare().await;
    assert!(found.unread.as_ref().unwrap().contains(log.as_str()), "{found:?}");
    assert_eq!(found, KeyComparison::of_none(Vec::new(), found.unread.clone()));
}

#[tokio::test(start_paused = true)]
async fn what_was_damaged_before_it_is_told_all_the_same() {
    let world = World::new(|key| key.to_string()).await;
    let (missing, unread) =
        (world.file("insert_log", "/100/").await, world.file("delta_log", "").await);
    world.repository.delete(std::slice::from_ref(&missing)).await.unwrap();
    world.repository.put(&unread, "PAR1".into(), PutMode::Overwrite).await.unwrap();
    let found = world.compare().await;
    assert!(found.unread.as_ref().unwrap().contains(unread.as_str()), "{found:?}");
    assert_eq!(found.problems.len(), 1, "{found:?}");
    assert!(found.problems[0].contains(missing.as_str()), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn a_comparison_can_be_cancelled() {
    let world = World::new(|key| key.to_string()).await;
    world.context.cancel.cancel();
    let backup = world.backup().await;
    let content = backup.manifest.contents().next().unwrap();
    let ended = compare_keys(&world.context, &backup, content, (&world.restored, None)).await;
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
}
