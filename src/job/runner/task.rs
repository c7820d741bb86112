//! The one task that moves jobs on.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::handle::{Active, Busy, Message, RunnerHandle, SubmitError, Submitted};
use super::journal::{Journal, JournalError};
use super::record::{JobId, JobRecord, JobRequest};
use super::state::{JobEvent, JobState, Stop};
use super::supervise::Run;
use super::work::{Done, Limits, Observer, Scope, Work};
use crate::job::{JobError, JobResult};
use crate::model::{Clock, ErrorKind, RunOutcome};

/// Runs at once. One that hangs keeps its place until its stall timeout, and others go on
/// beside it.
const PLACES: usize = 4;

/// Between two looks at what is due.
const TICK: Duration = Duration::from_secs(1);

/// Messages on their way to the runner.
const MESSAGES: usize = 64;

/// The longest pause between two runs of one job.
const LONGEST_BACKOFF: SignedDuration = SignedDuration::from_hours(6);

/// What a runner works with.
#[derive(Debug, Clone)]
pub struct RunnerParts {
    /// Where jobs are written down.
    pub journal: Journal,
    /// What runs them.
    pub work: Arc<dyn Work>,
    /// Who is told.
    pub observer: Arc<dyn Observer>,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
}

/// A job that is not over, and its run if it has one.
#[derive(Debug)]
struct Open {
    job: JobRecord,
    run: Option<AtWork>,
}

#[derive(Debug)]
struct AtWork {
    scope: Scope,
    limits: Limits,
    stop: watch::Sender<Option<Stop>>,
}

/// See the module's essay.
#[derive(Debug)]
pub struct Runner {
    parts: RunnerParts,
    jobs: BTreeMap<JobId, Open>,
    runs: JoinSet<(JobId, JobResult<Done>)>,
    /// Jobs whose last change is not in the journal yet.
    unsaved: BTreeMap<JobId, JobRecord>,
    messages: mpsc::Receiver<Message>,
    to_self: mpsc::Sender<Message>,
    active: watch::Sender<Arc<[Active]>>,
    beat: watch::Sender<Instant>,
    draining: bool,
}

impl Runner {
    /// Takes up what the journal has. The runner works while [`Self::run`] does.
    pub async fn open(parts: RunnerParts) -> Result<(Self, RunnerHandle), JournalError> {
        let (to_self, messages) = mpsc::channel(MESSAGES);
        let (active, sees_active) = watch::channel(Arc::from([]));
        let (beat, sees_beat) = watch::channel(Instant::now());
        let handle =
            RunnerHandle { messages: to_self.clone(), active: sees_active, beat: sees_beat };
        let mut runner = Self {
            parts,
            jobs: BTreeMap::new(),
            runs: JoinSet::new(),
            unsaved: BTreeMap::new(),
            messages,
            to_self,
            active,
            beat,
            draining: false,
        };
        let journal = runner.parts.journal.clone();
        for mut job in journal.on_disk(Journal::open_jobs).await? {
            job.recover(runner.parts.clock.now());
            tracing::info!(job = %job.id, policy = job.policy, "a job of an earlier process goes on");
            runner.keep(job, None).await;
        }
        Ok((runner, handle))
    }

    /// Works until it was told to drain and nothing is at work.
    pub async fn run(mut self) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.beat.send_replace(Instant::now());
            self.save_unsaved().await;
            self.start_due().await;
            if self.draining && self.runs.is_empty() {
                return;
            }
            tokio::select! {
                Some(message) = self.messages.recv() => self.answer(message).await,
                Some(Ok((id, ended))) = self.runs.join_next() => self.ended(id, ended).await,
                _ = tick.tick() => {}
            }
        }
    }

    async fn answer(&mut self, message: Message) {
        match message {
            Message::Submit(request, busy, answer) => {
                let submitted = self.submit(request, busy).await;
                // Whoever asked may be gone; the job is there all the same.
                drop(answer.send(submitted));
            }
            Message::Stop(id, why, answer) => {
                let stopped = self.stop(id, why).await;
                if let Some(answer) = answer {
                    answer.send(stopped).unwrap_or_default();
                }
            }
            Message::Drain => {
                self.draining = true;
                let at_work = self.jobs.iter().filter(|(_, open)| open.run.is_some());
                for id in at_work.map(|(id, _)| *id).collect::<Vec<_>>() {
                    self.stop(id, Stop::Draining).await;
                }
            }
        }
    }

    async fn submit(&mut self, request: JobRequest, busy: Busy) -> Result<Submitted, SubmitError> {
        if self.draining {
            return Err(SubmitError::Stopping);
        }
        let mut of_policy = self.jobs.values().filter(|open| open.job.policy == request.policy);
        let newest = of_policy.next_back().map(|open| (open.job.id, open.run.is_some()));
        let waiting = newest.filter(|(id, _)| {
            let job = self.jobs.get(id).map(|open| open.job.progress);
            matches!(job, Some(JobState::Waiting { .. }))
        });
        // What is due now is worth more than another try at what was due before.
        let busy = match (waiting, request.cause.slot()) {
            (Some(_), Some(_)) => Busy::Replace,
            _ => busy,
        };
        let in_the_way = match (newest, busy) {
            (None, _) | (Some((_, true)), Busy::Queue) => None,
            (Some((id, _)), Busy::Join) | (Some((id, false)), Busy::Queue) => {
                Some(Submitted::Joined(id))
            }
            (Some((id, _)), Busy::Skip) => Some(Submitted::Skipped(id)),
            (Some((id, _)), Busy::Replace) => {
                self.stop(id, Stop::Replaced).await;
                None
            }
        };
        let (journal, now) = (&self.parts.journal, self.now());
        if let Some(submitted) = in_the_way {
            if let Some(slot) = request.cause.slot() {
                let policy = request.policy;
                journal.on_disk(move |journal| journal.pass_over(&policy, slot, now)).await?;
            }
            return Ok(submitted);
        }
        let job = journal.on_disk(move |journal| journal.accept(&request, now)).await?;
        let id = job.id;
        tracing::info!(job = %id, policy = job.policy, cause = job.cause.as_str(), "job accepted");
        self.parts.observer.changed(&job, None);
        self.jobs.insert(id, Open { job, run: None });
        Ok(Submitted::Accepted(id))
    }

    /// Stops a job, or its run. `false` if there is nothing to stop.
    async fn stop(&mut self, id: JobId, why: Stop) -> bool {
        let Some(open) = self.jobs.get(&id) else { return false };
        let mut job = open.job.clone();
        // A run that is being stopped already is not stopped twice.
        if job.apply(JobEvent::Stop(why, self.now())).is_err() {
            return false;
        }
        if let Some(run) = &open.run {
            run.stop.send_replace(Some(why));
        }
        self.keep(job, None).await;
        true
    }

    /// Gives places to the jobs that wait for one, in the order of acceptance.
    async fn start_due(&mut self) {
        let now = self.now();
        let mut busy: BTreeSet<String> = BTreeSet::new();
        busy.extend(self.at_work().map(|open| open.job.policy.clone()));
        let due = |open: &&Open| match open.job.progress {
            JobState::Queued { .. } => true,
            // A clock that was set back must not make it wait for years.
            JobState::Waiting { until, .. } => until <= now || until > now + LONGEST_BACKOFF,
            JobState::Running { .. } | JobState::Stopping { .. } | JobState::Ended { .. } => false,
        };
        let due: Vec<JobRecord> =
            self.jobs.values().filter(due).map(|open| open.job.clone()).collect();
        for job in due {
            if self.draining || self.runs.len() >= PLACES {
                return;
            }
            if busy.insert(job.policy.clone()) {
                self.start(job).await;
            }
        }
    }

    async fn start(&mut self, mut job: JobRecord) {
        let now = self.now();
        let Some(limits) = self.parts.work.limits(&job.policy) else {
            job.detail = Some(format!("there is no policy `{}` any more", job.policy));
            job.apply(JobEvent::End(RunOutcome::Skipped, now)).expect("a due job may end");
            return self.keep(job, None).await;
        };
        job.apply(JobEvent::Start(now)).expect("a due job may start");
        let (stop, stopped) = watch::channel(None);
        let scope = Scope::default();
        let run = Run {
            work: Arc::clone(&self.parts.work),
            job: job.clone(),
            limits,
            scope: scope.clone(),
            stop: stopped,
        };
        let (id, to_self) = (job.id, self.to_self.clone());
        let ask = move |why| to_self.try_send(Message::Stop(id, why, None)).is_ok();
        self.jobs.entry(id).or_insert_with(|| Open { job: job.clone(), run: None }).run =
            Some(AtWork { scope, limits, stop });
        self.keep(job, None).await;
        self.runs.spawn(async move { (id, caught(run.watched(ask)).await) });
    }

    async fn ended(&mut self, id: JobId, ended: JobResult<Done>) {
        let Some(Open { job, run: Some(run) }) = self.jobs.get_mut(&id) else { return };
        let (mut job, limits) = (job.clone(), run.limits);
        let now = self.now();
        let event = match &ended {
            Ok(done) => {
                job.detail.clone_from(&done.detail);
                JobEvent::End(done.outcome, now)
            }
            Err(error) => {
                let hint = error.remedy().map(|hint| format!(" ({hint})")).unwrap_or_default();
                job.detail = Some(format!("{}{hint}", error.chain()));
                after_failure(job.progress, error.kind(), limits, now)
            }
        };
        job.apply(event).expect("a run that is at work may end in each of these ways");
        if let Some(open) = self.jobs.get_mut(&id) {
            open.run = None;
        }
        self.keep(job, ended.ok().as_ref()).await;
    }

    fn at_work(&self) -> impl Iterator<Item = &Open> {
        self.jobs.values().filter(|open| open.run.is_some())
    }

    /// Takes over a changed job: on disk first, then for everyone to see.
    async fn keep(&mut self, job: JobRecord, done: Option<&Done>) {
        self.save(job.clone()).await;
        self.parts.observer.changed(&job, done);
        if job.outcome().is_some() {
            self.jobs.remove(&job.id);
        } else if let Some(open) = self.jobs.get_mut(&job.id) {
            open.job = job;
        } else {
            self.jobs.insert(job.id, Open { job, run: None });
        }
        let active = self.at_work().filter_map(|open| {
            let run = open.run.as_ref()?;
            Some(Active { job: open.job.clone(), progress: Arc::clone(&run.scope.progress) })
        });
        let active: Arc<[Active]> = active.collect();
        self.active.send_replace(active);
    }

    /// A disk that is full for a while must not stop what is at work.
    async fn save(&mut self, job: JobRecord) {
        let copy = job.clone();
        match self.parts.journal.on_disk(move |journal| journal.put(&copy)).await {
            Ok(()) => {
                self.unsaved.remove(&job.id);
            }
            Err(error) => {
                if self.unsaved.insert(job.id, job).is_none() {
                    let cause = JobError::new(ErrorKind::Failed, error.to_string());
                    tracing::error!(error = %cause.chain(), "the journal cannot be written; trying again");
                }
            }
        }
    }

    async fn save_unsaved(&mut self) {
        for job in self.unsaved.values().cloned().collect::<Vec<_>>() {
            self.save(job).await;
        }
    }

    fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }
}

/// What follows a run that failed.
fn after_failure(state: JobState, kind: ErrorKind, limits: Limits, now: Timestamp) -> JobEvent {
    let stopped = match state {
        JobState::Stopping { why, .. } => Some(why),
        JobState::Queued { .. }
        | JobState::Running { .. }
        | JobState::Waiting { .. }
        | JobState::Ended { .. } => None,
    };
    let run = match state {
        JobState::Running { run, .. } | JobState::Stopping { run, .. } => run,
        JobState::Queued { .. } | JobState::Waiting { .. } | JobState::Ended { .. } => 1,
    };
    match (stopped, kind) {
        (Some(Stop::Draining), _) => JobEvent::Interrupt(now),
        (Some(Stop::Cancelled | Stop::Replaced), _) => JobEvent::End(RunOutcome::Cancelled, now),
        (_, ErrorKind::NothingToDo) => JobEvent::End(RunOutcome::Skipped, now),
        (_, ErrorKind::Failed | ErrorKind::Unreachable | ErrorKind::Locked)
            if run < limits.attempts =>
        {
            let pause = SignedDuration::try_from(limits.backoff).unwrap_or(LONGEST_BACKOFF);
            let doubled = pause.checked_mul(1 << (run - 1).min(16)).unwrap_or(LONGEST_BACKOFF);
            JobEvent::Retry(now + doubled.min(LONGEST_BACKOFF))
        }
        _ => JobEvent::End(RunOutcome::Failed, now),
    }
}

/// A run that panics is a run that failed.
async fn caught(run: impl Future<Output = JobResult<Done>>) -> JobResult<Done> {
    AssertUnwindSafe(run).catch_unwind().await.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no word");
        let message = format!("the run panicked: {said}");
        Err(JobError::new(ErrorKind::Failed, message).hint("please report this as a bug"))
    })
}
