//! The one error that leaves a workflow.

use std::error::Error;

use crate::catalog::CatalogError;
use crate::milvus::MilvusError;
use crate::model::{ErrorKind, ObjectKey};
use crate::storage::StoreError;
use crate::transfer::TransferError;

/// The result of a workflow.
pub type JobResult<T> = Result<T, JobError>;

/// What to do where a name in the repository has other content than Milvus's file.
const CONFLICT: &str = "either the repository's file has changed since it was written: \
    `milvus-backup-agent verify NAME --depth content`, with the newest backup that holds the \
    collection as NAME, tells, and then lets the next backup write the file again; or two Milvus \
    clusters share a cluster name: set `milvus.cluster` apart";

/// What failed, of what kind, why, and what to do. The source is the cause; `Display` never
/// repeats it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct JobError {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl JobError {
    /// An error without a cause of its own.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, source: None }
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A store that cannot be used for `message`'s purpose, with the store's own hint.
    pub fn store(message: impl Into<String>, error: StoreError) -> Self {
        let hint = error.hint().map(str::to_owned);
        Self { hint, ..Self::new(error.error_kind(), message) }.caused_by(error)
    }

    /// Says what to do, unless that is said already.
    #[must_use]
    pub fn or_hint(mut self, hint: &str) -> Self {
        self.hint.get_or_insert_with(|| hint.to_owned());
        self
    }

    /// Something of a backup that is not as it was written.
    pub(super) fn damage(message: impl Into<String>, found: Damage) -> Self {
        Self::new(ErrorKind::Damaged, message).caused_by(found)
    }

    /// What of the backup is not as it was written, if that is the reason.
    pub(super) fn damaged(&self) -> Option<&Damage> {
        self.source.as_ref().and_then(|source| source.downcast_ref())
    }

    fn caused_by(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// The end of a run that was told to stop.
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "stopped on request")
    }

    /// The same error, for scripts of another kind.
    #[must_use]
    pub fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// What a script can branch on.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What to do about it.
    pub fn remedy(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The causes, outermost first.
    pub fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut next = self.source();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        causes
    }

    /// Message and causes on one line.
    pub fn chain(&self) -> String {
        let causes = self.causes().into_iter().map(|cause| format!(": {cause}"));
        causes.fold(self.message.clone(), |chain, cause| chain + &cause)
    }
}

/// A file or list of a backup that is not as it was written.
#[derive(Debug, thiserror::Error)]
#[error("{how}")]
pub(super) struct Damage {
    /// Where it lies.
    pub(super) key: ObjectKey,
    /// How that shows.
    pub(super) how: String,
}

impl Damage {
    /// Both, as a verification tells them.
    pub(super) fn line(&self) -> String {
        format!("{}: {}", self.key, self.how)
    }
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        Self::store("the storage cannot be used", error)
    }
}

impl From<CatalogError> for JobError {
    fn from(error: CatalogError) -> Self {
        let (kind, hint, message) = (error.kind(), error.hint(), error.to_string());
        let source: Option<Box<dyn Error + Send + Sync>> = match error {
            CatalogError::Store(source) => Some(Box::new(source)),
            CatalogError::Document { source, .. } => Some(Box::new(source)),
            CatalogError::StrayManifest { .. }
            | CatalogError::NoRepository { .. }
            | CatalogError::TreesAtRoot { .. }
            | CatalogError::NoCluster { .. }
            | CatalogError::NoBackup { .. }
            | CatalogError::Ambiguous { .. }
            | CatalogError::NameTaken { .. }
            | CatalogError::NameHeld { .. }
            | CatalogError::OtherCluster { .. }
            | CatalogError::SingleAgent { .. }
            | CatalogError::LeaseLost { .. }
            | CatalogError::LeaseHeld { .. }
            | CatalogError::NoLease { .. }
            | CatalogError::NotHeld { .. }
            | CatalogError::NotAsWritten { .. } => None,
        };
        Self { kind, message, hint, source }
    }
}

impl From<MilvusError> for JobError {
    fn from(error: MilvusError) -> Self {
        let made = Self {
            hint: error.hint().map(str::to_owned),
            ..Self::new(error.error_kind(), error.to_string())
        };
        if error.error_kind() == ErrorKind::Unreachable {
            return made
                .or_hint("check that Milvus runs, and `milvus.address` in the configuration");
        }
        made
    }
}

impl From<TransferError> for JobError {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Cancelled => Self::cancelled(),
            TransferError::Destination(source) => {
                Self::store("the repository cannot be written", source)
            }
            TransferError::Space(source) => Self::new(
                ErrorKind::Refused,
                "the repository has too little free space",
            )
            .hint("free space, choose another repository, or lower `repository.local.min_free`")
            .caused_by(source),
            TransferError::Conflict { .. } => {
                Self::new(ErrorKind::Failed, error.to_string()).hint(CONFLICT)
            }
        }
    }
}
