//! A fake server, what it was told to do wrong, and the program before it.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use futures::FutureExt;
use milvus_backup_agent::config::{MilvusAccess, MilvusLogin};
use milvus_backup_agent::job::{
    BackupReport, BackupRequest, DrillOptions, DrillReport, JobContext, RestoreOptions,
    RestoreReport, RunOutcome, run_backup, run_drill, run_restore,
};
use milvus_backup_agent::manifest::Manifest;
use milvus_backup_agent::milvus::{GrpcMilvus, HttpManagement};
use milvus_backup_agent::model::{KeyPrefix, ObjectKey, Secret};
use milvus_backup_agent::storage::{MemoryStore, ObjectStore, ObjectStoreExt};
use prost::Message;
use serde_json::Value;
use tokio::task::JoinSet;

use super::cluster::{Cluster, Version};
use super::record::Record;
use super::sample;
use super::server::{Answers, serve};
use crate::support::{Lab, backup_name, request, restore_of};

/// When everything was flushed, in Milvus's hybrid time.
pub(super) const FLUSHED_AT: u64 = 1_795_000_000_000 << 18;

/// What Milvus calls the staging folder.
const SEEN_STAGING: &str = "/staging/";

const BEARER: &str = "root:Milvus";

/// What a server does other than well.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing of its own")]
pub(super) struct Script {
    pub(super) tells_no_ticks: bool,
    /// `default.notes` has a new segment after the flush of everything, which is sorted already.
    pub(super) sorts_at_once: bool,
    pub(super) forgets_jobs: bool,
    pub(super) job_failure: Option<&'static str>,
    pub(super) sees_nothing: bool,
    /// The rows of this segment were written after the end of its collection.
    pub(super) late: Option<i64>,
}

/// A server of one version.
#[derive(Debug)]
pub(super) struct Fake {
    pub(super) version: Version,
    pub(super) script: Script,
    pub(super) record: Record,
    cluster: Mutex<Cluster>,
    bearers: Mutex<BTreeSet<Option<String>>>,
    /// Rows of the segments that may be imported.
    rows: BTreeMap<i64, i64>,
    staging: MemoryStore,
}

impl Fake {
    pub(super) fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap()
    }

    pub(super) fn rows_of(&self, segment: i64) -> i64 {
        let none = self.script.sees_nothing || self.script.late == Some(segment);
        if none { 0 } else { self.rows[&segment] }
    }

    fn assert_told_who_asks(&self) {
        let bearers = self.bearers.lock().unwrap();
        assert!(bearers.iter().all(|bearer| bearer.as_deref() == Some(BEARER)), "{bearers:?}");
    }

    /// The files below a folder as this server calls it.
    pub(super) fn staged_below(&self, path: &str) -> Vec<String> {
        let folder = KeyPrefix::new(path.strip_prefix(SEEN_STAGING).unwrap()).unwrap();
        let listed = self.staging.list_all(&folder).now_or_never().expect("memory does not wait");
        let tail = |key: &ObjectKey| folder.strip(key).unwrap().to_owned();
        let mut files: Vec<String> = listed.unwrap().iter().map(|meta| tail(&meta.key)).collect();
        files.sort_unstable();
        files
    }
}

impl Answers for Fake {
    fn grpc(&self, method: &str, database: &str, message: &[u8]) -> Option<Vec<u8>> {
        self.look(method, database, message)
    }

    fn rest(&self, path: &str, bearer: Option<&str>, body: &[u8]) -> Option<String> {
        self.bearers.lock().unwrap().insert(bearer.map(str::to_owned));
        let asked: Value = serde_json::from_slice(body).unwrap();
        match path {
            "/v2/vectordb/segments/describe" => self.describe_segments(&asked),
            "/v2/vectordb/jobs/import/create" => Some(self.create_job(&asked)),
            "/v2/vectordb/jobs/import/describe" => Some(self.describe_job(&asked)),
            _ => None,
        }
    }

    fn management(&self, path: &str, query: &str) -> Option<String> {
        self.collect_garbage(path, query)
    }
}

pub(super) fn decode<T: Message + Default>(body: &[u8]) -> T {
    T::decode(body).expect("the program sends its own messages")
}

/// A Milvus with the sample in it, its storage, and a repository.
pub(super) struct World {
    lab: Lab,
    pub(super) source: Arc<Fake>,
}

impl World {
    pub(super) async fn new(version: Version, script: Script) -> Self {
        let (cluster, files) = sample::cluster(version, script.sorts_at_once);
        let store = MemoryStore::default();
        for file in files {
            let key = ObjectKey::new(file).unwrap();
            let put = milvus_backup_agent::storage::PutMode::IfAbsent;
            store.put(&key, bytes::Bytes::from(key.to_string()), put).await.unwrap();
        }
        let lab = Lab::over(Arc::new(store));
        let source = fake(version, script, cluster, &lab);
        Self { lab, source }
    }

    /// An empty server beside it.
    pub(super) fn target(&self, version: Version, script: Script) -> Arc<Fake> {
        let databases = [("default".to_owned(), Vec::new())].into();
        fake(version, script, Cluster { databases, last_id: 900, ..Cluster::default() }, &self.lab)
    }

    pub(super) async fn context(&self, fake: &Arc<Fake>, tasks: &mut JoinSet<()>) -> JobContext {
        let address = serve(Arc::<Fake>::clone(fake), tasks).await;
        let mut context = self.lab.context();
        let login = Some(MilvusLogin::Token(Secret::new(BEARER.to_owned())));
        let access = MilvusAccess { login, ..MilvusAccess::default() };
        context.milvus = Arc::new(GrpcMilvus::new(&address, &access).unwrap());
        context.gc = Some(Arc::new(HttpManagement::new(address)));
        context
    }

    /// A backup `b` that must be complete, and its manifest.
    pub(super) async fn backup(&self) -> (BackupReport, Manifest) {
        self.back_up(request("b")).await
    }

    /// The same, of more or less.
    pub(super) async fn back_up(&self, request: BackupRequest) -> (BackupReport, Manifest) {
        let mut tasks = JoinSet::new();
        let context = self.context(&self.source, &mut tasks).await;
        let report = run_backup(&context, request).await;
        let report = report.unwrap_or_else(|error| panic!("{}", error.chain()));
        assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
        self.source.assert_told_who_asks();
        self.lab.later();
        let key = ObjectKey::new("c1/b/manifest.json").unwrap();
        let manifest = self.lab.repository.get_bytes(&key).await.unwrap();
        (report, serde_json::from_slice(&manifest).unwrap())
    }

    /// A restore of `b`.
    pub(super) async fn restore(&self, target: &Arc<Fake>) -> RestoreReport {
        self.put_back(target, &restore_of("b")).await
    }

    /// The same, of more or less.
    pub(super) async fn put_back(
        &self,
        target: &Arc<Fake>,
        options: &RestoreOptions,
    ) -> RestoreReport {
        let mut tasks = JoinSet::new();
        let context = self.context(target, &mut tasks).await;
        let restored = run_restore(&context, &self.lab.staging(), options).await;
        target.assert_told_who_asks();
        let left = self.lab.staging.list_all(&KeyPrefix::root()).await.unwrap();
        assert!(left.is_empty(), "{left:?}");
        restored.unwrap_or_else(|error| panic!("{}", error.chain()))
    }

    /// A drill of `b`.
    pub(super) async fn drill(&self, target: &Arc<Fake>) -> DrillReport {
        let mut tasks = JoinSet::new();
        let context = self.context(target, &mut tasks).await;
        let options = DrillOptions { backup: backup_name("b"), cluster: None };
        let drilled = run_drill(&context, &self.lab.staging(), &options).await;
        let left = self.lab.staging.list_all(&KeyPrefix::root()).await.unwrap();
        assert!(left.is_empty(), "{left:?}");
        drilled.unwrap_or_else(|error| panic!("{}", error.chain()))
    }

    /// A restore of `b` into a 2.3.5.
    pub(super) async fn restore_into_2_3(&self) -> RestoreReport {
        let restored = self.lab.restore(&restore_of("b")).await;
        restored.unwrap_or_else(|error| panic!("{}", error.chain()))
    }

    /// What lies in the repository of a collection's files.
    pub(super) async fn kept(&self) -> Vec<String> {
        let folder = KeyPrefix::new("c1/_segments").unwrap();
        let listed = self.lab.repository.list_all(&folder).await.unwrap();
        listed.iter().map(|meta| folder.strip(&meta.key).unwrap().to_owned()).collect()
    }
}

fn fake(version: Version, script: Script, cluster: Cluster, lab: &Lab) -> Arc<Fake> {
    Arc::new(Fake {
        version,
        script,
        record: Record::default(),
        cluster: Mutex::new(cluster),
        bearers: Mutex::default(),
        rows: sample::rows(),
        staging: lab.staging.clone(),
    })
}
