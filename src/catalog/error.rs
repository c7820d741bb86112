//! What the catalog can answer instead of a backup.

use crate::manifest::DocumentError;
use crate::model::{BackupName, ErrorKind};
use crate::storage::{StoreError, StoreErrorKind};

/// The result of a catalog call.
pub type CatalogResult<T> = Result<T, CatalogError>;

/// Why the catalog refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The store failed.
    #[error("the repository cannot be used")]
    Store(#[from] StoreError),
    /// A document is damaged or too new.
    #[error("`{place}` cannot be used")]
    Document {
        /// Its full path.
        place: String,
        /// What is wrong.
        #[source]
        source: DocumentError,
    },
    /// A manifest lies in a folder that cannot be a backup's.
    #[error("`{place}` is in a folder that no backup can have: {why}")]
    StrayManifest {
        /// Its full path.
        place: String,
        /// What is wrong with the folder's name.
        why: String,
    },
    /// There is no repository.
    #[error("there is no repository at `{place}`")]
    NoRepository {
        /// Where it was looked for.
        place: String,
    },
    /// The place is a folder lower than it should be.
    #[error("`{place}` is itself a folder of milvus-backup's trees, not the one above it")]
    TreesAtRoot {
        /// The place.
        place: String,
    },
    /// There is no such cluster.
    #[error("there is no cluster `{cluster}` in `{place}`")]
    NoCluster {
        /// The name.
        cluster: String,
        /// Where it was looked for.
        place: String,
    },
    /// There is no such backup.
    #[error("there is no backup `{name}` in `{place}`")]
    NoBackup {
        /// The name.
        name: BackupName,
        /// Where it was looked for.
        place: String,
    },
    /// Several clusters have a backup of this name.
    #[error("backup `{name}` exists in clusters {clusters}")]
    Ambiguous {
        /// The name.
        name: BackupName,
        /// The clusters.
        clusters: String,
    },
    /// The name is in use.
    #[error("the name `{name}` is taken by {by}")]
    NameTaken {
        /// The name.
        name: BackupName,
        /// What has it.
        by: String,
    },
    /// A run that is not known to be over makes this backup.
    #[error("a run on {host} is making backup `{name}`")]
    NameHeld {
        /// The name.
        name: BackupName,
        /// Where that run is at work.
        host: String,
    },
    /// The cluster's folder belongs to another Milvus.
    #[error("cluster `{cluster}` in the repository is another Milvus: {differences}")]
    OtherCluster {
        /// The name.
        cluster: String,
        /// Both sides.
        differences: String,
    },
    /// The store keeps no condition, and another machine's agent writes to it.
    #[error(
        "only the agent on {host} may write to this repository, says `{place}`: its store overwrites what a conditional put should keep"
    )]
    SingleAgent {
        /// The mark.
        place: String,
        /// The machine's name.
        host: String,
    },
    /// The lease is no longer ours.
    #[error("the lease `{lease}` was lost: {why}")]
    LeaseLost {
        /// Its name.
        lease: String,
        /// What was seen.
        why: String,
    },
    /// Someone else has the lease.
    #[error("the lease `{lease}` is held by {host}")]
    LeaseHeld {
        /// Its name.
        lease: String,
        /// Its holder, and where it runs.
        host: String,
    },
    /// There is no such lease.
    #[error("there is no lease `{lease}`{}", of_those(.there))]
    NoLease {
        /// Its name.
        lease: String,
        /// Those that there are.
        there: Vec<String>,
    },
    /// A lease that nobody holds cannot be taken away.
    #[error("nobody holds the lease `{lease}`")]
    NotHeld {
        /// Its name.
        lease: String,
    },
    /// A file of the backup is not there as it was written.
    #[error("`{file}` {why}; the backup was not committed")]
    NotAsWritten {
        /// The file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
}

impl CatalogError {
    /// Whether a put met an object where none should be.
    pub(super) fn is_there_already(&self) -> bool {
        matches!(self, Self::Store(error) if error.kind() == StoreErrorKind::AlreadyExists)
    }

    /// What a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => error.error_kind(),
            Self::Document { source: DocumentError::Damaged { .. }, .. }
            | Self::StrayManifest { .. } => ErrorKind::Damaged,
            Self::NoRepository { .. }
            | Self::TreesAtRoot { .. }
            | Self::NoCluster { .. }
            | Self::NoBackup { .. }
            | Self::NoLease { .. } => ErrorKind::NotFound,
            Self::NotHeld { .. } => ErrorKind::NothingToDo,
            Self::Ambiguous { .. } => ErrorKind::Usage,
            Self::NameTaken { .. }
            | Self::OtherCluster { .. }
            | Self::SingleAgent { .. }
            | Self::Document {
                source: DocumentError::TooNew { .. } | DocumentError::Unsupported { .. },
                ..
            } => ErrorKind::Refused,
            Self::NameHeld { .. } | Self::LeaseLost { .. } | Self::LeaseHeld { .. } => {
                ErrorKind::Locked
            }
            Self::NotAsWritten { .. } => ErrorKind::Failed,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Store(error) => return error.hint().map(str::to_owned),
            Self::Document { source: DocumentError::TooNew { .. }, .. } => {
                "a newer agent wrote it: use that one"
            }
            Self::Document { source: DocumentError::Damaged { .. }, .. } => {
                "put this file back from another copy of the repository"
            }
            Self::Document { source: DocumentError::Unsupported { .. }, .. } => {
                "restore it with milvus-backup"
            }
            Self::StrayManifest { .. } => {
                "move that folder out of the cluster's folder, or rename it to the name that its manifest has"
            }
            Self::LeaseLost { .. } => {
                "look for a stalled disk or another agent at work, then run again"
            }
            Self::LeaseHeld { .. } => {
                "wait for the other one to end, then run again; `unlock` takes a lease away"
            }
            Self::NoLease { .. } => "a lease that is gone needs no unlocking",
            Self::NotHeld { .. } => "whatever waits for it can have it",
            Self::NotAsWritten { .. } => {
                "run again, which copies the file anew; check the disk of the repository"
            }
            Self::NoCluster { .. } => "`cluster list` shows what there is",
            Self::TreesAtRoot { .. } => {
                "set `repository.s3.prefix` (or `repository.local.path`) one level up: that folder's name is then the cluster's"
            }
            Self::NoRepository { .. } => {
                "check `repository` in the configuration; the first backup makes the repository"
            }
            Self::NoBackup { .. } => "`list` shows what there is",
            Self::Ambiguous { .. } => "name one with --cluster",
            Self::NameTaken { .. } => "choose another name, or none to get one with the time in it",
            Self::NameHeld { .. } => {
                "wait for that run to end, or choose another name; `list` shows what becomes of it"
            }
            Self::SingleAgent { .. } => {
                "give this agent a repository of its own; or, if the other one is gone for good, delete that file"
            }
            Self::OtherCluster { .. } => {
                "check `milvus.address` and `milvus.storage` for a mistake; if this is another Milvus, set `milvus.cluster` to a name of its own; if it really moved, `cluster adopt NAME --reason R`"
            }
        };
        Some(hint.to_owned())
    }
}

/// Names after a full stop, for people.
fn of_those(there: &[String]) -> String {
    match there {
        [] => "; there is none at all".to_owned(),
        there => format!("; there are {}", there.join(", ")),
    }
}
