//! Never fills the disk that it shares.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::MinFree;
use crate::model::ByteSize;
use crate::storage::{ObjectStore, StoreResult};

/// What is added to the bytes of a plan: folders, lists and the file system's own needs.
const MARGIN_PERCENT: u64 = 10;

/// How many bytes may be written between two looks at the free space.
const LOOK_EVERY: u64 = 64 << 20;

/// There is not enough room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{place} has {} free; {} are needed and {} are kept free (repository.local.min_free)",
    ByteSize(*.free), ByteSize(*.needed), ByteSize(*.reserve)
)]
pub struct SpaceRefused {
    place: String,
    free: u64,
    needed: u64,
    reserve: u64,
}

/// Watches the free space of a store while it is written to.
#[derive(Debug)]
pub struct SpaceGuard {
    min_free: MinFree,
    unseen: AtomicU64,
}

impl SpaceGuard {
    /// Keeps `min_free` of a store free.
    pub fn new(min_free: MinFree) -> Self {
        Self { min_free, unseen: AtomicU64::new(0) }
    }

    /// Whether `bytes` and a margin fit above what is kept free.
    pub async fn fits(
        &self,
        store: &dyn ObjectStore,
        bytes: u64,
    ) -> StoreResult<Result<(), SpaceRefused>> {
        let Some(space) = store.space().await? else { return Ok(Ok(())) };
        let needed = bytes.saturating_add(bytes / 100 * MARGIN_PERCENT);
        let reserve = self.min_free.bytes(space.total);
        if bytes == 0 || space.free >= needed.saturating_add(reserve) {
            return Ok(Ok(()));
        }
        Ok(Err(SpaceRefused { place: store.to_string(), free: space.free, needed, reserve }))
    }

    /// To be told of every `bytes` about to be written; looks now and then.
    pub(super) async fn before(
        &self,
        store: &dyn ObjectStore,
        bytes: u64,
    ) -> StoreResult<Result<(), SpaceRefused>> {
        if self.unseen.fetch_add(bytes, Ordering::Relaxed) + bytes < LOOK_EVERY {
            return Ok(Ok(()));
        }
        self.unseen.store(0, Ordering::Relaxed);
        self.fits(store, bytes).await
    }
}
