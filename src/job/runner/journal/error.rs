//! Why the journal cannot be used.

use std::path::PathBuf;

use super::tables::VERSION;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process has it.
    #[error("`{}` is in use by another agent", .0.display())]
    InUse(PathBuf),
    /// A newer agent wrote it.
    #[error("`{}` has version {found}, and this agent knows {VERSION}", .place.display())]
    TooNew {
        /// The file.
        place: PathBuf,
        /// Its version.
        found: u64,
    },
    /// The disk or the file is broken.
    #[error("`{}` cannot be {what}", .place.display())]
    Broken {
        /// The file.
        place: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

pub(super) type JournalResult<T> = Result<T, JournalError>;

/// Anything that goes wrong in a transaction.
pub(super) struct Failure(pub(super) Box<dyn std::error::Error + Send + Sync>);

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}
