//! What the process says to scripts.

use crate::job::RunOutcome;
use crate::model::ErrorKind;

/// A documented exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitStatus(u8);

impl ExitStatus {
    /// Done.
    pub const OK: Self = Self(0);
    /// Some of it was done.
    pub const PARTIAL: Self = Self(3);

    /// The number.
    pub fn code(self) -> u8 {
        self.0
    }
}

impl From<ErrorKind> for ExitStatus {
    fn from(kind: ErrorKind) -> Self {
        Self(match kind {
            ErrorKind::Failed => 1,
            ErrorKind::Usage => 2,
            ErrorKind::NothingToDo => 4,
            ErrorKind::NotFound => 10,
            ErrorKind::Locked => 11,
            ErrorKind::NotAuthorised => 12,
            ErrorKind::Unreachable => 13,
            ErrorKind::Damaged => 14,
            ErrorKind::Refused => 15,
            ErrorKind::Cancelled => 130,
        })
    }
}

impl From<RunOutcome> for ExitStatus {
    fn from(outcome: RunOutcome) -> Self {
        match outcome {
            RunOutcome::Complete => Self::OK,
            RunOutcome::Partial => Self::PARTIAL,
            RunOutcome::Failed => ErrorKind::Failed.into(),
            RunOutcome::Cancelled => ErrorKind::Cancelled.into(),
            RunOutcome::Skipped => ErrorKind::NothingToDo.into(),
        }
    }
}
