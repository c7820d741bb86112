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

use super::handle::{Active, Message, RunnerHandle};
use super::journal::{Journal, JournalError};
use super::record::{JobId, JobRecord};
use super::state::{JobEvent, JobState, Stop};
use super::supervise::Run;
use super::work::{Change, Done, Limits, Observer, Scope, Work};
use crate::job::{JobError, JobResult};
use crate::model::{Clock, ErrorKind, Letter, RunOutcome};

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
pub(super) struct Open {
    pub(super) job: JobRecord,
    pub(super) run: Option<AtWork>,
}

#[derive(Debug)]
pub(super) struct AtWork {
    scope: Scope,
    limits: Limits,
    pub(super) stop: watch::Sender<Option<Stop>>,
}

/// See the module's essay.
#[derive(Debug)]
pub struct Runner {
    pub(super) parts: RunnerParts,
    pub(super) jobs: BTreeMap<JobId, Open>,
    runs: JoinSet<(JobId, JobResult<Done>)>,
    /// Jobs whose last change is not in the journal yet, and the letters of their changes.
    unsaved: BTreeMap<JobId, (JobRecord, Vec<Letter>)>,
    messages: mpsc::Receiver<Message>,
    to_self: mpsc::Sender<Message>,
    active: watch::Sender<Arc<[Active]>>,
    beat: watch::Sender<Instant>,
    pub(super) draining: bool,
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
        for job in journal.on_disk(Journal::open_jobs).await? {
            let mut recovered = job.clone();
            recovered.recover(runner.parts.clock.now());
            tracing::info!(job = %job.id, policy = job.policy, "a job of an earlier process goes on");
            let changed = recovered != job;
            runner.jobs.insert(job.id, Open { job, run: None });
            if changed {
                runner.keep(recovered, None).await;
            }
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
            Message::Decline(request, why, answer) => {
                let declined = self.decline(request, why).await;
                drop(answer.send(declined));
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
        if let Some(limit) = job.not_after().filter(|limit| *limit < now && job.is_fresh()) {
            job.detail =
                Some(format!("nobody wants it any more: it was not to begin after {limit}"));
            job.apply(JobEvent::End(RunOutcome::Skipped, now)).expect("a due job may end");
            return self.keep(job, None).await;
        }
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
                job.hint = None;
                JobEvent::End(done.outcome, now)
            }
            Err(error) => {
                let hint = error.remedy().map(|hint| format!(" ({hint})")).unwrap_or_default();
                job.detail = Some(format!("{}{hint}", error.chain()));
                job.hint = error.remedy().map(str::to_owned);
                after_failure(job.progress, error.kind(), limits, now)
            }
        };
        job.apply(event).expect("a run that is at work may end in each of these ways");
        if let Some(open) = self.jobs.get_mut(&id) {
            open.run = None;
        }
        self.keep(job, Some(&ended)).await;
    }

    fn at_work(&self) -> impl Iterator<Item = &Open> {
        self.jobs.values().filter(|open| open.run.is_some())
    }

    /// Takes over a changed job: on disk first, then for everyone to see.
    pub(super) async fn keep(&mut self, job: JobRecord, ended: Option<&JobResult<Done>>) {
        let before = self.jobs.get(&job.id).map(|open| &open.job);
        let letters = self.parts.observer.letters(&Change { before, job: &job, ended });
        self.save(job.clone(), letters).await;
        self.parts.observer.changed(&job, ended.and_then(|ended| ended.as_ref().ok()));
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
    async fn save(&mut self, job: JobRecord, letters: Vec<Letter>) {
        let before = self.unsaved.remove(&job.id);
        let told = before.is_some();
        let letters = [before.map(|(_, letters)| letters).unwrap_or_default(), letters].concat();
        let copy = (job.clone(), letters.clone());
        let put = move |journal: &Journal| journal.put(&copy.0, &copy.1);
        if let Err(error) = self.parts.journal.on_disk(put).await {
            if !told {
                let cause = JobError::new(ErrorKind::Failed, error.to_string());
                tracing::error!(error = %cause.chain(), "the journal cannot be written; trying again");
            }
            self.unsaved.insert(job.id, (job, letters));
        }
    }

    async fn save_unsaved(&mut self) {
        for (job, _) in self.unsaved.values().cloned().collect::<Vec<_>>() {
            self.save(job, Vec::new()).await;
        }
    }

    pub(super) fn now(&self) -> Timestamp {
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
