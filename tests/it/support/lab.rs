//! A Milvus, a repository and the processes that work on them.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use milvus_backup_agent::catalog::ClusterIdentity;
use milvus_backup_agent::config::{MinFree, Retention, Settle};
use milvus_backup_agent::job::{
    BackupReport, BackupRequest, JobContext, JobResult, LostReinserts, RestoreOptions,
    RestoreReport, RunOutcome, Staging, Wanted, run_backup, run_restore,
};
use milvus_backup_agent::metrics::Metrics;
use milvus_backup_agent::milvus::MilvusApi;
use milvus_backup_agent::milvus::testing::{FakeMilvus, SchemaDraft};
use milvus_backup_agent::model::{BackupName, Clock, ClusterName, Layout, ManualClock, Namespace};
use milvus_backup_agent::plan::RestoreRequest;
use milvus_backup_agent::policy::CollectionSelector;
use milvus_backup_agent::storage::testing::FaultyStore;
use milvus_backup_agent::storage::{MemoryStore, ObjectStore};
use milvus_backup_agent::transfer::{CheckpointPace, Progress, Throttle};
use tokio_util::sync::CancellationToken;

/// The partition that every collection has.
pub(crate) const PARTITION: &str = "_default";

/// Where Milvus sees the staging folder.
const SEEN_STAGING: &str = "/staging/";

/// Where Milvus sees the repository.
const SEEN_REPOSITORY: &str = "/repository/";

/// How often a Milvus 2.2 writes deletes down if it is not told otherwise.
const SYNC_PERIOD: Duration = Duration::from_mins(10);

/// The outside world of a test.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) source: Arc<dyn ObjectStore>,
    pub(crate) repository: MemoryStore,
    pub(crate) staging: MemoryStore,
    pub(crate) milvus: Arc<FakeMilvus>,
}

impl Lab {
    /// An empty Milvus that keeps its files in memory, and no repository yet.
    pub(crate) fn new() -> Self {
        let clock = clock();
        let source = Arc::new(memory(&clock));
        Self::build(clock, source)
    }

    /// The same over another storage.
    pub(crate) fn over(source: Arc<dyn ObjectStore>) -> Self {
        Self::build(clock(), source)
    }

    /// The same of another version.
    pub(crate) fn of_version(version: &str) -> Self {
        let mut lab = Self::new();
        lab.replace_milvus(version);
        lab
    }

    /// Puts an empty Milvus of another version, with a storage of its own, in its place.
    pub(crate) fn replace_milvus(&mut self, version: &str) {
        self.source = Arc::new(memory(&self.clock));
        let milvus = fake(&self.source, &self.staging, &self.repository);
        self.milvus = Arc::new(milvus.with_version(version));
    }

    fn build(clock: Arc<ManualClock>, source: Arc<dyn ObjectStore>) -> Self {
        let (repository, staging) = (memory(&clock), memory(&clock));
        let milvus = Arc::new(fake(&source, &staging, &repository));
        Self { clock, source, repository, staging, milvus }
    }

    /// Puts an empty Milvus with a storage of its own in the place of the one there was.
    pub(crate) fn lose_milvus(&mut self) {
        self.source = Arc::new(memory(&self.clock));
        self.milvus = Arc::new(fake(&self.source, &self.staging, &self.repository));
    }

    /// A fresh process.
    pub(crate) fn context(&self) -> JobContext {
        self.context_over(Arc::new(self.repository.clone()))
    }

    /// A fresh process that sees the repository through another store. Milvus's storage is
    /// read-only to every process.
    pub(crate) fn context_over(&self, repository: Arc<dyn ObjectStore>) -> JobContext {
        let source = FaultyStore::new(Arc::clone(&self.source));
        source.make_read_only();
        JobContext {
            milvus: Arc::<FakeMilvus>::clone(&self.milvus),
            gc: None,
            source: Some(Arc::new(source)),
            repository,
            cluster: ClusterName::new("c1").expect("a name"),
            identity: ClusterIdentity {
                address: self.milvus.address().to_owned(),
                storage: "memory".to_owned(),
            },
            clock: Arc::<ManualClock>::clone(&self.clock),
            progress: Arc::new(Progress::default()),
            cancel: CancellationToken::new(),
            concurrency: 2,
            retries: 5,
            throttle: Arc::new(Throttle::new(None)),
            checkpoint: CheckpointPace { files: 3, interval: Duration::from_secs(5) },
            min_free: MinFree::Bytes(0),
            retention: Retention {
                delete_grace: SignedDuration::from_hours(48),
                orphan_grace: SignedDuration::from_hours(24),
                failed_ttl: SignedDuration::from_hours(72),
                max_delete_percent: 50,
            },
            settle: Settle::Auto(SYNC_PERIOD),
            metrics: Metrics::default(),
        }
    }

    /// The repository through a store that fails on a script.
    pub(crate) fn faulty(&self) -> Arc<FaultyStore> {
        Arc::new(FaultyStore::new(Arc::new(self.repository.clone())))
    }

    /// The staging folder, mounted into Milvus.
    pub(crate) fn staging(&self) -> Staging {
        staging_over(Arc::new(self.staging.clone()))
    }

    /// The same, in a repository that is mounted into Milvus, too.
    pub(crate) fn staging_in_place(&self) -> Staging {
        Staging { repository_seen: Some(SEEN_REPOSITORY.to_owned()), ..self.staging() }
    }

    /// Lets time pass on the wall, longer than any lease lives.
    pub(crate) fn later(&self) {
        self.clock.advance(SignedDuration::from_mins(1));
    }

    /// Inserts keys into a collection, made if need be, and flushes them into a segment.
    pub(crate) async fn fill(&self, name: &str, keys: Range<u32>) -> Namespace {
        let collection = namespace(name);
        if self.milvus.rows(&collection).is_none() {
            let schema = SchemaDraft::new(&collection.collection).text("title").encode();
            self.milvus.add_collection(&collection, schema);
        }
        self.milvus.insert(&collection, PARTITION, keys.map(|key| key.to_string()));
        self.milvus.flush(&collection).await.expect("the fake flushes");
        collection
    }

    /// A whole backup by a fresh process.
    pub(crate) async fn backup(&self, name: &str) -> BackupReport {
        let report = run_backup(&self.context(), request(name)).await.expect("a backup");
        assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
        self.later();
        report
    }

    /// A restore by a fresh process.
    pub(crate) async fn restore(&self, options: &RestoreOptions) -> JobResult<RestoreReport> {
        run_restore(&self.context(), &self.staging(), options).await
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at("2026-11-23T02:00:00Z".parse().expect("a time")))
}

fn memory(clock: &Arc<ManualClock>) -> MemoryStore {
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
    MemoryStore::new(clock)
}

fn fake(
    source: &Arc<dyn ObjectStore>,
    staging: &MemoryStore,
    repository: &MemoryStore,
) -> FakeMilvus {
    FakeMilvus::new(Arc::clone(source))
        .with_mount(SEEN_STAGING, Arc::new(staging.clone()))
        .with_mount(SEEN_REPOSITORY, Arc::new(repository.clone()))
}

/// The folder that is mounted into Milvus, through a store of the test's own.
pub(crate) fn staging_over(store: Arc<dyn ObjectStore>) -> Staging {
    Staging { store, seen_by_milvus: SEEN_STAGING.to_owned(), repository_seen: None }
}

/// `database.collection`, or a collection of `default`.
pub(crate) fn namespace(name: &str) -> Namespace {
    let full = if name.contains('.') { name.to_owned() } else { format!("default.{name}") };
    full.parse().expect("a collection's name")
}

pub(crate) fn backup_name(name: &str) -> BackupName {
    BackupName::new(name).expect("a backup's name")
}

/// All collections under a name.
pub(crate) fn request(name: &str) -> BackupRequest {
    BackupRequest {
        name: Some(backup_name(name)),
        policy: None,
        selector: CollectionSelector::all(),
        layout: Layout::Incremental,
        rbac: false,
        trigger: "test".to_owned(),
        job: None,
    }
}

/// The same, in a tree of its own.
pub(crate) fn standalone(name: &str) -> BackupRequest {
    BackupRequest { layout: Layout::Standalone, ..request(name) }
}

/// All of a backup under its own names.
pub(crate) fn restore_of(name: &str) -> RestoreOptions {
    RestoreOptions {
        backup: backup_name(name),
        cluster: None,
        request: RestoreRequest {
            selector: CollectionSelector::all(),
            suffix: None,
            renames: Vec::new(),
            drop_existing: false,
        },
        indexes: Wanted::Yes,
        load: Wanted::Yes,
        rbac: Wanted::No,
        lost_reinserts: LostReinserts::Refuse,
    }
}

/// All of a backup beside what is live, as `<name>_r`.
pub(crate) fn restore_beside(name: &str) -> RestoreOptions {
    let mut options = restore_of(name);
    options.request.suffix = Some("_r".to_owned());
    options
}
