//! What goes wrong, by kind and in time.

use std::time::{Duration, Instant};

use milvus_backup_agent::config::MilvusAccess;
use milvus_backup_agent::milvus::{
    GrpcMilvus, ImportRequest, ImportTask, MilvusApi, MilvusErrorKind,
};
use milvus_backup_agent::model::{LoadState, Namespace, Rbac};

use crate::lab::{LabServer, imported, milvus, milvus_2_2};

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    not_found(&milvus()).await;
}

#[tokio::test]
async fn what_does_not_exist_is_not_found_on_2_2() {
    not_found(&milvus_2_2()).await;
}

async fn not_found(server: &LabServer) {
    let client = server.client();
    let absent = Namespace::new("default", "absent");
    let import = ImportRequest {
        namespace: absent.clone(),
        partition: "_default".to_owned(),
        insert_folder: "/absent/insert_log/1/2/3/".to_owned(),
        delta_folder: None,
        end_ts: None,
    };
    for error in [
        client.collections("absent").await.unwrap_err(),
        client.describe(&absent).await.unwrap_err(),
        client.describe(&Namespace::new("absent", "absent")).await.unwrap_err(),
        client.partitions(&absent).await.unwrap_err(),
        client.indexes(&absent).await.unwrap_err(),
        client.load_state(&absent, &[]).await.unwrap_err(),
        client.flush(&absent).await.unwrap_err(),
        client.persistent_segments(&absent).await.unwrap_err(),
        client.create_partition(&absent, "p").await.unwrap_err(),
        client.import(&import).await.unwrap_err(),
        client.import_state(ImportTask(1)).await.unwrap_err(),
        client.load(&absent, &LoadState::Loaded { replicas: 1 }).await.unwrap_err(),
        client.rename_collection(&absent, "other").await.unwrap_err(),
        client.set_alias(&absent, "alias_of_absent").await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), MilvusErrorKind::NotFound, "{error}");
    }
    client.drop_collection(&absent).await.unwrap();
}

#[tokio::test]
async fn a_2_3_has_no_users_and_roles_to_give_or_take() {
    let client = milvus().client();
    for error in
        [client.rbac().await.unwrap_err(), client.restore_rbac(&Rbac::default()).await.unwrap_err()]
    {
        assert_eq!(error.kind(), MilvusErrorKind::Unimplemented, "{error}");
    }
}

/// Milvus does not miss what is not there, so a restore has to count rows.
#[tokio::test]
async fn an_absent_folder_imports_nothing_and_completes() {
    imports_nothing(&milvus()).await;
}

#[tokio::test]
async fn an_absent_folder_imports_nothing_and_completes_on_2_2() {
    imports_nothing(&milvus_2_2()).await;
}

async fn imports_nothing(server: &LabServer) {
    server
        .data_py("fill", &["--scenario", "upsert", "--collection", "default.into", "--rows", "5"]);
    let client = server.client();
    let mut request = ImportRequest {
        namespace: Namespace::new("default", "into"),
        partition: "_default".to_owned(),
        insert_folder: "/absent/insert_log/1/2/3/".to_owned(),
        delta_folder: None,
        end_ts: None,
    };
    assert_eq!(imported(&client, client.import(&request).await.unwrap()).await, 0);
    "absent".clone_into(&mut request.partition);
    let error = client.import(&request).await.unwrap_err();
    assert_eq!(error.kind(), MilvusErrorKind::NotFound, "{error}");
}

#[tokio::test]
async fn a_flush_waits_out_the_rate_limit() {
    let limit = ["quotaAndLimits.flushRate.enabled=true", "quotaAndLimits.flushRate.max=0.2"];
    let server = LabServer::start("limited", &limit);
    server.data_py("fill", &["--scenario", "partition_key", "--rows", "10"]);
    let client = server.client();
    let namespace = Namespace::new("default", "pkey");
    let begun = Instant::now();
    for _ in 0..3 {
        client.flush(&namespace).await.unwrap();
    }
    assert!(begun.elapsed() > Duration::from_secs(4), "the limit was not on");
}

#[tokio::test]
async fn a_refused_connection_is_reported_soon_and_by_address() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = plain(&format!("http://{free}"));
    let begun = Instant::now();
    let error = client.version().await.unwrap_err();
    assert_eq!(error.kind(), MilvusErrorKind::Unreachable, "{error}");
    assert!(error.to_string().contains(&free.to_string()), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10), "it took {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let hanging = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", hanging.local_addr().unwrap());
    let client = plain(&address);
    let begun = Instant::now();
    let error = client.version().await.unwrap_err();
    assert_eq!(error.kind(), MilvusErrorKind::Unreachable, "{error}");
    assert!(error.to_string().contains(&address), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(35), "it took {:?}", begun.elapsed());
}

fn plain(address: &str) -> GrpcMilvus {
    GrpcMilvus::new(&address.parse().unwrap(), &MilvusAccess::default()).unwrap()
}
