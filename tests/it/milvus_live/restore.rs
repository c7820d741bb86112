//! All the calls of a backup and a restore, in their order.

use std::time::Duration;

use milvus_backup_agent::milvus::{
    CollectionSpec, GrpcMilvus, ImportRequest, MilvusApi, MilvusErrorKind,
};
use milvus_backup_agent::model::Namespace;
use milvus_backup_agent::model::{CollectionDescription, IndexDescription, LoadState};
use milvus_backup_agent::schema::{SchemaSummary, rename_and_strip};

use crate::lab::{LabServer, imported, lab, milvus, milvus_2_2, until};

/// Longer than the `dataNode.segment.syncPeriod` of the lab's 2.2.
const AFTER_SYNC_PERIOD: Duration = Duration::from_secs(10);

/// Every type, three partitions, deletes, dynamic fields: all the calls in the order of a
/// backup and a restore, and both collections read row by row in the end.
#[tokio::test]
async fn a_collection_comes_back_from_its_files() {
    comes_back(&milvus()).await;
}

/// The same; deletes of flushed rows need their time.
#[tokio::test]
async fn a_collection_comes_back_from_its_files_on_2_2() {
    comes_back(&milvus_2_2()).await;
}

async fn comes_back(server: &LabServer) {
    server.data_py("fill", &["--scenario", "types", "--rows", "400"]);
    let client = server.client();
    let (from, to) = (Namespace::new("db2", "types"), Namespace::new("db2", "types__restoring"));

    let boundary = flush(&client, &from).await;
    let described = client.describe(&from).await.unwrap();
    assert_eq!(described.aliases, ["types_alias_db2"]);
    assert_eq!(described.shards, 2);
    check_files(server, &client, &from).await;

    create(&client, &described, &to).await;
    import(server, &client, (&from, &to), boundary).await;
    for index in client.indexes(&from).await.unwrap() {
        client.create_index(&to, &index).await.unwrap();
    }
    assert_eq!(indexes(&client, &to).await, indexes(&client, &from).await);

    let state = client.load_state(&from, &client.partitions(&from).await.unwrap()).await.unwrap();
    assert_eq!(state, LoadState::Loaded { replicas: 1 });
    client.load(&to, &state).await.unwrap();
    until("loading", async || client.load_percent(&to, &state).await.unwrap() == 100).await;
    client.rename_collection(&to, "types_restored").await.unwrap();
    assert_same_rows(server, "db2.types", "db2.types_restored");
}

async fn create(client: &GrpcMilvus, described: &CollectionDescription, to: &Namespace) {
    let spec = CollectionSpec {
        namespace: to.clone(),
        schema: rename_and_strip(&described.schema, &to.collection).unwrap(),
        shards: described.shards,
        consistency_level: described.consistency_level,
        num_partitions: None,
        properties: described.properties.clone(),
    };
    client.create_collection(&spec).await.unwrap();
    let again = client.create_collection(&spec).await.unwrap_err();
    assert_eq!(again.kind(), MilvusErrorKind::AlreadyExists, "{again}");
    assert_eq!(client.describe(to).await.unwrap().schema, spec.schema, "the bytes survive");
}

async fn import(
    server: &LabServer,
    client: &GrpcMilvus,
    (from, to): (&Namespace, &Namespace),
    boundary: u64,
) {
    let collection = client.describe(from).await.unwrap().id;
    let end_ts = client.version().await.unwrap().import_end_ts(boundary);
    for partition in client.partitions(from).await.unwrap() {
        client.create_partition(to, &partition.name).await.unwrap();
        let ids = [collection, partition.id];
        let request = ImportRequest {
            namespace: to.clone(),
            partition: partition.name.clone(),
            insert_folder: server.folder("insert_log", &ids).unwrap(),
            delta_folder: server.folder("delta_log", &ids),
            end_ts,
        };
        let rows = imported(client, client.import(&request).await.unwrap()).await;
        // data.py wrote 100 and deleted 5 in each, and 40 and 4 more in p_b.
        let expected = if partition.name == "p_b" { 131 } else { 95 };
        assert_eq!(rows, expected, "rows of {} after deletes", partition.name);
    }
}

fn assert_same_rows(server: &LabServer, from: &str, to: &str) {
    let dump = server.data.with_file_name("dump.json");
    let dump = dump.to_str().unwrap();
    server.data_py("dump", &["--collections", from, "--out", dump]);
    let restored = format!("{dump}.restored");
    server.data_py("dump", &["--collections", to, "--out", &restored]);
    let rename = ["--rename", &format!("{from}={to}"), "--ignore", "aliases"];
    let said = lab("data.py", &[&["compare", dump, &restored], rename.as_slice()].concat());
    assert!(said.starts_with("equal"), "{said}");
}

/// As they were made: each has an id of its own.
async fn indexes(client: &GrpcMilvus, namespace: &Namespace) -> Vec<IndexDescription> {
    let mut indexes = client.indexes(namespace).await.unwrap();
    for index in &mut indexes {
        assert_ne!(std::mem::take(&mut index.id), 0);
    }
    indexes
}

async fn flush(client: &GrpcMilvus, namespace: &Namespace) -> u64 {
    let answer = client.flush(namespace).await.unwrap();
    assert!(answer.seal_time > 1_700_000_000, "{answer:?}");
    until("flushing", async || client.is_flushed(namespace, &answer).await.unwrap()).await;
    let mut said = [answer.sealed, answer.flushed].concat();
    let mut found: Vec<i64> = client
        .persistent_segments(namespace)
        .await
        .unwrap()
        .iter()
        .map(|segment| segment.id)
        .collect();
    said.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, said, "the flush named exactly the segments that are stored");
    if let Some(timestamp) = answer.flush_ts {
        return timestamp;
    }
    tokio::time::sleep(AFTER_SYNC_PERIOD).await;
    // 2.2 tells the second, which began before.
    ((u64::try_from(answer.seal_time).unwrap() + 1) * 1000) << 18
}

/// The schema predicts the folders of every segment, the hidden and the dynamic field too.
async fn check_files(server: &LabServer, client: &GrpcMilvus, namespace: &Namespace) {
    let schema = client.describe(namespace).await.unwrap().schema;
    let expected = SchemaSummary::parse(&schema).unwrap().stored_field_ids();
    let segments = client.persistent_segments(namespace).await.unwrap();
    assert!(!segments.is_empty());
    for segment in segments {
        let ids = [segment.collection, segment.partition, segment.id];
        let folder = server.folder("insert_log", &ids).unwrap();
        let mut fields: Vec<i64> = std::fs::read_dir(folder)
            .unwrap()
            .map(|field| field.unwrap().file_name().to_str().unwrap().parse().unwrap())
            .collect();
        fields.sort_unstable();
        assert_eq!(fields, expected, "{segment:?}");
    }
}
