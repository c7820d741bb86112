//! Jobs: what is accepted runs to exactly one end, whatever happens to the process.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use milvus_backup_agent::job::{
    Busy, Cause, Done, JobError, JobId, JobRecord, JobRequest, JobResult, Journal, JournalError,
    Limits, Observer, RunOutcome, Runner, RunnerHandle, RunnerParts, Scope, Submitted, Work,
};
use milvus_backup_agent::model::{BackupName, Clock, ErrorKind};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// Wall-clock time that goes with tokio's.
#[derive(Debug)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let begin: Timestamp = "2026-11-23T02:00:00Z".parse().expect("a time");
        begin + self.0.elapsed()
    }
}

/// What the runs of a policy do.
#[derive(Debug, Clone, Copy)]
enum Deed {
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
struct World {
    deeds: Mutex<BTreeMap<String, Deed>>,
    made: Mutex<BTreeMap<String, u32>>,
    tries: Mutex<BTreeMap<String, u32>>,
    at_work: Mutex<(usize, usize)>,
    ends: Mutex<Vec<(String, RunOutcome, Option<String>)>>,
}

impl World {
    fn policy(&self, name: &str, deed: Deed) {
        self.deeds.lock().unwrap().insert(name.to_owned(), deed);
    }

    fn made(&self) -> Vec<(String, u32)> {
        self.made.lock().unwrap().clone().into_iter().collect()
    }

    fn ends(&self) -> Vec<(String, RunOutcome)> {
        let ends = self.ends.lock().unwrap();
        ends.iter().map(|(policy, outcome, _)| (policy.clone(), *outcome)).collect()
    }

    fn why(&self, policy: &str) -> String {
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
    fn changed(&self, job: &JobRecord, _done: Option<&Done>) {
        if let Some(outcome) = job.outcome() {
            let end = (job.policy.clone(), outcome, job.detail.clone());
            self.ends.lock().unwrap().push(end);
        }
    }
}

/// An agent's runner over a state folder.
struct Agent {
    runner: RunnerHandle,
    journal: Journal,
    task: JoinHandle<()>,
}

impl Agent {
    async fn start(state: &Path, world: &Arc<World>, clock: &Arc<TokioClock>) -> Self {
        let journal = Journal::open(state).expect("the journal is opened");
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
    async fn kill(self) {
        self.task.abort();
        drop(self.task.await);
    }

    async fn submit(&self, policy: &str, number: u32, busy: Busy) -> Submitted {
        self.runner.submit(request(policy, number), busy).await.expect("it is accepted")
    }

    /// Waits until no job is open.
    async fn settled(&self) {
        let settled = async {
            while !self.journal.open_jobs().expect("the journal is read").is_empty() {
                sleep(Duration::from_millis(200)).await;
            }
        };
        timeout(Duration::from_hours(10), settled).await.expect("all jobs end");
    }
}

#[expect(clippy::disallowed_methods, reason = "the test owns the task by its handle")]
fn spawn(
    _: tokio::task::JoinSet<()>,
    work: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(work)
}

fn request(policy: &str, number: u32) -> JobRequest {
    let backup = BackupName::new(format!("{policy}_{number}")).expect("a name");
    JobRequest { policy: policy.to_owned(), cause: Cause::Request, backup }
}

struct Lab {
    state: TempDir,
    world: Arc<World>,
    clock: Arc<TokioClock>,
}

impl Lab {
    fn new(policies: &[(&str, Deed)]) -> Self {
        let world = World::default();
        for (name, deed) in policies {
            world.policy(name, *deed);
        }
        let state = TempDir::new().expect("a folder");
        Self { state, world: Arc::new(world), clock: Arc::new(TokioClock(Instant::now())) }
    }

    async fn agent(&self) -> Agent {
        Agent::start(self.state.path(), &self.world, &self.clock).await
    }
}

const SHORT: Deed = Deed::Takes(Duration::from_secs(10));

#[tokio::test(start_paused = true)]
async fn jobs_run_beside_each_other_but_one_of_a_policy_at_a_time() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let lab = Lab::new(&names.map(|name| (name, SHORT)));
    let agent = lab.agent().await;
    for name in names {
        agent.submit(name, 1, Busy::Join).await;
    }
    assert_eq!(agent.submit("a", 2, Busy::Queue).await, Submitted::Accepted(JobId(7)));
    agent.settled().await;
    assert_eq!(lab.world.made().len(), 7);
    assert_eq!(lab.world.at_work.lock().unwrap().1, 4, "places");
    let ended = agent.journal.ended_jobs(10).unwrap();
    assert!(ended.iter().all(|job| job.outcome() == Some(RunOutcome::Complete)), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_is_busy_joins_skips_queues_or_replaces() {
    let lab = Lab::new(&[("a", SHORT)]);
    let agent = lab.agent().await;
    let Submitted::Accepted(first) = agent.submit("a", 1, Busy::Join).await else { panic!() };
    sleep(Duration::from_secs(2)).await;
    assert_eq!(agent.submit("a", 2, Busy::Join).await, Submitted::Joined(first));
    assert_eq!(agent.submit("a", 3, Busy::Skip).await, Submitted::Skipped(first));
    let Submitted::Accepted(second) = agent.submit("a", 4, Busy::Queue).await else { panic!() };
    assert_eq!(agent.submit("a", 5, Busy::Queue).await, Submitted::Joined(second));
    agent.settled().await;
    assert_eq!(lab.world.made(), [("a_1".to_owned(), 1), ("a_4".to_owned(), 1)]);

    agent.submit("a", 6, Busy::Join).await;
    sleep(Duration::from_secs(2)).await;
    agent.submit("a", 7, Busy::Replace).await;
    agent.settled().await;
    let ends: Vec<RunOutcome> = lab.world.ends().into_iter().map(|end| end.1).collect();
    assert_eq!(ends[2..], [RunOutcome::Cancelled, RunOutcome::Complete]);
    assert_eq!(lab.world.made().last().unwrap().0, "a_7");
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_may_pass_is_tried_again_and_another_is_not() {
    let lab = Lab::new(&[
        ("passes", Deed::Fails(2, ErrorKind::Unreachable)),
        ("stays", Deed::Fails(9, ErrorKind::Failed)),
        ("usage", Deed::Fails(9, ErrorKind::Usage)),
        ("empty", Deed::Fails(9, ErrorKind::NothingToDo)),
        ("panics", Deed::Panics),
    ]);
    let agent = lab.agent().await;
    let begun = Instant::now();
    for name in ["passes", "stays", "usage", "empty", "panics"] {
        agent.submit(name, 1, Busy::Join).await;
    }
    agent.settled().await;
    let took = begun.elapsed().as_secs();
    assert!((180..400).contains(&took), "pauses of 60 s and 120 s: {took}");
    let ends: BTreeMap<String, RunOutcome> = lab.world.ends().into_iter().collect();
    for (policy, outcome) in [
        ("passes", RunOutcome::Complete),
        ("stays", RunOutcome::Failed),
        ("usage", RunOutcome::Failed),
        ("empty", RunOutcome::Skipped),
        ("panics", RunOutcome::Failed),
    ] {
        assert_eq!(ends[policy], outcome, "{policy}");
    }
    let tries = lab.world.tries.lock().unwrap().clone();
    assert_eq!((tries["passes_1"], tries["stays_1"], tries["usage_1"]), (3, 3, 1));
    assert!(lab.world.why("panics").contains("a bug"));
}

/// The others of the same moment run meanwhile, and nothing is left of 50 such runs.
#[tokio::test(start_paused = true)]
async fn a_run_that_hangs_ends_by_its_stall_timeout_and_leaks_nothing() {
    let lab = Lab::new(&[("hangs", Deed::Hangs), ("ignores", Deed::Ignores), ("fine", SHORT)]);
    let agent = lab.agent().await;
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = alive();
    for number in 1..=50 {
        let begun = Instant::now();
        agent.submit("hangs", number, Busy::Join).await;
        agent.submit("ignores", number, Busy::Join).await;
        agent.submit("fine", number, Busy::Join).await;
        while !lab.world.made().iter().any(|made| made.0 == format!("fine_{number}")) {
            sleep(Duration::from_millis(100)).await;
        }
        assert!(begun.elapsed() < Duration::from_secs(15), "the hung ones were in its way");
        agent.settled().await;
    }
    let why = lab.world.why("hangs");
    assert!(why.contains("nothing moved for") && why.contains("stall_timeout"), "{why}");
    assert!(lab.world.why("ignores").contains("nothing moved for"));
    assert_eq!(alive(), before);
    assert_eq!(lab.world.at_work.lock().unwrap().0, 0);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_job_ends_as_cancelled() {
    let lab = Lab::new(&[("a", SHORT), ("b", Deed::Ignores)]);
    let agent = lab.agent().await;
    for name in ["a", "b"] {
        let Submitted::Accepted(id) = agent.submit(name, 1, Busy::Join).await else { panic!() };
        sleep(Duration::from_secs(3)).await;
        assert!(agent.runner.cancel(id).await);
        agent.settled().await;
        assert!(!agent.runner.cancel(id).await, "it is over");
    }
    let cancelled = |name: &str| (name.to_owned(), RunOutcome::Cancelled);
    assert_eq!(lab.world.ends(), [cancelled("a"), cancelled("b")]);
    assert!(lab.world.made().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_drains_goes_on_later() {
    let lab = Lab::new(&[("a", SHORT), ("b", SHORT)]);
    let agent = lab.agent().await;
    agent.submit("a", 1, Busy::Join).await;
    agent.submit("b", 1, Busy::Join).await;
    sleep(Duration::from_secs(4)).await;
    agent.runner.drain().await;
    let Agent { runner, journal, task } = agent;
    timeout(Duration::from_mins(1), task).await.expect("it drains").expect("it does not panic");
    assert!(runner.submit(request("a", 2), Busy::Join).await.is_err(), "it is stopping");
    drop(journal);
    assert!(lab.world.made().is_empty() && lab.world.ends().is_empty());
    let agent = lab.agent().await;
    agent.settled().await;
    assert_eq!(lab.world.ends().len(), 2);
    let ended = agent.journal.ended_jobs(5).unwrap();
    assert!(ended.iter().all(|job| job.interruptions == 0), "{ended:?}");
}

/// Killed after every so many milliseconds, in the middle of anything.
#[tokio::test(start_paused = true)]
async fn what_was_accepted_runs_to_exactly_one_end_across_kills() {
    let flaky = Deed::Fails(1, ErrorKind::Failed);
    for moment in (0..24_000).step_by(397) {
        let lab = Lab::new(&[("a", SHORT), ("b", flaky), ("c", SHORT)]);
        let agent = lab.agent().await;
        for name in ["a", "b", "c"] {
            agent.submit(name, 1, Busy::Join).await;
        }
        sleep(Duration::from_millis(moment)).await;
        agent.kill().await;
        sleep(Duration::from_secs(30)).await;
        let agent = lab.agent().await;
        agent.settled().await;
        let made: Vec<u32> = lab.world.made().into_iter().map(|made| made.1).collect();
        assert_eq!(made, [1, 1, 1], "killed after {moment} ms");
        let ended = agent.journal.ended_jobs(9).unwrap();
        assert_eq!(ended.len(), 3, "{ended:?}");
        let complete = |job: &JobRecord| job.outcome() == Some(RunOutcome::Complete);
        assert!(ended.iter().all(complete), "killed after {moment} ms: {ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_policy_is_gone_is_skipped() {
    let lab = Lab::new(&[]);
    let agent = lab.agent().await;
    agent.submit("a", 1, Busy::Join).await;
    agent.settled().await;
    assert_eq!(lab.world.ends(), [("a".to_owned(), RunOutcome::Skipped)]);
    assert!(lab.world.why("a").contains("no policy `a`"));
}

#[tokio::test(start_paused = true)]
async fn the_journal_keeps_so_much_history_and_is_nobody_else_s() {
    let lab = Lab::new(&[("a", Deed::Takes(Duration::ZERO))]);
    let agent = lab.agent().await;
    let second = Journal::open(lab.state.path()).unwrap_err();
    assert!(matches!(second, JournalError::InUse(_)), "{second}");
    for number in 0..1010 {
        agent.submit("a", number, Busy::Queue).await;
        agent.settled().await;
    }
    let ended = agent.journal.ended_jobs(2000).unwrap();
    assert_eq!(ended.len(), 1000);
    assert_eq!(ended[0].backup.as_str(), "a_1009", "the newest comes first");
    assert_eq!(ended[999].backup.as_str(), "a_10");

    let file = TempDir::new().unwrap();
    std::fs::write(file.path().join("journal.redb"), "this is no journal").unwrap();
    let broken = Journal::open(file.path()).unwrap_err();
    assert!(broken.to_string().contains("journal.redb` cannot be opened"), "{broken}");
}
