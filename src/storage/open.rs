//! Settings to stores: the one place that decides which adapter serves which setting.

use std::path::Path;
use std::sync::Arc;

use crate::model::S3Settings;

use super::{LocalStore, MemoryStore, ObjectStore, S3Limits, S3Store, StoreErrorKind, StoreResult};

/// What a command will do with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Look only: nothing is made, and a read-only mount will do.
    Read,
    /// The same, and a missing folder reads as an empty one.
    ReadIfAny,
    /// Look, and write where that is allowed.
    WriteIfAllowed,
    /// Write too, into a folder that is there.
    WriteExisting,
    /// Write too: a missing folder is made.
    Write,
}

/// Opens a folder as a store.
pub async fn open_folder(folder: &Path, access: Access) -> StoreResult<Arc<dyn ObjectStore>> {
    let existing = match access {
        Access::Write => return Ok(Arc::new(LocalStore::open(folder).await?)),
        Access::Read | Access::ReadIfAny | Access::WriteIfAllowed | Access::WriteExisting => {
            LocalStore::read_only(folder).await
        }
    };
    match (existing, access) {
        (Err(error), Access::ReadIfAny) if error.kind() == StoreErrorKind::NotFound => {
            Ok(Arc::new(MemoryStore::default()))
        }
        (Err(error), _) => Err(error),
        (Ok(_), Access::WriteExisting) => Ok(Arc::new(LocalStore::open(folder).await?)),
        (Ok(looked), Access::WriteIfAllowed) => match LocalStore::open(folder).await {
            Ok(store) => Ok(Arc::new(store)),
            Err(_) => Ok(Arc::new(looked)),
        },
        (Ok(store), _) => Ok(Arc::new(store)),
    }
}

/// When a bucket is asked whether it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstLook {
    /// Before anything else.
    Now,
    /// With the first call: for what a command may not need.
    Later,
}

/// Opens a bucket as a store; `retries` is how often a request that failed for a moment is
/// sent again.
pub async fn open_s3(
    settings: &S3Settings,
    retries: u32,
    look: FirstLook,
) -> StoreResult<Arc<dyn ObjectStore>> {
    let limits = S3Limits { retries, ..S3Limits::default() };
    let store = match look {
        FirstLook::Now => S3Store::open(settings, limits).await?,
        FirstLook::Later => S3Store::connect(settings, limits).await?,
    };
    Ok(Arc::new(store))
}
