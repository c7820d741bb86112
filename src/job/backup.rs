//! One backup: gather → plan → save the plan → copy → lists → commit.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::catalog::{self, Cluster, Repository, Reservation, Run};
use crate::manifest::{
    CollectionOutcome, CollectionRecord, FileId, FileList, Manifest, ManifestOutcome,
};
use crate::milvus::MilvusVersion;
use crate::model::{BackupName, ErrorKind, KeyPrefix, Namespace};
use crate::plan::BackupPlan;
use crate::policy::CollectionSelector;
use crate::transfer::{Copier, CopyReport, SpaceGuard, Stage, TransferError};

use super::report::PlannedCollection;
use super::survey::{Survey, make_plan, select};
use super::{
    BackupReport, CollectionReport, JobContext, JobError, JobResult, PlanReport, RunOutcome,
};

/// What someone wants backed up.
#[derive(Debug, Clone)]
pub struct BackupRequest {
    /// Its name; by default made of the time.
    pub name: Option<BackupName>,
    /// Which collections.
    pub selector: CollectionSelector,
    /// What started it.
    pub trigger: String,
}

/// Runs a backup to its end.
pub async fn run_backup(context: &JobContext, request: BackupRequest) -> JobResult<BackupReport> {
    let started = Instant::now();
    let prepared = context.cancel.run_until_cancelled(prepare(context, &request)).await;
    let (cluster, cluster_id, version, selected) = prepared.ok_or_else(JobError::cancelled)??;
    let run = reserve(context, &cluster, &request).await?;
    let attempt = Attempt { context, cluster: &cluster, cluster_id, version, started };
    let work = attempt.work(&run, selected);
    let lost = run.lease().lost().clone();
    let ended = tokio::select! {
        () = context.cancel.cancelled() => Err(JobError::cancelled()),
        () = lost.cancelled() => {
            Err(JobError::new(ErrorKind::Locked, "the run's lease could not be renewed"))
        }
        done = work => done,
    };
    let committed = match ended {
        Ok((manifest, lists, report)) => match run.commit(&manifest, &lists).await {
            Ok(()) => return Ok(report),
            Err((error, run)) => (run, JobError::from(error)),
        },
        Err(error) => (run, error),
    };
    let (run, error) = committed;
    let cancelled = error.kind() == ErrorKind::Cancelled;
    let outcome = if cancelled { RunOutcome::Cancelled } else { RunOutcome::Failed };
    run.end(outcome.as_str(), error.chain(), context.clock.now()).await;
    Err(error)
}

type Prepared = (Cluster, String, MilvusVersion, Vec<Namespace>);

/// Everything that may be refused before a name is reserved.
async fn prepare(context: &JobContext, request: &BackupRequest) -> JobResult<Prepared> {
    context.source()?;
    let version = context.supported_version().await?;
    let clock = &*context.clock;
    let repository = Repository::open_or_create(Arc::clone(&context.repository), clock).await?;
    let cluster = repository.cluster(&context.cluster);
    let cluster_id = catalog::claim(&cluster, &context.identity, clock).await?;
    let selected = select(context, &request.selector).await?;
    Ok((cluster, cluster_id, version, selected))
}

/// What a backup would copy, without reserving a name or writing anything.
pub async fn plan_only(context: &JobContext, request: BackupRequest) -> JobResult<PlanReport> {
    context.supported_version().await?;
    let selected = select(context, &request.selector).await?;
    let records = match context.open_repository().await {
        Ok(repository) => {
            catalog::list(&repository.cluster(&context.cluster), &*context.clock).await?
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let cluster = Repository::unopened(Arc::clone(&context.repository)).cluster(&context.cluster);
    let started = Instant::now();
    let survey = Survey { context, cluster: &cluster, records: &records, started };
    let plan = make_plan(&survey, selected).await?;
    let (files_reused, bytes_reused) = plan.reused();
    let planned = plan.collections.iter().map(|planned| {
        let name = planned.record().namespace().to_string();
        let bytes = planned.copies().map(|item| item.size).sum::<u64>();
        PlannedCollection { from: name.clone(), to: name, rows: planned.rows(), bytes, note: None }
    });
    let failed = plan.failed.iter().map(|record| {
        let name = record.namespace().to_string();
        let note = record.error.clone();
        PlannedCollection { from: name.clone(), to: name, rows: 0, bytes: 0, note }
    });
    Ok(PlanReport {
        collections: planned.chain(failed).collect(),
        files: plan.copies().count() as u64,
        bytes: plan.copy_bytes(),
        files_reused,
        bytes_reused,
    })
}

/// Reserves the wanted name, or the first free one made of the time.
async fn reserve(
    context: &JobContext,
    cluster: &Cluster,
    request: &BackupRequest,
) -> JobResult<Run> {
    let reservation =
        |name| Reservation { name, policy: String::new(), trigger: request.trigger.clone() };
    if let Some(name) = &request.name {
        return Ok(Run::reserve(cluster, reservation(name.clone()), &*context.clock).await?);
    }
    let base = default_name(context.clock.now());
    let mut number = 1;
    loop {
        let name = if number == 1 { base.clone() } else { format!("{base}_{number}") };
        let name = BackupName::new(name).expect("letters, digits and `_`, a letter first");
        match Run::reserve(cluster, reservation(name), &*context.clock).await {
            Err(catalog::CatalogError::NameTaken { .. }) if number < 100 => number += 1,
            reserved => return Ok(reserved?),
        }
    }
}

fn default_name(now: Timestamp) -> String {
    now.strftime("backup_%Y%m%d_%H%M%S").to_string()
}

struct Attempt<'a> {
    context: &'a JobContext,
    cluster: &'a Cluster,
    cluster_id: String,
    version: MilvusVersion,
    started: Instant,
}

type Work = (Manifest, Vec<(i64, FileList)>, BackupReport);

impl Attempt<'_> {
    async fn work(&self, run: &Run, selected: Vec<Namespace>) -> JobResult<Work> {
        let context = self.context;
        context.progress.enter(Stage::Gather, 0);
        catalog::wait_for_sweep(self.cluster).await?;
        let records = catalog::list(self.cluster, &*context.clock).await?;
        let survey =
            Survey { context, cluster: self.cluster, records: &records, started: self.started };
        let mut plan = make_plan(&survey, selected).await?;
        if plan.collections.is_empty() {
            return Err(all_failed(context, &plan.failed));
        }
        for record in &plan.failed {
            let error = record.error.as_deref().unwrap_or_default();
            tracing::warn!(namespace = %record.namespace(), error, "a collection cannot be backed up");
        }
        run.save_plan(&plan.references()).await?;
        if catalog::wait_for_sweep(self.cluster).await? {
            self.relist(&mut plan).await?;
        }
        let reused = plan.reused();
        let copied = self.copy(&plan).await?;
        context.progress.enter(Stage::Commit, 0);
        context.repository.sync().await?;
        let mut records = plan.failed;
        let mut lists = Vec::new();
        for planned in plan.collections {
            let (record, list) = planned.finish(&copied.entries, &copied.failures);
            if let Some((list, encoded)) = list {
                run.put_list(&encoded).await?;
                lists.push((record.id, list));
            }
            records.push(record);
        }
        records.sort_by_key(CollectionRecord::namespace);
        if lists.is_empty() {
            return Err(all_failed(context, &records));
        }
        let manifest = self.manifest(run, records);
        let report = self.report(&manifest, &copied, reused);
        Ok((manifest, lists, report))
    }

    /// A sweep that began before the plan was saved may have taken files that it reuses.
    async fn relist(&self, plan: &mut BackupPlan) -> JobResult<()> {
        for planned in &mut plan.collections {
            let collection = planned.record().id;
            planned.relist(&catalog::sizes_of(self.cluster, collection).await?);
        }
        Ok(())
    }

    async fn copy(&self, plan: &BackupPlan) -> JobResult<CopyReport> {
        let context = self.context;
        let space = Arc::new(SpaceGuard::new(context.min_free));
        let fits = space.fits(&*context.repository, plan.copy_bytes()).await?;
        fits.map_err(TransferError::Space)?;
        context.progress.enter(Stage::Copy, plan.copy_bytes());
        let copier = Copier {
            source: Arc::clone(context.source()?),
            destination: Arc::clone(&context.repository),
            concurrency: context.concurrency,
            space,
            progress: Arc::clone(&context.progress),
            cancel: context.cancel.clone(),
        };
        let root = KeyPrefix::root();
        let place = |id: &FileId| (root.key(id.tail()), self.cluster.layout.segment_file(id));
        Ok(copier.run(plan.copies().cloned().collect(), place).await?)
    }

    fn manifest(&self, run: &Run, collections: Vec<CollectionRecord>) -> Manifest {
        let attempt = run.attempt();
        let failed = collections.iter().any(|c| c.outcome == CollectionOutcome::Failed);
        let mut databases: Vec<String> = collections.iter().map(|c| c.database.clone()).collect();
        databases.dedup();
        Manifest {
            version: Manifest::VERSION,
            name: attempt.name.clone(),
            cluster: self.cluster.name.clone(),
            cluster_id: self.cluster_id.clone(),
            policy: attempt.policy.clone(),
            run: attempt.run.clone(),
            layout: "incremental".to_owned(),
            created_at: attempt.started_at,
            completed_at: self.context.clock.now(),
            outcome: if failed { ManifestOutcome::Partial } else { ManifestOutcome::Complete },
            agent: attempt.agent.clone(),
            milvus_version: self.version.to_string(),
            databases,
            collections,
        }
    }

    fn report(
        &self,
        manifest: &Manifest,
        copied: &CopyReport,
        (files_reused, bytes_reused): (u64, u64),
    ) -> BackupReport {
        BackupReport {
            name: manifest.name.to_string(),
            cluster: manifest.cluster.to_string(),
            policy: manifest.policy.clone(),
            outcome: match manifest.outcome {
                ManifestOutcome::Complete => RunOutcome::Complete,
                ManifestOutcome::Partial => RunOutcome::Partial,
            },
            collections: manifest.collections.iter().map(collection_report).collect(),
            files_copied: copied.written.0,
            files_reused: files_reused + copied.adopted.0,
            bytes_copied: copied.written.1,
            bytes_reused: bytes_reused + copied.adopted.1,
            rows: manifest.rows(),
            duration_seconds: self.started.elapsed().as_secs_f64(),
        }
    }
}

fn collection_report(record: &CollectionRecord) -> CollectionReport {
    let content = record.content.as_ref();
    CollectionReport {
        database: record.database.clone(),
        name: record.name.clone(),
        rows: content.map_or(0, |content| content.rows),
        segments: content.map_or(0, |content| content.segments),
        outcome: match record.outcome {
            CollectionOutcome::Complete => RunOutcome::Complete,
            CollectionOutcome::Failed => RunOutcome::Failed,
        },
        error: record.error.clone(),
    }
}

fn all_failed(context: &JobContext, records: &[CollectionRecord]) -> JobError {
    let reasons = records.iter().filter_map(|record| {
        record.error.as_ref().map(|error| format!("{}: {error}", record.namespace()))
    });
    let reasons: Vec<String> = reasons.take(5).collect();
    let message = format!("no collection could be backed up: {}", reasons.join("; "));
    let wrong_folder = records.iter().all(|record| {
        record.error.as_ref().is_some_and(|error| error.contains("no file in the storage"))
    });
    let error = JobError::new(ErrorKind::Failed, message);
    match &context.source {
        Some(source) if wrong_folder => error.hint(format!(
            "`{source}` seems not to be where this Milvus keeps its files: check `milvus.storage.local.path`"
        )),
        Some(_) | None => error,
    }
}
