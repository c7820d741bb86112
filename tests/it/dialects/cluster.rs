//! What a server of one version has, and what it can.

use std::collections::BTreeMap;

use super::wire::milvus::RbacMeta;
use super::wire::schema::CollectionSchema;

/// A server's version and what comes with it.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing of its own")]
pub(super) struct Version {
    pub(super) tag: &'static str,
    /// `segments/describe`.
    pub(super) names_files: bool,
    /// `FlushAll` with a message for each channel.
    pub(super) flushes_all: bool,
    /// Garbage collection is paused with tickets.
    pub(super) tickets: bool,
    /// Functions and their output.
    pub(super) functions: bool,
    /// Struct arrays, added fields, groups of fields in one file.
    pub(super) modern: bool,
}

pub(super) const V2_4: Version = Version {
    tag: "v2.4.17",
    names_files: false,
    flushes_all: false,
    tickets: false,
    functions: false,
    modern: false,
};

pub(super) const V2_5: Version =
    Version { tag: "v2.5.8", names_files: true, functions: true, ..V2_4 };

pub(super) const V2_6: Version =
    Version { tag: "v2.6.11", flushes_all: true, tickets: true, modern: true, ..V2_5 };

/// One segment.
#[derive(Debug, Clone, Default)]
pub(super) struct Segment {
    pub(super) id: i64,
    pub(super) partition: i64,
    pub(super) rows: i64,
    /// 4 is flushed.
    pub(super) state: i32,
    /// 1 is L0, 2 is L1.
    pub(super) level: i32,
    pub(super) storage_version: i64,
    pub(super) sorted: bool,
    pub(super) channel: String,
    /// Field, or group of fields, and log.
    pub(super) insert: Vec<(i64, i64)>,
    pub(super) delta: Vec<i64>,
}

impl Segment {
    pub(super) fn is_flushed(&self) -> bool {
        self.state == 4
    }

    pub(super) fn is_l0(&self) -> bool {
        self.level == 1
    }
}

/// One collection.
#[derive(Debug, Clone, Default)]
pub(super) struct Collection {
    pub(super) id: i64,
    pub(super) schema: CollectionSchema,
    pub(super) shards: i32,
    pub(super) partitions: Vec<(i64, String)>,
    pub(super) properties: Vec<(String, String)>,
    /// On which field, under which name.
    pub(super) indexes: Vec<(String, String)>,
    pub(super) loaded: bool,
    pub(super) segments: Vec<Segment>,
}

impl Collection {
    /// Its virtual channels.
    pub(super) fn channels(&self) -> Vec<String> {
        (0..self.shards).map(|n| format!("by-dev-rootcoord-dml_{n}_{}v{n}", self.id)).collect()
    }

    /// Its physical channels.
    pub(super) fn physical(&self) -> Vec<String> {
        (0..self.shards).map(|n| format!("by-dev-rootcoord-dml_{n}")).collect()
    }
}

/// One import job.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) rows: i64,
    pub(super) looks: u32,
}

/// Everything that a server has.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    /// Databases with their properties.
    pub(super) databases: BTreeMap<String, Vec<(String, String)>>,
    /// By database and name.
    pub(super) collections: BTreeMap<(String, String), Collection>,
    pub(super) jobs: BTreeMap<String, Job>,
    /// What was asked for the end of a flush.
    pub(super) flush_asked: BTreeMap<String, u32>,
    pub(super) last_id: i64,
    /// Users, roles and grants; none where it cannot tell.
    pub(super) rbac: Option<RbacMeta>,
}

impl Cluster {
    pub(super) fn next_id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn named(&self, id: i64) -> String {
        let found = self.collections.iter().find(|(_, collection)| collection.id == id);
        found.map_or_else(|| id.to_string(), |((database, name), _)| format!("{database}.{name}"))
    }
}
