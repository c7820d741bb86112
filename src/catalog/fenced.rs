//! What only the holder of a lease may do, and only in time.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::time::{Instant, sleep};
use tracing::Instrument;

use crate::manifest;
use crate::model::ObjectKey;
use crate::storage::{
    Deadline, Deadlines, DeleteReport, ObjectStore, PutMode, StoreErrorKind, StoreResult,
    UnfinishedWrite,
};

use super::pulse::{Pulse, lock};
use super::{CatalogResult, Lease};

/// Between two looks whether a late heartbeat has come.
const LOOK: Duration = Duration::from_millis(500);

/// How often a call is made that is not done in time.
const TRIES: u32 = 3;

impl Lease {
    /// Writes a document of the cluster.
    pub(super) async fn write<T: Serialize + Sync>(
        &self,
        key: &ObjectKey,
        document: &T,
        mode: PutMode,
    ) -> CatalogResult<()> {
        self.put(key, manifest::encode(document).into(), mode).await
    }

    /// Writes why the holder ends, also if that is since its lease was lost a moment ago.
    pub(super) async fn last_words<T: Serialize + Sync>(
        &self,
        key: &ObjectKey,
        document: &T,
        mode: PutMode,
    ) -> StoreResult<()> {
        let deadline = lock(&self.pulse).last_words();
        let body = manifest::encode(document).into();
        let store = self.cluster.repository.store();
        store.put_before(key, body, mode, deadline).await.map(drop)
    }

    /// Writes an object of the cluster.
    pub(super) async fn put(
        &self,
        key: &ObjectKey,
        body: Bytes,
        mode: PutMode,
    ) -> CatalogResult<()> {
        let (store, key) = (Arc::clone(self.cluster.repository.store()), key.clone());
        let put = move |deadline| {
            let (store, key, body) = (Arc::clone(&store), key.clone(), body.clone());
            async move { store.put_before(&key, body, mode, deadline).await }
        };
        self.in_time(put).await.map(drop)
    }

    /// Deletes objects of the cluster. What stays is an error.
    pub async fn delete(&self, keys: &[ObjectKey]) -> CatalogResult<()> {
        let report = self.delete_in(self.cluster.repository.store(), keys).await?;
        report.failed.into_iter().next().map_or(Ok(()), |(_, error)| Err(error.into()))
    }

    /// Deletes objects of a store.
    pub async fn delete_in(
        &self,
        store: &Arc<dyn ObjectStore>,
        keys: &[ObjectKey],
    ) -> CatalogResult<DeleteReport> {
        let (store, keys) = (Arc::clone(store), keys.to_vec());
        let delete = move |deadline| {
            let (store, keys) = (Arc::clone(&store), keys.clone());
            async move { store.delete_before(&keys, deadline).await }
        };
        self.in_time(delete).await
    }

    /// Takes away what came of a write to a store.
    pub async fn abort_in(
        &self,
        store: &Arc<dyn ObjectStore>,
        write: &UnfinishedWrite,
    ) -> CatalogResult<()> {
        let (store, write) = (Arc::clone(store), write.clone());
        let abort = move |deadline| {
            let (store, write) = (Arc::clone(&store), write.clone());
            async move { store.abort_before(&write, deadline).await }
        };
        self.in_time(abort).await
    }

    /// In what time the calls have to be made that are done without a look at the lease.
    pub fn deadlines(&self) -> Arc<dyn Deadlines> {
        Arc::<Mutex<Pulse>>::clone(&self.pulse)
    }

    /// The same of one call. Waits for the next heartbeat where the last one is too old.
    async fn deadline(&self) -> CatalogResult<Deadline> {
        loop {
            let deadline = self.pulse.deadline();
            if Instant::now() < deadline.begin_by {
                return Ok(deadline);
            }
            if self.lost().run_until_cancelled(sleep(LOOK)).await.is_none() {
                return Err(self.why_lost());
            }
        }
    }

    /// Proves that the lease is ours and makes a call in what time is left of it; once more
    /// where that was too short and the heart still beats. Once begun, a call goes on if its
    /// caller goes away: nobody gets the lease before it has ended.
    async fn in_time<T, F>(&self, call: impl Fn(Deadline) -> F) -> CatalogResult<T>
    where
        T: Send + 'static,
        F: Future<Output = StoreResult<T>> + Send + 'static,
    {
        for _ in 0..TRIES {
            // In this order: what a heartbeat after the look adds, the look does not cover.
            let deadline = self.deadline().await?;
            self.check().await?;
            match self.calls.spawn(call(deadline).in_current_span()).await {
                Ok(Err(error)) if error.kind() == StoreErrorKind::Expired => {
                    tracing::warn!(lease = %self.name(), %error, "not done in time");
                }
                Ok(done) => return Ok(done?),
                Err(failed) => match failed.try_into_panic() {
                    Ok(panic) => resume_unwind(panic),
                    // The runtime is shutting down: nobody polls this again.
                    Err(_cancelled) => std::future::pending().await,
                },
            }
        }
        Err(self.loss("the store is too slow for what only its holder may do"))
    }
}
