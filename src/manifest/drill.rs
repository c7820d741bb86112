//! What a drill makes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{BackupName, ClusterName, Namespace};

/// `_drills/<id>.json`: what a drill makes and drops, from before it makes anything until all of it
/// is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillLedger {
    /// Format of this document.
    pub version: u32,
    /// The drill. It marks the names of all that it makes.
    pub id: String,
    /// The backup it reads.
    pub backup: BackupName,
    /// The cluster that the backup is of.
    pub of: ClusterName,
    /// The Milvus it fills: its address, and the machine where that is a loopback address.
    pub target: String,
    /// The lease that is alive as long as the drill is.
    pub lease: String,
    /// The lease in the folder of the backup's cluster that keeps the backup there meanwhile.
    pub reading: String,
    /// When it started.
    pub started_at: Timestamp,
    /// Folders that it stages files in, as the agent sees them.
    pub staging: Vec<String>,
    /// Databases that were not there. Empty ones go at the end.
    pub databases: Vec<String>,
    /// Collections that it makes, one after the other.
    pub collections: Vec<Namespace>,
    /// Whether only the databases are left to be dropped.
    #[serde(default)]
    pub emptied: bool,
}
