//! Waiting for the server.

use std::time::{Duration, Instant};

use milvus_backup_agent::milvus::{GrpcMilvus, ImportState, ImportTask, MilvusApi};

pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut done: impl FnMut() -> F) {
    let begun = Instant::now();
    while !done().await {
        assert!(begun.elapsed() < Duration::from_mins(1), "{what} takes too long");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits for an import; its rows.
pub(crate) async fn imported(client: &GrpcMilvus, task: ImportTask) -> i64 {
    let begun = Instant::now();
    loop {
        match client.import_state(task).await.unwrap() {
            ImportState::Completed { rows } => return rows,
            ImportState::Failed { reason } => panic!("{reason}"),
            ImportState::Running { percent } => {
                assert!(begun.elapsed() < Duration::from_mins(2), "stuck at {percent} %");
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
