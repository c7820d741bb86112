//! Saved plans, of which no more than their files' hashes is held.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Semaphore;

use crate::manifest::{DocumentError, read_plan};
use crate::model::BackupName;
use crate::plan::{Found, Planned};
use crate::storage::{ObjectStoreExt, StoreErrorKind};

use super::{CatalogResult, Cluster};

/// Plans in memory at once, as they are stored. A large one has some megabytes.
const AT_ONCE: usize = 2;

/// Reads saved plans, and collects what they name for whom that is of use.
#[derive(Debug)]
pub(super) struct Plans {
    room: Semaphore,
    planned: Option<Mutex<Planned>>,
}

impl Plans {
    pub(super) fn new(planned: Option<Planned>) -> Self {
        Self { room: Semaphore::new(AT_ONCE), planned: planned.map(Mutex::new) }
    }

    /// What the plans that were read name.
    pub(super) fn into_planned(self) -> Planned {
        let planned = self.planned.unwrap_or_default();
        planned.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a backup has a plan that can be read.
    pub(super) async fn read(
        &self,
        cluster: &Cluster,
        name: &BackupName,
    ) -> CatalogResult<Found<()>> {
        let (store, key) = (cluster.repository.store(), cluster.layout.backup(name).plan());
        // Most backups have none, and need not wait.
        match store.head(&key).await {
            Err(error) if error.kind() == StoreErrorKind::NotFound => return Ok(Found::Absent),
            found => drop(found?),
        }
        let _room = self.room.acquire().await.expect("it is never closed");
        let Some(bytes) = store.find_bytes(&key).await? else {
            return Ok(Found::Absent);
        };
        Ok(match self.collect(&bytes) {
            Ok(()) => Found::Read(()),
            Err(error) => Found::Unreadable(format!("plan.jsonl.zst: {error}")),
        })
    }

    fn collect(&self, bytes: &[u8]) -> Result<(), DocumentError> {
        for segment in read_plan(bytes)? {
            let segment = segment?;
            if let Some(planned) = &self.planned {
                let mut planned = planned.lock().unwrap_or_else(PoisonError::into_inner);
                segment.files().for_each(|(id, _)| planned.add(&id));
            }
        }
        Ok(())
    }
}
