//! Writing and deleting whole objects, and the races of both.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinSet;

use crate::storage::{PutMode, StoreErrorKind};

use super::case::{Case, kind};

const RACERS: usize = 16;

pub(super) async fn if_absent_never_replaces(case: Case) {
    case.try_put("a", "first", PutMode::IfAbsent).await.expect("an absent key is written");
    let second = case.try_put("a", "second", PutMode::IfAbsent).await;
    assert_eq!(kind(second), Some(StoreErrorKind::AlreadyExists));
    assert_eq!(case.read("a").await, "first");
}

pub(super) async fn one_racing_writer_wins(case: Case) {
    let mut racers = JoinSet::new();
    for racer in 0..RACERS {
        let (store, key) = (Arc::clone(&case.store), case.key("new/folder/prize"));
        racers.spawn(async move {
            let body = Bytes::from(racer.to_string());
            (racer, store.put(&key, body, PutMode::IfAbsent).await)
        });
    }
    let mut winners = Vec::new();
    while let Some(done) = racers.join_next().await {
        match done.expect("no racer panics") {
            (racer, Ok(_)) => winners.push(racer),
            (_, Err(error)) => assert_eq!(error.kind(), StoreErrorKind::AlreadyExists),
        }
    }
    assert_eq!(winners.len(), 1, "racers {winners:?} all believe that they won");
    assert!(case.read("new/folder/prize").await == winners[0].to_string());
}

pub(super) async fn overwriting_replaces_the_whole_object(case: Case) {
    let long = case.put("a", "a long first text").await;
    let short = case.put("a", "short").await;
    assert_eq!(short.size, 5);
    assert!(long.etag.is_none() || long.etag != short.etag, "other bytes, same fingerprint");
    assert_eq!(case.read("a").await, "short");
    assert_eq!(case.names(&case.folder).await, ["a"]);
}

pub(super) async fn deleting_leaves_the_others(case: Case) {
    for name in ["a/1", "a/2", "a/b/3"] {
        case.put(name, "").await;
    }
    let keys =
        ["a/1", "a/b/3", "absent", "absent/too", "a/1/below", "a"].map(|name| case.key(name));
    let report = case.store.delete(&keys).await.expect("a batch is deleted");
    assert_eq!(report.deleted, keys.len(), "absent keys count");
    assert!(report.failed.is_empty());
    assert_eq!(case.names(&case.folder).await, ["a/2"]);
    let nothing = case.store.delete(&[]).await.expect("an empty batch is deleted");
    assert_eq!(nothing.deleted, 0);
    case.try_put("a/1", "again", PutMode::IfAbsent).await.expect("a deleted key is free");
}

pub(super) async fn writers_and_deleters_share_a_folder(case: Case) {
    let mut racers = JoinSet::new();
    for racer in 0..4 {
        let (store, key) = (Arc::clone(&case.store), case.key(&format!("a/b/{racer}")));
        racers.spawn(async move {
            for _ in 0..25 {
                store.put(&key, Bytes::new(), PutMode::IfAbsent).await.expect("a put succeeds");
                store.head(&key).await.expect("nobody else deletes it");
                let deleted = store.delete(std::slice::from_ref(&key)).await.expect("a delete");
                assert!(deleted.failed.is_empty());
            }
        });
    }
    racers.join_all().await;
    case.holds_nothing("a deleted object").await;
}
