//! The agent with a fake Milvus behind it, as a process that can be killed.
//!
//! It is the test binary itself, started with the name of an ignored test. Everything but
//! Milvus and its files is real: the agent's loops, journal, repository, broker, listener.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use milvus_backup_agent::broker::{Broker, RabbitBroker};
use milvus_backup_agent::catalog::ClusterIdentity;
use milvus_backup_agent::config::{self, Config, Environment, Place};
use milvus_backup_agent::daemon::{self, Client, Settings, Setup};
use milvus_backup_agent::job::{JobContext, JobError, JobResult, Staging, StagingRoot};
use milvus_backup_agent::metrics::Metrics;
use milvus_backup_agent::milvus::MilvusApi;
use milvus_backup_agent::milvus::testing::{FakeMilvus, SchemaDraft};
use milvus_backup_agent::model::{Clock, ErrorKind, Namespace, ReadFile, SystemClock};
use milvus_backup_agent::policy::PolicySet;
use milvus_backup_agent::storage::{LocalStore, MemoryStore, ObjectStore};
use milvus_backup_agent::transfer::{CheckpointPace, Progress, Throttle};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

const CONFIG: &str = "FAKE_AGENT_CONFIG";
const FLUSH_MILLIS: &str = "FAKE_AGENT_FLUSH_MILLIS";

/// Collections of the fake Milvus: `default.c1` to `default.c8`.
const COLLECTIONS: u32 = 8;

/// Starts the process.
pub(super) fn command(config: &Path, flush_takes: Duration) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this test has a file"));
    command.args([
        "--exact",
        "lab::fake::the_agent_with_a_fake_milvus",
        "--ignored",
        "--nocapture",
    ]);
    command.env(CONFIG, config).env(FLUSH_MILLIS, flush_takes.as_millis().to_string());
    command
}

#[test]
#[ignore = "no test: the process that tests start"]
fn the_agent_with_a_fake_milvus() {
    let read = |name: &str| std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set"));
    let config = PathBuf::from(read(CONFIG));
    let millis = read(FLUSH_MILLIS).to_str().and_then(|text| text.parse().ok());
    let flush_takes = Duration::from_millis(millis.expect("a number"));
    let filter = tracing_subscriber::EnvFilter::new("warn,lapin=off,milvus_backup_agent=info");
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    log.with_ansi(false).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let ended = runtime.block_on(async {
        let stop = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate()).expect("signals");
        let agent = daemon::run(Arc::new(Fake { config, flush_takes }), stop.clone());
        tokio::pin!(agent);
        tokio::select! {
            ended = &mut agent => return ended,
            _ = terminate.recv() => stop.cancel(),
        }
        agent.await
    });
    if let Err(error) = ended {
        panic!("{}", error.chain());
    }
}

#[derive(Debug)]
struct Fake {
    config: PathBuf,
    flush_takes: Duration,
}

impl Fake {
    /// The same Milvus in each process.
    fn milvus(&self) -> (Arc<dyn MilvusApi>, Arc<dyn ObjectStore>) {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store: Arc<dyn ObjectStore> = Arc::new(MemoryStore::new(clock));
        let milvus = FakeMilvus::new(Arc::clone(&store)).with_slow_flush(self.flush_takes);
        for number in 1..=COLLECTIONS {
            let name = Namespace::new("default", format!("c{number}"));
            milvus.add_collection(&name, SchemaDraft::new(&name.collection).text("t").encode());
            milvus.insert(&name, "_default", (0..50).map(|key: u32| key.to_string()));
        }
        (Arc::new(milvus), store)
    }
}

#[async_trait]
impl Setup for Fake {
    fn read(&self) -> JobResult<Settings> {
        let loaded = config::load(Some(&self.config), &Environment::of_process());
        let config = loaded.expect("the test's configuration is right").config;
        let entries = std::fs::read_dir(&config.policies).expect("the test made the folder");
        let files: Vec<ReadFile> = entries
            .map(|entry| {
                let path = entry.expect("an entry").path();
                let text = std::fs::read(&path);
                (path, text)
            })
            .collect();
        let cluster = config.milvus.cluster.clone().expect("the test named it");
        let policies = PolicySet::parse(&files, &cluster).expect("the test's policies are right");
        Ok(Settings { config, policies, config_file: None })
    }

    async fn open(&self, config: &Config) -> JobResult<JobContext> {
        let (milvus, source) = self.milvus();
        let Place::Folder(repository) = &config.repository.place else { panic!("no folder") };
        let repository = LocalStore::open(repository).await?;
        Ok(JobContext {
            identity: ClusterIdentity {
                address: milvus.address().to_owned(),
                storage: "memory".to_owned(),
            },
            milvus,
            gc: None,
            source: Some(source),
            repository: Arc::new(repository),
            cluster: config.milvus.cluster.clone().expect("the test named it"),
            clock: Arc::new(SystemClock),
            progress: Arc::new(Progress::default()),
            cancel: CancellationToken::new(),
            concurrency: 4,
            retries: 2,
            throttle: Arc::new(Throttle::new(None)),
            checkpoint: CheckpointPace::default(),
            min_free: config.repository.min_free,
            retention: config.retention,
            settle: config.milvus.settle,
            metrics: Metrics::default(),
        })
    }

    fn broker(&self, config: &Config, who: Client<'_>) -> JobResult<Option<Arc<dyn Broker>>> {
        let broker =
            |amqp| -> Arc<dyn Broker> { Arc::new(RabbitBroker::new(amqp, who.cluster, who.agent)) };
        Ok(config.amqp.as_ref().map(broker))
    }

    async fn staging(&self, _: &Config, _: &JobContext) -> JobResult<Option<StagingRoot>> {
        Ok(None)
    }

    async fn drill_staging(&self, _: &Config, _: &JobContext) -> JobResult<Staging> {
        Err(JobError::new(ErrorKind::Usage, "this Milvus reads no folder"))
    }
}
