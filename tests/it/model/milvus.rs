//! A Milvus whose data change, and what it held at every moment.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::FutureExt;
use milvus_backup_agent::milvus::MilvusApi;
use milvus_backup_agent::milvus::testing::{FakeMilvus, SchemaDraft};
use milvus_backup_agent::model::{KeyPrefix, Namespace, ObjectKey};
use milvus_backup_agent::storage::{MemoryStore, ObjectStore, ObjectStoreExt};

const PARTITION: &str = "_default";
pub(super) const SEEN_STAGING: &str = "/staging/";
pub(super) const SEEN_REPOSITORY: &str = "/repository/";

/// The keys that a query finds.
pub(super) type Keys = BTreeSet<String>;

/// What Milvus held and wrote.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// Counts the changes.
    pub(super) now: u64,
    /// The rows of each collection that ever was, each set with the change that made it.
    rows: HashMap<i64, Vec<(u64, Keys)>>,
    /// Files that Milvus no longer has.
    files: HashMap<String, Bytes>,
}

impl Past {
    /// Whether a collection held just these rows at any time since a change.
    pub(super) fn held(&self, collection: i64, rows: &Keys, since: u64) -> bool {
        let Some(all) = self.rows.get(&collection) else { return false };
        let first = all.iter().rposition(|(change, _)| *change <= since).unwrap_or(0);
        all[first..].iter().any(|(_, held)| held == rows)
    }
}

/// Milvus, its storage and its past.
#[derive(Debug, Clone)]
pub(super) struct Milvus {
    pub(super) api: Arc<FakeMilvus>,
    pub(super) storage: MemoryStore,
    pub(super) past: Arc<Mutex<Past>>,
    garbage: Vec<KeyPrefix>,
    last_key: u32,
}

impl Milvus {
    pub(super) fn new(
        storage: MemoryStore,
        staging: MemoryStore,
        repository: Arc<dyn ObjectStore>,
    ) -> Self {
        let api = FakeMilvus::new(Arc::new(storage.clone()))
            .with_mount(SEEN_STAGING, Arc::new(staging))
            .with_mount(SEEN_REPOSITORY, repository);
        let past = Arc::default();
        Self { api: Arc::new(api), storage, past, garbage: Vec::new(), last_key: 100 }
    }

    /// A file as Milvus wrote it, by its path in the storage.
    pub(super) fn file(storage: &MemoryStore, past: &Mutex<Past>, path: &str) -> Option<Bytes> {
        let key = ObjectKey::new(path).ok()?;
        let found = storage.get_bytes(&key).now_or_never().expect("memory never waits");
        found.ok().or_else(|| past.lock().expect("no panic").files.get(path).cloned())
    }

    pub(super) fn has(&self, collection: u8) -> bool {
        self.api.rows(&name(collection)).is_some()
    }

    pub(super) async fn insert(&mut self, collection: u8, rows: u8) {
        let namespace = name(collection);
        if !self.has(collection) {
            let schema = SchemaDraft::new(&namespace.collection).encode();
            self.api.add_collection(&namespace, schema);
        }
        let from = self.last_key;
        self.last_key += u32::from(rows);
        self.api.insert(&namespace, PARTITION, (from..self.last_key).map(|key| key.to_string()));
        self.api.flush(&namespace).await.expect("the fake flushes");
        self.changed(collection);
    }

    pub(super) fn erase(&self, collection: u8) {
        let namespace = name(collection);
        let Some(mut rows) = self.api.rows(&namespace) else { return };
        let Some(first) = rows.remove(PARTITION).and_then(|rows| rows.into_iter().next()) else {
            return;
        };
        self.api.delete(&namespace, PARTITION, [first]);
        self.changed(collection);
    }

    pub(super) async fn compact(&mut self, collection: u8) {
        if self.has(collection) {
            let old = self.api.compact(&name(collection)).await.expect("the fake compacts");
            self.garbage.extend(old);
        }
    }

    pub(super) async fn drop_it(&mut self, collection: u8) {
        if self.has(collection) {
            let id = self.api.collection_id(&name(collection));
            let folder = |kind| KeyPrefix::root().join(kind).join(id);
            self.garbage.extend(["insert_log", "delta_log"].map(folder));
            self.api.drop_collection(&name(collection)).await.expect("the fake drops");
        }
    }

    /// Deletes what compactions and drops left.
    pub(super) async fn collect(&mut self) {
        let mut files = HashMap::new();
        for folder in &self.garbage {
            for meta in self.storage.list_all(folder).await.expect("memory never fails") {
                let body = self.storage.get_bytes(&meta.key).await.expect("memory never fails");
                files.insert(meta.key.to_string(), body);
            }
        }
        self.past.lock().expect("no panic").files.extend(files);
        self.api.collect_garbage(&self.garbage).await.expect("memory never fails");
        self.garbage.clear();
    }

    fn changed(&self, collection: u8) {
        let namespace = name(collection);
        let id = self.api.collection_id(&namespace);
        let rows = keys(self.api.rows(&namespace));
        let mut past = self.past.lock().expect("no panic");
        past.now += 1;
        let now = past.now;
        past.rows.entry(id).or_default().push((now, rows));
    }
}

/// The rows of all partitions.
pub(super) fn keys(rows: Option<BTreeMap<String, Keys>>) -> Keys {
    rows.into_iter().flat_map(BTreeMap::into_values).flatten().collect()
}

pub(super) fn name(collection: u8) -> Namespace {
    Namespace::new("default", format!("c{collection}"))
}
