//! What a restore brings back, and under which names.

use milvus_backup_agent::job::{
    JobContext, RestoreOptions, RunOutcome, Wanted, plan_restore_only, run_backup, run_restore,
};
use milvus_backup_agent::milvus::testing::{MilvusCall, SchemaDraft};
use milvus_backup_agent::milvus::{
    IndexDescription, KeyValue, LoadState, MilvusApi, MilvusErrorKind,
};
use milvus_backup_agent::model::{ClusterName, ErrorKind};
use milvus_backup_agent::policy::CollectionSelector;

use crate::support::{
    Lab, PARTITION, collections, keys, leases, ledgers, namespace, request, restore_beside,
    restore_of, snapshot,
};

/// A backup called `b` of `default.films` and `other.books`.
async fn lab() -> Lab {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    lab.fill("other.books", 0..4).await;
    lab.backup("b").await;
    lab
}

fn replacing(name: &str) -> RestoreOptions {
    let mut options = restore_of(name);
    options.request.drop_existing = true;
    options
}

async fn assert_nothing_left(lab: &Lab) {
    assert!(keys(&lab.staging).await.is_empty());
    assert!(ledgers(lab).await.is_empty() && leases(lab).await.is_empty());
    let all = collections(lab).await;
    assert!(!all.iter().any(|name| name.contains("__restoring_")), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn a_suffix_restores_beside_what_is_there() {
    let lab = lab().await;
    let plan = plan_restore_only(&lab.context(), &restore_beside("b")).await.unwrap();
    let planned: Vec<&str> = plan.collections.iter().map(|c| c.to.as_str()).collect();
    assert_eq!(planned, ["default.films_r", "other.books_r"]);
    let report = lab.restore(&restore_beside("b")).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete);
    for name in ["films", "other.books"] {
        let restored = lab.milvus.rows(&namespace(&format!("{name}_r")));
        assert_eq!(restored, lab.milvus.rows(&namespace(name)), "{name}");
    }
    assert_nothing_left(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn a_rename_makes_the_database_that_it_names() {
    let lab = lab().await;
    let mut options = restore_of("b");
    options.request.selector = CollectionSelector::parse(["default.*"]).unwrap();
    options.request.renames = vec![(namespace("films"), namespace("archive.old_films"))];
    let report = lab.restore(&options).await.unwrap();
    assert_eq!(report.collections.len(), 1);
    assert_eq!(report.collections[0].to, "archive.old_films");
    let restored = lab.milvus.rows(&namespace("archive.old_films"));
    assert_eq!(restored, lab.milvus.rows(&namespace("films")));
    assert_nothing_left(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_makes_no_sense_is_refused_before_anything_happens() {
    let lab = lab().await;
    let before = snapshot(&lab.repository).await;
    let mut unselected = restore_beside("b");
    unselected.request.selector = CollectionSelector::parse(["default.flims"]).unwrap();
    let mut unknown = restore_beside("b");
    unknown.request.renames = vec![(namespace("flims"), namespace("x"))];
    let mut twice = restore_of("b");
    twice.request.renames = vec![
        (namespace("films"), namespace("default.x")),
        (namespace("other.books"), namespace("default.x")),
    ];
    let mut name = restore_of("b");
    name.request.suffix = Some("-r".to_owned());
    for options in [unselected, unknown, twice, name] {
        let error = lab.restore(&options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    }
    assert_eq!(snapshot(&lab.repository).await, before);
    assert_eq!(lab.milvus.calls(MilvusCall::CreateCollection), 0);
}

#[tokio::test(start_paused = true)]
async fn an_existing_collection_is_refused_with_both_ways_out() {
    let lab = lab().await;
    let error = lab.restore(&restore_of("b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    for part in ["default.films exists", "other.books exists"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    for way in ["--suffix", "--rename", "--drop-existing"] {
        assert!(error.remedy().is_some_and(|hint| hint.contains(way)), "{error:?}");
    }
    assert_nothing_left(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn replacing_keeps_the_aliases_of_both_the_old_and_the_backup() {
    let lab = lab().await;
    let films = namespace("films");
    lab.milvus.set_alias(&films, "in_backup").await.unwrap();
    lab.backup("second").await;
    let rows = lab.milvus.rows(&films);
    lab.milvus.drop_collection(&films).await.unwrap();
    lab.fill("films", 90..95).await;
    lab.milvus.set_alias(&films, "of_old").await.unwrap();
    let report = lab.restore(&replacing("second")).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
    assert_eq!(lab.milvus.rows(&films), rows);
    for alias in ["in_backup", "of_old"] {
        assert_eq!(lab.milvus.alias_target(&namespace(alias)).as_deref(), Some("films"), "{alias}");
    }
    assert_nothing_left(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn an_alias_of_another_live_collection_is_only_reported() {
    let lab = lab().await;
    lab.milvus.set_alias(&namespace("films"), "best").await.unwrap();
    lab.backup("second").await;
    let report = lab.restore(&restore_beside("second")).await.unwrap();
    assert_eq!(report.collections[0].notes, ["alias best still points to films"]);
    assert_eq!(report.outcome, RunOutcome::Complete);
    assert_eq!(lab.milvus.alias_target(&namespace("best")).as_deref(), Some("films"));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_an_alias_is_refused() {
    let lab = lab().await;
    lab.milvus.set_alias(&namespace("films"), "films_r").await.unwrap();
    for mut options in [restore_beside("b"), replacing("b")] {
        options.request.suffix = Some("_r".to_owned());
        let error = lab.restore(&options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.to_string().contains("default.films_r is an alias of films"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dangling_alias_in_the_way_of_a_name_costs_only_that_collection() {
    let lab = lab().await;
    let films = namespace("films");
    lab.milvus.set_alias(&films, "films_r").await.unwrap();
    lab.milvus.drop_collection(&films).await.unwrap();
    let report = lab.restore(&restore_beside("b")).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Partial, "{report:?}");
    assert_eq!(report.collections[1].outcome, RunOutcome::Complete);
}

#[tokio::test(start_paused = true)]
async fn a_partial_backup_restores_what_it_has_and_names_what_it_lacks() {
    let lab = lab().await;
    lab.milvus.fail(MilvusCall::Flush, 1, MilvusErrorKind::Other);
    let partial = run_backup(&lab.context(), request("partial")).await.unwrap();
    assert_eq!(partial.outcome, RunOutcome::Partial);
    let failed = partial.collections.iter().find(|c| c.outcome == RunOutcome::Failed).unwrap();
    let report = lab.restore(&restore_beside("partial")).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Partial);
    let lacking = report.collections.iter().find(|c| c.outcome == RunOutcome::Failed).unwrap();
    assert_eq!(lacking.from, format!("{}.{}", failed.database, failed.name));
    assert_eq!(lacking.error.as_deref(), Some("not in the backup: Flush: scripted"));
    assert_nothing_left(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn empty_and_partition_key_collections_come_back() {
    let lab = Lab::new();
    let (empty, keyed) = (namespace("empty"), namespace("keyed"));
    lab.milvus.add_collection(&empty, SchemaDraft::new("empty").encode());
    let schema = SchemaDraft::new("keyed").partition_key("tenant").dynamic().encode();
    let spec = milvus_backup_agent::milvus::CollectionSpec {
        namespace: keyed.clone(),
        schema,
        shards: 2,
        consistency_level: 1,
        num_partitions: Some(4),
        properties: vec![KeyValue {
            key: "collection.ttl.seconds".to_owned(),
            value: "0".to_owned(),
        }],
    };
    lab.milvus.create_collection(&spec).await.unwrap();
    lab.milvus.insert(&keyed, "_default_1", ["a", "b"]);
    lab.milvus.insert(&keyed, "_default_3", ["c"]);
    lab.backup("b").await;
    let report = lab.restore(&restore_beside("b")).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
    for name in ["empty", "keyed"] {
        let restored = namespace(&format!("{name}_r"));
        assert_eq!(lab.milvus.rows(&restored), lab.milvus.rows(&namespace(name)));
        let (was, is) = (
            lab.milvus.describe(&namespace(name)).await.unwrap(),
            lab.milvus.describe(&restored).await.unwrap(),
        );
        assert_eq!(
            (was.shards, was.consistency_level, was.num_partitions, was.properties),
            (is.shards, is.consistency_level, is.num_partitions, is.properties)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn deletes_are_counted() {
    let lab = lab().await;
    lab.milvus.delete(&namespace("films"), PARTITION, ["1", "3"]);
    lab.backup("second").await;
    let report = lab.restore(&restore_beside("second")).await.unwrap();
    let films = &report.collections[0];
    assert_eq!((films.rows_stored, films.rows_imported, films.rows_deleted), (5, 3, 2));
}

#[tokio::test(start_paused = true)]
async fn the_first_backup_restores_its_own_state_after_later_deletes() {
    let lab = lab().await;
    let films = namespace("films");
    let first = lab.milvus.rows(&films);
    lab.milvus.delete(&films, PARTITION, ["1", "3"]);
    lab.fill("films", 5..9).await;
    let second = lab.milvus.rows(&films);
    lab.backup("second").await;
    for (backup, rows) in [("b", first), ("second", second)] {
        lab.restore(&replacing(backup)).await.unwrap();
        assert_eq!(lab.milvus.rows(&films), rows, "{backup}");
    }
}

#[tokio::test(start_paused = true)]
async fn indexes_and_load_state_come_back_unless_they_are_not_wanted() {
    let lab = lab().await;
    let films = namespace("films");
    let index = IndexDescription {
        field: "vec".to_owned(),
        name: "v".to_owned(),
        params: Vec::new(),
        id: 0,
    };
    lab.milvus.create_index(&films, &index).await.unwrap();
    let loaded = LoadState::Partitions { replicas: 1, partitions: vec![PARTITION.to_owned()] };
    lab.milvus.load(&films, &loaded).await.unwrap();
    lab.backup("second").await;
    for (indexes, load) in
        [(Wanted::Yes, Wanted::Yes), (Wanted::Yes, Wanted::No), (Wanted::No, Wanted::Yes)]
    {
        let options = RestoreOptions { indexes, load, ..replacing("second") };
        let report = lab.restore(&options).await.unwrap();
        assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
        let built = lab.milvus.indexes(&films).await.unwrap();
        assert_eq!(built.is_empty(), indexes == Wanted::No);
        let whole = (indexes, load) == (Wanted::Yes, Wanted::Yes);
        let expected = if whole { loaded.clone() } else { LoadState::NotLoaded };
        assert_eq!(lab.milvus.load_state(&films, &[]).await.unwrap(), expected);
        assert_eq!(report.collections[0].notes.is_empty(), indexes == Wanted::Yes);
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_never_saw_the_cluster_restores_it() {
    let mut lab = lab().await;
    let rows = ["films", "other.books"].map(|name| lab.milvus.rows(&namespace(name)));
    lab.lose_milvus();
    let context = JobContext {
        cluster: ClusterName::new("elsewhere").unwrap(),
        source: None,
        ..lab.context()
    };
    let report = run_restore(&context, &lab.staging(), &restore_of("b")).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete);
    let restored = ["films", "other.books"].map(|name| lab.milvus.rows(&namespace(name)));
    assert_eq!(restored, rows);
    assert_nothing_left(&lab).await;
    let all = keys(&lab.repository).await;
    assert!(!all.iter().any(|key| key.starts_with("elsewhere/")), "{all:?}");
}
