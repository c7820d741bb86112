//! Who makes drills.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;

use super::settings::Setup;
use super::world::World;
use crate::job::{self, DrillOptions, DrillReport, JobContext, JobResult};
use crate::model::BackupName;

/// Restores backups for a test.
#[async_trait]
pub(super) trait Driller: Debug + Send + Sync {
    /// Restores, compares and drops one.
    async fn drill(
        &self,
        world: &World,
        context: &JobContext,
        backup: &BackupName,
    ) -> JobResult<DrillReport>;

    /// Drops what drills have left that were killed; what that was.
    async fn clean(&self, world: &World, context: &JobContext) -> JobResult<Vec<String>>;
}

/// Into the configured Milvus.
#[derive(Debug)]
pub(super) struct Drills(pub(super) Arc<dyn Setup>);

#[async_trait]
impl Driller for Drills {
    async fn drill(
        &self,
        world: &World,
        context: &JobContext,
        backup: &BackupName,
    ) -> JobResult<DrillReport> {
        let staging = self.0.drill_staging(&world.settings.config, context).await?;
        let staging = staging.metered(&context.metrics);
        let (backup, cluster) = (backup.clone(), Some(context.cluster.clone()));
        job::run_drill(context, &staging, &DrillOptions { backup, cluster }).boxed().await
    }

    async fn clean(&self, world: &World, context: &JobContext) -> JobResult<Vec<String>> {
        // Where no drill was made, no folder is made for any either.
        if !job::have_drills_left(context).boxed().await? {
            return Ok(Vec::new());
        }
        let staging = self.0.drill_staging(&world.settings.config, context).await?;
        job::clean_drills(context, &staging.metered(&context.metrics)).boxed().await
    }
}
