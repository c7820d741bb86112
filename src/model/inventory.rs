//! What was seen of a cluster, in Milvus's own words.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// One property, index parameter or option.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyValue {
    /// Its name.
    pub key: String,
    /// Its value, always text in Milvus.
    pub value: String,
}

/// What `DescribeCollection` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionDescription {
    /// Its id: its folders are named by it. Dropping and making it again changes the id.
    pub id: i64,
    /// The collection's own name, even when it was asked for by an alias.
    pub name: String,
    /// `schema.CollectionSchema` exactly as Milvus sent it.
    pub schema: Vec<u8>,
    /// `shards_num`.
    pub shards: i32,
    /// The number of the enum `common.ConsistencyLevel`.
    pub consistency_level: i32,
    /// Partitions that Milvus reports; needed to make a partition-key collection again.
    pub num_partitions: i64,
    /// Collection properties such as `collection.ttl.seconds`.
    pub properties: Vec<KeyValue>,
    /// Its aliases, without the database.
    pub aliases: Vec<String>,
    /// Where it was.
    pub origin: CollectionOrigin,
}

/// Where a collection was in its Milvus. No restore of ours needs any of it; milvus-backup's
/// own tree tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionOrigin {
    /// The id of its database; 0 where the server does not tell.
    #[serde(default)]
    pub database_id: i64,
    /// When it was made, a hybrid timestamp.
    #[serde(default)]
    pub created_timestamp: u64,
    /// Its virtual channels.
    #[serde(default)]
    pub virtual_channels: Vec<String>,
    /// Their physical channels.
    #[serde(default)]
    pub physical_channels: Vec<String>,
}

impl CollectionOrigin {
    /// Whether nothing is known of it.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// What `DescribeDatabase` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseDescription {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: i64,
    /// Its properties, such as `database.replica.number`.
    pub properties: Vec<KeyValue>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// Its id: a folder name in the storage.
    pub id: i64,
    /// Its name.
    pub name: String,
}

/// One index as `DescribeIndex` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexDescription {
    /// The field it is on.
    pub field: String,
    /// Its name.
    pub name: String,
    /// Everything it was made with.
    pub params: Vec<KeyValue>,
    /// Its id in its Milvus; 0 if unknown. Making it again gives it another.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub id: i64,
}

/// How much of a collection is in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum LoadState {
    /// Nothing is loaded.
    NotLoaded,
    /// All of it.
    Loaded {
        /// In-memory replicas.
        replicas: i32,
    },
    /// Only some partitions.
    Partitions {
        /// In-memory replicas.
        replicas: i32,
        /// Names of the loaded partitions.
        partitions: Vec<String>,
    },
}

/// What newer servers tell of a segment; nothing before 2.4.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SegmentTraits {
    /// Whether it is an L0 segment: deletes alone, of other segments of its channel.
    #[serde(default, skip_serializing_if = "is_off")]
    pub l0: bool,
    /// How its files are written; 0 is one file for each field.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub storage_version: i64,
    /// The virtual channel that its rows came through; empty if unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub channel: String,
}

impl SegmentTraits {
    /// Whether nothing is known that tells it from a segment of 2.3.
    pub fn are_ordinary(&self) -> bool {
        *self == Self::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_off(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_zero(value: &i64) -> bool {
    *value == 0
}

/// One persistent segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its id: a folder name in the storage.
    pub id: i64,
    /// Its collection.
    pub collection: i64,
    /// Its partition.
    pub partition: i64,
    /// Stored rows, deleted ones included; an L0 segment has none.
    pub rows: i64,
    /// Whether it was rewritten in the order of its keys, as servers since 2.5 do soon after a
    /// flush.
    pub sorted: bool,
    /// What newer servers tell of it.
    pub traits: SegmentTraits,
}

/// The files of a segment as the server names them, by the ids of the logs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SegmentLogs {
    /// Its id.
    pub segment: i64,
    /// The virtual channel that its rows came through.
    pub channel: String,
    /// Insert logs: field and log.
    pub insert: BTreeSet<(i64, i64)>,
    /// Delta logs.
    pub delta: BTreeSet<i64>,
}

/// A flush of a whole cluster: for each physical channel the hybrid timestamp before which
/// everything is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterFlush {
    /// By channel.
    pub ticks: BTreeMap<String, u64>,
}

impl ClusterFlush {
    /// Before which everything of these channels is sealed; `None` if one of them was not told.
    pub fn tick<'c>(&self, channels: impl IntoIterator<Item = &'c String>) -> Option<u64> {
        let ticks: Option<Vec<u64>> =
            channels.into_iter().map(|channel| self.ticks.get(channel).copied()).collect();
        ticks?.into_iter().min()
    }
}

/// What `Flush` answered for one collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlushAnswer {
    /// `coll_flush_ts`: hybrid timestamp of the flush; `None` where the server has none (2.2).
    pub flush_ts: Option<u64>,
    /// `coll_seal_times`: seconds since the epoch.
    pub seal_time: i64,
    /// `coll_segIDs`: segments that this call sealed.
    pub sealed: Vec<i64>,
    /// `flush_coll_segIDs`: segments that were flushed before.
    pub flushed: Vec<i64>,
}
