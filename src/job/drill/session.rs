//! What the steps of one drill share.

use tokio::sync::Mutex;

use crate::catalog::{self, Cluster, Lease};
use crate::job::JobResult;
use crate::job::filling::Filling;
use crate::manifest::DrillLedger;
use crate::model::Namespace;
use crate::plan::RestorePlan;

use super::clean::{end, made_by_drills};

/// One running drill.
pub(super) struct Session<'a> {
    pub(super) filling: Filling<'a>,
    /// Where the ledger is: the configured cluster, whatever the backup is of.
    pub(super) cluster: Cluster,
    /// Alive as long as the drill is.
    pub(super) lease: Lease,
    /// Keeps the backup, in the cluster that it is of.
    pub(super) reading: &'a Lease,
    pub(super) ledger: Mutex<DrillLedger>,
    /// The collection that is there now.
    pub(super) made: Mutex<Option<Namespace>>,
}

impl Session<'_> {
    /// Makes the databases of a plan that are not there. One that somebody else has made since they
    /// were looked at is theirs; one that another drill has made is everybody's.
    pub(super) async fn make_databases(&self, plan: &RestorePlan) -> JobResult<()> {
        let wanted = self.ledger.lock().await.databases.clone();
        for database in wanted {
            if self.filling.make_database(plan, &database).await? {
                continue;
            }
            let mut ledger = self.ledger.lock().await;
            let shared = made_by_drills(&self.cluster, &ledger.target, Some(&ledger.id)).await?;
            if !shared.contains(&database) {
                ledger.databases.retain(|other| *other != database);
                catalog::put_drill(&self.cluster, &self.lease, &ledger).await?;
            }
        }
        Ok(())
    }

    /// Makes a database that another drill may just have dropped.
    pub(super) async fn remake_database(&self, plan: &RestorePlan, name: &str) -> JobResult<()> {
        if self.ledger.lock().await.databases.iter().any(|database| database == name) {
            self.filling.make_database(plan, name).await?;
        }
        Ok(())
    }

    /// Leaves nothing behind.
    pub(super) async fn clean_up(&self) -> JobResult<()> {
        let cleared = self.filling.staging.clear_all().await;
        if let Some(made) = &*self.made.lock().await {
            self.filling.context.milvus.drop_collection(made).await?;
        }
        cleared?;
        let mut ledger = self.ledger.lock().await;
        end(self.filling.context, &self.cluster, (&self.lease, &mut ledger)).await.map(drop)
    }
}
