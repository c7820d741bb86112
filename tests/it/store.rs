//! Every store keeps the contract; what only a folder can get wrong is tested here too.

use std::sync::Arc;

use milvus_backup_agent::storage::testing::{FaultyStore, conformance};
use milvus_backup_agent::storage::{LocalStore, MemoryStore, ObjectStore};
use tempfile::TempDir;

async fn local(root: &TempDir) -> Arc<dyn ObjectStore> {
    Arc::new(LocalStore::open(root.path()).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_the_contract() {
    conformance(Arc::new(MemoryStore::default())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_the_contract() {
    let root = TempDir::new().unwrap();
    conformance(local(&root).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_store_without_faults_keeps_the_contract() {
    let root = TempDir::new().unwrap();
    conformance(Arc::new(FaultyStore::new(Arc::new(MemoryStore::default())))).await;
    conformance(Arc::new(FaultyStore::new(local(&root).await))).await;
}
