//! Databases, load states, partition keys, aliases.

use milvus_backup_agent::milvus::{CollectionSpec, GrpcMilvus, MilvusApi, MilvusErrorKind};
use milvus_backup_agent::model::LoadState;
use milvus_backup_agent::model::Namespace;
use milvus_backup_agent::schema::{SchemaSummary, rename_and_strip};

use crate::lab::{LabServer, milvus, milvus_2_2, until};

#[tokio::test]
async fn a_server_tells_its_version_and_databases() {
    version_and_databases(&milvus(), (2, 3, 5)).await;
}

#[tokio::test]
async fn a_2_2_tells_its_version_and_databases() {
    version_and_databases(&milvus_2_2(), (2, 2, 16)).await;
}

async fn version_and_databases(server: &LabServer, number: (u32, u32, u32)) {
    let client = server.client();
    let version = client.version().await.unwrap();
    assert_eq!(version.number, Some(number), "{version}");

    client.create_database("made_here", &[]).await.unwrap();
    let again = client.create_database("made_here", &[]).await.unwrap_err();
    assert_eq!(again.kind(), MilvusErrorKind::AlreadyExists, "{again}");
    let databases = client.databases().await.unwrap();
    assert!(databases.contains(&"made_here".to_owned()), "{databases:?}");
    assert!(databases.contains(&"default".to_owned()), "{databases:?}");
    assert_eq!(client.collections("made_here").await.unwrap(), Vec::<String>::new());
    for _ in 0..2 {
        client.drop_database("made_here").await.expect("an absent one is fine");
    }
    assert!(!client.databases().await.unwrap().contains(&"made_here".to_owned()));
}

#[tokio::test]
async fn a_partly_loaded_collection_is_seen_and_loaded_as_such() {
    let server = milvus();
    let (client, namespace, part) = partly_loaded(&server).await;
    let partitions = client.partitions(&namespace).await.unwrap();
    let more = LoadState::Partitions { replicas: 1, partitions: vec!["p_not_loaded".to_owned()] };
    client.load(&namespace, &more).await.unwrap();
    until("loading", async || client.load_percent(&namespace, &more).await.unwrap() == 100).await;
    assert_ne!(client.load_state(&namespace, &partitions).await.unwrap(), part);

    let all = LoadState::Loaded { replicas: 1 };
    client.load(&namespace, &all).await.unwrap();
    until("loading", async || client.load_percent(&namespace, &all).await.unwrap() == 100).await;
    assert_eq!(client.load_state(&namespace, &partitions).await.unwrap(), all);
}

/// What a restore asks of a 2.2: to load some partitions of a collection of which nothing is
/// loaded, or all of it. More beside those that are loaded it refuses.
#[tokio::test]
async fn a_partly_loaded_collection_is_seen_on_2_2() {
    let server = milvus_2_2();
    let (client, namespace, _) = partly_loaded(&server).await;
    let all = LoadState::Loaded { replicas: 1 };
    let refused = client.load(&namespace, &all).await.unwrap_err();
    assert_eq!(refused.kind(), MilvusErrorKind::Other, "{refused}");
}

async fn partly_loaded(server: &LabServer) -> (GrpcMilvus, Namespace, LoadState) {
    server.data_py("fill", &["--scenario", "auto_id", "--rows", "100"]);
    let client = server.client();
    let namespace = Namespace::new("default", "autoid");
    let partitions = client.partitions(&namespace).await.unwrap();
    let part = LoadState::Partitions { replicas: 1, partitions: vec!["p_loaded".to_owned()] };
    assert_eq!(client.load_state(&namespace, &partitions).await.unwrap(), part);
    assert_eq!(client.load_percent(&namespace, &part).await.unwrap(), 100);
    (client, namespace, part)
}

#[tokio::test]
async fn a_partition_key_collection_is_made_again_and_aliases_move() {
    made_again(&milvus()).await;
}

#[tokio::test]
async fn a_partition_key_collection_is_made_again_on_2_2() {
    made_again(&milvus_2_2()).await;
}

async fn made_again(server: &LabServer) {
    server.data_py("fill", &["--scenario", "partition_key", "--rows", "100"]);
    let client = server.client();
    let old = Namespace::new("default", "pkey");
    let described = client.describe(&old).await.unwrap();
    let partitions = client.partitions(&old).await.unwrap();
    assert_eq!((described.num_partitions, partitions.len()), (8, 8));
    assert_eq!(client.load_state(&old, &partitions).await.unwrap(), LoadState::NotLoaded);
    assert!(SchemaSummary::parse(&described.schema).unwrap().has_partition_key());

    let new = Namespace::new("default", "pkey_new");
    let spec = CollectionSpec {
        namespace: new.clone(),
        schema: rename_and_strip(&described.schema, "pkey_new").unwrap(),
        shards: described.shards,
        consistency_level: described.consistency_level,
        num_partitions: Some(described.num_partitions),
        properties: described.properties,
    };
    client.create_collection(&spec).await.unwrap();
    assert_eq!(client.partitions(&new).await.unwrap().len(), 8);
    assert_eq!(client.indexes(&new).await.unwrap(), []);

    let alias = Namespace::new("default", "pkey_alias");
    client.set_alias(&old, "pkey_alias").await.unwrap();
    assert_eq!(client.describe(&alias).await.unwrap().name, "pkey", "a new alias");
    client.set_alias(&new, "pkey_alias").await.unwrap();
    assert_eq!(client.describe(&alias).await.unwrap().name, "pkey_new", "of another collection");
    client.drop_collection(&new).await.unwrap();
    client.drop_collection(&new).await.unwrap();
    let dangling = client.describe(&alias).await.unwrap_err();
    assert_eq!(dangling.kind(), MilvusErrorKind::NotFound, "{dangling}");
    client.set_alias(&old, "pkey_alias").await.unwrap();
    assert_eq!(client.describe(&alias).await.unwrap().name, "pkey", "a dangling alias");
    let taken = client.rename_collection(&old, "pkey_alias").await.unwrap_err();
    assert_eq!(taken.kind(), MilvusErrorKind::AlreadyExists, "{taken}");
}
