//! A loop of proofs over a fake Milvus, a repository in memory and a journal on disk.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::catalog::{ClusterIdentity, Repository};
use crate::config::{self, Config, Environment};
use crate::daemon::Settings;
use crate::daemon::besides::Besides;
use crate::daemon::driller::Driller;
use crate::daemon::proven::Proven;
use crate::daemon::proving::Proving;
use crate::daemon::sight::Sight;
use crate::daemon::slots::Slots;
use crate::daemon::world::{World, Worlds};
use crate::job::{
    BackupRequest, Change, Done, DrillReport, JobContext, JobError, JobRecord, JobResult, Journal,
    Limits, Observer, RunOutcome, Runner, RunnerHandle, RunnerParts, Scope, Work, run_backup,
};
use crate::metrics::{Metrics, PolicyFacts};
use crate::milvus::MilvusApi;
use crate::milvus::testing::{FakeMilvus, SchemaDraft};
use crate::model::{
    BackupName, Clock, ClusterName, ErrorKind, Layout, Letter, Namespace, PolicyName,
};
use crate::policy::{CollectionSelector, PolicySet};
use crate::storage::{MemoryStore, ObjectStore};
use crate::transfer::{CheckpointPace, Progress, Throttle};

/// Wall-clock time that goes with tokio's, from a Monday at 02:00 on.
#[derive(Debug)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let begin: Timestamp = "2026-11-23T02:00:00Z".parse().unwrap();
        begin + self.0.elapsed()
    }
}

/// What a drill does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deed {
    Ends(RunOutcome),
    Breaks,
    Hangs,
    /// The same, and it takes two minutes to drop what it made.
    Tidies,
}

/// Makes no drills, and remembers them.
#[derive(Debug)]
pub(super) struct FakeDriller {
    pub(super) deed: Mutex<Deed>,
    /// The backups, and how many drills were cancelled.
    pub(super) made: Mutex<(Vec<String>, u32)>,
    pub(super) cleaned: Mutex<u32>,
}

#[async_trait]
impl Driller for FakeDriller {
    async fn drill(
        &self,
        _: &World,
        context: &JobContext,
        backup: &BackupName,
    ) -> JobResult<DrillReport> {
        self.made.lock().unwrap().0.push(backup.to_string());
        let deed = *self.deed.lock().unwrap();
        let outcome = match deed {
            Deed::Ends(outcome) => outcome,
            Deed::Breaks => return Err(JobError::new(ErrorKind::Unreachable, "no Milvus")),
            Deed::Hangs | Deed::Tidies => {
                context.cancel.cancelled().await;
                if matches!(deed, Deed::Tidies) {
                    sleep(Duration::from_mins(2)).await;
                }
                self.made.lock().unwrap().1 += 1;
                return Err(JobError::cancelled());
            }
        };
        Ok(DrillReport {
            name: backup.to_string(),
            outcome,
            collections: Vec::new(),
            rto_seconds: 1.5,
            duration_seconds: 2.5,
        })
    }

    async fn clean(&self, _: &World, _: &JobContext) -> JobResult<Vec<String>> {
        *self.cleaned.lock().unwrap() += 1;
        Ok(Vec::new())
    }
}

/// Backups that are at work until they are told to end.
#[derive(Debug, Default)]
struct Hanging(Notify);

#[async_trait]
impl Work for Hanging {
    fn limits(&self, _: &str) -> Option<Limits> {
        let (timeout, stall_timeout) = (None, Duration::from_hours(100));
        Some(Limits { timeout, stall_timeout, attempts: 1, backoff: Duration::from_secs(1) })
    }

    async fn run(&self, _: &JobRecord, _: &Scope) -> JobResult<Done> {
        self.0.notified().await;
        Err(JobError::new(ErrorKind::Failed, "it was told to end"))
    }
}

#[derive(Debug)]
struct Nobody;

impl Observer for Nobody {
    fn letters(&self, _: &Change<'_>) -> Vec<Letter> {
        Vec::new()
    }

    fn changed(&self, _: &JobRecord, _: Option<&Done>) {}
}

/// The outside world of an agent.
#[derive(Debug)]
pub(super) struct Lab {
    _folder: TempDir,
    config: Config,
    context: JobContext,
    journal: Journal,
    pub(super) repository: MemoryStore,
    pub(super) runner: RunnerHandle,
    hanging: Arc<Hanging>,
    pub(super) driller: Arc<FakeDriller>,
}

/// One process's loop.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) metrics: Metrics,
    pub(super) sight: Sight,
    pub(super) worlds: Worlds,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Lab {
    /// With one collection, and no backup of it.
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        let path = folder.path().display();
        let text = format!(
            "milvus: {{address: 'http://127.0.0.1:1', cluster: c1, storage: {{local: {{path: {path}}}}}}}\n\
             repository: {{local: {{path: {path}/repository}}}}\nstate: {path}/state\n"
        );
        std::fs::write(&file, text).unwrap();
        let environment: Environment = Vec::<(String, String)>::new().into_iter().collect();
        let config = config::load(Some(&file), &environment).unwrap().config;
        let clock: Arc<dyn Clock> = Arc::new(TokioClock(Instant::now()));
        let repository = MemoryStore::new(Arc::clone(&clock));
        let source: Arc<dyn ObjectStore> = Arc::new(MemoryStore::new(Arc::clone(&clock)));
        let milvus = FakeMilvus::new(Arc::clone(&source));
        let name = Namespace::new("default", "films");
        milvus.add_collection(&name, SchemaDraft::new("films").text("t").encode());
        milvus.insert(&name, "_default", (0..50).map(|key: u32| key.to_string()));
        milvus.flush(&name).await.unwrap();
        let context = JobContext {
            identity: ClusterIdentity {
                address: milvus.address().to_owned(),
                storage: "memory".to_owned(),
            },
            milvus: Arc::new(milvus),
            gc: None,
            source: Some(source),
            repository: Arc::new(repository.clone()),
            cluster: ClusterName::new("c1").unwrap(),
            clock: Arc::clone(&clock),
            progress: Arc::new(Progress::default()),
            cancel: CancellationToken::new(),
            concurrency: 2,
            retries: 1,
            throttle: Arc::new(Throttle::new(None)),
            checkpoint: CheckpointPace::default(),
            min_free: config.repository.min_free,
            retention: config.retention,
            settle: config.milvus.settle,
            metrics: Metrics::default(),
        };
        let state = folder.path().join("state");
        let journal = Journal::open(&state).unwrap();
        let hanging = Arc::<Hanging>::default();
        let runner = runner(&journal, &hanging, clock).await;
        let driller = Arc::new(FakeDriller {
            deed: Mutex::new(Deed::Ends(RunOutcome::Complete)),
            made: Mutex::default(),
            cleaned: Mutex::default(),
        });
        Self { _folder: folder, config, context, journal, repository, runner, hanging, driller }
    }

    /// A backup of the policy `p`.
    pub(super) async fn backup(&self, name: &str) {
        let request = BackupRequest {
            name: Some(BackupName::new(name).unwrap()),
            policy: Some(PolicyName::new("p").unwrap()),
            selector: CollectionSelector::all(),
            layout: Layout::Incremental,
            rbac: false,
            trigger: "test".to_owned(),
            job: None,
        };
        let report = run_backup(&self.context, request).await.unwrap();
        assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
    }

    /// The settings with the policy `p`, or with none.
    pub(super) fn world(&self, policy: Option<&str>) -> World {
        let text = policy.map(|verify| format!("retention: {{keep_all: true}}\n{verify}\n"));
        let files = text.map(|text| (PathBuf::from("/p.yaml"), Ok(text.into_bytes())));
        let files: Vec<_> = files.into_iter().collect();
        let policies = PolicySet::parse(&files, &self.context.cluster).unwrap();
        let settings = Settings { config: self.config.clone(), policies, config_file: None };
        World { settings, context: self.context.clone() }
    }

    /// A process that has just started, with what it knows.
    pub(super) async fn start(&self, policy: &str) -> Process {
        let metrics = Metrics::default();
        metrics.set_policies(&[PolicyFacts {
            name: "p".to_owned(),
            created_at: self.now(),
            max_age: None,
            interval: None,
            min_keep: None,
        }]);
        let world = self.world(Some(policy));
        let besides = Besides::of(&world, "agent".to_owned());
        let (worlds, stop) = (Worlds::new(world), CancellationToken::new());
        let sight = Sight::default();
        let mut proving = Proving {
            worlds: worlds.clone(),
            metrics: metrics.clone(),
            sight: sight.clone(),
            besides,
            runner: self.runner.clone(),
            driller: Arc::<FakeDriller>::clone(&self.driller),
            slots: Slots::new(self.journal.clone(), Arc::clone(&self.context.clock)),
            proven: Proven::default(),
            changed: Arc::default(),
            stop: stop.clone(),
        };
        proving.tell().await;
        Process { metrics, sight, worlds, stop, task: spawn(proving.go_on()) }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.context.clock.now()
    }

    /// Lets time pass until a moment.
    pub(super) async fn until(&self, moment: &str) {
        let moment: Timestamp = moment.parse().unwrap();
        let left = moment.duration_since(self.now());
        assert!(left.is_positive(), "it is later than {moment}");
        sleep(left.unsigned_abs()).await;
    }

    /// Lets the backups that are at work end.
    pub(super) fn end_backups(&self) {
        self.hanging.0.notify_one();
    }

    pub(super) fn drills(&self) -> Vec<String> {
        self.driller.made.lock().unwrap().0.clone()
    }

    pub(super) async fn opened(&self) -> Repository {
        Repository::open(Arc::new(self.repository.clone())).await.unwrap()
    }
}

/// A runner that is at work.
async fn runner(journal: &Journal, hanging: &Arc<Hanging>, clock: Arc<dyn Clock>) -> RunnerHandle {
    let (journal, work) = (journal.clone(), Arc::<Hanging>::clone(hanging));
    let parts = RunnerParts { journal, work, observer: Arc::new(Nobody), clock };
    let (runner, handle) = Runner::open(parts).await.unwrap();
    drop(spawn(runner.run()));
    handle
}

#[expect(clippy::disallowed_methods, reason = "the test owns the task by its handle")]
fn spawn(work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(work)
}

impl Process {
    /// The value of a series of the policy `p`, without the prefix of its name.
    pub(super) fn value(&self, series: &str) -> Option<f64> {
        let start = format!("milvus_backup_{series} ");
        let text = self.metrics.render();
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        line.map(|value| value.parse().unwrap())
    }

    /// How many runs of a kind ended in a way.
    pub(super) fn runs(&self, kind: &str, outcome: &str) -> Option<f64> {
        self.value(&format!("runs_total{{kind=\"{kind}\",outcome=\"{outcome}\",policy=\"p\"}}"))
    }

    /// A gauge of the policy.
    pub(super) fn gauge(&self, name: &str) -> Option<f64> {
        self.value(&format!("{name}{{policy=\"p\"}}"))
    }

    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}
