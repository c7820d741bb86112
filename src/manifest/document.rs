//! The manifest: what makes a backup exist.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::{
    BackupName, ClusterName, CollectionOrigin, DatabaseDescription, IndexDescription, KeyValue,
    Layout, LoadState, Namespace, Partition,
};

use super::RbacRecord;

/// Whether every collection is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ManifestOutcome {
    /// Every selected collection.
    Complete,
    /// Some collections failed; they are named.
    Partial,
}

/// Whether one collection is in the backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CollectionOutcome {
    /// It is.
    Complete,
    /// It is not; `error` says why.
    Failed,
}

/// Where in time a collection's copy ends: a restore brings back every write up to here.
///
/// It lies a little before the flush. A write gets its timestamp first and its segment
/// later, so a write just before the flush may lie in a segment after it, while its delete
/// is in the backup (measured on 2.3.5: 500 of 600 upserted keys in one of 11 restores that
/// ended at the flush itself, all in 7 of 7 that ended a second before). How much is
/// for the plan to decide (`plan/boundary.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boundary {
    /// The hybrid timestamp to which a restore goes.
    pub timestamp: u64,
    /// The hybrid timestamp of the collection's own flush; on 2.2 of the second in which it was.
    pub flush: u64,
}

impl Boundary {
    /// Bits of a hybrid timestamp below the milliseconds.
    const LOGICAL_BITS: u32 = 18;

    /// Milliseconds since the epoch as a hybrid timestamp.
    pub fn hybrid(milliseconds: u64) -> u64 {
        milliseconds << Self::LOGICAL_BITS
    }

    /// A boundary that lies `margin` before a flush.
    pub fn before(flush: u64, margin: Duration) -> Self {
        let margin = u64::try_from(margin.as_millis()).unwrap_or(u64::MAX);
        let physical = (flush >> Self::LOGICAL_BITS).saturating_sub(margin);
        Self { timestamp: Self::hybrid(physical), flush }
    }

    /// Milliseconds since the epoch.
    pub fn physical_ms(self) -> u64 {
        self.timestamp >> Self::LOGICAL_BITS
    }
}

/// Whether all deletes up to the boundary are in a collection's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeletesComplete {
    /// They are.
    #[default]
    Yes,
    /// Nobody knows: a Milvus 2.2 writes them down late, and the run did not wait
    /// (`milvus.settle: none`). Rows that were deleted may come back.
    Unknown,
}

impl DeletesComplete {
    /// What needs no word.
    pub fn is_yes(&self) -> bool {
        *self == Self::Yes
    }
}

/// Everything that a restore needs to know of one collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionContent {
    /// `schema.CollectionSchema` exactly as Milvus sent it, so that fields of newer servers survive.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub schema: Vec<u8>,
    /// `shards_num`.
    pub shards: i32,
    /// The number of the enum `common.ConsistencyLevel`.
    pub consistency_level: i32,
    /// Partitions that Milvus reported; a restore of a partition-key collection asks for as many.
    pub num_partitions: i64,
    /// Collection properties.
    pub properties: Vec<KeyValue>,
    /// Aliases that pointed to it.
    pub aliases: Vec<String>,
    /// Where it was.
    #[serde(default, skip_serializing_if = "CollectionOrigin::is_unknown")]
    pub origin: CollectionOrigin,
    /// Its partitions.
    pub partitions: Vec<Partition>,
    /// Its indexes.
    pub indexes: Vec<IndexDescription>,
    /// What of it was loaded.
    pub load: LoadState,
    /// Where in time the copy ends; none where nobody knows, and a restore brings back all that
    /// its files hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<Boundary>,
    /// Whether all deletes before that are in its files.
    #[serde(default, skip_serializing_if = "DeletesComplete::is_yes")]
    pub deletes_complete: DeletesComplete,
    /// The digest that names its list of files.
    pub list: String,
    /// Segments in the list.
    pub segments: u64,
    /// Files in the list.
    pub files: u64,
    /// Stored rows, deleted ones included.
    pub rows: u64,
    /// The sum of all file sizes.
    pub bytes: u64,
}

/// One collection of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionRecord {
    /// Its database.
    pub database: String,
    /// Its name.
    pub name: String,
    /// Its id in the source.
    pub id: i64,
    /// Whether it is in the backup.
    pub outcome: CollectionOutcome,
    /// Why it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What is needed to restore it; absent when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<CollectionContent>,
}

impl CollectionRecord {
    /// Its full name.
    pub fn namespace(&self) -> Namespace {
        Namespace::new(&self.database, &self.name)
    }
}

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format of this document.
    pub version: u32,
    /// The backup's name.
    pub name: BackupName,
    /// The cluster it is of.
    pub cluster: ClusterName,
    /// That cluster's id.
    pub cluster_id: String,
    /// The policy that asked for it; empty for none.
    pub policy: String,
    /// The token of the run; `attempt.json` must have the same.
    pub run: String,
    /// How the files are laid out.
    pub layout: Layout,
    /// When the run started.
    pub created_at: Timestamp,
    /// When it was committed.
    pub completed_at: Timestamp,
    /// Whether every collection is in it.
    pub outcome: ManifestOutcome,
    /// What wrote it.
    pub agent: String,
    /// The server's version.
    pub milvus_version: String,
    /// Every database of the selected collections.
    pub databases: Vec<String>,
    /// What is known of these databases, where the server tells it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub database_descriptions: Vec<DatabaseDescription>,
    /// Every selected collection, sorted by name.
    pub collections: Vec<CollectionRecord>,
    /// The globs that selected them, if a policy did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub selection: Vec<String>,
    /// Why it does not count as a good one before somebody has looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspect: Option<String>,
    /// Users, roles and grants, if they were asked for; `rbac.json` holds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rbac: Option<RbacRecord>,
}

impl Manifest {
    /// The version that this agent writes.
    pub const VERSION: u32 = 1;

    /// The collections that can be restored.
    pub fn contents(&self) -> impl Iterator<Item = (&CollectionRecord, &CollectionContent)> {
        self.collections
            .iter()
            .filter_map(|record| record.content.as_ref().map(|content| (record, content)))
    }

    /// Stored rows of all collections, before deletes.
    pub fn rows(&self) -> u64 {
        self.contents().map(|(_, content)| content.rows).sum()
    }

    /// Bytes of all files, shared ones included.
    pub fn bytes(&self) -> u64 {
        self.contents().map(|(_, content)| content.bytes).sum()
    }
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}
