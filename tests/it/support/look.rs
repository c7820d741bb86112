//! What a fresh process sees.

use std::collections::BTreeMap;

use milvus_backup_agent::catalog::BackupState;
use milvus_backup_agent::job::{RunOutcome, Sizes, run_list, run_verify};
use milvus_backup_agent::milvus::MilvusApi;
use milvus_backup_agent::model::KeyPrefix;
use milvus_backup_agent::plan::VerifyDepth;
use milvus_backup_agent::storage::{ObjectStore, ObjectStoreExt};

use super::{Lab, backup_name};

/// Every listed backup, by name. None where there is no repository yet.
pub(crate) async fn states(lab: &Lab) -> BTreeMap<String, BackupState> {
    let rows = run_list(&lab.context(), Sizes::Known).await.unwrap_or_default();
    rows.into_iter().map(|row| (row.name, row.state)).collect()
}

/// The state of one backup, if it is listed.
pub(crate) async fn state(lab: &Lab, name: &str) -> Option<BackupState> {
    states(lab).await.remove(name)
}

/// Reads every byte of a backup.
pub(crate) async fn assert_verifies(lab: &Lab, name: &str) {
    let name = backup_name(name);
    let report = run_verify(&lab.context(), None, &name, VerifyDepth::Content).await;
    let report = report.unwrap_or_else(|error| panic!("{name}: {}", error.chain()));
    assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
    assert!(report.files > 0 && report.unchecked == 0, "{report:?}");
}

/// What is listed as a backup verifies, and nothing is damaged.
pub(crate) async fn assert_sound(lab: &Lab) {
    for (name, state) in states(lab).await {
        match state {
            BackupState::Complete | BackupState::Partial => assert_verifies(lab, &name).await,
            BackupState::Running | BackupState::Failed => {}
            BackupState::Damaged
            | BackupState::Suspect
            | BackupState::Tombstoned
            | BackupState::Foreign => {
                panic!("{name} is {state:?}")
            }
        }
    }
}

/// Every key of a store.
pub(crate) async fn keys(store: &dyn ObjectStore) -> Vec<String> {
    let objects = store.list_all(&KeyPrefix::root()).await.expect("a list succeeds");
    objects.into_iter().map(|object| object.key.to_string()).collect()
}

/// Every key of a store with its content.
pub(crate) async fn snapshot(store: &dyn ObjectStore) -> BTreeMap<String, bytes::Bytes> {
    let mut content = BTreeMap::new();
    for object in store.list_all(&KeyPrefix::root()).await.expect("a list succeeds") {
        let bytes = store.get_bytes(&object.key).await.expect("a listed object is there");
        content.insert(object.key.to_string(), bytes);
    }
    content
}

async fn under(lab: &Lab, folder: &str) -> Vec<String> {
    let all = keys(&lab.repository).await;
    all.into_iter().filter(|key| key.contains(folder)).collect()
}

/// The leases that lie in the repository, of the dead too.
pub(crate) async fn leases(lab: &Lab) -> Vec<String> {
    under(lab, "/_leases/").await
}

/// The ledgers of unfinished restores.
pub(crate) async fn ledgers(lab: &Lab) -> Vec<String> {
    under(lab, "/_restores/").await
}

/// Every collection that Milvus has, as `database.collection`.
pub(crate) async fn collections(lab: &Lab) -> Vec<String> {
    let mut all = Vec::new();
    for database in lab.milvus.databases().await.expect("the fake answers") {
        let found = lab.milvus.collections(&database).await.expect("the fake answers");
        all.extend(found.into_iter().map(|name| format!("{database}.{name}")));
    }
    all
}
