//! Everything that an agent consists of, made once, in the order of the layers.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::besides::Besides;
use super::catalog::Reading;
use super::connection::BrokerState;
use super::driller::Drills;
use super::memory::{announce, open_journal, remember, unusable};
use super::messages::Messages;
use super::observe::{Events, Telling};
use super::preflight::{self, Signs};
use super::proven::Proven;
use super::proving::Proving;
use super::pruning::{Due, Pruning};
use super::settings::{Client, Setup};
use super::sight::{Present, Sight};
use super::slots::Slots;
use super::spooled::Spooled;
use super::systemd::Status;
use super::work::AgentWork;
use super::world::{World, Worlds};
use crate::api::{Readiness, Server, Shown, Surface, Waiting};
use crate::broker::Broker;
use crate::job::{JobError, JobResult, Journal, Runner, RunnerHandle, RunnerParts};
use crate::metrics::Metrics;
use crate::model::{Clock, ErrorKind};
use crate::status::StatusView;
use crate::trigger::{Intake, Outgoing, Schedules, Seconds};

/// How often it is shown that the repository is being read.
const SHOW_EVERY: Duration = Duration::from_secs(1);

/// How often what follows from the time is told of policies.
const TELL_EVERY: Duration = Duration::from_mins(5);

/// An agent that is about to be ready.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) setup: Arc<dyn Setup>,
    pub(super) worlds: Worlds,
    pub(super) metrics: Metrics,
    /// What is known, for whoever asks how it all stands.
    pub(super) sight: Sight,
    /// The newest view of that.
    pub(super) view: watch::Sender<Arc<StatusView>>,
    /// What a backup waits for.
    pub(super) readiness: watch::Sender<Readiness>,
    pub(super) started_at: Timestamp,
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
    /// Ends the broker's loop, when all events are in the outbox.
    pub(super) stop_telling: CancellationToken,
    /// What the connection to the broker is doing, if there is to be one.
    pub(super) broker: Option<watch::Receiver<BrokerState>>,
    /// Ends the listeners: the last.
    pub(super) stop_listening: CancellationToken,
    /// The loops that have ended.
    pub(super) ended: BTreeSet<&'static str>,
}

/// What there is to see before the repository was read.
fn first_view(
    sight: &Sight,
    world: &World,
    metrics: &Metrics,
    now: Timestamp,
) -> (watch::Sender<Readiness>, watch::Sender<Arc<StatusView>>) {
    let waiting = vec![Waiting { what: "catalog", why: "it is not read yet".to_owned() }];
    let readiness = Readiness { waiting };
    let present = Present::of_start((now, now), readiness.clone());
    let view = Arc::new(sight.view(world, metrics, &present));
    (watch::Sender::new(readiness), watch::Sender::new(view))
}

impl Agent {
    /// Makes it and starts its loops.
    pub(super) async fn start(setup: Arc<dyn Setup>) -> JobResult<Self> {
        let settings = setup.read()?;
        let metrics = Metrics::default();
        let context = setup.open(&settings.config).await?.metered(&metrics);
        let clock = Arc::clone(&context.clock);
        let (journal, agent) = open_journal(settings.config.state.clone()).await?;
        let worlds = Worlds::new(World { settings, context });
        let besides = Besides::of(&worlds.now(), agent);
        let changed = Arc::new(Notify::new());
        let doubt = Arc::new(Notify::new());
        let notices = (Arc::clone(&changed), Arc::clone(&doubt));
        let (due, sees_due) = mpsc::unbounded_channel();
        let who = Client { cluster: &worlds.now().context.cluster.clone(), agent: &besides.agent };
        let broker = setup.broker(&worlds.now().settings.config, who)?;
        let posted = Arc::new(Notify::new());
        let events = broker.is_some().then(|| Events::of(who, &posted));
        let sight = Sight::default();
        let told = (metrics.clone(), sight.clone());
        let telling = Telling::new(told, Arc::clone(&clock), notices, (due, events));
        let told = (&metrics, &sight);
        announce(&worlds.now().settings.policies, told, &journal, &*clock).await?;
        remember(told, &journal).await?;
        let (runner, handle) = Runner::open(RunnerParts {
            journal: journal.clone(),
            work: Arc::new(AgentWork::of(&worlds, &metrics, &besides)),
            observer: Arc::new(telling),
            clock: Arc::clone(&clock),
        })
        .await
        .map_err(|error| unusable(&error))?;
        let (looked, sees_looked) = watch::channel(Instant::now());
        let started_at = clock.now();
        let (readiness, view) = first_view(&sight, &worlds.now(), &metrics, started_at);
        let mut this = Self {
            setup,
            worlds,
            metrics,
            sight,
            view,
            readiness,
            started_at,
            journal,
            runner: handle,
            clock,
            status: Status::default(),
            doubt,
            looked: sees_looked,
            tasks: JoinSet::new(),
            stop: CancellationToken::new(),
            stop_schedules: CancellationToken::new(),
            stop_telling: CancellationToken::new(),
            stop_listening: CancellationToken::new(),
            ended: BTreeSet::new(),
            broker: None,
        };
        this.begin(runner, looked, (changed, sees_due), (broker, besides, posted)).await?;
        Ok(this)
    }

    /// Starts its loops. The repository is read before anything is done.
    async fn begin(
        &mut self,
        runner: Runner,
        looked: watch::Sender<Instant>,
        (changed, due): (Arc<Notify>, mpsc::UnboundedReceiver<Due>),
        (broker, besides, posted): (Option<Arc<dyn Broker>>, Besides, Arc<Notify>),
    ) -> JobResult<()> {
        self.listen().await?;
        self.status.is("reading the repository");
        let reading = Reading::new(self.worlds.clone(), self.metrics.clone(), self.sight.clone());
        let read = self.first_look(&reading).await;
        let mut proving = self.proving(&besides, &changed);
        proving.tell().await;
        self.tasks.spawn(async move {
            runner.run().await;
            "runner"
        });
        self.look_at_schedules(looked).await?;
        if let Some(broker) = broker {
            self.keep_connected(broker, &besides, posted);
        }
        self.keep_looking(Arc::clone(&changed), (reading, read));
        self.keep_pruning(besides, due, changed);
        self.tasks.spawn(async move {
            proving.go_on().await;
            "proving"
        });
        Ok(())
    }

    /// Reads the repository, and shows since when.
    async fn first_look(&self, reading: &Reading) -> bool {
        let mut once = pin!(reading.once());
        loop {
            tokio::select! {
                read = &mut once => return read,
                () = sleep(SHOW_EVERY) => {
                    let times = (self.clock.now(), self.started_at);
                    let present = Present::of_start(times, self.readiness.borrow().clone());
                    let view = self.sight.view(&self.worlds.now(), &self.metrics, &present);
                    self.view.send_replace(Arc::new(view));
                }
            }
        }
    }

    async fn listen(&mut self) -> JobResult<()> {
        let world = self.worlds.now();
        let config = &world.settings.config;
        let whole = (Some(config.api.listen), Surface::Whole(config.api.token.clone()));
        for (address, surface) in [whole, (config.metrics.listen, Surface::MetricsOnly)] {
            let Some(address) = address else { continue };
            let shown = Shown {
                metrics: self.metrics.clone(),
                readiness: self.readiness.subscribe(),
                status: self.view.subscribe(),
            };
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
        let (metrics, sight) = (self.metrics.clone(), self.sight.clone());
        let (journal, clock) = (self.journal.clone(), Arc::clone(&self.clock));
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
                    let told = (&metrics, &sight);
                    if let Err(error) = announce(policies, told, &journal, &*clock).await {
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

    /// Messages in, events out.
    fn keep_connected(&mut self, broker: Arc<dyn Broker>, besides: &Besides, posted: Arc<Notify>) {
        let Some(spool) = besides.spool.clone() else { return };
        let state = watch::Sender::new(BrokerState::default());
        self.broker = Some(state.subscribe());
        let messages = Messages {
            broker,
            intake: Intake {
                runner: self.runner.clone(),
                journal: self.journal.clone(),
                metrics: self.metrics.clone(),
                clock: Arc::clone(&self.clock),
                agent: besides.agent.clone(),
            },
            outgoing: Outgoing::new(self.journal.clone(), self.metrics.clone()),
            worlds: self.worlds.clone(),
            metrics: self.metrics.clone(),
            spooled: Spooled {
                spool,
                journal: self.journal.clone(),
                clock: Arc::clone(&self.clock),
                posted: Arc::clone(&posted),
            },
            posted,
            state,
            stop_taking: self.stop_schedules.clone(),
            stop: self.stop_telling.clone(),
        };
        self.tasks.spawn(async move {
            messages.go_on().await;
            "broker"
        });
    }

    /// Drills and scheduled verifications.
    fn proving(&self, besides: &Besides, changed: &Arc<Notify>) -> Proving {
        Proving {
            worlds: self.worlds.clone(),
            metrics: self.metrics.clone(),
            sight: self.sight.clone(),
            besides: besides.clone(),
            runner: self.runner.clone(),
            driller: Arc::new(Drills(Arc::clone(&self.setup))),
            slots: Slots::new(self.journal.clone(), Arc::clone(&self.clock)),
            proven: Proven::default(),
            changed: Arc::clone(changed),
            stop: self.stop_schedules.clone(),
        }
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
            sight: self.sight.clone(),
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
    fn keep_looking(&mut self, changed: Arc<Notify>, (reading, read): (Reading, bool)) {
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
        let readiness = self.readiness.clone();
        let signs = Signs { catalog: is_read, journal, doubt, broker: self.broker.clone() };
        self.tasks.spawn(async move {
            let looking = preflight::keep_looking(&worlds, &metrics, signs, readiness);
            stop.run_until_cancelled(looking).await;
            "preflight"
        });
    }
}
