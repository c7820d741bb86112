//! Listing objects and folders.

use futures::TryStreamExt;

use crate::model::KeyPrefix;
use crate::storage::ObjectStoreExt;

use super::case::Case;

pub(super) async fn a_list_is_in_key_order(case: Case) {
    let sorted = ["a-b", "a.b", "a/b", "a/c.d/e", "a/c/d", "a0", "b/0", "ä", "日/本"];
    for name in sorted.iter().rev() {
        case.put(name, name).await;
    }
    assert_eq!(case.names(&case.folder).await, sorted);
    for number in 0..120 {
        case.put(&format!("many/{}/{number}", number % 7), "").await;
    }
    let whole = case.store.list_all(&KeyPrefix::root()).await.expect("the store is listed");
    assert!(whole.is_sorted_by(|one, other| one.key < other.key), "the store is out of order");
    let here = whole.iter().filter(|object| case.folder.strip(&object.key).is_some());
    assert_eq!(here.count(), sorted.len() + 120);
}

pub(super) async fn a_prefix_is_whole_segments(case: Case) {
    for name in ["n_1/x", "n_1/y/z", "n_10/x", "n_1.x", "n_1-"] {
        case.put(name, "").await;
    }
    assert_eq!(case.names(&case.folder.join("n_1")).await, ["n_1/x", "n_1/y/z"]);
    assert_eq!(case.names(&case.folder.join("n_1/x")).await, [""; 0]);
    assert_eq!(case.names(&case.folder.join("n")).await, [""; 0]);
}

pub(super) async fn a_list_survives_writes_and_deletes(case: Case) {
    for number in 0..40 {
        case.put(&format!("{number:02}/x"), "").await;
    }
    let mut list = case.store.list(&case.folder);
    let mut seen = vec![list.try_next().await.expect("an object").expect("an object").key];
    case.put("00/a", "").await;
    case.put("99/new", "").await;
    let gone = [case.key("20/x"), case.key("39/x")];
    case.store.delete(&gone).await.expect("objects are deleted");
    while let Some(object) = list.try_next().await.expect("a list goes on") {
        seen.push(object.key);
    }
    assert!(seen.is_sorted_by(|one, other| one < other), "out of order or twice: {seen:?}");
    for number in (0..40).filter(|number| ![20, 39].contains(number)) {
        let key = case.key(&format!("{number:02}/x"));
        assert!(seen.contains(&key), "{key} was there all the time and is not listed");
    }
    assert!(case.names(&case.folder).await.contains(&"99/new".to_owned()));
}

pub(super) async fn folders_are_named_once_and_sorted(case: Case) {
    for name in ["b/1", "b/2", "a.x/1", "a/1/2/3", "file", "ü/1"] {
        case.put(name, "").await;
    }
    let folders = || async { case.store.list_folders(&case.folder).await.expect("folders") };
    assert_eq!(folders().await, ["a", "a.x", "b", "ü"]);
    let deeper = case.store.list_folders(&case.folder.join("a")).await.expect("folders");
    assert_eq!(deeper, ["1"]);
    case.store.delete(&[case.key("a/1/2/3"), case.key("b/1")]).await.expect("deletes");
    assert_eq!(folders().await, ["a.x", "b", "ü"]);
}
