//! Writing objects as they come.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::storage::{StoreError, StoreErrorKind, StoreOp, UnfinishedWrite};

use super::case::{Case, LARGE_BYTES, assert_written, chunks, kind};

pub(super) async fn a_stream_is_written_once(case: Case) {
    let chunk = Bytes::from(vec![7; LARGE_BYTES / 48]);
    let large = stream::iter(vec![chunk; 48]).map(Ok).boxed();
    let written = case.stream("large", LARGE_BYTES as u64, large).await.expect("a stream");
    assert_eq!(written.size, LARGE_BYTES as u64);
    assert_written(&case.store.head(&written.key).await.expect("a head"), &written);
    assert!(case.read("large").await == vec![7; LARGE_BYTES]);
    case.stream("empty", 0, chunks(&[])).await.expect("an empty stream is written");
    assert_eq!(case.read("empty").await, "");

    let again = case.stream("empty", 1, chunks(&["x"])).await;
    assert_eq!(kind(again), Some(StoreErrorKind::AlreadyExists));
    assert_eq!(case.read("empty").await, "");
    case.store.sync().await.expect("streams are made durable");
    assert_eq!(case.names(&case.folder).await, ["empty", "large"]);
}

pub(super) async fn a_stream_of_another_length_is_refused(case: Case) {
    for (size, body) in
        [(4, &["abc"][..]), (2, &["abc"]), (0, &["a"]), (1, &[]), (4, &["ab", "cde"])]
    {
        let written = case.stream("a", size, chunks(body)).await;
        assert!(written.is_err(), "{body:?} passed for {size} bytes");
        case.holds_nothing("a stream of another length").await;
    }
    case.stream("a", 3, chunks(&["abc"])).await.expect("the key is still free");
}

pub(super) async fn a_stream_that_fails_leaves_nothing(case: Case) {
    let reset = || StoreError::new(StoreOp::Get, "source", StoreErrorKind::Transient, "reset");
    let body = stream::iter([Ok(Bytes::from(vec![1; LARGE_BYTES])), Err(reset())]).boxed();
    let written = case.stream("a", LARGE_BYTES as u64 + 1, body).await;
    assert_eq!(kind(written), Some(StoreErrorKind::Transient), "the cause is lost");
    case.holds_nothing("half a stream").await;
}

pub(super) async fn a_dropped_stream_leaves_nothing(case: Case) {
    let asked_for_more = Arc::new(Notify::new());
    let notify = Arc::clone(&asked_for_more);
    let first = stream::iter([Ok(Bytes::from(vec![1; LARGE_BYTES]))]);
    let never = stream::poll_fn(move |_| {
        notify.notify_one();
        std::task::Poll::Pending
    });
    tokio::select! {
        written = case.stream("a", LARGE_BYTES as u64, first.chain(never).boxed()) => {
            panic!("a stream without an end was written: {written:?}")
        }
        () = asked_for_more.notified() => {
            case.holds_nothing("an object that is being written").await;
            assert_eq!(case.head_kind("a").await, Some(StoreErrorKind::NotFound));
        }
    }
    case.holds_nothing("an object whose writer went away").await;
}

/// Whatever came of the streams above, the store keeps none of it for later.
pub(super) async fn nothing_is_left_unfinished(case: Case) {
    let chunk = || stream::iter([Ok(Bytes::from(vec![1; LARGE_BYTES]))]);
    case.stream("whole", LARGE_BYTES as u64, chunk().boxed()).await.expect("a stream");
    let short = case.stream("short", LARGE_BYTES as u64 + 1, chunk().boxed()).await;
    assert!(short.is_err(), "a short stream was written");
    let endless = chunk().chain(stream::pending()).boxed();
    let dropped = case.stream("dropped", LARGE_BYTES as u64 + 1, endless);
    assert!(timeout(Duration::from_millis(200), dropped).await.is_err(), "nothing was dropped");
    case.store.settle().await;
    let left = case.store.unfinished(&case.folder, Timestamp::MAX).await.expect("a list");
    assert_eq!(left, []);
    let ended = UnfinishedWrite { key: case.key("whole"), id: "ended".to_owned() };
    case.store.abort(&ended).await.expect("what has ended needs no abort");
    assert_eq!(case.read("whole").await.len(), LARGE_BYTES);
}
