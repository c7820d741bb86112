//! Everything that an agent consists of, made once, in the order of the layers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::besides::Besides;
use super::catalog::Reading;
use super::observe::{Telling, facts};
use super::preflight::{self, Signs};
use super::pruning::{Due, Pruning};
use super::settings::Setup;
use super::systemd::Status;
use super::work::AgentWork;
use super::world::{World, Worlds};
use crate::api::{Readiness, Server, Shown, Surface, Waiting};
use crate::config::Config;
use crate::job::{
    JobError, JobResult, JobState, Journal, JournalError, Runner, RunnerHandle, RunnerParts,
};
use crate::metrics::{Metrics, PolicyFacts};
use crate::model::{Clock, ErrorKind};
use crate::policy::{PolicySet, Retention};
use crate::trigger::{Schedules, Seconds};

/// How often what follows from the time is told of policies.
const TELL_EVERY: Duration = Duration::from_mins(5);

/// Ended jobs that are looked through for the newest of each policy.
const REMEMBERED: usize = 1000;

/// An agent that is about to be ready.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) setup: Arc<dyn Setup>,
    pub(super) worlds: Worlds,
    pub(super) metrics: Metrics,
    pub(super) journal: Journal,
    pub(super) runner: RunnerHandle,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) status: Status,
    /// Makes the preflight look at once.
    pub(super) doubt: Arc<Notify>,
    /// When the schedules were last looked at.
    pub(super) looked: watch::Receiver<Instant>,
    /// The loops. None of them ends before it is told to.
    pub(super) tasks: JoinSet<&'static str>,
    /// Ends the loops that need no order.
    pub(super) stop: CancellationToken,
    /// Ends the look at schedules: the first thing of a shutdown.
    pub(super) stop_schedules: CancellationToken,
    /// Ends the listeners: the last.
    pub(super) stop_listening: CancellationToken,
}

impl Agent {
    /// Makes it and starts its loops.
    pub(super) async fn start(setup: Arc<dyn Setup>) -> JobResult<Self> {
        let settings = setup.read()?;
        let metrics = Metrics::default();
        let context = setup.open(&settings.config).await?.metered(&metrics);
        let clock = Arc::clone(&context.clock);
        let state = settings.config.state.clone();
        let journal = spawn_blocking(move || Journal::open(&state)).await;
        let journal =
            journal.map_err(|_| JobError::new(ErrorKind::Failed, "the journal cannot be opened"));
        let journal = journal?.map_err(|error| unusable(&error))?;
        let agent = journal.on_disk(Journal::agent).await.map_err(|error| unusable(&error))?;
        let worlds = Worlds::new(World { settings, context });
        let besides = Besides::of(&worlds.now(), agent);
        let changed = Arc::new(Notify::new());
        let doubt = Arc::new(Notify::new());
        let notices = (Arc::clone(&changed), Arc::clone(&doubt));
        let (due, sees_due) = mpsc::unbounded_channel();
        let telling = Telling::new(metrics.clone(), Arc::clone(&clock), notices, due);
        announce(&worlds.now().settings.policies, &metrics, &journal, &*clock).await?;
        remember(&metrics, &journal).await?;
        let (runner, handle) = Runner::open(RunnerParts {
            journal: journal.clone(),
            work: Arc::new(AgentWork::of(&worlds, &metrics, &besides)),
            observer: Arc::new(telling),
            clock: Arc::clone(&clock),
        })
        .await
        .map_err(|error| unusable(&error))?;
        let (looked, sees_looked) = watch::channel(Instant::now());
        let mut agent = Self {
            setup,
            worlds,
            metrics,
            journal,
            runner: handle,
            clock,
            status: Status::default(),
            doubt,
            looked: sees_looked,
            tasks: JoinSet::new(),
            stop: CancellationToken::new(),
            stop_schedules: CancellationToken::new(),
            stop_listening: CancellationToken::new(),
        };
        let readiness = watch::Sender::new(Readiness {
            waiting: vec![Waiting { what: "catalog", why: "it is not read yet".to_owned() }],
        });
        agent.listen(&readiness).await?;
        agent.status.is("reading the repository");
        let reading = Reading::new(agent.worlds.clone(), agent.metrics.clone());
        let read = reading.once().await;
        agent.tasks.spawn(async move {
            runner.run().await;
            "runner"
        });
        agent.look_at_schedules(looked).await?;
        agent.keep_looking(readiness, Arc::clone(&changed), (reading, read));
        agent.keep_pruning(besides, sees_due, changed);
        Ok(agent)
    }

    async fn listen(&mut self, readiness: &watch::Sender<Readiness>) -> JobResult<()> {
        let world = self.worlds.now();
        let config = &world.settings.config;
        let whole = (Some(config.api.listen), Surface::Whole(config.api.token.clone()));
        for (address, surface) in [whole, (config.metrics.listen, Surface::MetricsOnly)] {
            let Some(address) = address else { continue };
            let shown = Shown { metrics: self.metrics.clone(), readiness: readiness.subscribe() };
            let server = Server::bind(address, surface, shown).await.map_err(|error| {
                let hint = error.hint();
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                let message = format!("{error}: {}", cause.unwrap_or_default());
                JobError::new(error.kind(), message).hint(hint)
            })?;
            tracing::info!(address = %server.address(), "listening");
            let stop = self.stop_listening.clone();
            self.tasks.spawn(async move {
                server.serve(stop).await;
                "listener"
            });
        }
        Ok(())
    }

    async fn look_at_schedules(&mut self, looked: watch::Sender<Instant>) -> JobResult<()> {
        let seconds = Seconds::start().await.map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            JobError::new(ErrorKind::Failed, format!("{error}: {}", cause.unwrap_or_default()))
        })?;
        let mut schedules = Schedules::new(
            self.runner.clone(),
            self.journal.clone(),
            self.metrics.clone(),
            Arc::clone(&self.clock),
        );
        let (worlds, stop) = (self.worlds.clone(), self.stop_schedules.clone());
        let mut seen = worlds.now();
        let (metrics, journal, clock) =
            (self.metrics.clone(), self.journal.clone(), Arc::clone(&self.clock));
        self.tasks.spawn(async move {
            let mut told = Instant::now();
            while stop.run_until_cancelled(seconds.next()).await.is_some() {
                let world = worlds.now();
                if !Arc::ptr_eq(&seen, &world) {
                    schedules.forget();
                    seen = Arc::clone(&world);
                }
                let policies = &world.settings.policies;
                schedules.look(policies).await;
                // How old a backup may be follows the next slots, which change.
                if told.elapsed() > TELL_EVERY {
                    told = Instant::now();
                    if let Err(error) = announce(policies, &metrics, &journal, &*clock).await {
                        tracing::warn!(error = %error.chain(), "policies cannot be told of");
                    }
                }
                looked.send_replace(Instant::now());
            }
            seconds.stop().await;
            "schedules"
        });
        Ok(())
    }

    /// Retention, after each good backup; and what else is left.
    fn keep_pruning(
        &mut self,
        besides: Besides,
        due: mpsc::UnboundedReceiver<Due>,
        changed: Arc<Notify>,
    ) {
        let pruning = Pruning {
            setup: Arc::clone(&self.setup),
            worlds: self.worlds.clone(),
            metrics: self.metrics.clone(),
            besides,
            changed,
            stop: self.stop.clone(),
        };
        self.tasks.spawn(async move {
            pruning.go_on(due).await;
            "pruning"
        });
    }

    /// The catalog, and whether a backup would work.
    fn keep_looking(
        &mut self,
        readiness: watch::Sender<Readiness>,
        changed: Arc<Notify>,
        (reading, read): (Reading, bool),
    ) {
        let seen = watch::Sender::new(read);
        let is_read = seen.subscribe();
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            stop.run_until_cancelled(reading.go_on(changed, seen)).await;
            "catalog"
        });
        let (worlds, metrics, stop) =
            (self.worlds.clone(), self.metrics.clone(), self.stop.clone());
        let (journal, doubt) = (self.journal.clone(), Arc::clone(&self.doubt));
        let signs = Signs { catalog: is_read, journal, doubt };
        self.tasks.spawn(async move {
            let looking = preflight::keep_looking(&worlds, &metrics, signs, readiness);
            stop.run_until_cancelled(looking).await;
            "preflight"
        });
    }
}

/// Tells the metrics which policies there are.
pub(super) async fn announce(
    policies: &PolicySet,
    metrics: &Metrics,
    journal: &Journal,
    clock: &dyn Clock,
) -> JobResult<()> {
    let now = clock.now();
    let mut all = Vec::new();
    for policy in policies.iter() {
        let name = policy.name.to_string();
        let memory = journal.on_disk(move |journal| journal.policy(&name, now)).await;
        let memory = memory.map_err(|error| unusable(&error))?;
        let unsigned = |duration: jiff::SignedDuration| duration.unsigned_abs();
        let interval = policy.schedule.as_ref().and_then(|schedule| schedule.longest_gap(now));
        all.push(PolicyFacts {
            name: policy.name.to_string(),
            created_at: memory.first_seen,
            max_age: policy.max_age_at(now).map(unsigned),
            interval: interval.map(unsigned),
            min_keep: match &policy.retention {
                Retention::KeepAll => None,
                Retention::Rules(rules) => Some(rules.min_keep.get()),
            },
        });
    }
    metrics.set_policies(&all);
    Ok(())
}

/// Tells the metrics how the newest run of each policy ended before this process began.
async fn remember(metrics: &Metrics, journal: &Journal) -> JobResult<()> {
    let ended = journal.on_disk(|journal| journal.ended_jobs(REMEMBERED)).await;
    let ended = ended.map_err(|error| unusable(&error))?;
    for job in ended.iter().rev() {
        if let JobState::Ended { outcome, at } = job.progress {
            let begun_at = job.begun_at.unwrap_or(at);
            metrics.run_remembered(&facts(job, outcome, (begun_at, at), None));
        }
    }
    Ok(())
}

fn unusable(error: &JournalError) -> JobError {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    let message = format!("{error}{}", cause.unwrap_or_default());
    match error {
        JournalError::InUse(_) => JobError::new(ErrorKind::Locked, message)
            .hint("stop the other agent, or give this one a `state` of its own"),
        JournalError::TooNew { .. } => JobError::new(ErrorKind::Refused, message)
            .hint("a newer agent wrote it: use that one, or move the file away"),
        JournalError::Broken { .. } => JobError::new(ErrorKind::Failed, message).hint(
            "make `state` a folder that the agent can write; if the file is broken, move it away: \
             what was accepted and not begun is lost, backups are not",
        ),
    }
}

/// The keys that change only with a restart, and are others in the new configuration.
pub(super) fn changed_for_later(new: &Config, old: &Config) -> Vec<&'static str> {
    let differ = [
        ("api.*", new.api != old.api),
        ("metrics.*", new.metrics != old.metrics),
        ("state", new.state != old.state),
        ("milvus.cluster", new.milvus.cluster != old.milvus.cluster),
        ("log.*", new.log != old.log),
    ];
    differ.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

/// Keeps in the new configuration what changes only with a restart.
pub(super) fn keep_fixed(new: &mut Config, old: &Config) {
    new.api.clone_from(&old.api);
    new.metrics.clone_from(&old.metrics);
    new.state.clone_from(&old.state);
    new.milvus.cluster.clone_from(&old.milvus.cluster);
    new.log = old.log;
}
