//! [`FakeMilvus`] does what the live tests saw 2.3.5 do.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use std::sync::Arc;

use milvus_backup_agent::milvus::testing::{FakeMilvus, ImportScript, MilvusCall, SchemaDraft};
use milvus_backup_agent::milvus::{
    CollectionSpec, ImportRequest, ImportState, MilvusApi, MilvusErrorKind,
};
use milvus_backup_agent::model::{KeyPrefix, Namespace};
use milvus_backup_agent::schema::rename_and_strip;
use milvus_backup_agent::storage::{MemoryStore, ObjectStore, ObjectStoreExt, PutMode};

const PARTITION: &str = "_default";

/// `default.films` with ten rows in two segments, of which two are deleted.
async fn films(store: &MemoryStore) -> (FakeMilvus, Namespace, u64) {
    let milvus = FakeMilvus::new(Arc::new(store.clone()));
    let films = Namespace::new("default", "films");
    milvus.add_collection(&films, SchemaDraft::new("films").text("title").dynamic().encode());
    milvus.insert(&films, PARTITION, (0..5).map(|key| key.to_string()));
    milvus.flush(&films).await.unwrap();
    milvus.insert(&films, PARTITION, (5..10).map(|key| key.to_string()));
    milvus.delete(&films, PARTITION, ["1", "7"]);
    let flush = milvus.flush(&films).await.unwrap();
    assert_eq!((flush.sealed.len(), flush.flushed.len()), (1, 1));
    (milvus, films, flush.flush_ts.unwrap())
}

/// An import of all of `films` into a new collection, with the state it ends in.
async fn restore(milvus: &FakeMilvus, films: &Namespace, end_ts: u64) -> ImportState {
    let described = milvus.describe(films).await.unwrap();
    let partition = milvus.partitions(films).await.unwrap().remove(0);
    let to = Namespace::new("default", "restored");
    let spec = CollectionSpec {
        namespace: to.clone(),
        schema: rename_and_strip(&described.schema, "restored").unwrap(),
        shards: described.shards,
        consistency_level: described.consistency_level,
        num_partitions: None,
        properties: described.properties,
    };
    milvus.create_collection(&spec).await.unwrap();
    let request = ImportRequest {
        namespace: to,
        partition: PARTITION.to_owned(),
        insert_folder: format!("insert_log/{}/{}/", described.id, partition.id),
        delta_folder: Some(format!("delta_log/{}/{}/", described.id, partition.id)),
        end_ts: Some(end_ts),
    };
    let task = milvus.import(&request).await.unwrap();
    let first = milvus.import_state(task).await.unwrap();
    assert!(matches!(first, ImportState::Running { .. }), "{first:?}");
    milvus.import_state(task).await.unwrap()
}

#[tokio::test]
async fn what_was_flushed_is_imported_up_to_the_boundary() {
    let store = MemoryStore::default();
    let (milvus, films, boundary) = films(&store).await;
    let rows = milvus.rows(&films);
    milvus.delete(&films, PARTITION, ["2"]);
    milvus.flush(&films).await.unwrap();

    let ended = restore(&milvus, &films, boundary >> 18).await;

    assert_eq!(ended, ImportState::Completed { rows: 8 });
    assert_eq!(milvus.rows(&Namespace::new("default", "restored")), rows);
}

#[tokio::test]
async fn files_lie_as_milvus_lays_them() {
    let store = MemoryStore::default();
    let (milvus, films, _) = films(&store).await;
    let collection = milvus.describe(&films).await.unwrap().id;
    let segments = milvus.persistent_segments(&films).await.unwrap();
    assert_eq!(segments.iter().map(|segment| segment.rows).collect::<Vec<_>>(), [5, 5]);
    for segment in segments {
        let place = format!("{collection}/{}/{}", segment.partition, segment.id);
        let insert = KeyPrefix::new(format!("insert_log/{place}")).unwrap();
        let fields = store.list_folders(&insert).await.unwrap();
        assert_eq!(fields, ["0", "1", "100", "101", "102", "103"]);
        let delta = KeyPrefix::new(format!("delta_log/{place}")).unwrap();
        assert_eq!(store.list_all(&delta).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_hybrid_end_ts_loses_rows_and_still_completes() {
    let store = MemoryStore::default();
    let (milvus, films, _) = films(&store).await;
    let wrong = restore(&milvus, &films, 1 << 46).await;
    assert_eq!(wrong, ImportState::Completed { rows: 0 });
}

#[tokio::test]
async fn a_segment_without_a_log_is_not_imported() {
    let store = MemoryStore::default();
    let (milvus, films, boundary) = films(&store).await;
    let logs = store.list_all(&KeyPrefix::new("insert_log").unwrap()).await.unwrap();
    store.delete(&[logs[3].key.clone()]).await.unwrap();
    let ended = restore(&milvus, &films, boundary >> 18).await;
    assert!(matches!(ended, ImportState::Failed { .. }), "{ended:?}");
}

#[tokio::test]
async fn imports_hang_and_fail_on_a_script() {
    let store = MemoryStore::default();
    let (milvus, films, boundary) = films(&store).await;
    milvus.script_import(ImportScript::Hang);
    let hanging = restore(&milvus, &films, boundary >> 18).await;
    assert!(matches!(hanging, ImportState::Running { .. }), "{hanging:?}");
    milvus.drop_collection(&Namespace::new("default", "restored")).await.unwrap();
    milvus.script_import(ImportScript::Fail("the import task has timed out".to_owned()));
    let failed = restore(&milvus, &films, boundary >> 18).await;
    assert_eq!(failed, ImportState::Failed { reason: "the import task has timed out".to_owned() });
}

#[tokio::test]
async fn compaction_replaces_segments_between_flush_and_listing() {
    let store = MemoryStore::default();
    let (milvus, films, _) = films(&store).await;
    let rows = milvus.rows(&films);
    let flush = milvus.flush(&films).await.unwrap();
    milvus.compact_before_listings(&films, 1);
    let compacted = milvus.persistent_segments(&films).await.unwrap();
    assert_eq!(compacted.len(), 1);
    assert!(!flush.flushed.contains(&compacted[0].id));
    assert_eq!(milvus.persistent_segments(&films).await.unwrap(), compacted);
    assert_eq!(milvus.rows(&films), rows);

    let old = milvus.compact(&films).await.unwrap();
    assert_eq!(store.list_all(&old[0]).await.unwrap().len(), 6);
    milvus.collect_garbage(&old).await.unwrap();
    assert!(store.list_all(&old[0]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_dropped_collection_leaves_its_alias_dangling() {
    let store = MemoryStore::default();
    let (milvus, films, _) = films(&store).await;
    let best = Namespace::new("default", "best");
    milvus.set_alias(&films, "best").await.unwrap();
    assert_eq!(milvus.describe(&best).await.unwrap().aliases, ["best"]);
    milvus.rename_collection(&films, "movies").await.unwrap();
    assert_eq!(milvus.describe(&best).await.unwrap().name, "movies");
    let movies = Namespace::new("default", "movies");
    milvus.drop_collection(&movies).await.unwrap();
    milvus.drop_collection(&movies).await.unwrap();
    let dangling = milvus.describe(&best).await.unwrap_err();
    assert_eq!(dangling.kind(), MilvusErrorKind::NotFound);
    assert_eq!(milvus.alias_target(&best), None);

    milvus.add_collection(&films, SchemaDraft::new("films").encode());
    let taken = milvus.rename_collection(&films, "best").await.unwrap_err();
    assert_eq!(taken.kind(), MilvusErrorKind::AlreadyExists);
    milvus.set_alias(&films, "best").await.unwrap();
    assert_eq!(milvus.alias_target(&best).as_deref(), Some("films"));
}

#[tokio::test]
async fn calls_fail_on_a_script() {
    let store = MemoryStore::default();
    let (milvus, films, _) = films(&store).await;
    milvus.fail(MilvusCall::Describe, 2, MilvusErrorKind::Transient);
    assert!(milvus.describe(&films).await.is_ok());
    let second = milvus.describe(&films).await.unwrap_err();
    assert_eq!(second.kind(), MilvusErrorKind::Transient);
    assert!(milvus.describe(&films).await.is_ok());
    assert_eq!(milvus.calls(MilvusCall::Describe), 3);
    milvus.cut();
    let cut = milvus.version().await.unwrap_err();
    assert_eq!(cut.kind(), MilvusErrorKind::Unreachable);
    milvus.reconnect();
    assert!(milvus.version().await.is_ok());
}

#[tokio::test]
async fn an_import_sees_other_stores_where_they_are_mounted() {
    let (store, backups) = (MemoryStore::default(), MemoryStore::default());
    let (source, films, boundary) = films(&store).await;
    for meta in store.list_all(&KeyPrefix::root()).await.unwrap() {
        let key = KeyPrefix::new("pool").unwrap().key(meta.key.as_str());
        let body = store.get_bytes(&meta.key).await.unwrap();
        backups.put(&key, body, PutMode::IfAbsent).await.unwrap();
    }
    let target = FakeMilvus::new(Arc::new(MemoryStore::default()))
        .with_mount("/backups/", Arc::new(backups));
    let described = source.describe(&films).await.unwrap();
    target.add_collection(&films, described.schema);
    let request = ImportRequest {
        namespace: films.clone(),
        partition: PARTITION.to_owned(),
        insert_folder: format!("/backups/pool/insert_log/{}/", described.id),
        delta_folder: Some(format!("/backups/pool/delta_log/{}/", described.id)),
        end_ts: Some(boundary >> 18),
    };
    let task = target.import(&request).await.unwrap();
    target.import_state(task).await.unwrap();
    target.import_state(task).await.unwrap();
    assert_eq!(target.rows(&films), source.rows(&films));
}

#[tokio::test]
async fn a_database_goes_when_it_is_empty_and_stays_when_it_is_not() {
    let milvus = FakeMilvus::new(Arc::new(MemoryStore::default()));
    let films = Namespace::new("other", "films");
    milvus.add_collection(&films, SchemaDraft::new("films").encode());
    let error = milvus.drop_database("other").await.unwrap_err();
    assert!(error.to_string().contains("not empty"), "{error}");
    milvus.drop_collection(&films).await.unwrap();
    for _ in 0..2 {
        milvus.drop_database("other").await.expect("an absent one is fine");
    }
    assert_eq!(milvus.databases().await.unwrap(), ["default"]);
}
