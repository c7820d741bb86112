//! What the steps of one restore share.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Mutex, OnceCell};

use crate::catalog::{self, Lease, Readable};
use crate::manifest::{RestoreItem, RestoreLedger, RestoreStep};
use crate::metrics::{Metrics, Side};
use crate::milvus::MilvusVersion;
use crate::model::Namespace;
use crate::plan::BatchLimit;
use crate::storage::{MeteredStore, ObjectStore};

use super::staging::StagingArea;
use crate::job::{JobContext, JobResult};

/// Whether something of the backup is wanted in the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// As it was.
    Yes,
    /// Left out.
    No,
}

/// Where a restore puts files for Milvus to read.
#[derive(Debug, Clone)]
pub struct Staging {
    /// The folder, as the agent sees it.
    pub store: Arc<dyn ObjectStore>,
    /// The same folder, as Milvus sees it.
    pub seen_by_milvus: String,
    /// The whole repository as Milvus sees it, where it does: then what lies there as it was
    /// backed up needs no staging.
    pub repository_seen: Option<String>,
}

impl Staging {
    /// The same place, which tells of itself in metrics.
    #[must_use]
    pub fn metered(mut self, metrics: &Metrics) -> Self {
        self.store = Arc::new(MeteredStore::new(self.store, metrics.clone(), Side::Staging));
        self
    }
}

/// One running restore.
pub(super) struct Session<'a> {
    pub(super) context: &'a JobContext,
    /// What is restored.
    pub(super) backup: Readable,
    pub(super) version: MilvusVersion,
    pub(super) staging: StagingArea,
    /// The repository as Milvus should see it, if it does.
    pub(super) repository_seen: Option<String>,
    /// Set once it has shown that it does not.
    pub(super) repository_unseen: AtomicBool,
    pub(super) indexes: Wanted,
    pub(super) load: Wanted,
    /// The targets in which rows may get lost.
    pub(super) lossy: BTreeSet<Namespace>,
    /// Learned from one import to the next, over all collections.
    pub(super) limit: Mutex<BatchLimit>,
    pub(super) ledger: Mutex<RestoreLedger>,
    /// Alive as long as the restore is.
    pub(super) lease: Lease,
    /// Set once Milvus has proved that it reads the staging folder.
    pub(super) readable: OnceCell<()>,
}

impl Session<'_> {
    /// The repository as Milvus sees it, where it does.
    pub(super) fn repository(&self) -> Option<&str> {
        let unseen = self.repository_unseen.load(Ordering::Relaxed);
        self.repository_seen.as_deref().filter(|_| !unseen)
    }

    /// Records how far a collection is, before the step begins.
    pub(super) async fn record(
        &self,
        to: &Namespace,
        change: impl FnOnce(&mut RestoreItem),
    ) -> JobResult<()> {
        let mut ledger = self.ledger.lock().await;
        if let Some(item) = ledger.items.iter_mut().find(|item| &item.to == to) {
            change(item);
        }
        Ok(catalog::put_ledger(&self.backup.cluster, &ledger).await?)
    }

    /// Leaves nothing behind: no staged file, no half-filled collection, and no ledger
    /// unless a rerun needs it to know what is done.
    pub(super) async fn clean_up(&self) -> JobResult<()> {
        self.staging.clear_all().await?;
        let ledger = self.ledger.lock().await;
        for item in ledger.items.iter().filter(|item| item.step == RestoreStep::Filling) {
            self.context.milvus.drop_collection(&item.restoring).await?;
        }
        let all = |wanted| ledger.items.iter().all(|item| item.step == wanted);
        if all(RestoreStep::Done) || all(RestoreStep::Filling) {
            catalog::delete_ledger(&self.backup.cluster, &self.lease, &ledger).await?;
        }
        Ok(())
    }
}
