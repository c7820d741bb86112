//! What servers and networks do to a client.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Method;
use milvus_backup_agent::model::{ErrorKind, KeyPrefix, S3Settings};
use milvus_backup_agent::storage::{
    Deadline, ObjectStore, ObjectStoreExt, PutMode, S3Limits, S3Store, StoreErrorKind, StoreOp,
    suspended,
};

use super::faulty_server::{Fault, FaultyServer};
use super::limits::{SMALL, key, keys, kind, open, pattern, settings};
use crate::lab::moto;

const SLOW_DOWN: &str = "<Error><Code>SlowDown</Code><Message>less</Message></Error>";
const DENIED: &str = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";

async fn put(store: &S3Store, name: &str) {
    store
        .put(&key(name), Bytes::from_static(b"content"), PutMode::Overwrite)
        .await
        .expect("it is written");
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again() {
    let server = FaultyServer::start().await;
    let store = server.store(SMALL).await;
    server.fail(Method::PUT, "/x", 2, Fault::Answer(503, SLOW_DOWN));
    put(&store, "x").await;
    server.fail(Method::GET, "/x", 3, Fault::Answer(500, ""));
    assert_eq!(store.get_bytes(&key("x")).await.unwrap(), "content");
    server.fail(Method::HEAD, "/x", 4, Fault::Answer(503, ""));
    assert_eq!(kind(store.head(&key("x")).await), Some(StoreErrorKind::Transient));
    assert_eq!(server.count(&Method::HEAD, "/x"), 4, "once and three retries");
}

#[tokio::test]
async fn a_silent_server_is_given_up_in_time() {
    let server = FaultyServer::start().await;
    let patience = Duration::from_millis(300);
    let store = server.store(S3Limits { retries: 1, patience, ..SMALL }).await;
    server.fail(Method::HEAD, "/x", 9, Fault::Silence);
    let begun = Instant::now();
    assert_eq!(kind(store.head(&key("x")).await), Some(StoreErrorKind::Transient));
    assert!(begun.elapsed() < Duration::from_secs(3), "it waited {:?}", begun.elapsed());
    assert_eq!(server.count(&Method::HEAD, "/x"), 2);
}

/// A retry that came after the deadline would do what only someone else may do by then.
#[tokio::test]
async fn nothing_is_sent_after_a_deadline() {
    let server = FaultyServer::start().await;
    let patience = Duration::from_millis(150);
    let store = server.store(S3Limits { retries: 20, patience, ..SMALL }).await;
    put(&store, "x").await;
    let half_a_second = || {
        let now = tokio::time::Instant::now();
        let begin_by = now + Duration::from_millis(250);
        Deadline { begin_by, end_by: now + Duration::from_millis(500), suspended: suspended() }
    };
    let asked = |method: &Method| server.count(method, "");
    let sleep = || tokio::time::sleep(Duration::from_secs(1));

    server.fail(Method::PUT, "/x", 99, Fault::Silence);
    let before = asked(&Method::PUT);
    let begun = Instant::now();
    let body = Bytes::from_static(b"late");
    let late = store.put_before(&key("x"), body, PutMode::Overwrite, half_a_second()).await;
    assert_eq!(kind(late), Some(StoreErrorKind::Expired));
    assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
    let sent = asked(&Method::PUT);
    assert!(sent > before + 1, "it was not tried again");
    sleep().await;
    assert_eq!(asked(&Method::PUT), sent, "it was tried again after its end");

    server.fail(Method::POST, "delete", 99, Fault::Silence);
    let late = store.delete_before(&[key("x")], half_a_second()).await;
    assert_eq!(kind(late), Some(StoreErrorKind::Expired));
    let sent = asked(&Method::POST);
    sleep().await;
    assert_eq!(asked(&Method::POST), sent, "it was tried again after its end");
    assert_eq!(store.get_bytes(&key("x")).await.unwrap(), "content");
}

#[tokio::test]
async fn a_body_that_ends_early_is_no_object() {
    let server = FaultyServer::start().await;
    let store = server.store(SMALL).await;
    store.put(&key("x"), pattern(500_000), PutMode::IfAbsent).await.unwrap();
    for bytes in [100_000, 400_000] {
        server.fail(Method::GET, "/x", 1, Fault::Truncate(bytes));
        let error = store.get_bytes(&key("x")).await.unwrap_err();
        assert_eq!((error.op(), error.kind()), (StoreOp::Get, StoreErrorKind::Transient));
        assert_eq!(error.place(), "s3://one/a/b/x");
    }
    assert_eq!(store.get_bytes(&key("x")).await.unwrap(), pattern(500_000));
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let server = FaultyServer::start().await;
    let store = server.store(SMALL).await;
    server.fail(Method::GET, "/x", 1, Fault::Answer(403, DENIED));
    let denied = store.get_bytes(&key("x")).await.unwrap_err();
    assert_eq!(denied.kind(), StoreErrorKind::PermissionDenied);
    assert_eq!(denied.error_kind(), ErrorKind::NotAuthorised);
    assert!(denied.hint().unwrap().contains("access key"));
    assert_eq!(server.count(&Method::GET, "/x"), 1, "a refusal is final");

    let expired = "<Error><Code>ExpiredToken</Code><Message>old</Message></Error>";
    server.fail(Method::GET, "/x", 1, Fault::Answer(400, expired));
    let expired = store.get_bytes(&key("x")).await.unwrap_err();
    assert_eq!(expired.kind(), StoreErrorKind::PermissionDenied);
}

async fn opened(settings: S3Settings) -> milvus_backup_agent::storage::StoreError {
    let limits = S3Limits { retries: 1, patience: Duration::from_secs(3), ..SMALL };
    S3Store::open(&settings, limits).await.expect_err("wrong settings were opened")
}

#[tokio::test]
async fn wrong_settings_are_named_at_once() {
    let server = FaultyServer::start().await;
    let good = server.settings("one", "a");
    let missing = opened(S3Settings { bucket: "missing".into(), ..good.clone() }).await;
    assert_eq!((missing.op(), missing.kind()), (StoreOp::Open, StoreErrorKind::Misconfigured));
    assert_eq!(missing.error_kind(), ErrorKind::Usage);
    assert!(missing.hint().unwrap().contains("makes no bucket"));

    let wrong = opened(S3Settings { keys: Some(keys("other")), ..good.clone() }).await;
    assert_eq!(wrong.kind(), StoreErrorKind::PermissionDenied, "{wrong:?}");

    let moved = "<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>";
    server.fail(Method::GET, "list-type", 1, Fault::Answer(301, moved));
    let region = opened(good.clone()).await;
    assert_eq!(region.kind(), StoreErrorKind::Misconfigured);
    assert!(region.hint().unwrap().contains("region"));

    let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region \
                     'us-east-1' is wrong</Message><Region>eu-west-1</Region></Error>";
    server.fail(Method::GET, "list-type", 1, Fault::Answer(400, malformed));
    assert_eq!(opened(good.clone()).await.kind(), StoreErrorKind::Misconfigured);

    let nowhere = Some("http://127.0.0.1:9/".parse().unwrap());
    let refused = opened(S3Settings { endpoint: nowhere, ..good.clone() }).await;
    assert_eq!(refused.kind(), StoreErrorKind::Transient, "{refused:?}");

    let ca_file = Some("/etc/hostname".into());
    let no_pem = opened(S3Settings { ca_file, ..good }).await;
    assert_eq!(no_pem.kind(), StoreErrorKind::Misconfigured);
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_it_is_named() {
    let folder = tempfile::TempDir::new().unwrap();
    let (mut server, address) = moto::with_tls(folder.path());
    let unknown = settings(&address, "one", "tls");
    let ca_file = Some(folder.path().join("ca.pem"));
    let known = S3Settings { ca_file, ..unknown.clone() };
    let store = open(&known, SMALL).await;
    put(&store, "x").await;
    assert_eq!(store.get_bytes(&key("x")).await.unwrap(), "content");
    let error = opened(unknown).await;
    assert_eq!(error.kind(), StoreErrorKind::Misconfigured, "{error:?}");
    assert!(error.hint().unwrap().contains("ca_file"));
    server.kill().unwrap();
    server.wait().unwrap();
}

#[tokio::test]
async fn batches_that_are_refused_are_deleted_one_by_one() {
    for (status, answer) in [
        (403, DENIED),
        (501, "<Error><Code>NotImplemented</Code></Error>"),
        (400, "<Error><Code>MissingContentMD5</Code></Error>"),
    ] {
        let server = FaultyServer::start().await;
        let store = server.store(SMALL).await;
        let keys: Vec<_> = (0..5).map(|number| key(&number.to_string())).collect();
        for key in &keys {
            put(&store, key.as_str()).await;
        }
        server.fail(Method::POST, "delete", 9, Fault::Answer(status, answer));
        for expected in [1, 1] {
            let report = store.delete(&keys).await.unwrap();
            assert_eq!((report.deleted, report.failed.len()), (5, 0));
            assert_eq!(server.count(&Method::POST, "delete"), expected, "it asks again");
        }
        assert_eq!(store.list_all(&KeyPrefix::root()).await.unwrap(), []);
    }
}

#[tokio::test]
async fn what_cannot_be_deleted_is_named() {
    let server = FaultyServer::start().await;
    let store = server.store(SMALL).await;
    put(&store, "x").await;
    put(&store, "y").await;
    let answer = "<DeleteResult><Error><Key>a/b/x</Key><Code>AccessDenied</Code>\
                  <Message>locked</Message></Error><Error><Key>a/b/y</Key>\
                  <Code>InternalError</Code></Error></DeleteResult>";
    server.fail(Method::POST, "delete", 1, Fault::Answer(200, answer));
    let report = store.delete(&[key("x"), key("y"), key("z")]).await.unwrap();
    assert_eq!(report.deleted, 2, "y is tried again");
    let (left, why) = &report.failed[0];
    assert_eq!((left, why.kind()), (&key("x"), StoreErrorKind::PermissionDenied));
    assert_eq!(kind(store.head(&key("y")).await), Some(StoreErrorKind::NotFound));
}

#[tokio::test]
async fn a_list_without_tokens_goes_on_after_its_last_key() {
    let server = FaultyServer::start().await;
    let store = server.store(S3Limits { list_page: 3, ..SMALL }).await;
    let names = ["a/1", "a/2", "b/1", "c", "d/1", "d/2", "e/1", "f"];
    for name in names {
        put(&store, name).await;
    }
    server.fail(Method::GET, "list-type", 9, Fault::Without("<NextContinuationToken>"));
    let listed = store.list_all(&KeyPrefix::root()).await.unwrap();
    assert_eq!(listed.iter().map(|object| object.key.as_str()).collect::<Vec<_>>(), names);
    assert_eq!(store.list_folders(&KeyPrefix::root()).await.unwrap(), ["a", "b", "d", "e"]);
    assert_eq!(server.count(&Method::GET, "continuation-token"), 0);
    assert!(server.count(&Method::GET, "start-after") >= 3);
}

#[tokio::test]
async fn a_list_that_does_not_get_on_ends() {
    let server = FaultyServer::start().await;
    let store = server.store(SMALL).await;
    let page = "<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>a/b/x</Key>\
                <Size>1</Size></Contents></ListBucketResult>";
    server.fail(Method::GET, "list-type", 9, Fault::Answer(200, page));
    let error = store.list_all(&KeyPrefix::root()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Other);
    assert_eq!(server.count(&Method::GET, "list-type"), 3, "one to open, two pages");
    assert_eq!(server.count(&Method::GET, "start-after=a%2Fb%2Fx"), 1);
}
