//! The contract of every store, on both servers.

use milvus_backup_agent::model::S3Checksums;
use milvus_backup_agent::storage::testing::{conformance, conformance_without};
use milvus_backup_agent::storage::{S3Limits, probe_conditional_put};

use super::faulty_server::FaultyServer;
use super::limits::{PARTS, SMALL, open, settings};
use crate::lab::moto;

#[tokio::test(flavor = "multi_thread")]
async fn moto_keeps_the_contract() {
    let settings = settings(moto::address(), "one", "conformance/small");
    conformance(open(&settings, SMALL).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moto_keeps_the_contract_with_checksums_and_usual_sizes() {
    let mut settings = settings(moto::address(), "one", "");
    settings.checksums = S3Checksums::WhenSupported;
    conformance(open(&settings, S3Limits::default()).await).await;
}

/// What s3s-fs cannot do, since its objects are files: a list has no `ETag`s, a folder looks like
/// an object, and a key that names a folder cannot be deleted. It lists no unfinished uploads.
const BROKEN: &[&str] = &["read", "absent", "delete", "unfinished"];

#[tokio::test(flavor = "multi_thread")]
async fn s3s_keeps_the_contract() {
    let server = FaultyServer::start().await;
    conformance_without(server.store(PARTS).await, BROKEN).await;
    let mut settings = server.settings("two", "");
    settings.checksums = S3Checksums::WhenSupported;
    conformance_without(open(&settings, S3Limits::default()).await, BROKEN).await;
}

#[tokio::test]
async fn both_keep_conditions() {
    let settings = settings(moto::address(), "one", "probe");
    assert!(probe_conditional_put(&*open(&settings, SMALL).await).await.unwrap());
    let server = FaultyServer::start().await;
    assert!(probe_conditional_put(&*server.store(SMALL).await).await.unwrap());
}
