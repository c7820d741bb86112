//! Many keys, odd keys, and lists that come key by key.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use hyper::Method;
use milvus_backup_agent::model::{KeyPrefix, ObjectKey};
use milvus_backup_agent::storage::{ObjectStore, ObjectStoreExt, PutMode, S3Limits};

use super::faulty_server::FaultyServer;
use super::limits::{SMALL, key, open, settings};
use crate::lab::moto;

async fn put_all(store: &dyn ObjectStore, names: &[String]) {
    let puts = names.iter().map(|name| async move {
        store.put(&key(name), Bytes::new(), PutMode::Overwrite).await.map(drop)
    });
    stream::iter(puts).buffer_unordered(16).try_collect::<()>().await.expect("they are written");
}

async fn names(store: &dyn ObjectStore) -> Vec<String> {
    let all = store.list_all(&KeyPrefix::root()).await.expect("a list");
    all.into_iter().map(|meta| meta.key.to_string()).collect()
}

#[tokio::test]
async fn ten_thousand_keys_in_one_folder_are_listed_once_each_and_deleted() {
    let server = FaultyServer::start().await;
    let store = server.store(S3Limits { list_page: 1000, ..SMALL }).await;
    let mut wanted: Vec<String> = (0..10_000).map(|number| format!("folder/{number}")).collect();
    let folder = server.folder("one").join("a/b/folder");
    std::fs::create_dir_all(&folder).expect("a folder");
    for number in 0..10_000 {
        std::fs::write(folder.join(number.to_string()), "x").expect("a file");
    }
    wanted.sort_unstable();
    let before = server.count(&Method::GET, "list-type");
    assert_eq!(names(&*store).await, wanted);
    assert_eq!(server.count(&Method::GET, "list-type") - before, 10);
    let keys: Vec<ObjectKey> = wanted.iter().map(|name| key(name)).collect();
    let report = store.delete(&keys).await.expect("they are deleted");
    assert!(report.failed.is_empty() && report.deleted == 10_000, "{report:?}");
    assert_eq!(names(&*store).await, [""; 0]);
}

#[tokio::test]
async fn odd_keys_come_back_from_a_server_that_lists_one_by_one() {
    let server = FaultyServer::start().await;
    let odd = ["a b", "a+b", "a%20b", "ü", "日本/語", "a&b<c>", "'\"", "a/b/c", "a//b", "~"];
    for (number, address) in [server.address.as_str(), moto::address()].into_iter().enumerate() {
        let limits = S3Limits { list_page: 1, ..SMALL };
        let store = open(&settings(address, "one", "odd keys/ü"), limits).await;
        // A file system knows no empty folder names.
        let names: BTreeSet<String> = odd
            .into_iter()
            .filter(|name| number == 1 || !name.contains("//"))
            .filter(|name| ObjectKey::new(*name).is_ok())
            .map(str::to_owned)
            .collect();
        assert!(names.len() >= 9, "{names:?}");
        let wanted: Vec<String> = names.into_iter().collect();
        put_all(&*store, &wanted).await;
        assert_eq!(self::names(&*store).await, wanted, "{address}");
        for name in &wanted {
            assert_eq!(store.get_bytes(&key(name)).await.expect("it is there"), Bytes::new());
        }
        let keys: Vec<ObjectKey> = wanted.iter().map(|name| key(name)).collect();
        let report = store.delete(&keys).await.expect("they are deleted");
        assert_eq!(report.deleted, wanted.len(), "{report:?}");
        assert_eq!(self::names(&*store).await, [""; 0]);
    }
}
