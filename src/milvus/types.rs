//! What Milvus answers and what we ask it to make, free of generated code.

use crate::model::Namespace;

/// One property, index parameter or option.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct KeyValue {
    /// Its name.
    pub key: String,
    /// Its value, always text in Milvus.
    pub value: String,
}

/// What `DescribeCollection` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionDescription {
    /// Its id: what its folders are named by. It changes when a collection is dropped and made again.
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
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its id: a folder name in the storage.
    pub id: i64,
    /// Its name.
    pub name: String,
}

/// One index as `DescribeIndex` tells it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IndexDescription {
    /// The field it is on.
    pub field: String,
    /// Its name.
    pub name: String,
    /// Everything it was made with.
    pub params: Vec<KeyValue>,
}

/// How much of a collection is in memory.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum LoadState {
    /// Nothing is loaded.
    NotLoaded,
    /// All of it, with this many replicas.
    Loaded {
        /// In-memory replicas.
        replicas: i32,
    },
    /// Only these partitions, by name.
    Partitions {
        /// In-memory replicas.
        replicas: i32,
        /// Names of the loaded partitions.
        partitions: Vec<String>,
    },
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

/// One persistent segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its id: a folder name in the storage.
    pub id: i64,
    /// Its collection.
    pub collection: i64,
    /// Its partition.
    pub partition: i64,
    /// Stored rows, deleted ones included.
    pub rows: i64,
}

/// A collection to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionSpec {
    /// Where and under what name.
    pub namespace: Namespace,
    /// `schema.CollectionSchema`, with the new name already in it.
    pub schema: Vec<u8>,
    /// `shards_num`.
    pub shards: i32,
    /// The number of the enum `common.ConsistencyLevel`.
    pub consistency_level: i32,
    /// `num_partitions`, only for a collection with a partition key.
    pub num_partitions: Option<i64>,
    /// Collection properties.
    pub properties: Vec<KeyValue>,
}

/// One import of backup files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRequest {
    /// Into which collection.
    pub namespace: Namespace,
    /// Into which partition.
    pub partition: String,
    /// Folder of insert logs as Milvus sees it, ending in `/`.
    pub insert_folder: String,
    /// Folder of delta logs as Milvus sees it, if there are any.
    pub delta_folder: Option<String>,
    /// `end_ts`, in the unit of the target server.
    pub end_ts: Option<u64>,
}

/// A running import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportTask(pub i64);

/// What `GetImportState` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportState {
    /// Not finished.
    Running {
        /// 0 to 100.
        percent: u8,
    },
    /// All rows are in.
    Completed {
        /// Rows that were imported, after deletes.
        rows: i64,
    },
    /// It ended without effect.
    Failed {
        /// Milvus's own words.
        reason: String,
    },
}
