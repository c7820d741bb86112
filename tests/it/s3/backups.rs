//! Whole backups from bucket to bucket, which the server copies by itself.

use std::sync::Arc;

use bytes::Bytes;
use hyper::Method;
use milvus_backup_agent::job::{
    BackupReport, ExportOptions, RunOutcome, run_backup, run_export, run_verify,
};
use milvus_backup_agent::model::{KeyPrefix, ObjectKey};
use milvus_backup_agent::plan::VerifyDepth;
use milvus_backup_agent::storage::testing::FaultyStore;
use milvus_backup_agent::storage::{
    ObjectStore, ObjectStoreExt, PutMode, S3Limits, S3Store, StoreErrorKind, StoreOp,
};

use super::faulty_server::{Fault, FaultyServer};
use super::limits::{PARTS, SMALL, THREE_PARTS, key, open, pattern, settings, stream_of};
use crate::lab::moto;
use crate::support::{Lab, assert_trees_whole, backup_name, request};

/// A Milvus with files in bucket `one`, and a repository in bucket `two`.
pub(super) struct Buckets {
    pub(super) lab: Lab,
    source: Arc<FaultyStore>,
    pub(super) repository: Arc<S3Store>,
}

impl Buckets {
    pub(super) async fn at(address: &str, prefix: &str) -> Self {
        let source = open(&settings(address, "one", &format!("{prefix}/files")), SMALL).await;
        let source = Arc::new(FaultyStore::new(source));
        let lab = Lab::over(Arc::<FaultyStore>::clone(&source));
        lab.fill("films", 0..5).await;
        // By one request, so that the ETag is an MD5.
        let limits = S3Limits { single_copy_bytes: 2 * THREE_PARTS as u64, ..PARTS };
        let repository = settings(address, "two", &format!("{prefix}/backups"));
        Self { lab, source, repository: open(&repository, limits).await }
    }

    /// No file of Milvus's can be read any more.
    fn forbid_reads(&self) {
        let kind = StoreErrorKind::PermissionDenied;
        self.source.fail(StoreOp::Get, "insert_log", kind, u32::MAX);
    }

    pub(super) async fn backup(&self, name: &str) -> BackupReport {
        let context = self.lab.context_over(Arc::<S3Store>::clone(&self.repository));
        run_backup(&context, request(name)).await.expect("a backup")
    }

    /// Damaged files, and how many could not be checked.
    pub(super) async fn verify(&self, name: &str) -> (Vec<String>, u64) {
        let context = self.lab.context_over(Arc::<S3Store>::clone(&self.repository));
        let verified = run_verify(&context, None, &backup_name(name), VerifyDepth::Content).await;
        let report = verified.expect("it is read");
        assert_eq!(report.missing, [""; 0]);
        (report.damaged, report.unchecked)
    }

    /// A file of Milvus's, and where it lies in the repository.
    pub(super) async fn a_file(&self) -> (ObjectKey, ObjectKey) {
        let files = self.lab.source.list_all(&KeyPrefix::root()).await.expect("a list");
        let file = files.into_iter().find(|meta| meta.key.as_str().starts_with("insert_log/"));
        let file = file.expect("there are files").key;
        let copy = key(&format!("c1/_segments/{file}"));
        (file, copy)
    }
}

fn reads(server: &FaultyServer) -> usize {
    server.count(&Method::GET, "/files/insert_log/")
}

pub(super) fn copied(report: &BackupReport) -> (RunOutcome, u64) {
    (report.outcome, report.files_copied)
}

#[tokio::test]
async fn the_server_copies_and_the_content_can_be_verified() {
    let server = FaultyServer::start().await;
    for address in [server.address.as_str(), moto::address()] {
        let buckets = Buckets::at(address, "whole").await;
        assert_eq!(copied(&buckets.backup("a").await), (RunOutcome::Complete, 5));
        assert_eq!(buckets.verify("a").await, (vec![], 0));
        assert_eq!(buckets.backup("b").await.files_reused, 5);

        let (file, copy) = buckets.a_file().await;
        let body = buckets.repository.get_bytes(&copy).await.unwrap();
        assert_eq!(body, buckets.lab.source.get_bytes(&file).await.unwrap());
        let other = Bytes::from(vec![b'x'; body.len()]);
        buckets.repository.put(&copy, other, PutMode::Overwrite).await.unwrap();
        let (damaged, unchecked) = buckets.verify("a").await;
        assert!(damaged.len() == 1 && damaged[0].contains("its MD5 is"), "{damaged:?}");
        assert_eq!(unchecked, 0);
    }
    assert_eq!(reads(&server), 1, "only this test has read a file");
    assert_eq!(server.count(&Method::PUT, "/_segments/"), 6);
}

#[tokio::test]
async fn an_export_is_copied_by_the_server_alone() {
    let server = FaultyServer::start().await;
    for address in [server.address.as_str(), moto::address()] {
        let buckets = Buckets::at(address, "export").await;
        buckets.backup("a").await;
        let context = buckets.lab.context_over(Arc::<S3Store>::clone(&buckets.repository));
        let (backup, to) = (backup_name("a"), backup_name("copy"));
        let options = ExportOptions { backup, cluster: None, to };
        let report = run_export(&context, &options).await.expect("an export");
        let copied = (report.copied.by_server, report.copied.streamed, report.files);
        assert_eq!(copied, (5, 0, 5));
        assert_trees_whole(&*buckets.repository, address).await;
        assert_eq!(buckets.verify("copy").await, (vec![], 0));
    }
    assert_eq!(server.count(&Method::GET, "/_segments/"), 0);
    assert_eq!(server.count(&Method::PUT, "/copy/binlogs/"), 5);
}

/// What the server of a repository will not copy passes the agent, which compares checksums.
#[tokio::test]
async fn an_export_that_the_server_refuses_is_streamed() {
    let server = FaultyServer::start().await;
    let buckets = Buckets::at(&server.address, "denied-export").await;
    buckets.backup("a").await;
    server.fail(Method::HEAD, "/_segments/insert_log/", 1, Fault::Answer(403, DENIED));
    let mut context = buckets.lab.context_over(Arc::<S3Store>::clone(&buckets.repository));
    context.concurrency = 1;
    let (backup, to) = (backup_name("a"), backup_name("copy"));
    let options = ExportOptions { backup, cluster: None, to };
    let report = run_export(&context, &options).await.expect("an export");
    assert_eq!((report.copied.by_server, report.copied.streamed), (0, 5));
    assert_eq!(buckets.verify("copy").await, (vec![], 0));
}

#[tokio::test]
async fn a_file_of_many_parts_is_copied_whole_and_its_copy_has_an_md5() {
    let buckets = Buckets::at(moto::address(), "many").await;
    let (file, copy) = buckets.a_file().await;
    buckets.lab.source.delete(std::slice::from_ref(&file)).await.unwrap();
    let (body, size) = (pattern(THREE_PARTS), THREE_PARTS as u64);
    let large = open(&settings(moto::address(), "one", "many/files"), PARTS).await;
    let written = large.put_stream(&file, size, stream_of(&body)).await.unwrap();
    assert!(written.etag.unwrap().contains('-'));
    buckets.forbid_reads();
    assert_eq!(copied(&buckets.backup("a").await), (RunOutcome::Complete, 5));
    assert!(buckets.repository.get_bytes(&copy).await.unwrap() == body);
    assert_eq!(buckets.verify("a").await, (vec![], 0));
}

const DENIED: &str = "<Error><Code>AccessDenied</Code><Message>not yours</Message></Error>";

#[tokio::test]
async fn a_server_that_refuses_is_not_asked_again_and_files_are_streamed() {
    let server = FaultyServer::start().await;
    let buckets = Buckets::at(&server.address, "denied").await;
    server.fail(Method::HEAD, "/files/insert_log/", 1, Fault::Answer(403, DENIED));
    let mut context = buckets.lab.context_over(Arc::<S3Store>::clone(&buckets.repository));
    context.concurrency = 1;
    let report = run_backup(&context, request("a")).await.expect("a backup");
    assert_eq!(copied(&report), (RunOutcome::Complete, 5));
    assert_eq!((reads(&server), server.count(&Method::HEAD, "/files/insert_log/")), (5, 1));
    assert_eq!(buckets.verify("a").await, (vec![], 0));
}

#[tokio::test]
async fn a_copy_that_fails_for_a_moment_is_asked_for_again() {
    const BUSY: &str = "<Error><Code>SlowDown</Code><Message>less</Message></Error>";
    let server = FaultyServer::start().await;
    let buckets = Buckets::at(&server.address, "busy").await;
    // More than the requests of one copy, so that the copier has to try again.
    server.fail(Method::PUT, "/_segments/", 5, Fault::Answer(503, BUSY));
    assert_eq!(copied(&buckets.backup("a").await), (RunOutcome::Complete, 5));
    assert_eq!(reads(&server), 0);
    assert_eq!(server.count(&Method::PUT, "/_segments/"), 10);
}

#[tokio::test]
async fn what_lies_there_is_compared_by_its_etag() {
    let buckets = Buckets::at(moto::address(), "there").await;
    let (file, copy) = buckets.a_file().await;
    let body = buckets.lab.source.get_bytes(&file).await.unwrap();
    buckets.repository.put(&copy, body.clone(), PutMode::IfAbsent).await.unwrap();
    buckets.forbid_reads();
    assert_eq!(copied(&buckets.backup("a").await), (RunOutcome::Complete, 4));
    assert_eq!(buckets.verify("a").await, (vec![], 0));

    let other = Buckets::at(moto::address(), "conflict").await;
    let (_, copy) = other.a_file().await;
    let wrong = Bytes::from(vec![b'x'; body.len()]);
    other.repository.put(&copy, wrong.clone(), PutMode::IfAbsent).await.unwrap();
    let context = other.lab.context_over(Arc::<S3Store>::clone(&other.repository));
    run_backup(&context, request("a")).await.expect_err("other content has the name");
    assert_eq!(other.repository.get_bytes(&copy).await.unwrap(), wrong);
}

#[tokio::test]
async fn a_file_that_vanishes_before_the_server_copies_it_is_planned_again() {
    const GONE: &str = "<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>";
    let server = FaultyServer::start().await;
    for (method, when) in [(Method::HEAD, "/files/insert_log/"), (Method::PUT, "/_segments/")] {
        let buckets = Buckets::at(&server.address, &format!("vanish-{method}")).await;
        server.fail(method, when, 1, Fault::Answer(404, GONE));
        server.fail(Method::GET, "/files/insert_log/", 1, Fault::Answer(404, GONE));
        let before = reads(&server);
        assert_eq!(copied(&buckets.backup("a").await), (RunOutcome::Complete, 5));
        assert_eq!(reads(&server) - before, 1, "to see which side it is");
    }
}

/// It has another `ETag`, so a backup meets it before any verification does.
#[tokio::test]
async fn a_copy_that_was_rewritten_is_mended_once_a_verification_has_told_of_it() {
    let buckets = Buckets::at(moto::address(), "rewritten").await;
    buckets.backup("a").await;
    let (file, copy) = buckets.a_file().await;
    let body = buckets.lab.source.get_bytes(&file).await.unwrap();
    let other = Bytes::from(vec![b'x'; body.len()]);
    buckets.repository.put(&copy, other, PutMode::Overwrite).await.unwrap();
    let context = buckets.lab.context_over(Arc::<S3Store>::clone(&buckets.repository));
    let error = run_backup(&context, request("b")).await.expect_err("it is another one");
    assert!(error.remedy().unwrap().contains("verify NAME --depth content"), "{error:?}");
    assert_eq!(buckets.verify("a").await.0.len(), 1);
    assert_eq!(copied(&buckets.backup("c").await), (RunOutcome::Complete, 1));
    assert_eq!(buckets.repository.get_bytes(&copy).await.unwrap(), body);
    for name in ["a", "c"] {
        assert_eq!(buckets.verify(name).await, (vec![], 0), "{name}");
    }
    assert_eq!(buckets.backup("d").await.files_reused, 5);
}
