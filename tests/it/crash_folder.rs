//! The same deaths in a repository that is a folder: what `crash.rs` and `prune_crash.rs` walk
//! in memory, on the store that people have.

use std::path::Path;
use std::sync::Arc;

use jiff::SignedDuration;
use milvus_backup_agent::catalog::BackupState;
use milvus_backup_agent::config::Retention;
use milvus_backup_agent::job::{
    ExportOptions, JobContext, Prune, PruneRequest, Removal, RunOutcome, Sizes, run_backup,
    run_delete, run_export, run_list, run_prune, run_undelete, run_verify,
};
use milvus_backup_agent::model::Guard;
use milvus_backup_agent::plan::VerifyDepth;
use milvus_backup_agent::storage::testing::FaultyStore;
use milvus_backup_agent::storage::{LocalStore, ObjectStore};
use tempfile::TempDir;

use crate::support::{Lab, assert_trees_whole, backup_name, keys, request, standalone};

/// A Milvus, and a folder with the backup `old`.
struct World {
    lab: Lab,
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let lab = Lab::new();
        // What the folder dates by the real clock must not be in the future.
        lab.clock.advance(SignedDuration::from_hours(24 * 365 * 100));
        lab.fill("films", 0..5).await;
        let world = Self { lab, folder: TempDir::new().expect("a folder") };
        run_backup(&world.context().await, request("old")).await.expect("a backup");
        world.lab.fill("films", 5..9).await;
        world
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    async fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::new(LocalStore::open(self.path()).await.expect("it is opened"))
    }

    async fn context(&self) -> JobContext {
        self.over(self.store().await)
    }

    /// A process without patience: a folder's clock is the real one.
    fn over(&self, store: Arc<dyn ObjectStore>) -> JobContext {
        let none = SignedDuration::ZERO;
        let retention = Retention {
            delete_grace: none,
            orphan_grace: none,
            failed_ttl: none,
            max_delete_percent: 50,
        };
        JobContext { retention, ..self.lab.context_over(store) }
    }

    /// What is listed as complete is complete.
    async fn assert_sound(&self, why: &str) {
        let context = self.context().await;
        assert_trees_whole(&*context.repository, why).await;
        for row in run_list(&context, Sizes::Known).await.expect("a list") {
            match row.state {
                BackupState::Complete => {
                    let name = backup_name(&row.name);
                    let report = run_verify(&context, None, &name, VerifyDepth::Content).await;
                    let report = report.unwrap_or_else(|error| panic!("{why}: {}", error.chain()));
                    assert_eq!(report.outcome, RunOutcome::Complete, "{why}: {report:?}");
                }
                BackupState::Failed | BackupState::Running | BackupState::Tombstoned => {}
                BackupState::Partial
                | BackupState::Suspect
                | BackupState::Damaged
                | BackupState::Foreign => {
                    panic!("{why}: {row:?}")
                }
            }
        }
    }

    /// The next backup succeeds, and after everything was deleted nothing is left.
    async fn ends_well(&self, why: &str) {
        let context = self.context().await;
        let next = run_backup(&context, request("next")).await;
        next.unwrap_or_else(|error| panic!("{why}: {}", error.chain()));
        self.assert_sound(why).await;
        for row in run_list(&context, Sizes::Known).await.expect("a list") {
            if row.state == BackupState::Complete {
                let deleted = run_delete(&context, &backup_name(&row.name), Removal::Now).await;
                deleted.unwrap_or_else(|error| panic!("{why}: {}", error.chain()));
            }
        }
        for _ in 0..3 {
            self.lab.clock.advance(SignedDuration::from_hours(1));
            let report = run_prune(&context, None, timeless()).await;
            let report = report.unwrap_or_else(|error| panic!("{why}: {}", error.chain()));
            assert!(report.refused.is_none() && report.errors.is_empty(), "{why}: {report:?}");
        }
        let ours = |key: &String| {
            let kept = ["_repository.json", "_cluster.json", "_sweep.jsonl.zst"];
            !kept.iter().any(|kept| key.ends_with(kept)) && !key.contains("/_leases/")
        };
        let left: Vec<String> = keys(&*self.store().await).await.into_iter().filter(ours).collect();
        assert_eq!(left, [""; 0], "{why}");
    }
}

/// A prune that does not mind that the folder's clock is the real one.
fn timeless() -> PruneRequest {
    PruneRequest { allow: [Guard::Clock].into(), ..Prune::Apply.into() }
}

/// Dies after every single write of `work`, which follows `before`.
async fn dies<B, W, F, G>(least: u64, before: B, work: W)
where
    B: Fn(JobContext) -> F,
    W: Fn(JobContext) -> G,
    F: Future<Output = ()>,
    G: Future<Output = bool>,
{
    let world = World::new().await;
    before(world.context().await).await;
    let store = Arc::new(FaultyStore::new(world.store().await));
    assert!(work(world.over(Arc::<FaultyStore>::clone(&store))).await, "it works by itself");
    let writes = store.writes();
    assert!(writes >= least, "{writes} writes");
    for allowed in 0..writes {
        let why = format!("after {allowed} of {writes} writes");
        let world = World::new().await;
        before(world.context().await).await;
        let store = Arc::new(FaultyStore::new(world.store().await));
        store.stop_after_writes(allowed);
        work(world.over(Arc::<FaultyStore>::clone(&store))).await;
        world.assert_sound(&why).await;
        world.ends_well(&why).await;
    }
}

async fn nothing(_: JobContext) {}

#[tokio::test(start_paused = true)]
async fn a_backup_may_stop_after_any_of_its_writes() {
    let work =
        |context: JobContext| async move { run_backup(&context, request("b")).await.is_ok() };
    dies(15, nothing, work).await;
}

/// An export links the files of `old`.
#[tokio::test(start_paused = true)]
async fn a_tree_may_stop_after_any_of_its_writes() {
    let options =
        || ExportOptions { backup: backup_name("old"), cluster: None, to: backup_name("b") };
    let work = |context: JobContext| async move { run_export(&context, &options()).await.is_ok() };
    dies(20, nothing, work).await;
    let tree = |context: JobContext| async move {
        run_backup(&context, standalone("tree")).await.expect("a backup");
    };
    let delete = |context: JobContext| async move {
        run_delete(&context, &backup_name("tree"), Removal::Now).await.is_ok()
    };
    dies(15, tree, delete).await;
}

#[tokio::test(start_paused = true)]
async fn a_delete_and_an_undelete_may_stop_after_any_of_their_writes() {
    let name = || backup_name("old");
    let delete = |context: JobContext| async move {
        run_delete(&context, &name(), Removal::Now).await.is_ok()
    };
    dies(8, nothing, delete).await;
    let hide = |context: JobContext| async move {
        run_delete(&context, &name(), Removal::Hide).await.expect("it is hidden");
    };
    dies(3, hide, |context| async move { run_undelete(&context, &name()).await.is_ok() }).await;
    let prune =
        |context: JobContext| async move { run_prune(&context, None, timeless()).await.is_ok() };
    dies(8, hide, prune).await;
}
