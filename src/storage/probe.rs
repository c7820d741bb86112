//! Whether a store keeps what it promises about conditional puts.

use bytes::Bytes;
use uuid::Uuid;

use crate::model::{KeyPrefix, ObjectKey};

use super::{ObjectStore, PutMode, StoreErrorKind, StoreResult};

/// Puts an object twice under a name of its own and removes it. False if the store lets the
/// second through, or knows no conditions at all: agents cannot share it then. An error if it
/// cannot be written.
pub async fn probe_conditional_put(store: &dyn ObjectStore) -> StoreResult<bool> {
    let key = KeyPrefix::root().key(format_args!("_check-{}", Uuid::new_v4()));
    let kept = put_twice(store, &key).await;
    let deleted = store.delete(std::slice::from_ref(&key)).await?;
    let kept = kept?;
    match deleted.failed.into_iter().next() {
        Some((_, error)) => Err(error),
        None => Ok(kept),
    }
}

async fn put_twice(store: &dyn ObjectStore, key: &ObjectKey) -> StoreResult<bool> {
    let put = || store.put(key, Bytes::from_static(b"check"), PutMode::IfAbsent);
    match put().await {
        Ok(_) => {}
        Err(error) if error.kind() == StoreErrorKind::Unsupported => return Ok(false),
        // Nobody else knows this name: an attempt whose answer was lost has written it.
        Err(error) if error.kind() == StoreErrorKind::AlreadyExists => return Ok(true),
        Err(error) => return Err(error),
    }
    match put().await {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == StoreErrorKind::AlreadyExists => Ok(true),
        Err(error) => Err(error),
    }
}
