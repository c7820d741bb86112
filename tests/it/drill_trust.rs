//! What a drill says can be trusted, on fakes: what it does not see, it does not tell as seen, and
//! what is no fault of the backup is not told as one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use milvus_backup_agent::catalog::{BackupState, ClusterIdentity};
use milvus_backup_agent::job::{
    BackupRequest, JobContext, MovedDrill, Prune, RunOutcome, Sizes, clean_drills, move_drills,
    run_backup, run_drill, run_list, run_prune, run_unlock,
};
use milvus_backup_agent::manifest::DrillLedger;
use milvus_backup_agent::milvus::testing::{ImportScript, MilvusCall, SchemaDraft, Spoil};
use milvus_backup_agent::milvus::{CollectionSpec, KeyValue, MilvusApi, MilvusErrorKind};
use milvus_backup_agent::model::{ClusterName, ErrorKind, ObjectKey, PolicyName};
use milvus_backup_agent::storage::testing::FaultyStore;
use milvus_backup_agent::storage::{ObjectStore, ObjectStoreExt, PutMode, StoreErrorKind, StoreOp};

use crate::drill::{drill, drill_of, index, lab, ledger, left, one, proof, put};
use crate::support::{
    Lab, Log, PARTITION, Process, Stop, assert_verifies, collections, keys, leases, namespace,
    request, restore_beside, state,
};

const V2_2: &str = "v2.2.16";

#[tokio::test(start_paused = true)]
async fn a_drill_ends_when_nothing_keeps_its_backup_any_more() {
    let lab = lab().await;
    lab.milvus.script_import(ImportScript::Hang);
    let unlock = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let all = leases(&lab).await;
        let name =
            all.iter().find_map(|key| key.split('/').find(|name| name.starts_with("drill-first-")));
        run_unlock(&lab.context(), name.unwrap(), "a test").await.unwrap();
    };
    let (ended, ()) = tokio::join!(drill(&lab, "first"), unlock);
    let error = ended.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.to_string().contains("`drill-first-"), "{error}");
    assert!(!collections(&lab).await.iter().any(|name| name.contains("__drill_")));
}

/// As a verification does, and as with one the next backup mends it.
#[tokio::test(start_paused = true)]
async fn a_drill_that_finds_damage_makes_its_backup_suspect() {
    for how in ["flipped", "missing", "list"] {
        let lab = lab().await;
        let books = lab.milvus.collection_id(&namespace("other.books"));
        let folder = match how {
            "list" => "/_lists/".to_owned(),
            _ => format!("/_segments/insert_log/{books}/"),
        };
        let all = keys(&lab.repository).await;
        let bad = all.iter().find(|key| key.contains(&folder)).unwrap();
        let key = ObjectKey::new(bad.clone()).unwrap();
        let good = lab.repository.get_bytes(&key).await.unwrap();
        if how == "missing" {
            lab.repository.delete(std::slice::from_ref(&key)).await.unwrap();
        } else {
            let mut body = good.to_vec();
            *body.last_mut().unwrap() ^= 1;
            lab.repository.put(&key, Bytes::from(body), PutMode::Overwrite).await.unwrap();
        }
        let report = drill(&lab, "first").await.unwrap();
        assert_eq!((report.outcome, report.differs()), (RunOutcome::Failed, false), "{report:?}");
        let [line] = report.damaged().try_into().unwrap();
        assert!(line.starts_with(&format!("{bad}: ")), "{how}: {line}");
        let others = report.collections.iter().filter(|one| one.outcome == RunOutcome::Complete);
        assert_eq!((others.count(), left(&lab).await), (2, vec![]), "{how}: {report:?}");
        let rows = run_list(&lab.context(), Sizes::Known).await.unwrap();
        let reason = rows[0].reasons.join("; ");
        assert_eq!(rows[0].state, BackupState::Suspect, "{how}: {reason}");
        assert!(reason.starts_with(&format!("a drill found damage: {line}")), "{reason}");

        lab.later();
        lab.backup("next").await;
        assert_eq!(lab.repository.get_bytes(&key).await.unwrap(), good, "{how}");
        assert_verifies(&lab, "first").await;
        assert_eq!(state(&lab, "first").await, Some(BackupState::Complete), "{how}");
        assert_eq!(drill(&lab, "first").await.unwrap().outcome, RunOutcome::Complete, "{how}");
    }
}

/// It reads all lists before it begins, and damage in one is no reason to drill none.
#[tokio::test(start_paused = true)]
async fn a_damaged_list_costs_its_collection_in_milvus_2_2_too() {
    let mut lab = Lab::new();
    for name in ["films", "books"] {
        lab.fill(name, 0..5).await;
        index(&lab, name).await;
    }
    lab.backup("first").await;
    let all = keys(&lab.repository).await;
    let bad = all.iter().find(|key| key.contains("/_lists/")).unwrap();
    let key = ObjectKey::new(bad.clone()).unwrap();
    lab.repository.put(&key, Bytes::from_static(b"bad"), PutMode::Overwrite).await.unwrap();
    lab.replace_milvus(V2_2);
    let report = drill(&lab, "first").await.unwrap();
    assert_eq!((report.outcome, report.differs()), (RunOutcome::Failed, false), "{report:?}");
    let [line] = report.damaged().try_into().unwrap();
    assert!(line.starts_with(&format!("{bad}: ")), "{line}");
    let others = report.collections.iter().filter(|one| one.outcome == RunOutcome::Complete);
    assert_eq!((others.count(), left(&lab).await), (1, vec![]), "{report:?}");
    assert_eq!(state(&lab, "first").await, Some(BackupState::Suspect));
    let refused = lab.restore(&restore_beside("first")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Damaged, "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_drill_says_nothing_of_the_backups_of_other_clusters() {
    let lab = lab().await;
    let all = keys(&lab.repository).await;
    let bad = all.iter().find(|key| key.contains("/_segments/insert_log")).unwrap();
    let empty = Bytes::new();
    lab.repository
        .put(&ObjectKey::new(bad.clone()).unwrap(), empty, PutMode::Overwrite)
        .await
        .unwrap();
    let mut elsewhere = lab.context();
    elsewhere.cluster = ClusterName::new("c2").unwrap();
    let report = run_drill(&elsewhere, &lab.staging(), &drill_of("first")).await.unwrap();
    assert_eq!(report.damaged().len(), 1, "{report:?}");
    assert_eq!(state(&lab, "first").await, Some(BackupState::Complete));
}

#[tokio::test(start_paused = true)]
async fn milvus_2_2_counts_keys_and_others_rows() {
    for (version, rows, notes) in [("v2.3.5", 10, 0), (V2_2, 8, 1)] {
        let mut lab = Lab::new();
        lab.fill("films", 0..5).await;
        lab.fill("films", 3..8).await;
        index(&lab, "films").await;
        lab.backup("first").await;
        lab.replace_milvus(version);
        let report = drill(&lab, "first").await.unwrap();
        assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
        let films = one(&report, "films");
        assert_eq!((films.rows, films.keys_checked), (rows, 8), "{films:?}");
        assert_eq!(films.notes.len(), notes, "{films:?}");
        assert!(films.notes.iter().all(|note| note.starts_with("10 rows")), "{films:?}");
    }
}

/// Milvus drops rows that have lived for `collection.ttl.seconds` when it compacts, here in the
/// midst of a drill.
#[tokio::test(start_paused = true)]
async fn rows_that_may_have_expired_are_no_difference() {
    for (lives, outcome) in [("1", RunOutcome::Complete), ("3600", RunOutcome::Failed)] {
        let lab = Lab::new();
        let property = |key: &str, value: &str| KeyValue { key: key.into(), value: value.into() };
        let spec = CollectionSpec {
            namespace: namespace("films"),
            schema: SchemaDraft::new("films").text("title").encode(),
            shards: 1,
            consistency_level: 2,
            num_partitions: None,
            properties: vec![property("collection.ttl.seconds", lives)],
        };
        lab.milvus.create_collection(&spec).await.unwrap();
        lab.fill("films", 0..5).await;
        index(&lab, "films").await;
        lab.backup("first").await;
        lab.milvus.spoil("films__drill_", Spoil::NoRow("3".to_owned()));
        // It is half a second until the next look.
        for nth in 1..=3 {
            lab.milvus.fail(MilvusCall::LoadPercent, nth, MilvusErrorKind::Transient);
        }
        let report = drill(&lab, "first").await.unwrap();
        assert_eq!(report.outcome, outcome, "{report:?}");
        let films = one(&report, "films");
        let noted = films.notes.iter().any(|note| note.contains("its rows live for 1 s"));
        assert_eq!(noted, outcome == RunOutcome::Complete, "{films:?}");
        // Of the one that is not there nobody knows whether it came back.
        let checked = if noted { (4, false) } else { (5, true) };
        assert_eq!((films.keys_checked, films.whole), checked);
    }
}

#[tokio::test(start_paused = true)]
async fn what_milvus_2_2_would_lose_takes_nothing_from_what_came_back() {
    let mut lab = Lab::new();
    for name in ["films", "books"] {
        lab.fill(name, 0..5).await;
        index(&lab, name).await;
    }
    let policy = Some(PolicyName::new("nightly").unwrap());
    lab.milvus.delete(&namespace("films"), PARTITION, ["1"]);
    run_backup(&lab.context(), BackupRequest { policy, ..request("b") }).await.unwrap();
    lab.replace_milvus(V2_2);
    let report = drill(&lab, "b").await.unwrap();
    assert_eq!((report.outcome, report.succeeded()), (RunOutcome::Partial, true), "{report:?}");
    let proof = proof(&lab).await.unwrap();
    let last = proof.last.unwrap();
    assert_eq!(last.outcome, RunOutcome::Partial);
    let detail = last.detail.as_ref().unwrap();
    assert!(detail.contains("default.films: it has deletes"), "{detail}");
    assert_eq!(proof.last_success, Some(last));
}

#[tokio::test(start_paused = true)]
async fn a_prune_goes_on_when_it_loses_the_lease_of_a_drill() {
    let world = || async {
        let lab = Lab::new();
        lab.fill("films", 0..2).await;
        lab.backup("first").await;
        lab.fill("films__drill_0123abcd", 0..1).await;
        put(&lab, &ledger(&lab, "http://fake:19530", &["films__drill_0123abcd"])).await;
        lab
    };
    let (whole, lab) = (Process::immortal(), world().await);
    run_prune(&whole.context(lab.context()), None, Prune::Apply).await.unwrap();
    let mut lost = 0;
    for calls in 0..whole.calls() {
        let lab = world().await;
        let process = Process::halted_before(calls, Stop::OneCall);
        let context = process.context(lab.context());
        let unlock = async { drop(run_unlock(&lab.context(), "drill-0123abcd", "a test").await) };
        let (pruned, ()) = process.amid(run_prune(&context, None, Prune::Apply), unlock).await;
        let report = pruned.unwrap_or_else(|error| panic!("before call {calls}: {error:?}"));
        lost += report.errors.iter().filter(|error| error.contains("`drill-0123abcd`")).count();
    }
    assert!(lost > 0, "no prune lost it");
}

#[tokio::test(start_paused = true)]
async fn an_adopted_cluster_takes_over_what_drills_left_and_no_database_of_others() {
    let lab = lab().await;
    let (left, name) = ("films__drill_0123abcd", "default.films__drill_0123abcd".to_owned());
    lab.fill(left, 0..1).await;
    lab.milvus.create_database("empty", &[]).await.unwrap();
    let mut of_before = ledger(&lab, "http://before:19530", &[left]);
    of_before.databases.push("empty".to_owned());
    put(&lab, &of_before).await;
    let (context, staging) = (lab.context(), lab.staging());
    assert_eq!(clean_drills(&context, &staging).await.unwrap(), [""; 0], "it is of another Milvus");
    let moved = move_drills(&context, &context.cluster).await.unwrap();
    let expected = MovedDrill {
        id: "0123abcd".to_owned(),
        from: "http://before:19530".to_owned(),
        collections: vec![name.clone()],
        databases: vec!["empty".to_owned()],
    };
    assert_eq!(moved, [expected]);
    assert_eq!(move_drills(&context, &context.cluster).await.unwrap(), [], "it was told");
    let dropped = clean_drills(&context, &staging).await.unwrap();
    assert_eq!(dropped, [format!("collection {name}")]);
    assert!(!keys(&lab.repository).await.iter().any(|key| key.contains("_drills")));
    assert!(lab.milvus.databases().await.unwrap().contains(&"empty".to_owned()), "it may be used");
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_over_is_told_though_the_next_one_fails() {
    let lab = lab().await;
    for id in ["0123abcd", "89abcdef"] {
        let left = format!("films__drill_{id}");
        let (id, lease) = (id.to_owned(), format!("drill-{id}"));
        let before = ledger(&lab, "http://before:19530", &[&left]);
        put(&lab, &DrillLedger { id, lease, ..before }).await;
    }
    let store = FaultyStore::new(Arc::new(lab.repository.clone()));
    store.fail(StoreOp::Put, "_drills/89abcdef", StoreErrorKind::ReadOnly, 1);
    let context = lab.context_over(Arc::new(store));
    let (log, listening) = Log::listen();
    move_drills(&context, &context.cluster).await.unwrap_err();
    drop(listening);
    let told = log.text();
    let told = told.lines().find(|line| line.contains("http://before:19530")).expect("a warning");
    assert!(told.contains("WARN") && told.contains("default.films__drill_0123abcd"), "{told}");
    let moved = move_drills(&lab.context(), &context.cluster).await.unwrap();
    assert_eq!(moved.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["89abcdef"]);
}

#[tokio::test(start_paused = true)]
async fn a_drill_that_is_at_work_is_not_taken_over() {
    let lab = lab().await;
    lab.milvus.script_import(ImportScript::Hang);
    let moved = JobContext {
        identity: ClusterIdentity {
            address: "http://moved:19530".to_owned(),
            storage: "memory".to_owned(),
        },
        ..lab.context()
    };
    let context = lab.context();
    let (staging, options) = (lab.staging(), drill_of("first"));
    let look = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(move_drills(&moved, &moved.cluster).await.unwrap(), []);
        context.cancel.cancel();
    };
    let (ended, ()) = tokio::join!(run_drill(&context, &staging, &options), look);
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(!collections(&lab).await.iter().any(|name| name.contains("__drill_")));
}
