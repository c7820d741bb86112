//! The kinds of failure that a caller can act on.

use std::fmt;

/// What went wrong, as far as a script or an operator needs to tell failures apart.
///
/// Each kind has one process exit code (`cli/exit.rs`) and one word in JSON output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The work was tried and failed.
    Failed,
    /// The command line or the configuration is wrong.
    Usage,
    /// There is nothing to do.
    NothingToDo,
    /// No such repository, cluster or backup.
    NotFound,
    /// Someone else holds the lease.
    Locked,
    /// A credential or permission is missing.
    NotAuthorised,
    /// Milvus does not answer.
    Unreachable,
    /// A backup is damaged.
    Damaged,
    /// A guard refused, and names its way out.
    Refused,
    /// Stopped on request.
    Cancelled,
}

impl ErrorKind {
    /// The word used in JSON output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::NothingToDo => "nothing_to_do",
            Self::NotFound => "not_found",
            Self::Locked => "locked",
            Self::NotAuthorised => "not_authorised",
            Self::Unreachable => "milvus_unreachable",
            Self::Damaged => "damaged",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
