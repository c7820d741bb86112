//! One backup: gather → plan → save the plan → copy → lists → commit.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::FutureExt;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::catalog::{
    self, BackupRecord, CatalogError, CatalogResult, Checkpoints, Cluster, Repository, Repute,
    Reservation, Run, Unfinished, Work,
};
use crate::config::Settle;
use crate::manifest::{
    CollectionOutcome, CollectionRecord, Manifest, ManifestOutcome, encode_rbac,
};
use crate::metrics::LeaseScope;
use crate::milvus::MilvusVersion;
use crate::model::{BackupName, BackupState, ErrorKind, Layout, PolicyName, Rbac, RbacCounts};
use crate::plan;
use crate::policy::CollectionSelector;
use crate::transfer::{Checkpoint, CopyReport, Stage};

use super::beyond::Beyond;
use super::copying::Copying;
use super::ending::{conclude, documents, store_lists, watched};
use super::pause::{Cover, GcPause};
use super::report::PlannedCollection;
use super::settle::Settling;
use super::survey::{Selected, Survey, make_plan, select};
use super::{
    BackupReport, CollectionReport, JobContext, JobError, JobResult, PlanReport, RbacReport,
    RunOutcome, rbac,
};

/// What someone wants backed up.
#[derive(Debug, Clone)]
pub struct BackupRequest {
    /// Its name; by default made of the policy's, or `backup`, and the time.
    pub name: Option<BackupName>,
    /// The policy that wants it.
    pub policy: Option<PolicyName>,
    /// Which collections.
    pub selector: CollectionSelector,
    /// How it is laid out.
    pub layout: Layout,
    /// Whether users, roles and grants are to be in it.
    pub rbac: bool,
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
    let (cluster, cluster_id, version, selected, rbac) =
        prepared.ok_or_else(JobError::cancelled)??;
    let reserved = reserve(context, &cluster, request, unfinished).boxed().await;
    Ok(reserved.map(|run| {
        let store = Arc::clone(&context.repository);
        let place = (run.checkpoint(request.layout), run.lease().deadlines());
        let checkpoint = Arc::new(Checkpoint::new(store, place, context.checkpoint));
        let policy = request.policy.as_ref();
        let selection = policy.map(|_| request.selector.globs()).unwrap_or_default();
        let layout = request.layout;
        let attempt = Attempt {
            context,
            cluster,
            cluster_id,
            version,
            started,
            checkpoint,
            selection,
            layout,
            rbac,
        };
        Begun { attempt, run, selected }
    }))
}

impl Begun<'_> {
    /// Makes the backup.
    pub(super) async fn finish(self) -> JobResult<BackupReport> {
        let Self { attempt, run, selected } = self;
        let context = attempt.context;
        let _held = context.holds(LeaseScope::Run, run.lease());
        let single = attempt.version.dialect().collection_gc;
        let cover = if single { Cover::Collections } else { Cover::Cluster };
        let pause = GcPause::begin(context.gc.clone(), cover);
        let work = async {
            pause.settled().await;
            attempt.work(&run, selected, &pause).boxed().await
        };
        let ended = watched(context, &run, work).await;
        pause.end().await;
        conclude(context, (run, &attempt.checkpoint), ended).await
    }
}

type Prepared = (Cluster, String, MilvusVersion, Selected, Option<Rbac>);

/// Everything that may be refused before a name is reserved.
async fn prepare(context: &JobContext, request: &BackupRequest) -> JobResult<Prepared> {
    context.source()?;
    let version = context.told_version().await?;
    let clock = &*context.clock;
    let repository = Repository::open_or_create(Arc::clone(&context.repository), clock).await?;
    catalog::admit(&repository).await?;
    let cluster = repository.cluster(&context.cluster);
    let cluster_id = catalog::claim(&cluster, &context.identity, clock).await?;
    let selected = select(context, &request.selector).await?;
    let rbac = users_and_roles(context, request).await?;
    Ok((cluster, cluster_id, version, selected, rbac))
}

/// Users and roles as they are when the run starts, before the boundary of any collection.
async fn users_and_roles(context: &JobContext, request: &BackupRequest) -> JobResult<Option<Rbac>> {
    Ok(if request.rbac { Some(rbac::of_milvus(context).await?) } else { None })
}

/// What a backup would copy, without reserving a name or writing anything.
pub async fn plan_only(context: &JobContext, request: BackupRequest) -> JobResult<PlanReport> {
    let version = context.supported_version().await?;
    let Selected { collections: selected, left_out } = select(context, &request.selector).await?;
    let rbac = users_and_roles(context, &request).await?;
    let (records, checkpoints) = match context.open_repository().await {
        // A standalone backup shares nothing.
        Ok(_) if request.layout == Layout::Standalone => (Vec::new(), Checkpoints::default()),
        Ok(repository) => {
            let cluster = repository.cluster(&context.cluster);
            let records = catalog::list_own(&cluster, &*context.clock).await?;
            let checkpoints = catalog::checkpoints(&cluster, &records).await?;
            (records, checkpoints)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => (Vec::new(), Checkpoints::default()),
        Err(error) => return Err(error),
    };
    let cluster = Repository::unopened(Arc::clone(&context.repository)).cluster(&context.cluster);
    let started = Instant::now();
    let mut beyond = Beyond::new(version.dialect(), None);
    beyond.flush_all(context, (&selected, left_out), started).await?;
    let placement = &cluster.layout.shared();
    let repute = Repute { placement, records: &records, checkpoints: &checkpoints };
    // What is only planned is not waited for.
    let settling = Settling::of(&version, Settle::Skip);
    let cluster = &cluster;
    let survey = Survey { context, cluster, repute, started, beyond: &beyond, settling };
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
        rbac: rbac.map(|rbac| RbacReport { copied: rbac.counts(), present: RbacCounts::default() }),
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
    layout: Layout,
    rbac: Option<Rbac>,
}

impl Attempt<'_> {
    async fn work(
        &self,
        run: &Run,
        selected: Selected,
        pause: &GcPause,
    ) -> JobResult<(Work, BackupReport)> {
        let Selected { collections: selected, left_out } = selected;
        let context = self.context;
        context.progress.enter(Stage::Gather, 0);
        catalog::wait_for_sweep(&self.cluster).await?;
        let earlier = catalog::list_own(&self.cluster, &*context.clock).await?;
        run.clear(self.layout).await?;
        let (name, cluster) = (&run.attempt().name, &self.cluster);
        let checkpoints = match self.layout {
            Layout::Incremental => catalog::checkpoints(cluster, &earlier).await?,
            Layout::Standalone => catalog::own_checkpoint(cluster, name).await?,
        };
        let mut beyond = Beyond::new(self.version.dialect(), Some(pause));
        beyond.flush_all(context, (&selected, left_out), self.started).await?;
        let placement = &cluster.layout.placement(name, self.layout);
        let repute = Repute { placement, records: &earlier, checkpoints: &checkpoints };
        let (started, beyond) = (self.started, &beyond);
        let settling = Settling::of(&self.version, context.settle);
        settling.tell();
        let survey = Survey { context, cluster, repute, started, beyond, settling };
        let databases: BTreeSet<String> =
            selected.iter().map(|namespace| namespace.database.clone()).collect();
        let databases = beyond.databases(&*context.milvus, databases).await?;
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
        let mut records = plan.failed;
        let mut listed = Vec::new();
        for planned in plan.collections {
            let (record, list) = planned.finish(&copied.entries, &copied.failures);
            listed.extend(list.map(|(list, encoded)| (record.id, list, encoded)));
            records.push(record);
        }
        records.sort_by_key(CollectionRecord::namespace);
        if listed.is_empty() {
            return Err(all_failed(context, &records));
        }
        let lists = store_lists(context, (run, self.layout), listed).await?;
        let rbac = self.rbac.as_ref().map(encode_rbac);
        let mut manifest = self.manifest(run, records, &earlier);
        manifest.database_descriptions = databases;
        manifest.rbac = rbac.as_ref().map(|rbac| rbac.record.clone());
        let documents = documents(context, (&manifest, &lists), self.rbac.as_ref())?;
        let report = self.report(&manifest, &copied, (reused, left_out));
        Ok((Work { manifest, lists, documents, rbac }, report))
    }

    fn manifest(
        &self,
        run: &Run,
        collections: Vec<CollectionRecord>,
        earlier: &[BackupRecord],
    ) -> Manifest {
        let attempt = run.attempt();
        let failed = collections.iter().any(|c| c.outcome == CollectionOutcome::Failed);
        let mut databases: Vec<String> = collections.iter().map(|c| c.database.clone()).collect();
        databases.dedup();
        let mut manifest = Manifest {
            version: Manifest::VERSION,
            name: attempt.name.clone(),
            cluster: self.cluster.name.clone(),
            cluster_id: self.cluster_id.clone(),
            policy: attempt.policy.clone(),
            run: attempt.run.clone(),
            layout: self.layout,
            created_at: attempt.started_at,
            completed_at: self.context.clock.now(),
            outcome: if failed { ManifestOutcome::Partial } else { ManifestOutcome::Complete },
            agent: attempt.agent.clone(),
            milvus_version: self.version.to_string(),
            databases,
            database_descriptions: Vec::new(),
            collections,
            selection: self.selection.clone(),
            suspect: None,
            rbac: None,
        };
        let earlier = earlier.iter().filter(|record| record.state == BackupState::Complete);
        let earlier = earlier.filter_map(|record| record.manifest.as_ref());
        manifest.suspect = plan::sharp_fall(&manifest, earlier);
        manifest
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
            outcome: manifest.outcome.into(),
            collections: manifest.collections.iter().map(collection_report).collect(),
            collections_skipped,
            files_copied: copied.written.0,
            files_reused: files_reused + copied.adopted.0,
            bytes_copied: copied.written.1,
            bytes_reused: bytes_reused + copied.adopted.1,
            rows: manifest.rows(),
            suspect: manifest.suspect.clone(),
            rbac: manifest.rbac.as_ref().map(|rbac| rbac.counts),
            duration_seconds: self.started.elapsed().as_secs_f64(),
        }
    }
}

pub(super) fn collection_report(record: &CollectionRecord) -> CollectionReport {
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
