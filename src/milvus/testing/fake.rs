//! [`FakeMilvus`] and what a test does to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::milvus::{CollectionSpec, MilvusError, MilvusErrorKind, MilvusResult, MilvusVersion};
use crate::model::{KeyPrefix, Namespace};
use crate::storage::{ObjectStore, ObjectStoreExt, PutMode, StoreError};

use super::cluster::Cluster;
use super::collection::PartitionState;
use super::logs::{File, Place};
use super::script::{ImportScript, MilvusCall, Script};
use super::spoil::Spoil;

/// How often a 2.2 writes deletes down.
const SYNC_PERIOD: Duration = Duration::from_mins(10);

/// A small Milvus in memory with its files in a store.
#[derive(Debug)]
pub struct FakeMilvus {
    pub(super) version: MilvusVersion,
    pub(super) store: Arc<dyn ObjectStore>,
    mounts: Vec<(String, Arc<dyn ObjectStore>)>,
    cluster: Mutex<Cluster>,
    script: Mutex<Script>,
    pub(super) flush_takes: Duration,
}

impl FakeMilvus {
    /// An empty 2.3.5 with the database `default`. Its files lie at the root of `store`, and
    /// imports name folders as keys of it, until [`Self::with_mount`] says otherwise.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self {
            version: MilvusVersion::parse("v2.3.5"),
            mounts: vec![(String::new(), Arc::clone(&store))],
            store,
            cluster: Mutex::default(),
            script: Mutex::default(),
            flush_takes: Duration::ZERO,
        }
    }

    /// Imports see `store` at paths that begin with `prefix`, such as `/backups/`. The longest
    /// prefix wins.
    #[must_use]
    pub fn with_mount(mut self, prefix: &str, store: Arc<dyn ObjectStore>) -> Self {
        self.mounts.push((prefix.to_owned(), store));
        self.mounts.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        self
    }

    /// Answers another version. A 2.2 has its own ways with deletes.
    #[must_use]
    pub fn with_version(mut self, version: &str) -> Self {
        self.version = MilvusVersion::parse(version);
        if self.version.writes_deletes_late() {
            self.cluster().sync_period = Some(SYNC_PERIOD);
        }
        self
    }

    /// Takes its time for each flush.
    #[must_use]
    pub fn with_slow_flush(mut self, takes: Duration) -> Self {
        self.flush_takes = takes;
        self
    }

    /// Makes a collection from a schema, with its database if need be. Panics if it exists.
    pub fn add_collection(&self, namespace: &Namespace, schema: Vec<u8>) {
        let mut cluster = self.cluster();
        assert!(!cluster.name_is_taken(namespace), "{namespace} exists");
        cluster.create(CollectionSpec {
            namespace: namespace.clone(),
            schema,
            shards: 1,
            consistency_level: 2,
            num_partitions: None,
            properties: Vec::new(),
        });
    }

    /// Makes a partition. Panics if there is no such collection.
    pub fn add_partition(&self, namespace: &Namespace, partition: &str) {
        let mut cluster = self.cluster();
        let id = cluster.next_id();
        let collection = cluster.find(namespace).expect("the test made the collection");
        collection.partitions.push(PartitionState::new(id, partition));
    }

    /// Inserts rows, which grow until the next flush. Panics if there is no such partition.
    pub fn insert<K: Into<String>>(
        &self,
        namespace: &Namespace,
        partition: &str,
        keys: impl IntoIterator<Item = K>,
    ) {
        let mut cluster = self.cluster();
        let rows = cluster.rows_now(keys.into_iter().map(Into::into));
        let collection = cluster.find(namespace).expect("the test made the collection");
        let partition = collection.partition(partition).expect("the test made the partition");
        partition.growing.rows.extend(rows);
    }

    /// Deletes rows, wherever they are. Panics if there is no such partition.
    pub fn delete<K: Into<String>>(
        &self,
        namespace: &Namespace,
        partition: &str,
        keys: impl IntoIterator<Item = K>,
    ) {
        let mut cluster = self.cluster();
        let deletes = cluster.rows_now(keys.into_iter().map(Into::into));
        let collection = cluster.find(namespace).expect("the test made the collection");
        let partition = collection.partition(partition).expect("the test made the partition");
        partition.delete(&deletes);
    }

    /// Keys of the rows that a query would find, by partition; `None` without the collection.
    pub fn rows(&self, namespace: &Namespace) -> Option<BTreeMap<String, BTreeSet<String>>> {
        let mut cluster = self.cluster();
        let partitions = &cluster.find(namespace)?.partitions;
        let keys = |found: &PartitionState| (found.name.clone(), found.visible_keys());
        Some(partitions.iter().map(keys).collect())
    }

    /// The id of a collection, which is in the paths of its files. Panics if there is none.
    pub fn collection_id(&self, namespace: &Namespace) -> i64 {
        self.cluster().find(namespace).expect("the test made the collection").id
    }

    /// The collection that an alias points at; `None` when it is absent or dangles.
    pub fn alias_target(&self, alias: &Namespace) -> Option<String> {
        let cluster = self.cluster();
        let id = cluster.aliases.get(alias)?;
        let database = cluster.databases.get(&alias.database)?;
        let target = database.iter().find(|(_, collection)| collection.id == *id);
        target.map(|(name, _)| name.clone())
    }

    /// Rewrites the flushed segments of a collection, as compaction does. The old files stay;
    /// what they are is returned for [`Self::collect_garbage`].
    pub async fn compact(&self, namespace: &Namespace) -> MilvusResult<Vec<KeyPrefix>> {
        let compacted = self.cluster().compact(namespace);
        let (files, old) = compacted.ok_or_else(|| absent(namespace))?;
        self.write(files).await?;
        let folders = |place: Place| [place.folder("insert_log"), place.folder("delta_log")];
        Ok(old.into_iter().flat_map(folders).collect())
    }

    /// Deletes the files of folders, as Milvus does hours after a compaction or a drop.
    pub async fn collect_garbage(&self, folders: &[KeyPrefix]) -> MilvusResult<()> {
        for folder in folders {
            let files = self.store.list_all(folder).await.map_err(|error| storage(&error))?;
            let keys: Vec<_> = files.into_iter().map(|file| file.key).collect();
            self.store.delete(&keys).await.map_err(|error| storage(&error))?;
        }
        Ok(())
    }

    /// The next `times` listings of its segments find them compacted since the flush.
    pub fn compact_before_listings(&self, namespace: &Namespace, times: usize) {
        let mut cluster = self.cluster();
        cluster.find(namespace).expect("the test made the collection").compactions = times;
    }

    /// Lets the `nth` call from now fail, 1 being the next.
    pub fn fail(&self, call: MilvusCall, nth: usize, kind: MilvusErrorKind) {
        self.script().fail(call, nth, kind);
    }

    /// From now on nothing answers.
    pub fn cut(&self) {
        self.script().unreachable = true;
    }

    /// Ends a [`Self::cut`].
    pub fn reconnect(&self) {
        self.script().unreachable = false;
    }

    /// Decides how the next import that has no script yet goes.
    pub fn script_import(&self, script: ImportScript) {
        self.script().imports.push_back(script);
    }

    /// Does this to the next collection that is loaded under a name with this beginning.
    pub fn spoil(&self, beginning: &str, spoil: Spoil) {
        self.script().spoilt.push((beginning.to_owned(), spoil));
    }

    /// How often a call was made.
    pub fn calls(&self, call: MilvusCall) -> usize {
        self.script().count(call)
    }

    pub(super) fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().expect("no holder of this lock panics but by a test's mistake")
    }

    pub(super) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("no holder of this lock panics")
    }

    /// A folder as Milvus sees it, in the store where it lies.
    pub(super) fn mounted(&self, path: &str) -> Option<(&dyn ObjectStore, KeyPrefix)> {
        self.mounts.iter().find_map(|(prefix, store)| {
            let folder = path.strip_prefix(prefix.as_str())?;
            Some((store.as_ref(), KeyPrefix::new(folder).ok()?))
        })
    }

    pub(super) async fn write(&self, files: Vec<File>) -> MilvusResult<()> {
        for (key, body) in files {
            let put = self.store.put(&key, body, PutMode::IfAbsent).await;
            put.map_err(|error| storage(&error))?;
        }
        Ok(())
    }
}

pub(super) fn absent(namespace: &Namespace) -> MilvusError {
    let kind = MilvusErrorKind::NotFound;
    MilvusError::new(format!("find {namespace}"), kind, "collection not found")
}

pub(super) fn storage(error: &StoreError) -> MilvusError {
    MilvusError::new("use the storage", MilvusErrorKind::Other, error.to_string())
}
