//! Copies within a server.

use bytes::Bytes;
use hyper::Method;
use milvus_backup_agent::storage::{
    CopySource, ObjectStore, ObjectStoreExt, PutMode, StoreErrorKind,
};

use super::faulty_server::{Fault, FaultyServer};
use super::limits::{PARTS, SMALL, THREE_PARTS, key, keys, kind, open, pattern, settings};
use crate::lab::moto;

#[tokio::test]
async fn a_copy_goes_across_buckets_and_in_parts() {
    let server = FaultyServer::start().await;
    for address in [server.address.as_str(), moto::address()] {
        let from = open(&settings(address, "one", "copies/from"), PARTS).await;
        let to = open(&settings(address, "two", "copies/to"), PARTS).await;
        for (name, size) in [("empty", 0), ("a b+ü%", 1000), ("parts", THREE_PARTS)] {
            let body = pattern(size);
            let written = from.put(&key(name), body.clone(), PutMode::IfAbsent).await.unwrap();
            let source = from.copy_source(&key(name)).unwrap();
            let copy = to.copy_from(&source, &key(name)).await.unwrap();
            assert_eq!(copy.size, size as u64);
            assert_eq!(copy.etag.clone().unwrap().ends_with("-3"), size == THREE_PARTS, "{copy:?}");
            assert_eq!(copy.etag == written.etag, size < THREE_PARTS);
            assert!(to.get_bytes(&key(name)).await.unwrap() == body);
            let again = to.copy_from(&source, &key(name)).await;
            assert_eq!(kind(again), Some(StoreErrorKind::AlreadyExists));
        }
        let gone = CopySource::clone(&from.copy_source(&key("gone")).unwrap());
        let error = to.copy_from(&gone, &key("gone")).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::NotFound);
        assert_eq!(error.place(), "s3://one/copies/from/gone");
    }
}

#[tokio::test]
async fn nothing_is_copied_from_elsewhere() {
    let server = FaultyServer::start().await;
    let store = server.store(SMALL).await;
    let elsewhere = open(&settings(moto::address(), "one", "x"), SMALL).await;
    let mut others = settings(moto::address(), "one", "x");
    others.keys = Some(keys("other"));
    let others = open(&others, SMALL).await;
    for (from, to) in [(&elsewhere, &store), (&others, &elsewhere)] {
        let source = from.copy_source(&key("a")).unwrap();
        let copied = to.copy_from(&source, &key("a")).await;
        assert_eq!(kind(copied), Some(StoreErrorKind::Unsupported));
    }
    let file = CopySource::File("/etc/hostname".into());
    assert_eq!(kind(store.copy_from(&file, &key("a")).await), Some(StoreErrorKind::Unsupported));
}

const INTERNAL: &str =
    "<?xml version=\"1.0\"?><Error><Code>InternalError</Code><Message>try again</Message></Error>";

#[tokio::test]
async fn a_success_that_is_none_is_a_failure() {
    let server = FaultyServer::start().await;
    let store = server.store(PARTS).await;
    for (name, size) in [("small", 10), ("large", THREE_PARTS)] {
        store.put(&key(name), pattern(size), PutMode::IfAbsent).await.unwrap();
    }
    let small = store.copy_source(&key("small")).unwrap();
    let large = store.copy_source(&key("large")).unwrap();

    server.fail(Method::PUT, "/copy", 1, Fault::Answer(200, INTERNAL));
    store.copy_from(&small, &key("copy")).await.expect("it is tried again");
    assert_eq!(server.count(&Method::PUT, "/copy"), 2);

    server.fail(Method::PUT, "/never", 9, Fault::Answer(200, INTERNAL));
    let never = store.copy_from(&small, &key("never")).await.unwrap_err();
    assert_eq!(never.kind(), StoreErrorKind::Transient, "{never:?}");
    assert_eq!(server.count(&Method::PUT, "/never"), 4, "once and three retries");

    server.fail(Method::PUT, "/bare", 9, Fault::Without("<ETag>"));
    let bare = store.copy_from(&small, &key("bare")).await.unwrap_err();
    assert_eq!(bare.kind(), StoreErrorKind::Other, "{bare:?}");

    server.fail(Method::PUT, "partNumber=2", 4, Fault::Answer(200, INTERNAL));
    assert!(store.copy_from(&large, &key("part")).await.is_err());
    server.fail(Method::PUT, "partNumber=3", 1, Fault::Without("<ETag>"));
    assert!(store.copy_from(&large, &key("part")).await.is_err());

    server.fail(Method::POST, "uploadId=", 4, Fault::Answer(200, INTERNAL));
    let ended = store.copy_from(&large, &key("end")).await.unwrap_err();
    assert_eq!(ended.kind(), StoreErrorKind::Transient, "{ended:?}");
    assert_eq!(server.count(&Method::DELETE, "uploadId="), 3, "parts are left");
    for name in ["never", "part", "end"] {
        assert_eq!(kind(store.head(&key(name)).await), Some(StoreErrorKind::NotFound), "{name}");
    }
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_meets_itself() {
    let server = FaultyServer::start().await;
    let store = server.store(SMALL).await;
    server.fail(Method::PUT, "/a/b/put", 1, Fault::AnswerAfter(503, ""));
    let put = store.put(&key("put"), Bytes::from_static(b"x"), PutMode::IfAbsent).await;
    assert_eq!(kind(put), Some(StoreErrorKind::AlreadyExists));
    assert_eq!(store.get_bytes(&key("put")).await.unwrap(), "x");
}
