//! Every store keeps the contract; what only a folder can get wrong is tested here too.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use milvus_backup_agent::metrics::{Metrics, Side};
use milvus_backup_agent::model::{Clock, KeyPrefix, ManualClock, ObjectKey};
use milvus_backup_agent::storage::testing::{Cut, FaultyStore, conformance};
use milvus_backup_agent::storage::{
    LocalStore, MemoryStore, MeteredStore, ObjectStore, ObjectStoreExt, PutMode, Space,
    StoreErrorKind, StoreOp, StoreResult,
};
use tempfile::TempDir;

async fn local(root: &TempDir) -> Arc<dyn ObjectStore> {
    Arc::new(LocalStore::open(root.path()).await.expect("a temporary folder is opened"))
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_the_contract() {
    conformance(Arc::new(MemoryStore::default())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_the_contract() {
    let root = TempDir::new().unwrap();
    conformance(local(&root).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_store_without_faults_keeps_the_contract() {
    let root = TempDir::new().unwrap();
    conformance(Arc::new(FaultyStore::new(Arc::new(MemoryStore::default())))).await;
    conformance(Arc::new(FaultyStore::new(local(&root).await))).await;
}

fn metered(inner: Arc<dyn ObjectStore>, metrics: &Metrics) -> Arc<dyn ObjectStore> {
    Arc::new(MeteredStore::new(inner, metrics.clone(), Side::Repository))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metered_store_keeps_the_contract() {
    let root = TempDir::new().unwrap();
    let metrics = Metrics::default();
    conformance(metered(Arc::new(MemoryStore::default()), &metrics)).await;
    conformance(metered(local(&root).await, &metrics)).await;
}

#[tokio::test]
async fn what_a_store_is_asked_is_counted_once() {
    let (_, inner) = faulty();
    inner.fail(StoreOp::Put, "full", StoreErrorKind::Transient, 1);
    let inner = Arc::new(inner);
    let metrics = Metrics::default();
    let store = metered(Arc::<FaultyStore>::clone(&inner), &metrics);
    for name in ["a", "full"] {
        drop(store.put(&key(name), Bytes::from_static(b"content"), PutMode::IfAbsent).await);
    }
    assert!(store.get_bytes(&key("absent")).await.is_err());
    assert_eq!(store.get_bytes(&key("a")).await.unwrap(), "content");
    let body = store.get(&key("a")).await.unwrap();
    store.put_stream(&key("b"), 7, body).await.unwrap();
    inner.truncate("a", 3, Cut::WithError);
    assert!(store.get_bytes(&key("a")).await.is_err());
    drop(store.get(&key("a")).await.unwrap());
    assert_eq!(store.list_all(&KeyPrefix::root()).await.unwrap().len(), 2);

    let text = metrics.render();
    for (call, class, count) in [
        ("put", "2xx", 2),
        ("put", "5xx", 1),
        ("get", "2xx", 3),
        ("get", "4xx", 1),
        ("get", "5xx", 1),
        ("list", "2xx", 1),
    ] {
        let labels = format!("{{code_class=\"{class}\",op=\"{call}\",side=\"repository\"}}");
        let line = format!("milvus_backup_storage_requests_total{labels} {count}\n");
        assert!(text.contains(&line), "no {line} in\n{text}");
    }
    for (direction, bytes) in [("read", 7 + 7 + 3), ("written", 7 + 7)] {
        let labels = format!("{{direction=\"{direction}\"}}");
        let line = format!("milvus_backup_transferred_bytes_total{labels} {bytes}\n");
        assert!(text.contains(&line), "no {line} in\n{text}");
    }
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(name).expect("a valid key")
}

async fn put(store: &FaultyStore, name: &str) -> Result<(), StoreErrorKind> {
    let put = store.put(&key(name), Bytes::from_static(b"content"), PutMode::Overwrite).await;
    put.map(drop).map_err(|error| error.kind())
}

fn faulty() -> (MemoryStore, FaultyStore) {
    let inner = MemoryStore::default();
    (inner.clone(), FaultyStore::new(Arc::new(inner)))
}

async fn names(store: &impl ObjectStore) -> Vec<String> {
    let objects = store.list_all(&KeyPrefix::root()).await.expect("a list succeeds");
    objects.iter().map(|object| object.key.to_string()).collect()
}

/// Five writes, the last two in one batch.
async fn run(store: &FaultyStore) -> StoreResult<()> {
    for name in ["a", "b"] {
        store.put(&key(name), Bytes::new(), PutMode::IfAbsent).await?;
    }
    store.sync().await?;
    let report = store.delete(&[key("a"), key("b")]).await?;
    assert!(report.failed.is_empty(), "a dead process reads no report");
    store.list_all(&KeyPrefix::root()).await.map(drop)
}

#[tokio::test]
async fn a_process_can_die_after_each_of_its_writes() {
    let (_, whole) = faulty();
    run(&whole).await.unwrap();
    assert_eq!(whole.writes(), 5);
    let left: [&[&str]; 6] = [&[], &["a"], &["a", "b"], &["a", "b"], &["b"], &[]];
    for (writes, left) in (0..).zip(left) {
        let (inner, store) = faulty();
        store.stop_after_writes(writes);
        assert_eq!(run(&store).await.unwrap_err().kind(), StoreErrorKind::Other);
        assert_eq!(store.writes(), writes);
        assert_eq!(names(&inner).await, left, "after {writes} writes");
        assert!(store.head(&key("a")).await.is_err(), "a dead process reads");
        assert!(store.space().await.is_err());
    }
}

#[tokio::test]
async fn streams_end_when_the_process_dies() {
    let (inner, store) = faulty();
    inner.put(&key("a"), Bytes::from(vec![0; 1 << 20]), PutMode::IfAbsent).await.unwrap();
    let (mut object, mut list) =
        (store.get(&key("a")).await.unwrap(), store.list(&KeyPrefix::root()));
    object.body.try_next().await.unwrap().unwrap();
    store.stop_after_writes(0);
    assert!(object.body.try_next().await.is_err());
    assert!(list.try_next().await.is_err());
}

#[tokio::test]
async fn scripted_failures_hit_their_call_and_end() {
    let (_, store) = faulty();
    store.fail(StoreOp::Put, "x/", StoreErrorKind::Full, 2);
    assert_eq!(put(&store, "y/1").await, Ok(()));
    assert_eq!(put(&store, "x/1").await, Err(StoreErrorKind::Full));
    assert_eq!(put(&store, "x/2").await, Err(StoreErrorKind::Full));
    assert_eq!(put(&store, "x/3").await, Ok(()));
    assert_eq!(store.writes(), 2, "a failed write is no write");

    store.fail(StoreOp::Delete, "y/", StoreErrorKind::PermissionDenied, 1);
    let report = store.delete(&[key("x/3"), key("y/1")]).await.unwrap();
    assert_eq!((report.deleted, report.failed.len()), (1, 1));
    assert_eq!(report.failed[0].0, key("y/1"));
    assert_eq!(names(&store).await, ["y/1"]);

    store.make_read_only();
    assert_eq!(put(&store, "z").await, Err(StoreErrorKind::ReadOnly));
    let deleted = store.delete(&[key("y/1")]).await.unwrap_err();
    assert_eq!(deleted.kind(), StoreErrorKind::ReadOnly);
    assert_eq!(store.get_bytes(&key("y/1")).await.unwrap(), "content");
}

#[tokio::test]
async fn a_stream_breaks_off_where_the_script_says() {
    let (_, store) = faulty();
    put(&store, "a").await.unwrap();
    store.truncate("a", 3, Cut::WithError);
    let mut broken = store.get(&key("a")).await.unwrap().body;
    assert_eq!(broken.try_next().await.unwrap().unwrap(), "con");
    assert_eq!(broken.try_next().await.unwrap_err().kind(), StoreErrorKind::Transient);
    store.truncate("a", 3, Cut::Silently);
    assert_eq!(store.get_bytes(&key("a")).await.unwrap(), "con");
    assert_eq!(store.get_bytes(&key("a")).await.unwrap(), "content", "it breaks off once");
}

#[tokio::test]
async fn a_power_cut_takes_what_was_not_synced() {
    let (_, store) = faulty();
    put(&store, "put").await.unwrap();
    for name in ["synced", "lost"] {
        let body = store.get(&key("put")).await.unwrap();
        store.put_stream(&key(name), 7, body).await.unwrap();
        if name == "synced" {
            store.sync().await.unwrap();
        }
    }
    store.lose_unsynced().await.unwrap();
    assert_eq!(names(&store).await, ["put", "synced"]);
}

#[tokio::test]
async fn memory_takes_its_time_and_space_from_the_test() {
    let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
    let injected: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let store = MemoryStore::new(injected);
    let put = async |name| store.put(&key(name), Bytes::new(), PutMode::IfAbsent).await.unwrap();
    assert_eq!(put("a").await.modified, Timestamp::UNIX_EPOCH);
    clock.advance(SignedDuration::from_secs(7));
    assert_eq!(put("b").await.modified, Timestamp::from_second(7).unwrap());
    assert_eq!(store.space().await.unwrap(), None);
    store.clone().set_space(Some(Space { free: 5, total: 9 }));
    assert_eq!(store.space().await.unwrap(), Some(Space { free: 5, total: 9 }));
}
