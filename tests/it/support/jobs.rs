//! A runner over a fake world, in time that a test moves.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use milvus_backup_agent::job::{
    Busy, Cause, Change, Done, JobError, JobRecord, JobRequest, JobResult, Journal, JournalError,
    Limits, Observer, RunOutcome, Runner, RunnerHandle, RunnerParts, Scope, Submitted, Work,
};
use milvus_backup_agent::model::{Address, BackupName, Clock, ErrorKind, Letter};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// Wall-clock time that goes with tokio's.
#[derive(Debug)]
pub(crate) struct TokioClock {
    begun: Instant,
    ahead: Mutex<SignedDuration>,
}

impl TokioClock {
    fn new() -> Self {
        Self { begun: Instant::now(), ahead: Mutex::default() }
    }

    /// From now on it is so far from the right time.
    pub(crate) fn shift(&self, ahead: SignedDuration) {
        *self.ahead.lock().unwrap() = ahead;
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let begin: Timestamp = "2026-11-23T02:00:00Z".parse().expect("a time");
        begin + self.begun.elapsed() + *self.ahead.lock().unwrap()
    }
}

/// What the runs of a policy do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deed {
    /// Takes so long, moving all the time.
    Takes(Duration),
    /// The same, and fails the first so many times.
    Fails(u32, ErrorKind),
    /// Moves nothing, and ends when it is told to.
    Hangs,
    /// Does not even end then.
    Ignores,
    Panics,
}

/// The world that runs change: each backup by its name, and how often it was made.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) deeds: Mutex<BTreeMap<String, Deed>>,
    pub(crate) made: Mutex<BTreeMap<String, u32>>,
    pub(crate) tries: Mutex<BTreeMap<String, u32>>,
    pub(crate) at_work: Mutex<(usize, usize)>,
    pub(crate) ends: Mutex<Vec<(String, RunOutcome, Option<String>)>>,
}

impl World {
    pub(crate) fn policy(&self, name: &str, deed: Deed) {
        self.deeds.lock().unwrap().insert(name.to_owned(), deed);
    }

    pub(crate) fn made(&self) -> Vec<(String, u32)> {
        self.made.lock().unwrap().clone().into_iter().collect()
    }

    pub(crate) fn ends(&self) -> Vec<(String, RunOutcome)> {
        let ends = self.ends.lock().unwrap();
        ends.iter().map(|(policy, outcome, _)| (policy.clone(), *outcome)).collect()
    }

    pub(crate) fn why(&self, policy: &str) -> String {
        let ends = self.ends.lock().unwrap();
        let end = ends.iter().find(|end| end.0 == policy).expect("it has ended");
        end.2.clone().unwrap_or_default()
    }
}

/// Counts who is at work.
struct Place<'w>(&'w World);

impl<'w> Place<'w> {
    fn take(world: &'w World) -> Self {
        let mut at_work = world.at_work.lock().unwrap();
        at_work.0 += 1;
        at_work.1 = at_work.1.max(at_work.0);
        Self(world)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.at_work.lock().unwrap().0 -= 1;
    }
}

#[async_trait]
impl Work for World {
    fn limits(&self, policy: &str) -> Option<Limits> {
        self.deeds.lock().unwrap().contains_key(policy).then_some(Limits {
            timeout: Some(Duration::from_hours(1)),
            stall_timeout: Duration::from_mins(1),
            attempts: 3,
            backoff: Duration::from_mins(1),
        })
    }

    async fn run(&self, job: &JobRecord, scope: &Scope) -> JobResult<Done> {
        let _place = Place::take(self);
        let name = job.backup.to_string();
        let done = |detail: &str| Done {
            outcome: RunOutcome::Complete,
            detail: Some(detail.to_owned()),
            stages: Vec::new(),
            report: None,
        };
        if self.made.lock().unwrap().contains_key(&name) {
            return Ok(done("was made already"));
        }
        let tries = {
            let mut tries = self.tries.lock().unwrap();
            let tries = tries.entry(name.clone()).or_default();
            *tries += 1;
            *tries
        };
        let deed = self.deeds.lock().unwrap()[&job.policy];
        let mut left = match deed {
            Deed::Takes(time) => time,
            Deed::Fails(times, kind) if tries <= times => {
                return Err(JobError::new(kind, "no luck"));
            }
            Deed::Fails(..) => Duration::ZERO,
            Deed::Hangs => {
                scope.cancel.cancelled().await;
                return Err(JobError::cancelled());
            }
            Deed::Ignores => std::future::pending().await,
            Deed::Panics => panic!("a bug"),
        };
        while !left.is_zero() {
            let step = left.min(Duration::from_secs(1));
            let cancelled = scope.cancel.run_until_cancelled(sleep(step)).await.is_none();
            if cancelled {
                return Err(JobError::cancelled());
            }
            scope.progress.touch();
            left -= step;
        }
        *self.made.lock().unwrap().entry(name).or_default() += 1;
        // Between the commit and the journal a process can die, too.
        tokio::task::yield_now().await;
        Ok(done("made"))
    }
}

impl Observer for World {
    fn letters(&self, change: &Change<'_>) -> Vec<Letter> {
        let job = change.job;
        let word = job.outcome().map_or("goes on", RunOutcome::as_str);
        let to = Address::Topic { key: word.to_owned() };
        vec![Letter { id: format!("{} {:?}", job.id, job.progress), to, body: String::new() }]
    }

    fn changed(&self, job: &JobRecord, _done: Option<&Done>) {
        if let Some(outcome) = job.outcome() {
            let end = (job.policy.clone(), outcome, job.detail.clone());
            self.ends.lock().unwrap().push(end);
        }
    }
}

/// An agent's runner over a state folder.
pub(crate) struct Service {
    pub(crate) runner: RunnerHandle,
    pub(crate) journal: Journal,
    pub(crate) task: JoinHandle<()>,
}

impl Service {
    pub(crate) async fn start(state: &Path, world: &Arc<World>, clock: &Arc<TokioClock>) -> Self {
        let journal = opened(state);
        let work: Arc<dyn Work> = Arc::<World>::clone(world);
        let observer: Arc<dyn Observer> = Arc::<World>::clone(world);
        let clock: Arc<dyn Clock> = Arc::<TokioClock>::clone(clock);
        let parts = RunnerParts { journal: journal.clone(), work, observer, clock };
        let (work, runner) = Runner::open(parts).await.expect("the journal is read");
        let task = tokio::task::JoinSet::new();
        let task = spawn(task, work.run());
        Self { runner, journal, task }
    }

    /// As SIGKILL does: nothing more is done, not even in the journal.
    pub(crate) async fn kill(self) {
        self.task.abort();
        drop(self.task.await);
    }

    pub(crate) async fn submit(&self, policy: &str, number: u32, busy: Busy) -> Submitted {
        self.runner.submit(job_request(policy, number), busy).await.expect("it is accepted")
    }

    /// Waits until no job is open.
    pub(crate) async fn settled(&self) {
        let settled = async {
            while !self.journal.open_jobs().expect("the journal is read").is_empty() {
                sleep(Duration::from_millis(200)).await;
            }
        };
        timeout(Duration::from_hours(10), settled).await.expect("all jobs end");
        // The observer is told after the journal is.
        sleep(Duration::from_millis(1)).await;
    }
}

/// Opens the journal. What a killed agent had begun to do with it ends first.
fn opened(state: &Path) -> Journal {
    for _ in 0..1000 {
        match Journal::open(state) {
            Err(JournalError::InUse(_)) => std::thread::sleep(Duration::from_millis(10)),
            opened => return opened.expect("the journal is opened"),
        }
    }
    panic!("the journal is in use");
}

#[expect(clippy::disallowed_methods, reason = "the test owns the task by its handle")]
fn spawn(
    _: tokio::task::JoinSet<()>,
    work: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(work)
}

pub(crate) fn job_request(policy: &str, number: u32) -> JobRequest {
    let backup = BackupName::new(format!("{policy}_{number}")).expect("a name");
    JobRequest { policy: policy.to_owned(), cause: Cause::Request, backup, requesters: Vec::new() }
}

pub(crate) struct Jobs {
    pub(crate) state: TempDir,
    pub(crate) world: Arc<World>,
    pub(crate) clock: Arc<TokioClock>,
}

impl Jobs {
    pub(crate) fn new(policies: &[(&str, Deed)]) -> Self {
        let world = World::default();
        for (name, deed) in policies {
            world.policy(name, *deed);
        }
        let state = TempDir::new().expect("a folder");
        Self { state, world: Arc::new(world), clock: Arc::new(TokioClock::new()) }
    }

    pub(crate) async fn agent(&self) -> Service {
        Service::start(self.state.path(), &self.world, &self.clock).await
    }
}
