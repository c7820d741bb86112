//! What milvus-backup sees in a repository, by its own documents alone.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use std::collections::{BTreeMap, BTreeSet};

use milvus_backup_agent::model::{KeyPrefix, ObjectKey};
use milvus_backup_agent::storage::{ObjectStore, ObjectStoreExt};
use serde_json::Value;

/// The files of a tree with their sizes, as `full_meta.json` has them.
type Files = BTreeMap<String, u64>;

/// Every folder that milvus-backup takes for a backup, with its files. Each is whole: it has
/// just the files that it names, of the sizes that it names, as milvus-backup trusts listings.
pub(crate) async fn assert_trees_whole(store: &dyn ObjectStore, why: &str) -> BTreeSet<String> {
    let all = store.list_all(&KeyPrefix::root()).await.unwrap();
    let sizes: Files = all.into_iter().map(|meta| (meta.key.to_string(), meta.size)).collect();
    let mut seen = BTreeSet::new();
    for mark in sizes.keys().filter(|key| key.ends_with("/meta/backup_meta.json")) {
        let folder = mark.strip_suffix("meta/backup_meta.json").unwrap();
        let full = ObjectKey::new(format!("{folder}meta/full_meta.json")).unwrap();
        let full = store.find_bytes(&full).await.unwrap();
        let full = full.unwrap_or_else(|| panic!("{why}: {folder} has no full_meta.json"));
        let binlogs = format!("{folder}binlogs/");
        let lying = sizes.iter().filter(|(key, _)| key.starts_with(&binlogs));
        let lying: Files = lying.map(|(key, size)| (key.clone(), *size)).collect();
        let named = named(&serde_json::from_slice(&full).unwrap(), &binlogs);
        assert_eq!(lying, named, "{why}: {folder}");
        seen.insert(folder.trim_end_matches('/').rsplit('/').next().unwrap().to_owned());
    }
    seen
}

/// Where milvus-backup looks for the files of a tree.
fn named(full: &Value, binlogs: &str) -> Files {
    let mut files = Files::new();
    for partition in each(each([full], "collection_backups"), "partition_backups") {
        for segment in each([partition], "segment_backups") {
            let number = |key: &str| segment[key].as_i64().unwrap();
            let (collection, partition) = (number("collection_id"), number("partition_id"));
            let tail =
                format!("{collection}/{partition}/{}/{}", number("group_id"), number("segment_id"));
            for field in each([segment], "binlogs") {
                let id = field["fieldID"].as_i64().unwrap_or(0);
                add(&mut files, field, &format!("{binlogs}insert_log/{tail}/{id}"));
            }
            for field in each([segment], "deltalogs") {
                add(&mut files, field, &format!("{binlogs}delta_log/{tail}"));
            }
        }
    }
    files
}

fn add(files: &mut Files, field: &Value, folder: &str) {
    for log in each([field], "binlogs") {
        let id = log["log_id"].as_i64().unwrap();
        let size = log["log_size"].as_u64().unwrap();
        assert!(files.insert(format!("{folder}/{id}"), size).is_none());
    }
}

/// The entries of a list that each of these has, or has not.
fn each<'v>(of: impl IntoIterator<Item = &'v Value>, key: &str) -> Vec<&'v Value> {
    of.into_iter().flat_map(|value| value[key].as_array().into_iter().flatten()).collect()
}
