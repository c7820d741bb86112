//! Writing and deleting whole objects, and the races of both.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::storage::{Deadline, PutMode, StoreErrorKind, UnfinishedWrite, suspended};

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

pub(super) async fn what_comes_too_late_is_not_begun(case: Case) {
    let (store, key) = (&case.store, case.key("a"));
    let (now, minute) = (Instant::now(), Duration::from_mins(1));
    let in_time =
        Deadline { begin_by: now + minute, end_by: now + 2 * minute, suspended: suspended() };
    // It could still end in time.
    let late = Deadline { begin_by: now.checked_sub(minute).unwrap_or(now), ..in_time };
    let body = || Bytes::from("written");
    let put = async |mode, deadline| kind(store.put_before(&key, body(), mode, deadline).await);
    for mode in [PutMode::IfAbsent, PutMode::Overwrite] {
        assert_eq!(put(mode, late).await, Some(StoreErrorKind::Expired));
        case.holds_nothing("an object that came too late").await;
    }
    assert_eq!(put(PutMode::IfAbsent, in_time).await, None);
    assert_eq!(put(PutMode::IfAbsent, in_time).await, Some(StoreErrorKind::AlreadyExists));
    assert_eq!(put(PutMode::Overwrite, late).await, Some(StoreErrorKind::Expired));

    let keys = [case.key("absent"), key.clone()];
    let deleted = store.delete_before(&keys, late).await;
    assert_eq!(kind(deleted), Some(StoreErrorKind::Expired));
    assert_eq!(case.read("a").await, body(), "it was touched too late");
    let report = store.delete_before(&keys, in_time).await.expect("a batch is deleted");
    assert_eq!((report.deleted, report.failed.len()), (2, 0));
    case.holds_nothing("a deleted object").await;

    let ended = UnfinishedWrite { key: key.clone(), id: "ended".to_owned() };
    let aborted = store.abort_before(&ended, late).await;
    assert_eq!(kind(aborted), Some(StoreErrorKind::Expired));
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
