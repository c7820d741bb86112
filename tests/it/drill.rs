//! What a drill restores, compares and tells, on fakes.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use jiff::SignedDuration;
use milvus_backup_agent::catalog::{Cluster, Repository, drill_proof};
use milvus_backup_agent::job::{
    BackupRequest, DrillOptions, DrillReport, DrilledCollection, JobResult, Prune, Removal,
    RunOutcome, StagingRoot, clean_drills, run_backup, run_delete, run_drill, run_prune,
};
use milvus_backup_agent::manifest::{DrillLedger, DrillProof, encode};
use milvus_backup_agent::milvus::testing::{ImportScript, SchemaDraft, Spoil};
use milvus_backup_agent::milvus::{IndexDescription, KeyValue, LoadState, MilvusApi};
use milvus_backup_agent::model::{ClusterName, ErrorKind, ObjectKey, PolicyName};
use milvus_backup_agent::plan::Verdict;
use milvus_backup_agent::storage::{ObjectStore, ObjectStoreExt, PutMode};

use crate::support::{
    Lab, PARTITION, Process, Stop, backup_name, collections, keys, leases, ledgers, namespace,
    request, restore_beside,
};

pub(crate) fn drill_of(name: &str) -> DrillOptions {
    DrillOptions { backup: backup_name(name), cluster: None }
}

/// An index as users make them, on a collection's vectors.
pub(crate) async fn index(lab: &Lab, collection: &str) {
    let param = |key: &str, value: &str| KeyValue { key: key.to_owned(), value: value.to_owned() };
    let index = IndexDescription {
        field: "vec".to_owned(),
        name: "v".to_owned(),
        params: vec![param("index_type", "HNSW"), param("metric_type", "L2")],
        id: 0,
    };
    lab.milvus.create_index(&namespace(collection), &index).await.unwrap();
}

/// Two databases, partitions, deletes, one collection without an index.
pub(crate) async fn lab() -> Lab {
    let lab = Lab::new();
    let films = lab.fill("films", 0..5).await;
    lab.milvus.add_partition(&films, "old");
    lab.milvus.insert(&films, "old", ["90", "91"]);
    lab.milvus.delete(&films, PARTITION, ["1"]);
    lab.fill("films", 5..8).await;
    lab.fill("other.books", 0..4).await;
    lab.fill("bare", 0..2).await;
    index(&lab, "films").await;
    index(&lab, "other.books").await;
    let loaded = LoadState::Loaded { replicas: 1 };
    lab.milvus.load(&films, &loaded).await.unwrap();
    lab.milvus.set_alias(&films, "best").await.unwrap();
    lab.backup("first").await;
    lab
}

pub(crate) async fn drill(lab: &Lab, name: &str) -> JobResult<DrillReport> {
    // As an agent would, in a task of its own.
    run_drill(&lab.context(), &lab.staging(), &drill_of(name)).boxed().await
}

/// What a drill may leave anywhere.
pub(crate) async fn left(lab: &Lab) -> Vec<String> {
    let repository = keys(&lab.repository).await.into_iter();
    let mut left: Vec<String> = repository
        .filter(|key| {
            let turns = ["_leases/prune/", "_leases/sweep/"].iter().any(|kept| key.contains(kept));
            key.contains("/_drills/") || (key.contains("/_leases/") && !turns)
        })
        .collect();
    left.extend(keys(&lab.staging).await);
    left.extend(collections(lab).await.into_iter().filter(|name| name.contains("__drill_")));
    left
}

pub(crate) fn one<'r>(report: &'r DrillReport, name: &str) -> &'r DrilledCollection {
    report.collections.iter().find(|one| one.name == name).unwrap()
}

#[tokio::test(start_paused = true)]
async fn everything_comes_back_and_goes_again() {
    let mut lab = lab().await;
    for lost in [false, true] {
        if lost {
            lab.lose_milvus();
        }
        let before = (collections(&lab).await, lab.milvus.databases().await.unwrap());
        let report = drill(&lab, "first").await.unwrap();
        assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
        assert!(!report.differs() && report.failures().is_none(), "{report:?}");
        assert_eq!(report.collections.len(), 3);
        let films = one(&report, "films");
        assert_eq!((films.rows, films.database.as_str()), (9, "default"), "{films:?}");
        assert_eq!((films.keys_checked, films.deleted_keys_checked), (9, 1), "{films:?}");
        assert!(films.whole && films.notes.is_empty(), "{films:?}");
        let bare = one(&report, "bare");
        assert!(bare.notes[0].contains("without an index on `vec`"), "{bare:?}");
        let seconds: f64 = report.collections.iter().map(|one| one.restore_seconds).sum();
        assert!(seconds > 0.0 && (report.rto_seconds - seconds).abs() < 1e-9, "{report:?}");
        assert!(report.duration_seconds >= report.rto_seconds, "{report:?}");
        assert_eq!((collections(&lab).await, lab.milvus.databases().await.unwrap()), before);
        assert_eq!(left(&lab).await, [""; 0]);
        assert!(ledgers(&lab).await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn each_difference_is_told_and_fails_the_drill() {
    let other = SchemaDraft::new("films").text("title").text("year").encode();
    for (spoil, words) in [
        (Spoil::NoIndex, "index `vec: index_type=HNSW, metric_type=L2` is not there"),
        (Spoil::OtherIndex, "index `vec: ` is not in the backup"),
        (Spoil::NoRow("6".to_owned()), "it has 8 rows, and 9 were imported"),
        (Spoil::Partition("new".to_owned()), "partition `new` is not in the backup"),
        (Spoil::Schema(other), "field `year` is not in the backup"),
    ] {
        let lab = lab().await;
        lab.milvus.spoil("films__drill_", spoil.clone());
        let report = drill(&lab, "first").await.unwrap();
        assert_eq!((report.outcome, report.differs()), (RunOutcome::Failed, true), "{spoil:?}");
        let films = one(&report, "films");
        assert_eq!(films.outcome, RunOutcome::Failed);
        assert!(films.problems.iter().any(|one| one == words), "{words}: {films:?}");
        assert!(report.failures().unwrap().contains(words), "{report:?}");
        for good in ["books", "bare"] {
            assert_eq!(one(&report, good).outcome, RunOutcome::Complete, "{report:?}");
        }
        assert_eq!(left(&lab).await, [""; 0], "{spoil:?}");
        assert_eq!(drill(&lab, "first").await.unwrap().outcome, RunOutcome::Complete);
    }
}

#[tokio::test(start_paused = true)]
async fn a_collection_that_does_not_come_back_costs_only_itself() {
    let lab = lab().await;
    lab.milvus.script_import(ImportScript::Fail("failed to parse probe".to_owned()));
    lab.milvus.script_import(ImportScript::Fail("no space left".to_owned()));
    let report = drill(&lab, "first").await.unwrap();
    assert_eq!((report.outcome, report.differs()), (RunOutcome::Partial, false), "{report:?}");
    let failed: Vec<_> = report.collections.iter().filter(|one| one.error.is_some()).collect();
    assert_eq!(failed.len(), 1, "{report:?}");
    assert!(failed[0].error.as_ref().unwrap().contains("no space left"), "{failed:?}");
    assert_eq!(left(&lab).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_file_is_found() {
    let lab = lab().await;
    let folder = format!("/insert_log/{}/", lab.milvus.collection_id(&namespace("other.books")));
    let all = keys(&lab.repository).await;
    let file = all.iter().find(|key| key.contains(&folder)).unwrap();
    let key = ObjectKey::new(file.clone()).unwrap();
    let size = lab.repository.get_bytes(&key).await.unwrap().len();
    let damaged = Bytes::from_static(b"damaged");
    lab.repository.put(&key, damaged, PutMode::Overwrite).await.unwrap();
    let report = drill(&lab, "first").await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Failed, "{report:?}");
    let books = one(&report, "books");
    assert!(books.error.as_ref().unwrap().contains("not what was written"), "{books:?}");
    assert_eq!(report.damaged(), [format!("{file}: it has 7 bytes, {size} were written")]);
    assert_eq!(left(&lab).await, [""; 0]);
}

pub(crate) async fn proof(lab: &Lab) -> Option<DrillProof> {
    let repository = Repository::open(Arc::new(lab.repository.clone())).await.unwrap();
    let cluster = repository.cluster(&ClusterName::new("c1").unwrap());
    drill_proof(&cluster, &PolicyName::new("nightly").unwrap()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_a_drill_proves_is_written_down_for_its_policy() {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    index(&lab, "films").await;
    let policy = Some(PolicyName::new("nightly").unwrap());
    run_backup(&lab.context(), BackupRequest { policy, ..request("b") }).await.unwrap();
    assert_eq!(proof(&lab).await, None);
    drill(&lab, "b").await.unwrap();
    let good = proof(&lab).await.unwrap();
    let last = good.last.clone().unwrap();
    assert_eq!((last.outcome, last.backup.as_str()), (RunOutcome::Complete, "b"));
    assert_eq!((good.last_success.as_ref(), last.detail), (good.last.as_ref(), None));

    lab.later();
    lab.milvus.spoil("films__drill_", Spoil::NoIndex);
    drill(&lab, "b").await.unwrap();
    let bad = proof(&lab).await.unwrap();
    assert_eq!(bad.last_success, good.last_success);
    let last = bad.last.unwrap();
    assert_eq!(last.outcome, RunOutcome::Failed);
    assert!(last.detail.unwrap().contains("index `vec"), "{:?}", bad.last_success);

    // One into another Milvus says nothing of what this policy's backups do here.
    let mut elsewhere = lab.context();
    elsewhere.cluster = ClusterName::new("c2").unwrap();
    run_drill(&elsewhere, &lab.staging(), &drill_of("b")).await.unwrap();
    assert!(!keys(&lab.repository).await.iter().any(|key| key.starts_with("c2/")));
}

#[tokio::test(start_paused = true)]
async fn milvus_2_2_passes_over_what_it_would_lose() {
    let mut lab = lab().await;
    lab.replace_milvus("v2.2.16");
    let report = drill(&lab, "first").await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Partial, "{report:?}");
    let films = one(&report, "films");
    assert_eq!(films.outcome, RunOutcome::Skipped);
    assert!(films.error.as_ref().unwrap().contains("Milvus 2.2"), "{films:?}");
    assert_eq!(one(&report, "books").outcome, RunOutcome::Complete, "{report:?}");
    assert_eq!(left(&lab).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn names_that_are_cut_stay_apart() {
    let lab = Lab::new();
    let long = |last: &str| format!("{}{last}", "f".repeat(254));
    for last in ["a", "b"] {
        lab.fill(&long(last), 0..3).await;
        index(&lab, &long(last)).await;
    }
    lab.backup("b").await;
    let report = drill(&lab, "b").await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
    assert_eq!(left(&lab).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_backup_cannot_be_drilled() {
    let lab = lab().await;
    assert_eq!(drill(&lab, "none").await.unwrap_err().kind(), ErrorKind::NotFound);
    run_delete(&lab.context(), &backup_name("first"), Removal::Hide).await.unwrap();
    assert_eq!(drill(&lab, "first").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(left(&lab).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_drill_stands_in_nobodys_way_and_keeps_its_backup() {
    let lab = lab().await;
    let whole = Process::immortal();
    let context = whole.context(lab.context());
    run_drill(&context, &whole.staging(lab.staging()), &drill_of("first")).await.unwrap();
    let halted = Process::halted_before(whole.calls() / 2, Stop::OneCall);
    let context = halted.context(lab.context());
    let staging = halted.staging(lab.staging());
    let options = drill_of("first");
    let first = run_drill(&context, &staging, &options);
    let others = async {
        let restored = lab.restore(&restore_beside("first")).await.unwrap();
        assert_eq!(restored.outcome, RunOutcome::Complete);
        let second = drill(&lab, "first").await.unwrap();
        assert_eq!(second.outcome, RunOutcome::Complete, "{second:?}");
        assert_eq!(clean_drills(&lab.context(), &lab.staging()).await.unwrap(), [""; 0]);
        let report = run_prune(&lab.context(), None, Prune::Apply).await.unwrap();
        let row = report.verdicts.iter().find(|row| row.name.starts_with("_drills/")).unwrap();
        assert_eq!(row.verdict, Verdict::Keep, "{row:?}");
        let deleted = run_delete(&lab.context(), &backup_name("first"), Removal::Now).await;
        let refused = deleted.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Locked);
        assert!(refused.to_string().contains("a drill"), "{refused}");
    };
    let (first, ()) = halted.amid(first, others).await;
    assert_eq!(first.unwrap().outcome, RunOutcome::Complete);
    assert_eq!(left(&lab).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_drill_leaves_nothing() {
    let mut lab = lab().await;
    lab.lose_milvus();
    lab.milvus.script_import(ImportScript::Hang);
    let context = lab.context();
    let (staging, options) = (lab.staging(), drill_of("first"));
    let stop = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(!left(&lab).await.is_empty(), "it is at work");
        context.cancel.cancel();
    };
    let (ended, ()) = tokio::join!(run_drill(&context, &staging, &options), stop);
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(left(&lab).await, [""; 0]);
    assert_eq!(lab.milvus.databases().await.unwrap(), ["default"]);
}

pub(crate) fn ledger(lab: &Lab, target: &str, drilled: &[&str]) -> DrillLedger {
    DrillLedger {
        version: 1,
        id: "0123abcd".to_owned(),
        backup: backup_name("first"),
        of: ClusterName::new("c1").unwrap(),
        target: target.to_owned(),
        lease: "drill-0123abcd".to_owned(),
        reading: "drill-first-0123".to_owned(),
        started_at: lab.context().clock.now(),
        staging: Vec::new(),
        databases: Vec::new(),
        collections: drilled.iter().map(|name| namespace(name)).collect(),
        emptied: false,
    }
}

pub(crate) async fn put(lab: &Lab, ledger: &DrillLedger) {
    let repository = Repository::open(Arc::new(lab.repository.clone())).await.unwrap();
    let cluster: Cluster = repository.cluster(&ClusterName::new("c1").unwrap());
    let (key, body) = (cluster.layout.drill(&ledger.id), encode(ledger).into());
    lab.repository.put(&key, body, PutMode::Overwrite).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn only_names_that_are_generated_are_ever_dropped() {
    let lab = lab().await;
    let own = "films__drill_0123abcd";
    let names = ["films", "films__drill_89abcdef", own];
    for name in &names[1..] {
        lab.fill(name, 0..1).await;
    }
    put(&lab, &ledger(&lab, "http://fake:19530", &names)).await;
    let dropped = clean_drills(&lab.context(), &lab.staging()).await.unwrap();
    assert_eq!(dropped, [format!("collection default.{own}")]);
    let there = collections(&lab).await;
    for kept in &names[..2] {
        assert!(there.contains(&format!("default.{kept}")), "{there:?}");
    }
    assert!(!keys(&lab.repository).await.iter().any(|key| key.contains("_drills")));
}

#[tokio::test(start_paused = true)]
async fn a_drill_into_another_milvus_is_left_to_it() {
    let lab = lab().await;
    lab.fill("films__drill_0123abcd", 0..1).await;
    let elsewhere = ledger(&lab, "http://elsewhere:19530", &["films__drill_0123abcd"]);
    put(&lab, &elsewhere).await;
    assert_eq!(clean_drills(&lab.context(), &lab.staging()).await.unwrap(), [""; 0]);
    let staging = StagingRoot { store: Arc::new(lab.staging.clone()), shared: false };
    for prune in [Prune::Plan, Prune::Apply] {
        let report = run_prune(&lab.context(), Some(&staging), prune).await.unwrap();
        let row = report.verdicts.iter().find(|row| row.name.contains("_drills/")).unwrap();
        assert_eq!(row.verdict, Verdict::Leave);
        assert!(row.reasons[0].contains("http://elsewhere:19530"), "{row:?}");
    }
    assert!(collections(&lab).await.contains(&"default.films__drill_0123abcd".to_owned()));
    assert_eq!(drill(&lab, "first").await.unwrap().outcome, RunOutcome::Complete);
}

#[tokio::test(start_paused = true)]
async fn backups_pass_over_what_a_drill_makes() {
    let lab = lab().await;
    lab.fill("films__drill_0123abcd", 0..1).await;
    let report = lab.backup("second").await;
    let names: Vec<_> = report.collections.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["bare", "films", "books"]);
}

#[tokio::test(start_paused = true)]
async fn a_database_of_a_drill_that_others_use_stays() {
    let mut lab = lab().await;
    lab.lose_milvus();
    lab.milvus.script_import(ImportScript::Hang);
    let context = lab.context();
    let (staging, options) = (lab.staging(), drill_of("first"));
    let stop = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        lab.fill("other.mine", 0..3).await;
        context.cancel.cancel();
    };
    let (ended, ()) = tokio::join!(run_drill(&context, &staging, &options), stop);
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(collections(&lab).await, ["other.mine"]);
    assert_eq!(left(&lab).await, [""; 0]);
    lab.clock.advance(SignedDuration::from_hours(1));
    assert!(leases(&lab).await.is_empty());
}
