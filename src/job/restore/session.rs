//! What the steps of one restore share.

use std::collections::BTreeSet;

use tokio::sync::Mutex;

use crate::catalog::{self, Lease};
use crate::manifest::{RestoreItem, RestoreLedger, RestoreStep};
use crate::model::Namespace;

use crate::job::JobResult;
use crate::job::filling::Filling;

/// Whether something of the backup is wanted in the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// As it was.
    Yes,
    /// Left out.
    No,
}

/// One running restore.
pub(super) struct Session<'a> {
    pub(super) filling: Filling<'a>,
    pub(super) indexes: Wanted,
    pub(super) load: Wanted,
    /// The targets in which rows may get lost.
    pub(super) lossy: BTreeSet<Namespace>,
    pub(super) ledger: Mutex<RestoreLedger>,
    /// Alive as long as the restore is.
    pub(super) lease: Lease,
}

impl Session<'_> {
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
        Ok(catalog::put_ledger(&self.filling.backup.cluster, &ledger).await?)
    }

    /// Leaves nothing behind: no staged file, no half-filled collection, and no ledger
    /// unless a rerun needs it to know what is done.
    pub(super) async fn clean_up(&self) -> JobResult<()> {
        self.filling.staging.clear_all().await?;
        let ledger = self.ledger.lock().await;
        for item in ledger.items.iter().filter(|item| item.step == RestoreStep::Filling) {
            self.filling.context.milvus.drop_collection(&item.restoring).await?;
        }
        let all = |wanted| ledger.items.iter().all(|item| item.step == wanted);
        if all(RestoreStep::Done) || all(RestoreStep::Filling) {
            catalog::delete_ledger(&self.filling.backup.cluster, &self.lease, &ledger).await?;
        }
        Ok(())
    }
}
