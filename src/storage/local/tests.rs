//! What only a folder can get wrong; the rest is in `storage::testing`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use rustix::fs::{CWD, FileType, Mode};
use tempfile::TempDir;

use crate::model::{KeyPrefix, ObjectKey};
use crate::storage::{
    ObjectMeta, ObjectStore, ObjectStoreExt, ObjectStream, PutMode, StoreErrorKind, StoreResult,
};

use super::LocalStore;

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(name).unwrap()
}

async fn put(store: &LocalStore, name: &str) -> StoreResult<ObjectMeta> {
    store.put(&key(name), Bytes::from_static(b"content"), PutMode::IfAbsent).await
}

async fn names(store: &LocalStore, under: &KeyPrefix) -> Vec<String> {
    let objects = store.list_all(under).await.unwrap();
    objects.iter().map(|object| object.key.to_string()).collect()
}

fn kind<T>(result: StoreResult<T>) -> Option<StoreErrorKind> {
    result.err().map(|error| error.kind())
}

fn children(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn opening_makes_the_root_and_nothing_else() {
    let parent = TempDir::new().unwrap();
    let root = parent.path().join("new/root");
    let store = LocalStore::open(&root).await.unwrap();
    assert_eq!(fs::metadata(&root).unwrap().permissions().mode() & 0o777, 0o750);
    assert_eq!(names(&store, &KeyPrefix::root()).await, [""; 0]);
    assert_eq!(children(&root), [""; 0].map(PathBuf::from), "a reader wrote something");
    assert!(store.space().await.unwrap().unwrap().free > 0);
    assert_eq!(store.to_string(), root.display().to_string());
}

#[tokio::test]
async fn what_dead_owners_left_is_removed() {
    let root = TempDir::new().unwrap();
    for left in ["with_lock/lock", "with_lock/0", "without_lock/0"] {
        let path = root.path().join(".tmp").join(left);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "half").unwrap();
    }
    let left = children(&root.path().join(".tmp"));
    LocalStore::read_only(root.path()).await.unwrap();
    assert_eq!(children(&root.path().join(".tmp")), left, "a reader wrote something");
    let store = LocalStore::open(root.path()).await.unwrap();
    assert_eq!(children(&root.path().join(".tmp")).len(), 0, "the dead owners' are left");
    assert_eq!(names(&store, &KeyPrefix::root()).await, [""; 0]);
    assert_eq!(store.list_folders(&KeyPrefix::root()).await.unwrap(), [""; 0]);
    put(&store, "a").await.unwrap();
    assert_eq!(children(&root.path().join(".tmp")).len(), 1, "only its own is left");
    drop(store);
    assert_eq!(children(&root.path().join(".tmp")).len(), 0, "its own is left");
}

#[tokio::test]
async fn a_live_owners_temp_files_are_kept() {
    let root = TempDir::new().unwrap();
    let one = LocalStore::open(root.path()).await.unwrap();
    put(&one, "a").await.unwrap();
    let folder = children(&root.path().join(".tmp"));
    let other = LocalStore::open(root.path()).await.unwrap();
    put(&other, "b").await.unwrap();
    assert!(folder[0].exists(), "the folder of a living store was removed");
    drop(other);
    assert_eq!(children(&root.path().join(".tmp")), folder);
    fs::remove_dir_all(root.path().join(".tmp")).unwrap();
    put(&one, "c").await.expect("a store survives a tidy administrator");
}

#[tokio::test]
async fn no_key_names_a_temp_file() {
    let root = TempDir::new().unwrap();
    let store = LocalStore::open(root.path()).await.unwrap();
    put(&store, "a").await.unwrap();
    let lock = children(&root.path().join(".tmp"))[0].join("lock");
    let name = lock.strip_prefix(root.path()).unwrap().to_str().unwrap();
    assert_eq!(kind(store.head(&key(name)).await), Some(StoreErrorKind::NotFound));
    assert_eq!(kind(store.get(&key(name)).await), Some(StoreErrorKind::NotFound));
    assert_eq!(kind(put(&store, ".tmp/new").await), Some(StoreErrorKind::Other));
    assert_eq!(store.delete(&[key(name)]).await.unwrap().failed.len(), 1);
    assert_eq!(store.copy_source(&key(name)), None);
    assert_eq!(names(&store, &KeyPrefix::new(".tmp").unwrap()).await, [""; 0]);
    assert!(lock.exists());
    put(&store, "x/.tmp/fine").await.unwrap();
    assert_eq!(names(&store, &KeyPrefix::root()).await, ["a", "x/.tmp/fine"]);
}

#[tokio::test]
async fn a_read_only_store_refuses_every_write() {
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("a"), "content").unwrap();
    let store = LocalStore::read_only(root.path()).await.unwrap();
    let stream = store.get(&key("a")).await.unwrap();
    let from = store.copy_source(&key("a")).unwrap();
    let refused = Some(StoreErrorKind::ReadOnly);
    assert_eq!(kind(put(&store, "b").await), refused);
    assert_eq!(kind(store.put_stream(&key("b"), 7, stream).await), refused);
    assert_eq!(kind(store.copy_from(&from, &key("b")).await), refused);
    assert_eq!(kind(store.delete(&[key("a")]).await), refused);
    assert_eq!(kind(store.delete(&[]).await), refused);
    assert_eq!(kind(store.sync().await), refused);
    assert_eq!(children(root.path()), [root.path().join("a")]);
    assert_eq!(store.get_bytes(&key("a")).await.unwrap(), "content");

    let missing = LocalStore::read_only(&root.path().join("missing")).await.unwrap_err();
    assert_eq!(missing.kind(), StoreErrorKind::NotFound);
    assert_eq!(missing.place(), root.path().join("missing").display().to_string());
    assert!(LocalStore::read_only(&root.path().join("a")).await.is_err(), "a file was opened");
}

#[tokio::test]
async fn links_to_folders_are_not_followed() {
    let (root, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let at = |name: &str| root.path().join(name);
    fs::create_dir(at("a")).unwrap();
    fs::write(at("a/file"), "x").unwrap();
    fs::write(outside.path().join("foreign"), "x").unwrap();
    symlink(root.path(), at("a/up")).unwrap();
    symlink(outside.path(), at("outside")).unwrap();
    symlink(at("self"), at("self")).unwrap();
    symlink(at("nowhere"), at("broken")).unwrap();
    symlink(at("a/file"), at("b")).unwrap();
    let link = outside.path().join("root");
    symlink(root.path(), &link).unwrap();
    let store = LocalStore::open(&link).await.unwrap();
    assert_eq!(names(&store, &KeyPrefix::root()).await, ["a/file", "b"]);
    assert_eq!(names(&store, &KeyPrefix::new("outside").unwrap()).await, [""; 0]);
    assert_eq!(store.list_folders(&KeyPrefix::root()).await.unwrap(), ["a"]);

    let from = store.copy_source(&key("b")).unwrap();
    store.copy_from(&from, &key("copy")).await.unwrap();
    assert!(fs::symlink_metadata(at("copy")).unwrap().is_file(), "a link was copied as a link");
}

#[tokio::test]
async fn what_has_no_key_is_left_alone() {
    let root = TempDir::new().unwrap();
    let at = |name: &[u8]| root.path().join(OsStr::from_bytes(name));
    fs::write(at(b"not_utf8_\xff"), "x").unwrap();
    fs::write(at(b"control\n"), "x").unwrap();
    fs::create_dir(at(b"folder_\xff")).unwrap();
    rustix::fs::mknodat(CWD, at(b"pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let store = LocalStore::open(root.path()).await.unwrap();
    put(&store, "a").await.unwrap();
    assert_eq!(names(&store, &KeyPrefix::root()).await, ["a"]);
    assert_eq!(kind(store.get(&key("pipe")).await), Some(StoreErrorKind::NotFound));
}

#[tokio::test]
async fn thousands_of_files_are_listed_in_order() {
    let root = TempDir::new().unwrap();
    let mut expected = Vec::new();
    for folder in ["a", "a.b", "b"] {
        fs::create_dir(root.path().join(folder)).unwrap();
        for number in 0..900 {
            fs::write(root.path().join(format!("{folder}/{number}")), "").unwrap();
            expected.push(format!("{folder}/{number}"));
        }
    }
    expected.sort_unstable();
    let store = LocalStore::open(root.path()).await.unwrap();
    assert_eq!(names(&store, &KeyPrefix::root()).await, expected);
}

#[tokio::test]
async fn a_file_that_shrinks_while_it_is_read_is_an_error() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("a");
    fs::write(&path, vec![1; 3 << 20]).unwrap();
    let store = LocalStore::open(root.path()).await.unwrap();
    let mut opened = store.get(&key("a")).await.unwrap();
    opened.body.try_next().await.unwrap().unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(1 << 20).unwrap();
    let error = opened.body.try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.place(), path.display().to_string());
}

#[tokio::test]
async fn a_name_that_is_a_folder_is_refused() {
    let root = TempDir::new().unwrap();
    let store = LocalStore::open(root.path()).await.unwrap();
    put(&store, "a/b").await.unwrap();
    let body = || Bytes::from_static(b"x");
    let other = Some(StoreErrorKind::Other);
    assert_eq!(kind(store.put(&key("a"), body(), PutMode::IfAbsent).await), other);
    assert_eq!(kind(store.put(&key("a"), body(), PutMode::Overwrite).await), other);
    let error = put(&store, "a/b/c").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Other);
    assert_eq!(error.place(), root.path().join("a/b/c").display().to_string());
    assert_eq!(kind(put(&store, &"x".repeat(300)).await), other);
    assert_eq!(names(&store, &KeyPrefix::root()).await, ["a/b"]);
}

#[tokio::test]
async fn deleting_removes_empty_folders_below_the_root() {
    let root = TempDir::new().unwrap();
    let store = LocalStore::open(root.path()).await.unwrap();
    for name in ["a/b/c/1", "a/2"] {
        put(&store, name).await.unwrap();
    }
    store.delete(&[key("a/b/c/1")]).await.unwrap();
    assert_eq!(children(&root.path().join("a")), [root.path().join("a/2")]);
    // As if killed between two rmdirs: a second delete of the same key finishes.
    fs::create_dir_all(root.path().join("a/b")).unwrap();
    store.delete(&[key("a/2"), key("a/b/c/1")]).await.unwrap();
    assert_eq!(children(root.path()), [root.path().join(".tmp")]);
    store.sync().await.unwrap();
}

#[tokio::test]
async fn a_folder_without_an_object_is_not_there() {
    let root = TempDir::new().unwrap();
    fs::create_dir_all(root.path().join("empty/below")).unwrap();
    let store = LocalStore::open(root.path()).await.unwrap();
    put(&store, "full/below/a").await.unwrap();
    let folders = store.list_folders(&KeyPrefix::root()).await.unwrap();
    assert_eq!(folders, ["full"]);
}

#[tokio::test]
async fn a_root_that_is_gone_is_an_error_and_stays_gone() {
    let parent = TempDir::new().unwrap();
    let root = parent.path().join("disk");
    let store = LocalStore::open(&root).await.unwrap();
    put(&store, "a/b").await.unwrap();
    fs::remove_dir_all(&root).unwrap();
    let gone = Some(StoreErrorKind::NotFound);
    assert_eq!(kind(store.list_all(&KeyPrefix::root()).await), gone);
    assert_eq!(kind(store.list_all(&KeyPrefix::new("a").unwrap()).await), gone);
    assert_eq!(kind(store.list_folders(&KeyPrefix::root()).await), gone);
    assert_eq!(kind(put(&store, "a/c").await), gone);
    assert!(!root.exists(), "an unmounted disk was written beside");
    assert!(store.space().await.unwrap().is_some());
}

#[tokio::test]
async fn an_unreadable_folder_is_denied_by_its_path() {
    let root = TempDir::new().unwrap();
    let locked = root.path().join("a/locked");
    fs::create_dir_all(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(&locked).is_ok() {
        return; // The superuser reads everything.
    }
    let store = LocalStore::open(root.path()).await.unwrap();
    let error = store.list_all(&KeyPrefix::root()).await.unwrap_err();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(error.kind(), StoreErrorKind::PermissionDenied);
    assert_eq!(error.place(), locked.display().to_string());
}

#[tokio::test]
async fn a_broken_stream_leaves_no_temp_file() {
    let root = TempDir::new().unwrap();
    let store = LocalStore::open(root.path()).await.unwrap();
    let meta = put(&store, "a").await.unwrap();
    let chunks = (0..4).map(|_| Ok(Bytes::from(vec![0; 1 << 20])));
    let body = ObjectStream { meta, body: stream::iter(chunks).boxed() };
    assert!(store.put_stream(&key("b"), 5 << 20, body).await.is_err());
    let temp = children(&root.path().join(".tmp")).remove(0);
    assert_eq!(children(&temp), [temp.join("lock")]);
}

#[tokio::test]
async fn what_a_dead_process_left_is_flushed_when_it_is_met() {
    let root = TempDir::new().unwrap();
    put(&LocalStore::open(root.path()).await.unwrap(), "a/b/1").await.unwrap();
    let store = LocalStore::open(root.path()).await.unwrap();
    let object = store.get(&key("a/b/1")).await.unwrap();
    let met = store.put_stream(&key("a/b/1"), 7, object).await;
    assert_eq!(kind(met), Some(StoreErrorKind::AlreadyExists));
    assert_eq!(store.root.unsynced.folders(), 3, "the root, a and a/b");
    store.sync().await.unwrap();
    let source = store.copy_source(&key("a/b/1")).unwrap();
    let met = store.copy_from(&source, &key("a/b/1")).await;
    assert_eq!(kind(met), Some(StoreErrorKind::AlreadyExists));
    assert_eq!(store.root.unsynced.folders(), 3);
}
