//! Objects that arrive in parts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, future, stream};
use hyper::Method;
use milvus_backup_agent::model::{KeyPrefix, S3Checksums};
use milvus_backup_agent::storage::{
    ObjectStore, ObjectStoreExt, S3Limits, StoreError, StoreErrorKind, StoreOp,
};
use tokio::time::timeout;

use super::faulty_server::{Fault, FaultyServer};
use super::limits::{
    PARTS, SMALL, THREE_PARTS, key, kind, object, open, pattern, settings, stream_of,
};
use crate::lab::moto;

#[tokio::test]
async fn an_object_in_parts_is_the_object() {
    let server = FaultyServer::start().await;
    let (body, size) = (pattern(THREE_PARTS), THREE_PARTS as u64);
    for checksums in [S3Checksums::WhenRequired, S3Checksums::WhenSupported] {
        for address in [server.address.as_str(), moto::address()] {
            let prefix = format!("parts/{checksums:?}");
            let settings = settings(address, "one", &prefix);
            let settings = milvus_backup_agent::model::S3Settings { checksums, ..settings };
            let store = open(&settings, PARTS).await;
            let written = store.put_stream(&key("a b/ü"), size, stream_of(&body)).await;
            let written = written.unwrap();
            assert!(written.etag.unwrap().ends_with("-3"), "it came in one piece");
            assert!(store.get_bytes(&key("a b/ü")).await.unwrap() == body);
            let again = store.put_stream(&key("a b/ü"), size, stream_of(&body)).await;
            assert_eq!(kind(again), Some(StoreErrorKind::AlreadyExists));
        }
    }
}

/// What moto knows of uploads without an end. Other tests have some below other prefixes.
async fn unfinished() -> usize {
    moto::ask("GET", "/two?uploads").await.matches("<Key>uploads/").count()
}

#[tokio::test]
async fn an_upload_that_fails_or_is_dropped_leaves_no_parts() {
    let store = open(&settings(moto::address(), "two", "uploads"), SMALL).await;
    let reset = || StoreError::new(StoreOp::Get, "source", StoreErrorKind::Transient, "reset");
    let body = stream::iter([Ok(pattern(900_000)), Err(reset())]).boxed();
    let failed = store.put_stream(&key("failed"), 1_000_000, object(1_000_000, body)).await;
    assert_eq!(kind(failed), Some(StoreErrorKind::Transient));
    assert_eq!(unfinished().await, 0, "after a failure");

    let body = stream::iter([Ok(pattern(900_000))]).chain(stream::pending()).boxed();
    let name = key("dropped");
    let dropped = store.put_stream(&name, 1_000_000, object(1_000_000, body));
    assert!(timeout(Duration::from_millis(700), dropped).await.is_err());
    store.settle().await;
    assert_eq!(unfinished().await, 0, "after a drop");

    // The lists of moto are what proves it.
    let begun = moto::ask("POST", "/two/uploads/begun?uploads").await;
    assert!(begun.contains("<UploadId>"), "{begun}");
    assert_eq!(unfinished().await, 1);
    let id = begun.split("<UploadId>").nth(1).unwrap().split('<').next().unwrap();
    moto::ask("DELETE", &format!("/two/uploads/begun?uploadId={id}")).await;
    assert_eq!(store.list_all(&KeyPrefix::root()).await.unwrap(), []);
}

#[tokio::test]
async fn a_server_without_a_condition_at_the_end_is_asked_before() {
    let server = FaultyServer::start().await;
    let store = server.store(PARTS).await;
    let refusal = "<Error><Code>NotImplemented</Code><Message>a header</Message></Error>";
    server.fail(Method::POST, "uploadId=", 1, Fault::Answer(501, refusal));
    let (body, size) = (pattern(THREE_PARTS), THREE_PARTS as u64);
    store.put_stream(&key("a"), size, stream_of(&body)).await.unwrap();
    assert!(store.get_bytes(&key("a")).await.unwrap() == body);
    store.put_stream(&key("b"), size, stream_of(&body)).await.unwrap();
    assert_eq!(server.count(&Method::POST, "uploadId="), 3, "it asked for the condition again");
}

/// Chunks of 64 KiB of which it is known how many are held.
fn counted(
    size: u64,
    held: &Arc<AtomicUsize>,
    peak: &Arc<AtomicUsize>,
) -> stream::BoxStream<'static, Bytes> {
    struct Counted(Vec<u8>, Arc<AtomicUsize>);
    impl AsRef<[u8]> for Counted {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            self.1.fetch_sub(self.0.len(), Ordering::SeqCst);
        }
    }
    let (held, peak) = (Arc::clone(held), Arc::clone(peak));
    let chunks = usize::try_from(size / 65_536).expect("it fits");
    stream::iter(0..chunks)
        .map(move |_| {
            let now = held.fetch_add(65_536, Ordering::SeqCst) + 65_536;
            peak.fetch_max(now, Ordering::SeqCst);
            Bytes::from_owner(Counted(vec![7; 65_536], Arc::clone(&held)))
        })
        .boxed()
}

/// Streams run ahead of a server that does not answer by no more than the store's budget.
#[tokio::test]
async fn what_is_held_is_bounded() {
    const MIB: u64 = 1024 * 1024;
    let server = FaultyServer::start().await;
    let patience = Duration::from_mins(1);
    let limits = S3Limits { memory_bytes: 2 * MIB, patience, ..SMALL };
    let store = server.store(limits).await;
    server.fail(Method::PUT, "partNumber=", 1000, Fault::Silence);
    let (held, peak) = (Arc::default(), Arc::default());
    let taken = Arc::new(AtomicUsize::new(0));
    let puts = (0..8).map(|number| {
        let (store, taken) = (Arc::clone(&store), Arc::clone(&taken));
        let chunks = counted(16 * MIB, &held, &peak).map(move |chunk| {
            taken.fetch_add(chunk.len(), Ordering::SeqCst);
            Ok(chunk)
        });
        async move {
            let body = object(16 * MIB, chunks.boxed());
            store.put_stream(&key(&format!("{number}")), 16 * MIB, body).await
        }
    });
    let all = future::join_all(puts);
    assert!(timeout(Duration::from_secs(2), all).await.is_err(), "nothing was silent");
    let taken = taken.load(Ordering::SeqCst);
    assert!(taken >= 1024 * 1024, "{taken} bytes were taken: nothing ran at once");
    assert!(taken <= 2 * 1024 * 1024 + 8 * 65_536, "{taken} bytes were taken from the streams");
    let peak = peak.load(Ordering::SeqCst);
    assert!(peak <= 8 * 2 * 65_536, "{peak} bytes of chunks were held beside the parts");
}
