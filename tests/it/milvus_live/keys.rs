//! Which rows there are, asked of real servers.

use milvus_backup_agent::milvus::{GrpcMilvus, MilvusApi, MilvusErrorKind};
use milvus_backup_agent::model::{LoadState, Namespace, PrimaryKeys};

use crate::lab::{LabServer, milvus, milvus_2_2, until};

#[tokio::test]
async fn rows_are_counted_and_keys_found() {
    counted_and_found(&milvus()).await;
}

#[tokio::test]
async fn rows_are_counted_and_keys_found_on_2_2() {
    counted_and_found(&milvus_2_2()).await;
}

async fn counted_and_found(server: &LabServer) {
    let client = server.client();
    let words = Namespace::new("default", "types_keys");
    let numbers = Namespace::new("db2_keys", "types_keys");
    server.data_py("fill", &["--scenario", "types", "--rows", "200", "--tag", "keys"]);
    server.data_py("delete", &["--collection", "db2_keys.types_keys", "--where", "id in [5, 7]"]);
    // 200 rows less each twentieth, 20 more less each tenth.
    assert_eq!(client.count_rows(&words).await.unwrap(), 208);
    assert_eq!(client.count_rows(&numbers).await.unwrap(), 206);

    let asked = PrimaryKeys::Int64(vec![i64::MIN, 219, 5, 0, 1, 218, -1, 1, i64::MAX]);
    let found = client.find_keys(&numbers, "id", &asked).await.unwrap();
    assert_eq!(found, PrimaryKeys::Int64(vec![1, 218, 219]));
    let nothing = client.find_keys(&numbers, "id", &PrimaryKeys::Int64(vec![])).await.unwrap();
    assert!(nothing.is_empty(), "{nothing:?}");
    let texts = ["key-000000001", "key-000000000", "\"\\\u{1}漢😀", "key-000000219"];
    let asked = PrimaryKeys::Text(texts.map(str::to_owned).to_vec());
    let found = client.find_keys(&words, "id", &asked).await.unwrap();
    assert_eq!(found, PrimaryKeys::Text([texts[0], texts[3]].map(str::to_owned).to_vec()));

    let other = client.find_keys(&words, "id", &PrimaryKeys::Int64(vec![1])).await.unwrap_err();
    assert_eq!(other.kind(), MilvusErrorKind::Other, "{other}");
    let absent = Namespace::new("default", "absent");
    assert_eq!(client.count_rows(&absent).await.unwrap_err().kind(), MilvusErrorKind::NotFound);
}

/// A 2.2 gives out at most 16,384 rows at once.
#[tokio::test]
async fn many_rows_are_counted_on_2_2() {
    let server = milvus_2_2();
    let client = server.client();
    let many = Namespace::new("default", "many_keys");
    server.data_py(
        "fill",
        &[
            "--scenario",
            "segments",
            "--segments",
            "2",
            "--rows",
            "20000",
            "--collection",
            "many_keys",
        ],
    );
    load(&client, &many).await;
    assert_eq!(client.count_rows(&many).await.unwrap(), 40_000);
}

async fn load(client: &GrpcMilvus, collection: &Namespace) {
    let all = LoadState::Loaded { replicas: 1 };
    client.load(collection, &all).await.unwrap();
    until("loading", async || client.load_percent(collection, &all).await.unwrap() == 100).await;
}
