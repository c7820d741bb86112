//! A Milvus 2.2, whose deletes come late and whose imports lose rows.

use std::collections::BTreeSet;
use std::time::Duration;

use milvus_backup_agent::config::Settle;
use milvus_backup_agent::job::{
    BackupReport, JobContext, JobResult, LostReinserts, RestoreOptions, RestoreReport, RunOutcome,
    plan_only, plan_restore_only, run_backup, run_check, run_restore,
};
use milvus_backup_agent::manifest::{DeletesComplete, Manifest, decode};
use milvus_backup_agent::milvus::MilvusErrorKind;
use milvus_backup_agent::milvus::testing::{MilvusCall, SchemaDraft};
use milvus_backup_agent::model::{ErrorKind, ObjectKey};
use milvus_backup_agent::policy::CollectionSelector;
use milvus_backup_agent::storage::ObjectStoreExt;
use tokio::time::Instant;

use crate::support::{Lab, PARTITION, leases, namespace, request, restore_of};

const V2_2: &str = "v2.2.16-lite";
const V2_3: &str = "v2.3.5";

/// The wait for deletes, by the lab's `milvus.sync_period`.
const WAIT: Duration = Duration::from_mins(11);

/// What else a run may take.
const REST: Duration = Duration::from_secs(30);

fn without_wait(lab: &Lab) -> JobContext {
    JobContext { settle: Settle::Skip, ..lab.context() }
}

async fn manifest(lab: &Lab, name: &str) -> Manifest {
    let key = ObjectKey::new(format!("c1/{name}/manifest.json")).expect("a key");
    let bytes = lab.repository.get_bytes(&key).await.expect("a manifest");
    decode("the manifest", &bytes).expect("it can be read")
}

fn keys(lab: &Lab, name: &str) -> BTreeSet<String> {
    lab.milvus
        .rows(&namespace(name))
        .expect("the collection is there")
        .remove(PARTITION)
        .expect("its partition")
}

fn numbers(keys: std::ops::Range<u32>) -> BTreeSet<String> {
    keys.map(|key| key.to_string()).collect()
}

fn delete(lab: &Lab, name: &str, keys: std::ops::Range<u32>) {
    lab.milvus.delete(&namespace(name), PARTITION, numbers(keys));
}

async fn timed(lab: &Lab, context: &JobContext) -> (Duration, JobResult<BackupReport>) {
    let begun = Instant::now();
    let ended = run_backup(context, request("b")).await;
    lab.later();
    (begun.elapsed(), ended)
}

async fn restore(lab: &Lab, options: &RestoreOptions) -> RestoreReport {
    let report = lab.restore(options).await.expect("a restore");
    assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
    report
}

#[tokio::test(start_paused = true)]
async fn all_collections_wait_for_their_deletes_together() {
    let mut lab = Lab::of_version(V2_2);
    let names: Vec<String> = (0..12).map(|number| format!("films_{number:02}")).collect();
    for name in &names {
        lab.fill(name, 0..10).await;
        delete(&lab, name, 0..3);
    }
    let (took, ended) = timed(&lab, &lab.context()).await;
    assert_eq!(ended.unwrap().outcome, RunOutcome::Complete);
    assert!(took >= WAIT && took < WAIT + REST, "{took:?}");
    let manifest = manifest(&lab, "b").await;
    let (_, content) = manifest.contents().next().unwrap();
    assert_eq!(content.deletes_complete, DeletesComplete::Yes);
    let boundary = content.boundary.unwrap();
    assert_eq!(boundary.flush % (1000 << 18), 0, "a whole second");
    assert_eq!(boundary.timestamp, boundary.flush - (1000 << 18));

    lab.replace_milvus(V2_3);
    restore(&lab, &restore_of("b")).await;
    for name in &names {
        assert_eq!(keys(&lab, name), numbers(3..10), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_does_not_wait_says_that_deletes_may_be_missing() {
    let mut lab = Lab::of_version(V2_2);
    lab.fill("films", 0..10).await;
    delete(&lab, "films", 0..3);
    let (took, ended) = timed(&lab, &without_wait(&lab)).await;
    assert_eq!(ended.unwrap().outcome, RunOutcome::Complete);
    assert!(took < REST, "{took:?}");
    // The flush is told by its second, and still everything before the start lies before it.
    assert!(took >= Duration::from_millis(2100), "{took:?}");
    let manifest = manifest(&lab, "b").await;
    assert_eq!(manifest.contents().next().unwrap().1.deletes_complete, DeletesComplete::Unknown);

    lab.replace_milvus(V2_3);
    let report = restore(&lab, &restore_of("b")).await;
    assert!(report.collections[0].notes[0].contains("did not wait"), "{report:?}");
    assert_eq!(keys(&lab, "films"), numbers(0..10), "here they are missing");
}

#[tokio::test(start_paused = true)]
async fn a_later_server_is_not_waited_for() {
    let lab = Lab::of_version(V2_3);
    lab.fill("films", 0..10).await;
    let (took, ended) = timed(&lab, &lab.context()).await;
    assert_eq!(ended.unwrap().outcome, RunOutcome::Complete);
    assert!(took < REST, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_check_says_how_long_a_backup_waits() {
    let lab = Lab::of_version(V2_2);
    let said =
        async |context: JobContext| run_check(&context, None, &[]).await.checks.remove(0).detail;
    let waits = said(lab.context()).await;
    assert!(waits.ends_with("; a backup waits 11m for its deletes"), "{waits}");
    let skips = said(without_wait(&lab)).await;
    assert!(skips.ends_with("; a backup does not wait for its latest deletes"), "{skips}");
    let needs_not = said(Lab::of_version(V2_3).context()).await;
    assert!(!needs_not.contains("deletes"), "{needs_not}");
}

#[tokio::test(start_paused = true)]
async fn what_is_only_planned_is_not_waited_for() {
    let lab = Lab::of_version(V2_2);
    lab.fill("films", 0..10).await;
    let begun = Instant::now();
    let plan = plan_only(&lab.context(), request("b")).await.unwrap();
    assert_eq!(plan.collections[0].rows, 10);
    assert!(begun.elapsed() < REST, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_waiting_run_moves_and_says_what_for() {
    let lab = Lab::of_version(V2_2);
    lab.fill("films", 0..10).await;
    let context = lab.context();
    let watch = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let mut seen = 0;
        for _ in 0..60 {
            tokio::time::sleep(Duration::from_secs(10)).await;
            let now = context.progress.snapshot();
            assert!(now.moves > seen, "it looks hung");
            assert!(now.subject.contains("for Milvus to write deletes down"), "{now:?}");
            seen = now.moves;
        }
    };
    let (ended, ()) = tokio::join!(run_backup(&context, request("b")), watch);
    assert_eq!(ended.unwrap().outcome, RunOutcome::Complete);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_when_it_is_cancelled() {
    let lab = Lab::of_version(V2_2);
    lab.fill("films", 0..10).await;
    let context = lab.context();
    let stop = async {
        tokio::time::sleep(Duration::from_mins(1)).await;
        context.cancel.cancel();
    };
    let ((took, ended), ()) = tokio::join!(timed(&lab, &context), stop);
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(took < Duration::from_secs(90), "{took:?}");
    assert!(leases(&lab).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_collection_that_is_compacted_during_the_wait_is_waited_for_anew() {
    let mut lab = Lab::of_version(V2_2);
    lab.fill("books", 0..10).await;
    lab.fill("films", 0..10).await;
    delete(&lab, "films", 0..3);
    let before = lab.milvus.calls(MilvusCall::Flush);
    let context = lab.context();
    let compact = async {
        tokio::time::sleep(WAIT / 2).await;
        lab.milvus.compact(&namespace("films")).await.unwrap();
        delete(&lab, "films", 3..5);
    };
    let ((took, ended), ()) = tokio::join!(timed(&lab, &context), compact);
    assert_eq!(ended.unwrap().outcome, RunOutcome::Complete);
    assert!(took >= WAIT * 2 && took < WAIT * 2 + REST, "{took:?}");
    // Both twice at first, as that flush comes too soon after the start for its second.
    assert_eq!(lab.milvus.calls(MilvusCall::Flush) - before, 5);
    lab.replace_milvus(V2_3);
    restore(&lab, &restore_of("b")).await;
    // With a new boundary: a compaction drops rows that were deleted after the old one.
    assert_eq!(keys(&lab, "films"), numbers(5..10));
    assert_eq!(keys(&lab, "books"), numbers(0..10));
}

#[tokio::test(start_paused = true)]
async fn a_collection_that_fails_before_the_wait_costs_only_itself() {
    let lab = Lab::of_version(V2_2);
    lab.fill("books", 0..10).await;
    lab.fill("films", 0..10).await;
    lab.milvus.fail(MilvusCall::PersistentSegments, 1, MilvusErrorKind::Other);
    let (took, ended) = timed(&lab, &lab.context()).await;
    assert_eq!(ended.unwrap().outcome, RunOutcome::Partial);
    assert!(took < WAIT + REST, "{took:?}");
}

/// A backup of ten rows, three of which were deleted and inserted again before the flush.
async fn with_reinserts() -> Lab {
    let lab = Lab::of_version(V2_2);
    lab.fill("books", 0..10).await;
    let films = namespace("films");
    let schema = SchemaDraft::new("films");
    lab.milvus.add_collection(&films, schema.encode());
    lab.milvus.insert(&films, PARTITION, numbers(0..10));
    delete(&lab, "films", 0..3);
    lab.milvus.insert(&films, PARTITION, numbers(0..3));
    run_backup(&lab.context(), request("b")).await.expect("a backup");
    lab.later();
    lab
}

#[tokio::test(start_paused = true)]
async fn a_backup_with_deletes_is_refused_by_a_2_2_before_anything_is_made() {
    let mut lab = with_reinserts().await;
    lab.replace_milvus(V2_2);
    let planned = plan_restore_only(&lab.context(), &restore_of("b")).await.unwrap_err();
    let refused = lab.restore(&restore_of("b")).await.unwrap_err();
    for error in [planned, refused] {
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        assert!(error.to_string().contains("deletes in default.films,"), "{error}");
        assert!(error.remedy().unwrap().contains("--accept-lost-reinserts"), "{error:?}");
    }
    assert_eq!(lab.milvus.calls(MilvusCall::CreateCollection), 0);
    assert!(leases(&lab).await.is_empty());

    let mut books = restore_of("b");
    books.request.selector = CollectionSelector::parse(["*.books"]).unwrap();
    let report = restore(&lab, &books).await;
    assert_eq!(report.collections[0].notes, Vec::<String>::new());
    assert_eq!(keys(&lab, "books"), numbers(0..10));
}

#[tokio::test(start_paused = true)]
async fn whoever_accepts_it_loses_what_was_deleted_and_inserted_again() {
    let mut lab = with_reinserts().await;
    lab.replace_milvus(V2_2);
    let options = RestoreOptions { lost_reinserts: LostReinserts::Accept, ..restore_of("b") };
    let report = restore(&lab, &options).await;
    let notes: Vec<usize> = report.collections.iter().map(|found| found.notes.len()).collect();
    assert_eq!(notes, [0, 1], "{report:?}");
    assert!(report.collections[1].notes[0].contains("are lost"), "{report:?}");
    assert_eq!(keys(&lab, "films"), numbers(3..10));

    lab.replace_milvus(V2_3);
    restore(&lab, &restore_of("b")).await;
    assert_eq!(keys(&lab, "films"), numbers(0..10));
}

#[tokio::test(start_paused = true)]
async fn a_server_before_2_2_9_is_refused_with_what_to_do() {
    let lab = Lab::of_version("v2.2.8");
    lab.fill("films", 0..10).await;
    let error = run_backup(&lab.context(), request("b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.remedy().unwrap().contains("upgrade this one to 2.2.16"), "{error:?}");
    let staging = lab.staging();
    let error = run_restore(&lab.context(), &staging, &restore_of("b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}
