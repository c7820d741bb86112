//! What we ask Milvus to make, free of generated code.
//!
//! What it answers is vocabulary of the whole agent: [`crate::model`].

use crate::model::{KeyValue, Namespace};

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

/// The folders of one segment's rows, as Milvus sees them, ending in `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFolders {
    /// That holds the segment's own folder of insert logs.
    pub insert: String,
    /// The same for delta logs, if it has any.
    pub delta: Option<String>,
}

/// What an import job reads, by segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobContent {
    /// Rows with their deletes.
    Rows(Vec<RowFolders>),
    /// Deletes alone, of L0 segments: a folder of delta logs each.
    Deletes(Vec<String>),
}

/// One import of many segments at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRequest {
    /// Into which collection.
    pub namespace: Namespace,
    /// Into which partition; `None` for deletes of all of them.
    pub partition: Option<String>,
    /// What it reads.
    pub content: JobContent,
    /// How the files are written, of all segments alike.
    pub storage_version: i64,
    /// `end_ts`, in the unit of the target server.
    pub end_ts: Option<u64>,
}

/// A running import job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportJob {
    /// The database that it imports into.
    pub database: String,
    /// Its id.
    pub id: String,
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
        /// Rows that were imported, after deletes (measured on 2.3.5). An absent folder is
        /// an empty one to Milvus: 0 rows, and no failure.
        rows: i64,
    },
    /// It ended without effect.
    Failed {
        /// Milvus's own words.
        reason: String,
    },
}
