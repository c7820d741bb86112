//! Copies that the server makes of one of its objects, without the bytes passing the agent.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::model::ObjectKey;
use crate::storage::{
    CopySource, ObjectMeta, ObjectStore, StoreError, StoreErrorKind, StoreResult,
};

/// Whether the server is asked; until it refuses for a reason that other files share.
#[derive(Debug, Default)]
pub struct ServerSide {
    refused: AtomicBool,
}

impl ServerSide {
    /// Asks the server for a copy. `None` where the bytes have to be streamed; that tells, too,
    /// which side is to blame for a failure.
    pub async fn copy(
        &self,
        (source, from): (&dyn ObjectStore, &ObjectKey),
        (destination, to): (&dyn ObjectStore, &ObjectKey),
    ) -> Option<StoreResult<ObjectMeta>> {
        // A link on a disk is no copy.
        let object @ CopySource::S3(_) = source.copy_source(from)? else { return None };
        if self.refused.load(Ordering::Relaxed) {
            return None;
        }
        match destination.copy_from(&object, to).await {
            Ok(meta) => Some(Ok(meta)),
            Err(error) => match error.kind() {
                StoreErrorKind::Transient | StoreErrorKind::AlreadyExists => Some(Err(error)),
                StoreErrorKind::NotFound => None,
                StoreErrorKind::PermissionDenied
                | StoreErrorKind::Full
                | StoreErrorKind::ReadOnly
                | StoreErrorKind::Unsupported
                | StoreErrorKind::Misconfigured
                | StoreErrorKind::Expired
                | StoreErrorKind::Other => {
                    self.refuse(&error);
                    None
                }
            },
        }
    }

    fn refuse(&self, error: &StoreError) {
        // Two servers are no news, a server that refuses is.
        let news = error.kind() != StoreErrorKind::Unsupported;
        if !self.refused.swap(true, Ordering::Relaxed) && news {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::info!(%error, cause, "files are streamed, the server does not copy them");
        }
    }

    /// From now on files are streamed: what the server says of its copies proves nothing.
    pub(super) fn distrust(&self) {
        if !self.refused.swap(true, Ordering::Relaxed) {
            tracing::info!("files are streamed, the ETags of the server are no MD5s");
        }
    }
}
