//! Reading, looking up and copying whole objects.

use futures::TryStreamExt;

use crate::storage::{CopySource, ObjectStoreExt, StoreErrorKind};

use super::case::{Case, LARGE_BYTES, assert_written, kind};

pub(super) async fn an_object_is_read_as_it_was_written(case: Case) {
    let large: String = "0123456789abcdef".repeat(LARGE_BYTES / 16);
    for (name, body) in [("empty", ""), ("small", "x"), ("large", &large)] {
        let written = case.put(name, body).await;
        assert_eq!(written.key, case.key(name));
        assert_eq!(written.size, body.len() as u64, "{name} has another size");
        let found = case.store.head(&written.key).await.expect("an object is looked up");
        assert_written(&found, &written);
        let opened = case.store.get(&written.key).await.expect("an object is opened");
        assert_eq!(opened.meta, found, "a get of {name} differs from its head");
        assert!(case.read(name).await == body, "{name} has other bytes");
        let listed = case.store.list_all(&case.folder).await.expect("a folder is listed");
        assert!(listed.contains(&found), "a list of {name} differs from its head");
    }
}

pub(super) async fn any_valid_key_names_an_object(case: Case) {
    let deep = vec!["s"; 40].join("/");
    for name in [deep.as_str(), "größe/데이터", "white space", "a?b*c", "%2F", "a:b", "..a/.b"]
    {
        case.put(name, name).await;
        assert!(case.read(name).await == name, "{name} has other bytes");
    }
    assert_eq!(case.names(&case.folder).await.len(), 7);
}

pub(super) async fn an_absent_object_is_not_found(case: Case) {
    case.put("file", "x").await;
    case.put("folder/file", "x").await;
    for name in ["absent", "absent/deep/down", "folder", "file/below"] {
        assert_eq!(case.head_kind(name).await, Some(StoreErrorKind::NotFound), "head {name}");
        let got = case.store.get(&case.key(name)).await.map(drop);
        assert_eq!(kind(got), Some(StoreErrorKind::NotFound), "get {name}");
        let found = case.store.find_bytes(&case.key(name)).await;
        assert_eq!(found.expect("absence is no error"), None);
    }
    let listed = case.names(&case.folder.join("absent")).await;
    assert_eq!(listed, [""; 0], "an absent folder is not empty");
    let folders = case.store.list_folders(&case.folder.join("absent")).await;
    assert_eq!(folders.expect("an absent folder lists as empty"), [""; 0]);
}

pub(super) async fn a_reader_keeps_the_object_it_opened(case: Case) {
    let old = "old".repeat(LARGE_BYTES / 3);
    case.put("a", &old).await;
    let mut opened = case.store.get(&case.key("a")).await.expect("an object is opened");
    let mut read = opened.body.try_next().await.expect("a chunk").expect("bytes").to_vec();
    case.put("a", "new").await;
    while let Some(chunk) = opened.body.try_next().await.expect("the old object is still read") {
        read.extend_from_slice(&chunk);
    }
    assert!(read == old.as_bytes(), "a reader saw two objects in one");
}

pub(super) async fn a_copy_is_the_same_object(case: Case) {
    let source = case.put("source", "content").await;
    let to = case.key("new/copy");
    let Some(from) = case.store.copy_source(&source.key) else {
        let nowhere = CopySource::File("/nonexistent/file".into());
        let copied = case.store.copy_from(&nowhere, &to).await;
        assert_eq!(kind(copied), Some(StoreErrorKind::Unsupported));
        return;
    };
    let copy = case.store.copy_from(&from, &to).await.expect("an object is copied");
    assert_eq!((&copy.key, copy.size), (&to, source.size));
    assert_written(&case.store.head(&to).await.expect("a copy is looked up"), &copy);
    let again = case.store.copy_from(&from, &to).await;
    assert_eq!(kind(again), Some(StoreErrorKind::AlreadyExists));
    case.store.sync().await.expect("copies are made durable");

    case.put("source", "other content").await;
    case.store.delete(&[source.key]).await.expect("a source is deleted");
    assert_eq!(case.read("new/copy").await, "content", "a copy changes with its source");
    let vanished = case.store.copy_from(&from, &case.key("late")).await;
    assert_eq!(kind(vanished), Some(StoreErrorKind::NotFound));
    assert_eq!(case.names(&case.folder).await, ["new/copy"]);
}
