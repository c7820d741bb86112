//! What Milvus can answer instead of what was asked.

use crate::model::ErrorKind;

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
    /// The user may not do this.
    NotAuthorised,
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
}

impl MilvusError {
    /// `operation` reads like `describe collection default.films`.
    pub fn new(
        operation: impl Into<String>,
        kind: MilvusErrorKind,
        message: impl Into<String>,
    ) -> Self {
        Self { operation: operation.into(), kind, message: message.into() }
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
            MilvusErrorKind::NotFound => ErrorKind::NotFound,
            MilvusErrorKind::AlreadyExists
            | MilvusErrorKind::Unimplemented
            | MilvusErrorKind::Transient
            | MilvusErrorKind::Other => ErrorKind::Failed,
        }
    }
}
