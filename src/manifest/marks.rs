//! The small documents beside a manifest.

use std::fmt::Display;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::model::{BackupName, ClusterName, Namespace, RequestId};

/// Why a stored document cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is not what was written.
    #[error("the {what} is damaged: {why}")]
    Damaged {
        /// Which document.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A newer agent wrote it.
    #[error("the {what} has format version {found}, this agent reads up to {known}")]
    TooNew {
        /// Which document.
        what: &'static str,
        /// Its version.
        found: u32,
        /// The newest version that this agent knows.
        known: u32,
    },
    /// Another program wrote it in a way that is none of ours.
    #[error("the {what} is none that this agent can read: {why}")]
    Unsupported {
        /// Which document.
        what: &'static str,
        /// What it would take.
        why: &'static str,
    },
}

impl DocumentError {
    /// A document that is not what was written.
    pub fn damaged(what: &'static str, why: impl Display) -> Self {
        Self::Damaged { what, why: why.to_string() }
    }
}

/// Every document of this repository format has this version.
const VERSION: u32 = 1;

/// Reads a document after looking at its version alone.
pub fn decode<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, DocumentError> {
    #[derive(Deserialize)]
    struct Head {
        version: u32,
    }
    let damaged = |error: serde_json::Error| DocumentError::damaged(what, error);
    let head: Head = serde_json::from_slice(bytes).map_err(damaged)?;
    if head.version > VERSION {
        return Err(DocumentError::TooNew { what, found: head.version, known: VERSION });
    }
    serde_json::from_slice(bytes).map_err(damaged)
}

/// The stored form of a document.
pub fn encode<T: Serialize>(document: &T) -> Vec<u8> {
    serde_json::to_vec(document).expect("documents are plain data with text keys")
}

/// `_repository.json`: the format of everything below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryMark {
    /// Format of the repository.
    pub version: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// By what.
    pub agent: String,
}

/// `_single_agent.json`: the only machine whose agent may write, as the store keeps no condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SingleAgentMark {
    /// Format of this document.
    pub version: u32,
    /// The machine's id.
    pub machine: String,
    /// Its name, for people.
    pub host: String,
}

/// `_cluster.json`: which Milvus the folder belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterMark {
    /// Format of this document.
    pub version: u32,
    /// Made at the first run, never changed.
    pub id: String,
    /// The folder's name.
    pub name: ClusterName,
    /// Milvus's address.
    pub address: String,
    /// Where Milvus keeps its files.
    pub storage: String,
    /// The machine, where address or storage mean something only on it.
    pub machine: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Why it was changed by hand, newest last.
    #[serde(default)]
    pub adopted: Vec<String>,
}

/// `_requests/<request id>.json`: a request that came as a message, and who has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestMark {
    /// Format of this document.
    pub version: u32,
    /// What tells the request from every other.
    pub request_id: RequestId,
    /// The policy that it names.
    pub policy: String,
    /// The agent that will do it, by the name in its journal.
    pub agent: String,
    /// Its host, for people.
    pub host: String,
    /// When the message was read.
    pub received_at: Timestamp,
}

/// `attempt.json`: a reserved name. Without it a manifest does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Format of this document.
    pub version: u32,
    /// The backup's name.
    pub name: BackupName,
    /// The run's token, in the manifest too.
    pub run: String,
    /// The lease that is alive as long as the run is.
    pub lease: String,
    /// The policy that asked for it; empty for none.
    pub policy: String,
    /// What started it.
    pub trigger: String,
    /// The host it runs on.
    pub host: String,
    /// When it started.
    pub started_at: Timestamp,
    /// What wrote it.
    pub agent: String,
    /// The agent's job that it is a run of, `<agent>/<number>`; none by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// How it ended, if it ended without a backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<AttemptEnd>,
}

/// The end of a run that made no backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptEnd {
    /// When.
    pub at: Timestamp,
    /// `failed` or `cancelled`.
    pub outcome: String,
    /// Why.
    pub error: String,
}

/// `tombstone.json`: the backup is hidden, and will go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// Format of this document.
    pub version: u32,
    /// When it was put.
    pub at: Timestamp,
    /// Who and why.
    pub reason: String,
    /// The policy whose rules let it go; none where somebody deleted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

/// One process on one machine, so that others can tell whether it is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Host name, for people.
    pub host: String,
    /// The machine's id.
    pub machine: String,
    /// Boot and pid namespace: process ids mean the same only within one.
    pub process_space: String,
    /// Process id.
    pub pid: u32,
    /// Start of the process in clock ticks since boot: tells a reused id.
    pub started: u64,
}

/// `_leases/<name>/<n>.json`: who is at work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRecord {
    /// Format of this document.
    pub version: u32,
    /// Of this holding, not of the holder: after a doubtful put it tells who won.
    pub token: String,
    /// Who holds it.
    pub holder: Holder,
    /// Goes up while the holder lives.
    pub heartbeat: u64,
    /// Seconds between two heartbeats.
    pub interval_secs: u64,
    /// The holder has gone in good order.
    #[serde(default)]
    pub released: bool,
    /// Why the holder of this number took the lease from another by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlocked: Option<String>,
}

/// `_restores/<id>.json`: what a restore made, until it is finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreLedger {
    /// Format of this document.
    pub version: u32,
    /// The restore.
    pub id: String,
    /// The backup it reads.
    pub backup: BackupName,
    /// The Milvus it fills: its address, and the machine where that is a loopback address.
    pub target: String,
    /// The lease that is alive as long as the restore is.
    pub lease: String,
    /// When it started.
    pub started_at: Timestamp,
    /// Folders that it stages files in, as the agent sees them.
    pub staging: Vec<String>,
    /// Its collections.
    pub items: Vec<RestoreItem>,
}

/// One collection of a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreItem {
    /// Its name in the backup.
    pub from: Namespace,
    /// Its name in the target.
    pub to: Namespace,
    /// The name it is filled under.
    pub restoring: Namespace,
    /// How far it is.
    pub step: RestoreStep,
    /// Aliases to set at the end, those of a replaced collection included.
    pub aliases: Vec<String>,
    /// The restored collection, by id; known once it is filled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<i64>,
    /// The collection that is replaced, by id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<i64>,
    /// Stored and imported rows, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<(u64, u64)>,
}

/// How far one collection of a restore is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestoreStep {
    /// `restoring` may exist; nothing else was touched.
    Filling,
    /// `restoring` is whole and compared; drop, rename and aliases may have begun.
    Swapping,
    /// `to` is the restored collection.
    Done,
}

#[cfg(test)]
mod tests {
    use super::{DocumentError, RepositoryMark, decode, encode};

    #[test]
    fn a_newer_format_is_refused_with_both_numbers() {
        let error = decode::<RepositoryMark>("repository mark", br#"{"version":2}"#).unwrap_err();
        assert!(matches!(error, DocumentError::TooNew { found: 2, known: 1, .. }), "{error}");
    }

    #[test]
    fn unknown_keys_are_ignored_and_garbage_is_damage() {
        let mark = RepositoryMark {
            version: 1,
            created_at: "2026-11-23T00:00:00Z".parse().unwrap(),
            agent: "test".to_owned(),
        };
        let mut json: serde_json::Value = serde_json::from_slice(&encode(&mark)).unwrap();
        json["later"] = true.into();
        assert_eq!(decode("repository mark", json.to_string().as_bytes()), Ok(mark));
        for garbage in ["", "{", "[]", "{\"version\":1}"] {
            let read = decode::<RepositoryMark>("repository mark", garbage.as_bytes());
            assert!(matches!(read, Err(DocumentError::Damaged { .. })), "{garbage}");
        }
    }
}
