//! Settings to stores: the one place that decides which adapter serves which setting.

use std::path::Path;
use std::sync::Arc;

use super::{LocalStore, MemoryStore, ObjectStore, StoreErrorKind, StoreResult};

/// What a command will do with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Look only: nothing is made, and a read-only mount will do.
    Read,
    /// The same, and a missing folder reads as an empty one.
    ReadIfAny,
    /// Write too, into a folder that is there.
    WriteExisting,
    /// Write too: a missing folder is made.
    Write,
}

/// Opens a folder as a store.
pub async fn open_folder(folder: &Path, access: Access) -> StoreResult<Arc<dyn ObjectStore>> {
    let existing = match access {
        Access::Write => return Ok(Arc::new(LocalStore::open(folder).await?)),
        Access::Read | Access::ReadIfAny | Access::WriteExisting => {
            LocalStore::read_only(folder).await
        }
    };
    match (existing, access) {
        (Err(error), Access::ReadIfAny) if error.kind() == StoreErrorKind::NotFound => {
            Ok(Arc::new(MemoryStore::default()))
        }
        (Err(error), _) => Err(error),
        (Ok(_), Access::WriteExisting) => Ok(Arc::new(LocalStore::open(folder).await?)),
        (Ok(store), _) => Ok(Arc::new(store)),
    }
}
