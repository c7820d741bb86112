//! What the operating system says, in the store's terms.

use std::io::{self, ErrorKind};
use std::path::Path;

use crate::storage::{StoreError, StoreErrorKind, StoreOp, StoreResult};

/// Says which call and which path an I/O error belongs to.
pub(super) trait At<T> {
    /// The same result with its place.
    fn at(self, op: StoreOp, path: &Path) -> StoreResult<T>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, op: StoreOp, path: &Path) -> StoreResult<T> {
        self.map_err(|error| StoreError::new(op, path.display(), kind_of(&error), error))
    }
}

/// Whether nothing can be at that path: the name or a folder of it is missing, or that
/// folder is a file.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn kind_of(error: &io::Error) -> StoreErrorKind {
    const KINDS: [(StoreErrorKind, &[ErrorKind]); 6] = [
        (StoreErrorKind::NotFound, &[ErrorKind::NotFound]),
        (StoreErrorKind::AlreadyExists, &[ErrorKind::AlreadyExists]),
        (StoreErrorKind::PermissionDenied, &[ErrorKind::PermissionDenied]),
        (StoreErrorKind::Full, &[ErrorKind::StorageFull, ErrorKind::QuotaExceeded]),
        (StoreErrorKind::ReadOnly, &[ErrorKind::ReadOnlyFilesystem]),
        (
            StoreErrorKind::Transient,
            &[
                ErrorKind::Interrupted,
                ErrorKind::WouldBlock,
                ErrorKind::TimedOut,
                ErrorKind::StaleNetworkFileHandle,
            ],
        ),
    ];
    KINDS
        .iter()
        .find(|(_, causes)| causes.contains(&error.kind()))
        .map_or(StoreErrorKind::Other, |(kind, _)| *kind)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use rustix::io::Errno;

    use crate::storage::{StoreErrorKind, StoreOp};

    use super::At;

    #[test]
    fn every_errno_has_its_kind_and_its_place() {
        for (errno, kind) in [
            (Errno::NOENT, StoreErrorKind::NotFound),
            (Errno::EXIST, StoreErrorKind::AlreadyExists),
            (Errno::ACCESS, StoreErrorKind::PermissionDenied),
            (Errno::PERM, StoreErrorKind::PermissionDenied),
            (Errno::NOSPC, StoreErrorKind::Full),
            (Errno::DQUOT, StoreErrorKind::Full),
            (Errno::ROFS, StoreErrorKind::ReadOnly),
            (Errno::INTR, StoreErrorKind::Transient),
            (Errno::AGAIN, StoreErrorKind::Transient),
            (Errno::TIMEDOUT, StoreErrorKind::Transient),
            (Errno::STALE, StoreErrorKind::Transient),
            (Errno::NAMETOOLONG, StoreErrorKind::Other),
            (Errno::IO, StoreErrorKind::Other),
        ] {
            let result: io::Result<()> = Err(errno.into());
            let error = result.at(StoreOp::Put, Path::new("/srv/x")).unwrap_err();
            assert_eq!(error.kind(), kind, "{errno:?}");
            assert_eq!(error.is_bad_medium(), errno == Errno::IO, "{errno:?}");
            assert_eq!(error.place(), "/srv/x");
        }
    }
}
