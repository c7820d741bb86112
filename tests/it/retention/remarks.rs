//! What keeps a backup from counting as a good one, and who keeps a delete waiting.

use std::sync::Arc;

use jiff::SignedDuration;
use milvus_backup_agent::catalog::{BackupState, Lease, PRUNE, Repository};
use milvus_backup_agent::job::{
    Prune, Removal, RunOutcome, Sizes, look_over, run_backup, run_delete, run_list, run_overview,
    run_pin, run_prune, run_verify,
};
use milvus_backup_agent::milvus::MilvusApi;
use milvus_backup_agent::model::{ErrorKind, ObjectKey, PolicyName};
use milvus_backup_agent::plan::VerifyDepth;
use milvus_backup_agent::policy::CollectionSelector;
use milvus_backup_agent::storage::{ObjectStore, ObjectStoreExt, PutMode};

use crate::support::{Lab, backup_name, keys, namespace, request, state};

/// A backup of `nightly`, and what speaks against it.
async fn backup(lab: &Lab, name: &str, globs: &[&str]) -> Option<String> {
    let mut wanted = request(name);
    wanted.policy = Some(PolicyName::new("nightly").expect("a name"));
    wanted.selector = CollectionSelector::parse(globs).expect("globs");
    let report = run_backup(&lab.context(), wanted).await.expect("a backup");
    assert_eq!(report.outcome, RunOutcome::Complete);
    lab.later();
    report.suspect
}

#[tokio::test(start_paused = true)]
async fn a_backup_with_far_fewer_rows_is_suspect_until_somebody_has_looked() {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    lab.fill("books", 0..7).await;
    assert_eq!(backup(&lab, "first", &["*.*"]).await, None);
    lab.milvus.drop_collection(&namespace("books")).await.expect("it is dropped");
    let why = backup(&lab, "second", &["*.*"]).await.expect("5 of 12 rows");
    assert_eq!(why, "it has 5 rows, and the good backup before it, `first`, has 12");
    assert_eq!(backup(&lab, "narrow", &["default.films"]).await, None, "another selection");
    assert_eq!(backup(&lab, "third", &["*.*"]).await.as_deref(), Some(why.as_str()));
    let by_hand = run_backup(&lab.context(), request("by_hand")).await.expect("a backup");
    assert_eq!(by_hand.suspect, None, "no policy, nothing to compare with");

    let list = run_list(&lab.context(), Sizes::Known).await.expect("a list");
    let row = list.iter().find(|row| row.name == "second").expect("it is listed");
    let why = format!("{why}; `pin` it if that is right, or `delete` it");
    assert_eq!((row.state, row.reasons.as_slice()), (BackupState::Suspect, &[why.clone()][..]));
    let facts = run_overview(&lab.context(), Sizes::Known).await.expect("the catalog");
    let nightly = &facts.policies["nightly"];
    assert_eq!(nightly.states[&BackupState::Suspect], 2);
    let third = nightly.last_completion.expect("runs ended");
    assert!(third.1 == RunOutcome::Complete && nightly.last_success < Some(third.0), "{nightly:?}");

    let pinned = run_pin(&lab.context(), &backup_name("third"), ("books are gone", None)).await;
    let pinned = pinned.expect("it is pinned");
    assert_eq!((pinned.state, pinned.was_suspect), (BackupState::Complete, Some(why)));
    assert_eq!(backup(&lab, "fourth", &["*.*"]).await, None, "as many as the newest good one");
    assert_eq!(state(&lab, "second").await, Some(BackupState::Suspect));
    let facts = run_overview(&lab.context(), Sizes::Known).await.expect("the catalog");
    assert_eq!(facts.policies["nightly"].pinned, 1);
}

async fn file_of(lab: &Lab) -> ObjectKey {
    let files = keys(&lab.repository).await;
    let file = files.into_iter().find(|key| key.contains("/insert_log/")).expect("a file");
    ObjectKey::new(file).expect("a key")
}

#[tokio::test(start_paused = true)]
async fn what_a_verification_finds_damaged_is_no_success_until_it_is_found_good() {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    backup(&lab, "b", &["*.*"]).await;
    let verify = async |depth| {
        let report = run_verify(&lab.context(), None, &backup_name("b"), depth).await;
        report.expect("it is verified").outcome
    };
    let file = file_of(&lab).await;
    let good = lab.repository.get_bytes(&file).await.expect("it is there");
    let put = async |bytes: bytes::Bytes| {
        lab.repository.put(&file, bytes, PutMode::Overwrite).await.expect("it is written");
    };
    let mut spoiled = good.to_vec();
    spoiled[0] ^= 1;
    put(spoiled.into()).await;
    assert_eq!(verify(VerifyDepth::Size).await, RunOutcome::Complete, "sizes are right");
    assert_eq!(state(&lab, "b").await, Some(BackupState::Complete));
    assert_eq!(verify(VerifyDepth::Content).await, RunOutcome::Failed);
    assert_eq!(state(&lab, "b").await, Some(BackupState::Suspect));
    let facts = run_overview(&lab.context(), Sizes::Known).await.expect("the catalog");
    assert_eq!(facts.policies["nightly"].last_success, None);
    assert_eq!(facts.policies["nightly"].damaged, 1);
    let looked = look_over(&lab.context(), Sizes::Known).await.expect("the catalog");
    assert!(looked.backups["nightly"].doubtful[0].found_damaged, "{looked:?}");

    put(good).await;
    assert_eq!(verify(VerifyDepth::Size).await, RunOutcome::Complete);
    assert_eq!(state(&lab, "b").await, Some(BackupState::Suspect), "sizes prove nothing");
    assert_eq!(verify(VerifyDepth::Content).await, RunOutcome::Complete);
    assert_eq!(state(&lab, "b").await, Some(BackupState::Complete));
    let facts = run_overview(&lab.context(), Sizes::Known).await.expect("the catalog");
    assert_eq!(facts.policies["nightly"].damaged, 0, "it is mended");
    assert!(!keys(&lab.repository).await.iter().any(|key| key.contains("/verify-")), "leases");
}

#[tokio::test(start_paused = true)]
async fn a_verify_needs_no_right_to_write() {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    backup(&lab, "b", &["*.*"]).await;
    let store = lab.faulty();
    store.make_read_only();
    let context = lab.context_over(store);
    let report = run_verify(&context, None, &backup_name("b"), VerifyDepth::Content).await;
    assert_eq!(report.expect("it is read").outcome, RunOutcome::Complete);
    let file = file_of(&lab).await;
    lab.repository.delete(&[file]).await.expect("it is deleted");
    let report = run_verify(&context, None, &backup_name("b"), VerifyDepth::Size).await;
    assert_eq!(report.expect("it is read").outcome, RunOutcome::Failed);
    assert_eq!(state(&lab, "b").await, Some(BackupState::Complete), "nothing could be noted");
}

#[tokio::test(start_paused = true)]
async fn a_delete_waits_for_a_verify() {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    backup(&lab, "b", &["*.*"]).await;
    let context = lab.context();
    let repository = Repository::open(Arc::clone(&context.repository)).await.expect("it is there");
    let cluster = repository.cluster(&context.cluster);
    let reading = Lease::take(&cluster, "verify-b-0123").await.expect("a lease");
    let delete = async |removal| run_delete(&context, &backup_name("b"), removal).await;
    let error = delete(Removal::Now).await.expect_err("it is read");
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.chain().contains("a verify reads backup `b`"), "{}", error.chain());
    // A tombstone that was put all the same waits for the reader.
    let other = Lease::take(&cluster, "verify-other-0123").await.expect("a lease");
    other.release().await;
    let name = backup_name("b");
    let tombstone = milvus_backup_agent::manifest::Tombstone {
        version: 1,
        at: context.clock.now(),
        reason: "old".to_owned(),
        policy: None,
    };
    milvus_backup_agent::catalog::bury(&cluster, &name, (tombstone, None))
        .await
        .expect("it is hidden");
    lab.clock.advance(SignedDuration::from_hours(100));
    let report = run_prune(&context, None, Prune::Apply).await.expect("it prunes");
    let row = report.verdicts.iter().find(|row| row.name == "b").expect("a verdict");
    assert_eq!(row.reasons, ["deleted, but a verify reads it"]);
    reading.release().await;
    run_prune(&context, None, Prune::Apply).await.expect("it prunes");
    assert_eq!(state(&lab, "b").await, None);
}

/// Someone comes while a `delete --now` waits for its lease.
#[tokio::test(start_paused = true)]
async fn a_delete_that_is_refused_hides_nothing_that_it_found() {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    for name in ["pinned", "hidden"] {
        backup(&lab, name, &["*.*"]).await;
    }
    let context = lab.context();
    let repository = Repository::open(Arc::clone(&context.repository)).await.expect("it is there");
    let cluster = repository.cluster(&context.cluster);
    run_delete(&context, &backup_name("hidden"), Removal::Hide).await.expect("it is hidden");
    let (pinned, hidden) = (backup_name("pinned"), backup_name("hidden"));
    let come = async {
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        run_pin(&context, &pinned, ("audit", None)).await.expect("it is pinned");
    };
    let delete = async |name, kind| {
        // A holder that died keeps the next one waiting for half a minute.
        drop(Lease::acquire(&cluster, PRUNE).await.expect("a lease"));
        let deleted = Box::pin(run_delete(&context, name, Removal::Now)).await;
        assert_eq!(deleted.expect_err("someone came").kind(), kind, "{name}");
    };
    tokio::join!(delete(&pinned, ErrorKind::Refused), Box::pin(come));
    assert_eq!(state(&lab, "pinned").await, Some(BackupState::Complete));

    let come = async {
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        Lease::take(&cluster, "verify-hidden-4567").await.expect("a lease")
    };
    let ((), _reading) = tokio::join!(delete(&hidden, ErrorKind::Locked), Box::pin(come));
    assert_eq!(state(&lab, "hidden").await, Some(BackupState::Tombstoned), "as it was before");
}
