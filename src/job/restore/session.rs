//! What the steps of one restore share.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::catalog::{self, Cluster};
use crate::manifest::{RestoreLedger, RestoreStep};
use crate::milvus::MilvusVersion;
use crate::model::Namespace;
use crate::plan::BatchLimit;
use crate::storage::ObjectStore;

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
}

/// One running restore.
pub(super) struct Session<'a> {
    pub(super) context: &'a JobContext,
    /// The cluster that the backup is of.
    pub(super) from: &'a Cluster,
    pub(super) version: MilvusVersion,
    pub(super) staging: StagingArea,
    pub(super) indexes: Wanted,
    pub(super) load: Wanted,
    /// Learned from one import to the next, over all collections.
    pub(super) limit: Mutex<BatchLimit>,
    pub(super) ledger: Mutex<RestoreLedger>,
}

impl Session<'_> {
    /// Records how far a collection is, before the step begins.
    pub(super) async fn record(
        &self,
        to: &Namespace,
        change: impl FnOnce(&mut crate::manifest::RestoreItem),
    ) -> JobResult<()> {
        let mut ledger = self.ledger.lock().await;
        if let Some(item) = ledger.items.iter_mut().find(|item| &item.to == to) {
            change(item);
        }
        Ok(catalog::put_ledger(self.from, &ledger).await?)
    }

    /// Whether every collection is done.
    pub(super) async fn is_finished(&self) -> bool {
        self.ledger.lock().await.items.iter().all(|item| item.step == RestoreStep::Done)
    }
}
