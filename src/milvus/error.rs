//! What Milvus can answer instead of what was asked.

use crate::model::ErrorKind;

use super::MissingPrivilege;

/// The result of a Milvus call.
pub type MilvusResult<T> = Result<T, MilvusError>;

/// What the caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MilvusErrorKind {
    /// The server does not answer.
    Unreachable,
    /// No such collection, database, partition or index.
    NotFound,
    /// It exists already.
    AlreadyExists,
    /// The user may not do this, or is not known.
    NotAuthorised,
    /// What we were told of the server, its certificate or ours is not so.
    Misconfigured,
    /// The server has no such call.
    Unimplemented,
    /// It may work later: rate limits, not ready, deadlines.
    Transient,
    /// Anything else.
    Other,
}

/// A failed call. `Display` names the operation and what Milvus said.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {message}")]
pub struct MilvusError {
    operation: String,
    kind: MilvusErrorKind,
    message: String,
    hint: Option<String>,
    missing: Option<Box<MissingPrivilege>>,
}

impl MilvusError {
    /// `operation` reads like `describe collection default.films`.
    pub fn new(
        operation: impl Into<String>,
        kind: MilvusErrorKind,
        message: impl Into<String>,
    ) -> Self {
        Self {
            operation: operation.into(),
            kind,
            message: message.into(),
            hint: None,
            missing: None,
        }
    }

    /// Says what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// Says which privilege is missing.
    #[must_use]
    pub fn with_missing(mut self, missing: Option<MissingPrivilege>) -> Self {
        self.missing = missing.map(Box::new);
        self
    }

    /// The privilege that is missing, where that is the reason.
    pub fn missing(&self) -> Option<&MissingPrivilege> {
        self.missing.as_deref()
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> MilvusErrorKind {
        self.kind
    }

    /// The same, in the terms of a command's outcome.
    pub fn error_kind(&self) -> ErrorKind {
        match self.kind {
            MilvusErrorKind::Unreachable => ErrorKind::Unreachable,
            MilvusErrorKind::NotAuthorised => ErrorKind::NotAuthorised,
            MilvusErrorKind::Misconfigured => ErrorKind::Usage,
            MilvusErrorKind::NotFound => ErrorKind::NotFound,
            MilvusErrorKind::AlreadyExists
            | MilvusErrorKind::Unimplemented
            | MilvusErrorKind::Transient
            | MilvusErrorKind::Other => ErrorKind::Failed,
        }
    }
}
