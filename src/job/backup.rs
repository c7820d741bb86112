//! One backup: gather → plan → save the plan → copy → lists → commit.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use tokio::time::{Instant, timeout};

use crate::catalog::{
    self, CatalogError, CatalogResult, Checkpoints, Cluster, Repository, Reservation, Run,
    Unfinished,
};
use crate::config::Settle;
use crate::manifest::{CollectionOutcome, CollectionRecord, FileList, Manifest, ManifestOutcome};
use crate::metrics::LeaseScope;
use crate::milvus::MilvusVersion;
use crate::model::{BackupName, BackupState, ErrorKind, Layout, PolicyName};
use crate::plan;
use crate::policy::CollectionSelector;
use crate::transfer::{Checkpoint, CopyReport, Stage};

use super::copying::Copying;
use super::pause::GcPause;
use super::report::PlannedCollection;
use super::settle::Settling;
use super::survey::{Selected, Survey, make_plan, select};
use super::{
    BackupReport, CollectionReport, JobContext, JobError, JobResult, PlanReport, RunOutcome,
};

/// How long the last checkpoint of a run that ends early may take.
const LAST_CHECKPOINT: Duration = Duration::from_secs(10);

/// What someone wants backed up.
#[derive(Debug, Clone)]
pub struct BackupRequest {
    /// Its name; by default made of the policy's, or `backup`, and the time.
    pub name: Option<BackupName>,
    /// The policy that wants it.
    pub policy: Option<PolicyName>,
    /// Which collections.
    pub selector: CollectionSelector,
    /// What started it.
    pub trigger: String,
    /// The agent's job that wants it, under a name that no other job of any agent has.
    pub job: Option<String>,
}

/// Runs a backup to its end.
pub async fn run_backup(context: &JobContext, request: BackupRequest) -> JobResult<BackupReport> {
    let begun = begin(context, &request, Unfinished::TakeOver).boxed().await??;
    begun.finish().boxed().await
}

/// A run that has its name.
pub(super) struct Begun<'a> {
    attempt: Attempt<'a>,
    run: Run,
    selected: Selected,
}

/// Begins a run. The inner error is why it does not get its name.
pub(super) async fn begin<'a>(
    context: &'a JobContext,
    request: &BackupRequest,
    unfinished: Unfinished,
) -> JobResult<CatalogResult<Begun<'a>>> {
    let started = Instant::now();
    let prepared = context.cancel.run_until_cancelled(prepare(context, request).boxed()).await;
    let (cluster, cluster_id, version, selected) = prepared.ok_or_else(JobError::cancelled)??;
    let reserved = reserve(context, &cluster, request, unfinished).boxed().await;
    Ok(reserved.map(|run| {
        let store = Arc::clone(&context.repository);
        let place = (run.checkpoint(), run.lease().deadlines());
        let checkpoint = Arc::new(Checkpoint::new(store, place, context.checkpoint));
        let policy = request.policy.as_ref();
        let selection = policy.map(|_| request.selector.globs()).unwrap_or_default();
        let attempt =
            Attempt { context, cluster, cluster_id, version, started, checkpoint, selection };
        Begun { attempt, run, selected }
    }))
}

impl Begun<'_> {
    /// Makes the backup.
    pub(super) async fn finish(self) -> JobResult<BackupReport> {
        let Self { attempt, run, selected } = self;
        let context = attempt.context;
        let _held = context.holds(LeaseScope::Run, run.lease());
        let pause = GcPause::begin(context.gc.clone());
        let work = async {
            pause.settled().await;
            attempt.work(&run, selected).boxed().await
        };
        let lost = run.lease().lost().clone();
        let ended = tokio::select! {
            () = context.cancel.cancelled() => Err(JobError::cancelled()),
            () = lost.cancelled() => Err(run.lease().why_lost().into()),
            done = work => done,
        };
        pause.end().await;
        let committed = match ended {
            Ok((manifest, lists, report)) => match run.commit(&manifest, &lists).boxed().await {
                Ok(()) => return Ok(report),
                Err((error, run)) => (run, JobError::from(error)),
            },
            Err(error) => (run, error),
        };
        let (run, error) = committed;
        if error.kind() != ErrorKind::Locked {
            // A store that is slow to answer must not hold up the end of a run.
            timeout(LAST_CHECKPOINT, attempt.checkpoint.try_flush()).await.unwrap_or_default();
        }
        let cancelled = error.kind() == ErrorKind::Cancelled;
        let outcome = if cancelled { RunOutcome::Cancelled } else { RunOutcome::Failed };
        run.end(outcome.as_str(), error.chain(), context.clock.now()).await;
        Err(error)
    }
}

type Prepared = (Cluster, String, MilvusVersion, Selected);

/// Everything that may be refused before a name is reserved.
async fn prepare(context: &JobContext, request: &BackupRequest) -> JobResult<Prepared> {
    context.source()?;
    let version = context.supported_version().await?;
    let clock = &*context.clock;
    let repository = Repository::open_or_create(Arc::clone(&context.repository), clock).await?;
    catalog::admit(&repository).await?;
    let cluster = repository.cluster(&context.cluster);
    let cluster_id = catalog::claim(&cluster, &context.identity, clock).await?;
    let selected = select(context, &request.selector).await?;
    Ok((cluster, cluster_id, version, selected))
}

/// What a backup would copy, without reserving a name or writing anything.
pub async fn plan_only(context: &JobContext, request: BackupRequest) -> JobResult<PlanReport> {
    let version = context.supported_version().await?;
    let selected = select(context, &request.selector).await?.collections;
    let (records, checkpoints) = match context.open_repository().await {
        Ok(repository) => {
            let cluster = repository.cluster(&context.cluster);
            let records = catalog::list(&cluster, &*context.clock).await?;
            let checkpoints = catalog::checkpoints(&cluster, &records).await?;
            (records, checkpoints)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => (Vec::new(), Checkpoints::default()),
        Err(error) => return Err(error),
    };
    let cluster = Repository::unopened(Arc::clone(&context.repository)).cluster(&context.cluster);
    let survey = Survey {
        context,
        cluster: &cluster,
        records: &records,
        checkpoints: &checkpoints,
        started: Instant::now(),
        // What is only planned is not waited for.
        settling: Settling::of(&version, Settle::Skip),
    };
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
    unfinished: Unfinished,
) -> CatalogResult<Run> {
    let reservation = |name, unfinished| Reservation {
        name,
        policy: request.policy.as_ref().map(ToString::to_string).unwrap_or_default(),
        trigger: request.trigger.clone(),
        job: request.job.clone(),
        unfinished,
    };
    if let Some(name) = &request.name {
        let reservation = reservation(name.clone(), unfinished);
        return Run::reserve(cluster, reservation, &*context.clock).await;
    }
    let base = default_name(request.policy.as_ref(), context.clock.now());
    let mut number = 1;
    loop {
        let name = if number == 1 { base.clone() } else { format!("{base}_{number}") };
        let name = BackupName::new(name).expect("letters, digits and `_`, a letter first");
        let reservation = reservation(name, Unfinished::Leave);
        match Run::reserve(cluster, reservation, &*context.clock).await {
            Err(CatalogError::NameTaken { .. }) if number < 100 => number += 1,
            reserved => return reserved,
        }
    }
}

fn default_name(policy: Option<&PolicyName>, now: Timestamp) -> String {
    let prefix = policy.map_or_else(|| "backup".to_owned(), PolicyName::backup_prefix);
    format!("{prefix}_{}", now.strftime("%Y%m%d_%H%M%S"))
}

struct Attempt<'a> {
    context: &'a JobContext,
    cluster: Cluster,
    cluster_id: String,
    version: MilvusVersion,
    started: Instant,
    checkpoint: Arc<Checkpoint>,
    /// The globs of the policy, if there is one.
    selection: Vec<String>,
}

type Work = (Manifest, Vec<(i64, FileList)>, BackupReport);

impl Attempt<'_> {
    async fn work(&self, run: &Run, selected: Selected) -> JobResult<Work> {
        let Selected { collections: selected, left_out } = selected;
        let context = self.context;
        context.progress.enter(Stage::Gather, 0);
        catalog::wait_for_sweep(&self.cluster).await?;
        let earlier = catalog::list(&self.cluster, &*context.clock).await?;
        let checkpoints = catalog::checkpoints(&self.cluster, &earlier).await?;
        let survey = Survey {
            context,
            cluster: &self.cluster,
            records: &earlier,
            checkpoints: &checkpoints,
            started: self.started,
            settling: Settling::of(&self.version, context.settle),
        };
        if survey.settling == Settling::Skipped {
            tracing::warn!(
                "the latest deletes may be missing: Milvus writes them down later, and `milvus.settle: none` skips the wait"
            );
        }
        let mut plan = make_plan(&survey, selected).await?;
        if plan.collections.is_empty() {
            return Err(all_failed(context, &plan.failed));
        }
        let copying = Copying { survey: &survey, run, checkpoint: &self.checkpoint };
        let copied = copying.run(&mut plan).await?;
        for record in &plan.failed {
            let error = record.error.as_deref().unwrap_or_default();
            tracing::warn!(namespace = %record.namespace(), error, "a collection cannot be backed up");
        }
        let reused = plan.reused();
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
        let mut manifest = self.manifest(run, records);
        manifest.selection.clone_from(&self.selection);
        let earlier = earlier.iter().filter(|record| record.state == BackupState::Complete);
        let earlier = earlier.filter_map(|record| record.manifest.as_ref());
        manifest.suspect = plan::sharp_fall(&manifest, earlier);
        let report = self.report(&manifest, &copied, (reused, left_out));
        Ok((manifest, lists, report))
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
            layout: Layout::Incremental,
            created_at: attempt.started_at,
            completed_at: self.context.clock.now(),
            outcome: if failed { ManifestOutcome::Partial } else { ManifestOutcome::Complete },
            agent: attempt.agent.clone(),
            milvus_version: self.version.to_string(),
            databases,
            database_descriptions: Vec::new(),
            collections,
            selection: Vec::new(),
            suspect: None,
        }
    }

    fn report(
        &self,
        manifest: &Manifest,
        copied: &CopyReport,
        ((files_reused, bytes_reused), collections_skipped): ((u64, u64), u64),
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
            collections_skipped,
            files_copied: copied.written.0,
            files_reused: files_reused + copied.adopted.0,
            bytes_copied: copied.written.1,
            bytes_reused: bytes_reused + copied.adopted.1,
            rows: manifest.rows(),
            suspect: manifest.suspect.clone(),
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
