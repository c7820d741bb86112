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
    links: bool,
}

impl ServerSide {
    /// One that gives a file on a disk a second name, too: only for what nobody writes to but
    /// the agent.
    pub fn or_links() -> Self {
        Self { links: true, ..Self::default() }
    }

    /// Asks the server for a copy. `None` where the bytes have to be streamed; that tells, too,
    /// which side is to blame for a failure.
    pub async fn copy(
        &self,
        (source, from): (&dyn ObjectStore, &ObjectKey),
        (destination, to): (&dyn ObjectStore, &ObjectKey),
    ) -> Option<StoreResult<ObjectMeta>> {
        let object = source.copy_source(from)?;
        // A link on a disk is no copy: it shares the fate of the other's file.
        let unwanted = matches!(object, CopySource::File(_)) && !self.links;
        if unwanted || self.refused.load(Ordering::Relaxed) {
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
