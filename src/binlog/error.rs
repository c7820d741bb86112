//! What is wrong with a log.

/// A log that does not tell its keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BinlogError {
    /// It is not as Milvus wrote it.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// Milvus may have written it, and this agent knows no better.
    #[error("this agent cannot read {0}")]
    Unsupported(String),
}

impl BinlogError {
    pub(super) fn damaged(why: impl ToString) -> Self {
        Self::Damaged(why.to_string())
    }
}

/// The result of reading a log.
pub(super) type BinlogResult<T> = Result<T, BinlogError>;
