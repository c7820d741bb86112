//! A repository in a bucket that KMS encrypts: its `ETag`s look like MD5s and are none.

use std::sync::Arc;

use bytes::Bytes;
use hyper::Method;
use jiff::SignedDuration;
use milvus_backup_agent::job::{BackupRequest, RunOutcome, run_backup, run_scheduled_verify};
use milvus_backup_agent::model::{Clock, PolicyName};
use milvus_backup_agent::plan::Turn;
use milvus_backup_agent::storage::{ObjectStore, ObjectStoreExt, PutMode, S3Store};

use super::backups::{Buckets, copied};
use super::faulty_server::{Disguise, FaultyServer};
use crate::support::request;

/// Milvus wrote its files in parts, which hides that the copies have no MD5s.
const IN_PARTS: Disguise = Disguise {
    bucket: "one",
    etag: |etag| format!("{etag}-2"),
    only_in_lists: true,
    encrypted: None,
};

fn encrypted(with: Option<&'static str>) -> Disguise {
    let etag = |etag: &str| etag.chars().rev().collect();
    Disguise { bucket: "two", etag, only_in_lists: false, encrypted: with }
}

#[tokio::test]
async fn what_the_server_copied_has_a_checksum_all_the_same() {
    for with in ["aws:kms", "aws:kms:dsse"] {
        let server = FaultyServer::start().await;
        let buckets = Buckets::at(&server.address, "kms").await;
        server.disguise(&[IN_PARTS, encrypted(Some(with))]);
        assert_eq!(copied(&buckets.backup("a").await), (RunOutcome::Complete, 5));
        // The first ones show it, and the others are streamed.
        let asked = server.count(&Method::HEAD, "/files/insert_log/");
        assert!((1..=2).contains(&asked), "{asked} copies by the server");
        assert_eq!(buckets.verify("a").await, (vec![], 0));
        assert_eq!(buckets.backup("b").await.files_reused, 5);
        let (_, copy) = buckets.a_file().await;
        let size = buckets.repository.get_bytes(&copy).await.expect("it is there").len();
        let other = Bytes::from(vec![b'x'; size]);
        buckets.repository.put(&copy, other, PutMode::Overwrite).await.expect("it is written");
        let (damaged, unchecked) = buckets.verify("a").await;
        assert!(damaged.len() == 1 && damaged[0].contains("its CRC64NVME is"), "{damaged:?}");
        assert_eq!(unchecked, 0);
    }
}

#[tokio::test]
async fn what_an_agent_left_there_that_took_its_etag_for_an_md5_is_unchecked_and_not_damaged() {
    let server = FaultyServer::start().await;
    let buckets = Buckets::at(&server.address, "old").await;
    // As if nobody had read how it is encrypted.
    server.disguise(&[IN_PARTS, encrypted(None)]);
    let policy = PolicyName::new("nightly").expect("a name");
    let context = || buckets.lab.context_over(Arc::<S3Store>::clone(&buckets.repository));
    let wanted = BackupRequest { policy: Some(policy.clone()), ..request("a") };
    let report = run_backup(&context(), wanted).await.expect("a backup");
    assert_eq!(copied(&report), (RunOutcome::Complete, 5));
    assert_eq!(server.count(&Method::GET, "/files/insert_log/"), 0, "the server copied them");

    server.disguise(&[IN_PARTS, encrypted(Some("aws:kms"))]);
    assert_eq!(buckets.verify("a").await, (vec![], 5));
    let (slot, day) = (buckets.lab.clock.now(), SignedDuration::from_hours(24));
    let turn = Turn { from: slot, slot, next: slot + day, after_next: slot + day * 2, within: day };
    let read = run_scheduled_verify(&context(), &policy, turn).await.expect("it is read");
    assert_eq!((read.outcome, read.unchecked), (RunOutcome::Complete, 5), "{read:?}");
    assert_eq!((read.files_read, read.suspect.len()), (5, 0), "{read:?}");

    // What was written anew is known by its `ETag`.
    let (_, copy) = buckets.a_file().await;
    let whole = buckets.repository.get_bytes(&copy).await.expect("it is there");
    let other = Bytes::from(vec![b'x'; whole.len()]);
    buckets.repository.put(&copy, other, PutMode::Overwrite).await.expect("it is written");
    let (damaged, unchecked) = buckets.verify("a").await;
    assert!(damaged.len() == 1 && damaged[0].contains("its MD5 is"), "{damaged:?}");
    assert_eq!(unchecked, 4);
    buckets.repository.put(&copy, whole, PutMode::Overwrite).await.expect("it is written");

    // What is said to be no such thing is compared.
    server.disguise(&[IN_PARTS, encrypted(Some("AES256"))]);
    assert_eq!(buckets.verify("a").await.0.len(), 5);
}
