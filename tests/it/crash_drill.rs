//! A drill that dies, or whose Milvus or stores fail it: what it made is gone soon, and the next
//! one comes to its end.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use std::sync::Arc;

use milvus_backup_agent::job::{
    DrillReport, JobResult, Prune, RunOutcome, StagingRoot, clean_drills, run_drill, run_prune,
};
use milvus_backup_agent::milvus::testing::MilvusCall;
use milvus_backup_agent::milvus::{MilvusApi, MilvusErrorKind};
use milvus_backup_agent::storage::ObjectStore;
use milvus_backup_agent::storage::testing::FaultyStore;

use crate::drill::{drill_of, index, left};
use crate::support::{
    Lab, PARTITION, Process, assert_ends_clean, collections, namespace, staging_over,
};

const CALLS: [MilvusCall; 15] = [
    MilvusCall::Version,
    MilvusCall::Databases,
    MilvusCall::Collections,
    MilvusCall::Describe,
    MilvusCall::Partitions,
    MilvusCall::Indexes,
    MilvusCall::CreateDatabase,
    MilvusCall::DropDatabase,
    MilvusCall::CreateCollection,
    MilvusCall::CreatePartition,
    MilvusCall::CreateIndex,
    MilvusCall::Import,
    MilvusCall::ImportState,
    MilvusCall::Load,
    MilvusCall::DropCollection,
];

/// Who cleans up.
#[derive(Debug, Clone, Copy)]
enum Cleaner {
    Agent,
    Prune,
    NextDrill,
}

const CLEANERS: [Cleaner; 3] = [Cleaner::Agent, Cleaner::Prune, Cleaner::NextDrill];

/// A backup `b` of two databases, of which the Milvus that is drilled has one.
struct World {
    lab: Lab,
    before: Vec<String>,
}

impl World {
    async fn new() -> Self {
        let mut lab = Lab::new();
        let films = lab.fill("films", 0..5).await;
        lab.milvus.add_partition(&films, "old");
        lab.milvus.insert(&films, "old", ["90", "91"]);
        lab.milvus.delete(&films, PARTITION, ["1"]);
        lab.fill("films", 5..8).await;
        lab.fill("other.books", 0..4).await;
        index(&lab, "films").await;
        index(&lab, "other.books").await;
        lab.backup("b").await;
        lab.lose_milvus();
        lab.fill("films", 0..2).await;
        let before = collections(&lab).await;
        Self { lab, before }
    }

    async fn drill(&self, process: &Process) -> Option<JobResult<DrillReport>> {
        let context = process.context(self.lab.context());
        let staging = process.staging(self.lab.staging());
        let options = drill_of("b");
        process.run(Box::pin(run_drill(&context, &staging, &options))).await
    }

    async fn clean(&self, cleaner: Cleaner, why: &str) {
        match cleaner {
            Cleaner::Agent => {
                let cleaned = clean_drills(&self.lab.context(), &self.lab.staging()).await;
                cleaned.unwrap_or_else(|error| panic!("{why}: {}", error.chain()));
            }
            Cleaner::Prune => {
                let store: Arc<dyn ObjectStore> = Arc::new(self.lab.staging.clone());
                let staging = StagingRoot { store, shared: false };
                let report = run_prune(&self.lab.context(), Some(&staging), Prune::Apply).await;
                let report = report.unwrap_or_else(|error| panic!("{why}: {}", error.chain()));
                assert!(report.errors.is_empty(), "{why}: {report:?}");
            }
            Cleaner::NextDrill => self.assert_passes(why).await,
        }
        self.assert_nothing_left(why).await;
    }

    async fn assert_passes(&self, why: &str) {
        let report = self.drill(&Process::immortal()).await.unwrap();
        let report = report.unwrap_or_else(|error| panic!("{why}: {}", error.chain()));
        assert_eq!(report.outcome, RunOutcome::Complete, "{why}: {report:?}");
    }

    async fn assert_nothing_left(&self, why: &str) {
        assert_eq!(left(&self.lab).await, [""; 0], "{why}");
        assert_eq!(collections(&self.lab).await, self.before, "{why}");
        assert_eq!(self.lab.milvus.databases().await.unwrap(), ["default"], "{why}");
        let films = self.lab.milvus.rows(&namespace("films")).unwrap();
        assert_eq!(films[PARTITION].len(), 2, "{why}: what is live was touched");
    }
}

#[tokio::test(start_paused = true)]
async fn a_drill_may_be_killed_at_any_of_its_calls() {
    let world = World::new().await;
    let whole = Process::immortal();
    let report = world.drill(&whole).await.unwrap().unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
    world.assert_nothing_left("whole").await;
    assert!(whole.calls() > 60, "{} calls", whole.calls());
    for calls in 0..whole.calls() {
        let world = World::new().await;
        assert!(world.drill(&Process::killed_after(calls)).await.is_none());
        let cleaner = CLEANERS[calls % CLEANERS.len()];
        let why = format!("killed after {calls} calls, then {cleaner:?}");
        world.clean(cleaner, &why).await;
        world.assert_passes(&why).await;
        if calls % 10 == 0 {
            assert_ends_clean(&world.lab, &why).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_cleans_up_may_be_killed_too() {
    let world = World::new().await;
    let whole = Process::immortal();
    world.drill(&whole).await.unwrap().unwrap();
    for first in (0..whole.calls()).step_by(11) {
        for second in (0..40).step_by(5) {
            let world = World::new().await;
            assert!(world.drill(&Process::killed_after(first)).await.is_none());
            let process = Process::killed_after(second);
            let context = process.context(world.lab.context());
            let staging = process.staging(world.lab.staging());
            process.run(Box::pin(clean_drills(&context, &staging))).await;
            let why = format!("killed after {first} calls, its cleaner after {second}");
            world.clean(CLEANERS[second % CLEANERS.len()], &why).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_drill_may_lose_its_stores_after_any_write() {
    for staged in [false, true] {
        let world = World::new().await;
        let faulty = |world: &World| {
            let inner = &world.lab;
            let store = if staged { inner.staging.clone() } else { inner.repository.clone() };
            Arc::new(FaultyStore::new(Arc::new(store)))
        };
        let run = async |world: &World, store: &Arc<FaultyStore>| {
            let store: Arc<dyn ObjectStore> = Arc::<FaultyStore>::clone(store);
            let lab = &world.lab;
            let (context, staging) = if staged {
                (lab.context(), staging_over(store))
            } else {
                (lab.context_over(store), lab.staging())
            };
            run_drill(&context, &staging, &drill_of("b")).await
        };
        let store = faulty(&world);
        run(&world, &store).await.unwrap();
        let writes = store.writes();
        assert!(writes > 4, "{writes} writes");
        for (allowed, cleaner) in (0..writes).zip(CLEANERS.into_iter().cycle()) {
            let world = World::new().await;
            let store = faulty(&world);
            store.stop_after_writes(allowed);
            let ended = run(&world, &store).await;
            let why = format!("staging {staged}, nothing after {allowed} writes: {ended:?}");
            world.clean(cleaner, &why).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn any_call_to_milvus_may_fail_a_drill() {
    let world = World::new().await;
    let before = CALLS.map(|call| world.lab.milvus.calls(call));
    world.drill(&Process::immortal()).await.unwrap().unwrap();
    let made = CALLS.iter().zip(before).map(|(call, n)| (*call, world.lab.milvus.calls(*call) - n));
    for (call, times) in made.collect::<Vec<_>>() {
        assert!(times > 0, "{call:?} is not made");
        for kind in [MilvusErrorKind::Other, MilvusErrorKind::Unreachable] {
            for nth in 1..=times {
                let world = World::new().await;
                world.lab.milvus.fail(call, nth, kind);
                let ended = world.drill(&Process::immortal()).await.unwrap();
                let why = format!("{call:?} {nth} is {kind:?}: {ended:?}");
                let good = matches!(&ended, Ok(report) if report.outcome == RunOutcome::Complete);
                assert!(!good || call == MilvusCall::ImportState, "{why}");
                if call != MilvusCall::DropCollection && call != MilvusCall::DropDatabase {
                    // What fails once is cleaned up at once.
                    assert_eq!(collections(&world.lab).await, world.before, "{why}");
                }
                world.clean(CLEANERS[nth % CLEANERS.len()], &why).await;
            }
        }
    }
}
