//! The copies of a backup, planned again where Milvus deletes a file before it is copied.

use std::sync::Arc;

use crate::catalog::{self, Repute, Run};
use crate::manifest::{FileId, FileList, Placement};
use crate::model::KeyPrefix;
use crate::plan::{BackupPlan, CopyItem};
use crate::transfer::{Checkpoint, Copier, CopyReport, Fence, SpaceGuard, Stage, TransferError};

use super::JobResult;
use super::survey::{Survey, add_to_plan};

/// How often the collections of vanished files are planned anew: flushed, listed, with a
/// boundary of their own. Milvus deletes the files of a compacted segment hours later, so one
/// that meets this again and again is set up to lose files.
const REPLANS: u32 = 3;

/// What copying works with.
pub(super) struct Copying<'a> {
    pub(super) survey: &'a Survey<'a>,
    pub(super) run: &'a Run,
    pub(super) checkpoint: &'a Arc<Checkpoint>,
}

impl Copying<'_> {
    /// Saves the plan and copies all of it. A plan that changed is saved before its copies
    /// start: saved plans tell a sweep what it may not touch.
    pub(super) async fn run(&self, plan: &mut BackupPlan) -> JobResult<CopyReport> {
        let copier = self.copier()?;
        let mut report = CopyReport::default();
        let mut replans = 0;
        loop {
            self.save(plan).await?;
            self.copy(&copier, plan, &mut report).await?;
            let vanished = std::mem::take(&mut report.vanished);
            if vanished.is_empty() || replans == REPLANS {
                return Ok(report);
            }
            replans += 1;
            let again = plan.take_out(&vanished);
            for namespace in &again {
                tracing::info!(%namespace, "files have vanished, the collection is planned again");
            }
            self.survey.context.progress.enter(Stage::Gather, 0);
            add_to_plan(self.survey, again, plan).await?;
        }
    }

    async fn save(&self, plan: &mut BackupPlan) -> JobResult<()> {
        let references = plan.references();
        let Repute { placement, checkpoints, .. } = self.survey.repute;
        match placement {
            Placement::Shared(_) => self.run.save_plan(&references).await?,
            // It refers to nothing that others may delete.
            Placement::Own { .. } => self.run.save_plan(&FileList::default()).await?,
        }
        if catalog::wait_for_sweep(self.survey.cluster).await? {
            self.relist(plan).await?;
        }
        let carried = references.files().filter_map(|(id, _)| Some((id, checkpoints.entry(&id)?)));
        self.checkpoint.carry(carried.map(|(id, entry)| (id, entry.clone())));
        Ok(())
    }

    /// A sweep that began before the plan was saved may have taken files that it reuses.
    async fn relist(&self, plan: &mut BackupPlan) -> JobResult<()> {
        for planned in &mut plan.collections {
            let collection = planned.record().id;
            let Survey { cluster, repute, .. } = self.survey;
            let sizes = catalog::sizes_of(cluster, repute.placement, collection).await?;
            planned.relist(&sizes);
        }
        Ok(())
    }

    /// Copies what this run has not copied yet.
    async fn copy(
        &self,
        copier: &Copier,
        plan: &BackupPlan,
        report: &mut CopyReport,
    ) -> JobResult<()> {
        let Survey { context, repute, .. } = self.survey;
        let is_here = |item: &&CopyItem| {
            let entry = report.entries.get(&item.id);
            entry.is_some_and(|entry| entry.size == item.size && entry.source == item.source)
        };
        let items: Vec<CopyItem> = plan.copies().filter(|item| !is_here(item)).cloned().collect();
        let bytes = items.iter().map(|item| item.size).sum();
        let fits = copier.space.fits(&*context.repository, bytes).await?;
        fits.map_err(TransferError::Space)?;
        context.progress.enter(Stage::Copy, bytes);
        let root = KeyPrefix::root();
        let place = |id: &FileId| (root.key(id.tail()), repute.placement.key(id));
        Ok(copier.run(items, place, report).await?)
    }

    fn copier(&self) -> JobResult<Copier> {
        let context = self.survey.context;
        Ok(Copier {
            source: Arc::clone(context.source()?),
            destination: Arc::clone(&context.repository),
            concurrency: context.concurrency,
            retries: context.retries,
            throttle: Arc::clone(&context.throttle),
            server_side: Arc::default(),
            fence: match self.survey.repute.placement {
                Placement::Shared(_) => Fence::default(),
                Placement::Own { .. } => Fence::of(self.run.lease().deadlines()),
            },
            space: Arc::new(SpaceGuard::new(context.min_free)),
            checkpoint: Arc::clone(self.checkpoint),
            progress: Arc::clone(&context.progress),
            cancel: context.cancel.clone(),
        })
    }
}
