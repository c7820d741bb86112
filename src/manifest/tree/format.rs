//! milvus-backup's messages, key by key in its own order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::rbac::StoredRbac;
use crate::schema::{JsonPair, JsonSchema, is_zero};

/// `BackupInfo`: `full_meta.json`, and without its collections `backup_meta.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct BackupInfo {
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) id: String,
    /// Long out of use: never to be looked at.
    pub(super) state_code: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) name: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) backup_timestamp: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) collection_backups: Vec<CollectionInfo>,
    pub(super) size: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) milvus_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rbac_meta: Option<StoredRbac>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) database_backups: Vec<DatabaseInfo>,
    /// None for trees of binlogs.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) format: String,
    /// Milliseconds since the epoch, of old versions.
    #[serde(skip_serializing)]
    pub(super) start_time: u64,
    /// The same.
    #[serde(skip_serializing)]
    pub(super) end_time: u64,
}

/// `DatabaseBackupInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct DatabaseInfo {
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) db_name: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) db_id: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) properties: Vec<JsonPair>,
}

/// `CollectionBackupInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct CollectionInfo {
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) id: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) collection_id: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) db_name: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) collection_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) schema: Option<JsonSchema>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) shards_num: i32,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) consistency_level: i32,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) partition_backups: Vec<PartitionInfo>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) backup_timestamp: u64,
    pub(super) size: u64,
    pub(super) has_index: bool,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) index_infos: Vec<IndexInfo>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) load_state: String,
    /// Seconds since the epoch.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) backup_physical_timestamp: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) l0_segments: Vec<SegmentInfo>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) properties: Vec<JsonPair>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) db_id: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) created_timestamp: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) virtual_channel_names: Vec<String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) physical_channel_names: Vec<String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) aliases: Vec<String>,
}

/// `PartitionBackupInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct PartitionInfo {
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) partition_id: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) partition_name: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) collection_id: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) segment_backups: Vec<SegmentInfo>,
    pub(super) size: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) load_state: String,
}

/// `SegmentBackupInfo`. Its `statslogs` and `backuped` are out of use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct SegmentInfo {
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) segment_id: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) collection_id: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) partition_id: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) num_of_rows: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) binlogs: Vec<FieldBinlog>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) deltalogs: Vec<FieldBinlog>,
    pub(super) size: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) group_id: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) is_l0: bool,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) v_channel: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) storage_version: i64,
}

/// `FieldBinlog`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct FieldBinlog {
    #[serde(rename = "fieldID", skip_serializing_if = "is_zero")]
    pub(super) field_id: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) binlogs: Vec<Binlog>,
}

/// `Binlog`. Its `entries_num`, `timestamp_from` and `timestamp_to` are out of use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "they are milvus-backup's own keys")]
pub(super) struct Binlog {
    /// The key that the file had in Milvus's own storage.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) log_path: String,
    pub(super) log_size: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) log_id: i64,
}

/// `IndexInfo`, without what only etcd tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct IndexInfo {
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) field_name: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) index_name: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) index_type: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) params: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) index_id: i64,
}

/// `collection_meta.json`, `partition_meta.json` and `segment_meta.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub(super) struct Level<T> {
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub(super) infos: Vec<T>,
}
