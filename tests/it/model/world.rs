//! Milvus, the repository and up to three agents; and what each step of a history does.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use milvus_backup_agent::model::BackupName;
use milvus_backup_agent::storage::{MemoryStore, ObjectStore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::book::{Book, Folder, JobFacts, JobId};
use super::clock::{JobClock, TrueClock};
use super::gate::{Events, Gate};
use super::job::{Job, Outside, Said, Was};
use super::milvus::Milvus;
use super::op::{Fate, Op, Work};
use super::random::Random;
use super::tally::Tally;
use super::truth::{Honesty, TruthStore};

/// No work takes longer while its agent goes on.
pub(super) const LONGEST: Duration = Duration::from_hours(1);

#[derive(Debug)]
pub(super) struct Agent {
    pub(super) gate: Arc<Gate>,
    pub(super) hours_off: Arc<AtomicI64>,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) clock: TrueClock,
    pub(super) milvus: Milvus,
    pub(super) store: MemoryStore,
    pub(super) staging: MemoryStore,
    pub(super) honesty: Honesty,
    pub(super) in_place: bool,
    pub(super) book: Arc<Mutex<Book>>,
    pub(super) agents: Vec<Agent>,
    pub(super) jobs: Vec<Job>,
    tasks: JoinSet<(JobId, Said)>,
    pub(super) events: Arc<Events>,
    /// A prune that nothing disturbed has just ended, and began then.
    pub(super) pruned: Option<(usize, Work, Instant)>,
    pub(super) random: Random,
    names: u32,
    pub(super) tally: Tally,
}

/// What a world is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) honesty: Honesty,
    /// Milvus imports from the repository itself.
    pub(super) in_place: bool,
    pub(super) agents: u8,
}

impl World {
    pub(super) fn new(kind: Kind, seed: u64, trace: bool) -> Self {
        let clock = TrueClock::new();
        let memory = || MemoryStore::new(Arc::new(clock));
        let (storage, staging, store) = (memory(), memory(), memory());
        let milvus = Milvus::new(storage.clone(), staging.clone(), Arc::new(store.clone()));
        let book = Book {
            clock,
            number: 0,
            folders: std::collections::BTreeMap::default(),
            lists: std::collections::BTreeMap::default(),
            segments: std::collections::BTreeMap::default(),
            leases: std::collections::BTreeMap::default(),
            readers: std::collections::BTreeMap::default(),
            jobs: Vec::new(),
            hidden: Vec::new(),
            storage,
            past: Arc::clone(&milvus.past),
            swept: 0,
            wrong: Vec::new(),
            trace: trace.then(Vec::new),
        };
        let mut world = Self {
            clock,
            milvus,
            store,
            staging,
            honesty: kind.honesty,
            in_place: kind.in_place,
            book: Arc::new(Mutex::new(book)),
            agents: Vec::new(),
            jobs: Vec::new(),
            tasks: JoinSet::new(),
            events: Arc::default(),
            pruned: None,
            random: Random::new(seed),
            names: 0,
            tally: Tally::default(),
        };
        for _ in 0..kind.agents {
            let (gate, hours_off) = (world.gate(), Arc::default());
            world.agents.push(Agent { gate, hours_off });
        }
        world
    }

    fn gate(&mut self) -> Arc<Gate> {
        let random = Random::new(u64::from(self.random.below(u32::MAX)));
        Arc::new(Gate::new(Arc::clone(&self.events), random))
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("no holder of this lock panics")
    }

    /// Does one step.
    pub(super) async fn step(&mut self, op: Op) {
        self.tally.op(op);
        if let Some(trace) = &mut self.book().trace {
            trace.push(format!("{op:?}"));
        }
        let quiet = matches!(op, Op::Pass { .. } | Op::Start { .. });
        self.jobs.iter_mut().for_each(|job| job.calm &= quiet);
        match op {
            Op::Insert { collection, rows } => self.milvus.insert(collection, rows).await,
            Op::Erase { collection } => self.milvus.erase(collection),
            Op::Compact { collection } => self.milvus.compact(collection).await,
            Op::Collect => self.milvus.collect().await,
            Op::Drop { collection } => self.milvus.drop_it(collection).await,
            Op::Pass { minutes } => {
                sleep(Duration::from_mins(minutes.into())).await;
                self.settle(Duration::ZERO).await;
            }
            Op::Jump { agent, hours } => {
                let agent = &self.agents[self.agent(agent)];
                agent.hours_off.store(hours.into(), Ordering::Relaxed);
            }
            Op::Start { agent, work, fate, pace, then } => {
                let at = self.agent(agent);
                self.make_room(at).await;
                self.start(at, work, (fate, pace));
                self.settle(patience(then)).await;
            }
            Op::Wake { agent, then } => {
                let at = self.agent(agent);
                if self.agents[at].gate.wake() {
                    self.tally.wakes += 1;
                }
                self.settle(patience(then)).await;
            }
            Op::Kill { agent } => {
                self.kill(self.agent(agent));
                self.settle(LONGEST).await;
            }
        }
    }

    pub(super) fn agent(&self, number: u8) -> usize {
        usize::from(number) % self.agents.len()
    }

    /// An agent that stands still begins nothing, and one that is alone in its repository does
    /// one thing at a time.
    async fn make_room(&mut self, at: usize) {
        if self.agents[at].gate.wake() {
            self.tally.wakes += 1;
        }
        if self.honesty == Honesty::Lying {
            self.settle(LONGEST).await;
            if self.agents[at].gate.wake() {
                self.tally.wakes += 1;
                self.settle(LONGEST).await;
            }
        }
    }

    /// Begins some work; it goes on at the next wait.
    pub(super) fn start(&mut self, at: usize, work: Work, (fate, pace): (Fate, u16)) -> JobId {
        let name = self.name(work);
        for job in &mut self.jobs {
            job.calm = false;
        }
        // A store that takes seconds for a call may cost a lease.
        let calm = self.jobs.is_empty() && fate == Fate::Lives && pace < 1000;
        self.agents[at].gate.set(fate, pace);
        let clock = JobClock::new(self.clock, Arc::clone(&self.agents[at].hours_off));
        let (id, was) = {
            let mut book = self.book();
            let since = book.past.lock().expect("no panic").now;
            let was = |like: fn(&Folder) -> bool| book.folders.get(name.as_str()).is_some_and(like);
            let was = Was {
                listed: was(|folder| folder.listed().is_some()),
                complete: was(Folder::is_complete),
                pinned: was(Folder::is_pinned),
            };
            let clock = clock.clone();
            let began = book.number;
            book.jobs.push(JobFacts {
                agent: at,
                work,
                clock,
                since,
                began,
                sweep: None,
                listed: 0,
            });
            (book.jobs.len() - 1, was)
        };
        let outside = Outside {
            gate: Arc::clone(&self.agents[at].gate),
            milvus: self.milvus.clone(),
            repository: self.repository(id),
            staging: Arc::new(self.staging.clone()),
            clock,
            in_place: self.in_place,
        };
        let handle = self.tasks.spawn_local(Box::pin(outside.run(work, id, name.clone())));
        self.jobs.push(Job { id, agent: at, work, name, calm, was, began: Instant::now(), handle });
        id
    }

    pub(super) fn repository(&self, by: JobId) -> Arc<dyn ObjectStore> {
        Arc::new(TruthStore {
            inner: self.store.clone(),
            honesty: self.honesty,
            book: Arc::clone(&self.book),
            by,
        })
    }

    /// The backup that some work is about.
    fn name(&mut self, work: Work) -> BackupName {
        let book = self.book();
        let pick = |number: u8, of: fn(&Folder) -> bool| {
            let all = book.folders.iter().filter(|(_, folder)| of(folder));
            let all: Vec<&String> = all.map(|(name, _)| name).collect();
            all.get(usize::from(number) % all.len().max(1)).map(|name| (*name).clone())
        };
        let found = match work {
            Work::Backup(_) | Work::Prune | Work::Force | Work::Preview => None,
            Work::Unpin(number) => pick(number, Folder::is_pinned),
            Work::Again(number) => pick(number, Folder::is_unfinished),
            Work::Undelete(number) => pick(number, |folder| folder.tombstone.is_some()),
            Work::Hide(number)
            | Work::Restore(number)
            | Work::Verify(number)
            | Work::Pin(number) => pick(number, |folder| folder.listed().is_some()),
            Work::Remove(number) => pick(number, Folder::is_removable),
        };
        drop(book);
        let fresh = || {
            self.names += 1;
            format!("b{}", self.names)
        };
        BackupName::new(found.unwrap_or_else(fresh)).expect("a name")
    }

    pub(super) fn kill(&mut self, at: usize) {
        self.agents[at].gate.kill();
        self.bury();
    }

    /// Ends what the dead had begun; they start anew.
    fn bury(&mut self) {
        for at in 0..self.agents.len() {
            if self.agents[at].gate.is_dead() {
                self.tally.crashes += 1;
                for job in self.jobs.extract_if(.., |job| job.agent == at) {
                    job.handle.abort();
                }
                self.agents[at].gate = self.gate();
            }
        }
    }

    /// Waits until whatever can end has ended; no longer than so long.
    pub(super) async fn settle(&mut self, patience: Duration) {
        let until = Instant::now() + patience;
        loop {
            self.bury();
            while let Some(ended) = self.tasks.try_join_next() {
                self.ended(ended);
            }
            let stands = |job: &Job| self.agents[job.agent].gate.is_stalled();
            if self.jobs.iter().all(stands) {
                return;
            }
            let events = Arc::clone(&self.events);
            let ended = tokio::select! {
                biased;
                Some(ended) = self.tasks.join_next() => Some(ended),
                () = events.changed.notified() => None,
                () = sleep_until(until) => break,
            };
            if let Some(ended) = ended {
                self.ended(ended);
            }
        }
        if patience >= LONGEST {
            let stands = |job: &&Job| !self.agents[job.agent].gate.is_stalled();
            let hung = self.jobs.iter().find(stands).map(|job| format!("{job:?} hangs"));
            let mut book = self.book();
            book.wrong.extend(hung);
        }
    }

    /// What happened.
    pub(super) fn counted(&self) -> Tally {
        let mut tally = self.tally.clone();
        tally.histories = 1;
        tally.lying = u64::from(self.honesty == Honesty::Lying);
        tally.calls = self.events.calls.load(Ordering::Relaxed);
        tally.stalls = self.events.stalls.load(Ordering::Relaxed);
        tally.faults = self.events.faults.load(Ordering::Relaxed);
        tally.swept = self.book().swept;
        tally
    }

    fn ended(&mut self, ended: Result<(JobId, Said), tokio::task::JoinError>) {
        match ended {
            Ok((id, said)) => {
                let at = self.jobs.iter().position(|job| job.id == id);
                let Some(at) = at else { return };
                let job = self.jobs.remove(at);
                let gate = &self.agents[job.agent].gate;
                if !self.jobs.iter().any(|other| other.agent == job.agent) {
                    gate.set(Fate::Lives, 0);
                }
                self.heard(&job, said);
            }
            Err(error) if error.is_cancelled() => {}
            Err(error) => self.book().wrong(format!("a job panicked: {error}")),
        }
    }
}

/// How long a step waits for what it began.
fn patience(then: u16) -> Duration {
    if then == 0 { LONGEST } else { Duration::from_secs(then.into()) }
}
