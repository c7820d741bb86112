//! A restore that dies, or whose Milvus or stores fail it: a rerun ends equal, with nothing left.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use milvus_backup_agent::job::{JobResult, RestoreReport, RunOutcome, run_restore};
use milvus_backup_agent::milvus::testing::MilvusCall;
use milvus_backup_agent::milvus::{IndexDescription, LoadState, MilvusApi, MilvusErrorKind};
use milvus_backup_agent::model::ErrorKind;
use milvus_backup_agent::storage::ObjectStore;
use milvus_backup_agent::storage::testing::FaultyStore;

use crate::support::{
    Lab, PARTITION, Process, assert_ends_clean, collections, keys, leases, ledgers, namespace,
    restore_of, snapshot, staging_over,
};

const CALLS: [MilvusCall; 21] = [
    MilvusCall::Version,
    MilvusCall::Databases,
    MilvusCall::Collections,
    MilvusCall::Describe,
    MilvusCall::Partitions,
    MilvusCall::Indexes,
    MilvusCall::LoadState,
    MilvusCall::Flush,
    MilvusCall::IsFlushed,
    MilvusCall::PersistentSegments,
    MilvusCall::CreateDatabase,
    MilvusCall::CreateCollection,
    MilvusCall::CreatePartition,
    MilvusCall::CreateIndex,
    MilvusCall::Import,
    MilvusCall::ImportState,
    MilvusCall::Load,
    MilvusCall::LoadPercent,
    MilvusCall::RenameCollection,
    MilvusCall::DropCollection,
    MilvusCall::SetAlias,
];

/// Where the backup is restored to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Into {
    /// Over collections that have changed since the backup, from staged files.
    Place,
    /// An empty Milvus, which sees the repository.
    Elsewhere,
}

type Rows = Option<BTreeMap<String, BTreeSet<String>>>;

/// A lab with a backup called `first`, and the rows that it has.
struct World {
    lab: Lab,
    into: Into,
    rows: [(&'static str, Rows); 2],
}

impl World {
    async fn new(into: Into) -> Self {
        let mut lab = Lab::new();
        let films = lab.fill("films", 0..5).await;
        lab.milvus.add_partition(&films, "old");
        lab.milvus.insert(&films, "old", ["90", "91"]);
        lab.milvus.delete(&films, PARTITION, ["1"]);
        lab.fill("films", 5..8).await;
        let books = lab.fill("other.books", 0..4).await;
        let index = IndexDescription {
            field: "vec".to_owned(),
            name: "v".to_owned(),
            params: Vec::new(),
            id: 0,
        };
        lab.milvus.create_index(&films, &index).await.expect("the fake makes it");
        let loaded = LoadState::Loaded { replicas: 1 };
        lab.milvus.load(&films, &loaded).await.expect("the fake loads it");
        lab.milvus.set_alias(&films, "best").await.expect("the alias is free");
        lab.backup("first").await;
        let rows = [("films", lab.milvus.rows(&films)), ("other.books", lab.milvus.rows(&books))];
        match into {
            Into::Place => {
                lab.milvus.set_alias(&films, "top").await.expect("the alias is free");
                lab.milvus.delete(&films, PARTITION, ["2"]);
                lab.fill("films", 20..25).await;
                lab.milvus.delete(&books, PARTITION, ["0", "1"]);
            }
            Into::Elsewhere => lab.lose_milvus(),
        }
        Self { lab, into, rows }
    }

    async fn restore(&self, process: &Process) -> Option<JobResult<RestoreReport>> {
        let context = process.context(self.lab.context());
        let staging = process.staging(match self.into {
            Into::Place => self.lab.staging(),
            Into::Elsewhere => self.lab.staging_in_place(),
        });
        let mut options = restore_of("first");
        options.request.drop_existing = self.into == Into::Place;
        process.run(Box::pin(run_restore(&context, &staging, &options))).await
    }

    /// Runs the restore again, in a process that nothing happens to.
    async fn assert_recovers(&self, why: &str) {
        let lab = &self.lab;
        // A lease is taken before the ledger that names it: prune removes what dies between.
        let ledgers = ledgers(lab).await;
        let named = |lease: &String| {
            let id = lease.split("/restore-").nth(1).and_then(|rest| rest.split('/').next());
            id.is_some_and(|id| ledgers.iter().any(|ledger| ledger.contains(id)))
        };
        let orphans: Vec<_> = leases(lab).await.into_iter().filter(|l| !named(l)).collect();
        let repository = snapshot(&lab.repository).await;
        let again = self.restore(&Process::immortal()).await.expect("nobody kills it");
        let again = again.unwrap_or_else(|error| panic!("{why}: {}", error.chain()));
        assert_eq!(again.outcome, RunOutcome::Complete, "{why}: {again:?}");
        self.assert_restored(why).await;
        let left: Vec<_> = leases(lab).await.into_iter().filter(|l| !orphans.contains(l)).collect();
        assert!(left.is_empty(), "{why}: {left:?}");
        for (key, content) in snapshot(&lab.repository).await {
            assert_eq!(repository.get(&key), Some(&content), "{why}: {key} was changed");
        }
        assert_ends_clean(lab, why).await;
    }

    async fn assert_restored(&self, why: &str) {
        let milvus = &self.lab.milvus;
        for (name, rows) in &self.rows {
            assert_eq!(&milvus.rows(&namespace(name)), rows, "{why}: {name}");
        }
        let films = namespace("films");
        assert_eq!(milvus.indexes(&films).await.expect("the fake answers").len(), 1, "{why}");
        let load = milvus.load_state(&films, &[]).await.expect("the fake answers");
        assert_eq!(load, LoadState::Loaded { replicas: 1 }, "{why}");
        for alias in if self.into == Into::Place { &["best", "top"][..] } else { &["best"] } {
            let target = milvus.alias_target(&namespace(alias));
            assert_eq!(target.as_deref(), Some("films"), "{why}: {alias}");
        }
        assert_eq!(collections(&self.lab).await, ["default.films", "other.books"], "{why}");
        assert!(keys(&self.lab.staging).await.is_empty(), "{why}: staged files are left");
        assert!(ledgers(&self.lab).await.is_empty(), "{why}: a ledger is left");
    }
}

#[tokio::test(start_paused = true)]
async fn a_restore_may_be_killed_at_any_of_its_calls() {
    for into in [Into::Place, Into::Elsewhere] {
        let world = World::new(into).await;
        let whole = Process::immortal();
        let report = world.restore(&whole).await.unwrap().unwrap();
        assert_eq!(report.outcome, RunOutcome::Complete);
        world.assert_restored("whole").await;
        assert!(leases(&world.lab).await.is_empty());
        assert!(whole.calls() > 60, "{} calls", whole.calls());
        for calls in 0..whole.calls() {
            let world = World::new(into).await;
            assert!(world.restore(&Process::killed_after(calls)).await.is_none());
            let why = format!("{into:?}, killed after {calls} calls");
            if calls + 1 == whole.calls() {
                // Only its lease was left to be released.
                world.assert_restored(&why).await;
            } else {
                world.assert_recovers(&why).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_rerun_that_is_killed_too_can_be_run_again() {
    let world = World::new(Into::Place).await;
    let whole = Process::immortal();
    world.restore(&whole).await.unwrap().unwrap();
    for first in (0..whole.calls()).step_by(17) {
        for second in (0..whole.calls()).step_by(13) {
            let world = World::new(Into::Place).await;
            assert!(world.restore(&Process::killed_after(first)).await.is_none());
            let again = world.restore(&Process::killed_after(second)).await;
            let why = format!("killed after {first} and {second} calls");
            if again.is_some() && ledgers(&world.lab).await.is_empty() {
                world.assert_restored(&why).await;
            } else {
                world.assert_recovers(&why).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_restore_may_lose_its_repository_after_any_write() {
    let world = World::new(Into::Place).await;
    let store = world.lab.faulty();
    let mut options = restore_of("first");
    options.request.drop_existing = true;
    let context = world.lab.context_over(Arc::<FaultyStore>::clone(&store));
    run_restore(&context, &world.lab.staging(), &options).await.unwrap();
    assert!(store.writes() > 6, "{} writes", store.writes());
    // With the last write the ledger goes, and a rerun would be a restore of its own.
    for allowed in 0..store.writes() - 1 {
        let world = World::new(Into::Place).await;
        let store = world.lab.faulty();
        store.stop_after_writes(allowed);
        let context = world.lab.context_over(Arc::<FaultyStore>::clone(&store));
        let ended = run_restore(&context, &world.lab.staging(), &options).await;
        let why = format!("no repository after {allowed} writes: {ended:?}");
        assert!(!matches!(&ended, Ok(report) if report.outcome == RunOutcome::Complete), "{why}");
        world.assert_recovers(&why).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_restore_may_lose_its_staging_after_any_write() {
    let staging = |world: &World| Arc::new(FaultyStore::new(Arc::new(world.lab.staging.clone())));
    let mut options = restore_of("first");
    options.request.drop_existing = true;
    let world = World::new(Into::Place).await;
    let store = staging(&world);
    let seen = staging_over(Arc::<FaultyStore>::clone(&store));
    run_restore(&world.lab.context(), &seen, &options).await.unwrap();
    for allowed in 0..store.writes() {
        let world = World::new(Into::Place).await;
        let store = staging(&world);
        store.stop_after_writes(allowed);
        let seen: Arc<dyn ObjectStore> = store;
        let seen = staging_over(seen);
        let ended = run_restore(&world.lab.context(), &seen, &options).await;
        let why = format!("no staging after {allowed} writes: {ended:?}");
        assert!(leases(&world.lab).await.is_empty(), "{why}: a lease is left");
        world.assert_recovers(&why).await;
    }
}

#[tokio::test(start_paused = true)]
async fn any_call_to_milvus_may_fail_a_restore() {
    for into in [Into::Place, Into::Elsewhere] {
        let world = World::new(into).await;
        let before = CALLS.map(|call| world.lab.milvus.calls(call));
        world.restore(&Process::immortal()).await.unwrap().unwrap();
        let made =
            CALLS.iter().zip(before).map(|(call, n)| (*call, world.lab.milvus.calls(*call) - n));
        for (call, times) in made.collect::<Vec<_>>() {
            for kind in [MilvusErrorKind::Other, MilvusErrorKind::Unreachable] {
                for nth in 1..=times {
                    let world = World::new(into).await;
                    world.lab.milvus.fail(call, nth, kind);
                    let ended = world.restore(&Process::immortal()).await.unwrap();
                    let why = format!("{into:?}, {call:?} {nth} is {kind:?}: {ended:?}");
                    assert!(leases(&world.lab).await.is_empty(), "{why}: a lease is left");
                    assert!(keys(&world.lab.staging).await.is_empty(), "{why}: staged files");
                    if ledgers(&world.lab).await.is_empty() && ended.is_ok() {
                        world.assert_restored(&why).await;
                    } else {
                        world.assert_recovers(&why).await;
                    }
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_restore_ends_as_cancelled_and_can_be_run_again() {
    let world = World::new(Into::Place).await;
    let context = world.lab.context();
    world.lab.milvus.script_import(milvus_backup_agent::milvus::testing::ImportScript::Hang);
    let staging = world.lab.staging();
    let mut options = restore_of("first");
    options.request.drop_existing = true;
    let cancel = context.cancel.clone();
    let stop = async {
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        cancel.cancel();
    };
    let (ended, ()) = tokio::join!(run_restore(&context, &staging, &options), stop);
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
    world.assert_recovers("cancelled").await;
}
