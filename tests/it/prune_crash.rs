//! Deleting that dies: whatever is listed as a backup is whole, and the next prune finishes.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use milvus_backup_agent::catalog::BackupState;
use milvus_backup_agent::job::{
    JobContext, Prune, Removal, StagingRoot, run_backup, run_delete, run_prune, run_restore,
    run_undelete,
};
use milvus_backup_agent::plan::Verdict;
use milvus_backup_agent::storage::testing::FaultyStore;
use milvus_backup_agent::storage::{StoreErrorKind, StoreOp};

use crate::support::{
    Lab, Process, assert_verifies, backup_name, keys, ledgers, request, restore_of, states,
};

/// What a power cut brings back of the deletions since the last sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    Stop,
    PowerCut,
    /// One of them, counted from the oldest.
    OneComesBack(usize),
}

const DEATHS: [Death; 5] = [
    Death::Stop,
    Death::PowerCut,
    Death::OneComesBack(0),
    Death::OneComesBack(1),
    Death::OneComesBack(2),
];

fn hours(lab: &Lab, hours: i64) {
    lab.clock.advance(SignedDuration::from_hours(hours));
}

fn staging(lab: &Lab) -> StagingRoot {
    StagingRoot { store: Arc::new(lab.staging.clone()), shared: true }
}

/// Backups, one of them deleted; a dead run, a dead restore, files of no backup.
async fn world() -> Lab {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    lab.backup("first").await;
    lab.fill("films", 5..9).await;
    lab.backup("second").await;
    lab.fill("books", 0..3).await;
    lab.backup("third").await;
    let dying = Process::killed_after(60);
    let context = dying.context(lab.context());
    lab.fill("films", 9..12).await;
    assert!(dying.run(run_backup(&context, request("dead"))).await.is_none());
    let mut options = restore_of("first");
    options.request.suffix = Some("_copy".to_owned());
    let dying = Process::killed_after(34);
    let context = dying.context(lab.context());
    let staged = dying.staging(lab.staging());
    assert!(dying.run(Box::pin(run_restore(&context, &staged, &options))).await.is_none());
    assert!(!keys(&lab.staging).await.is_empty() && !ledgers(&lab).await.is_empty());
    run_delete(&lab.context(), &backup_name("second"), Removal::Now).await.unwrap();
    run_prune(&lab.context(), None, Prune::Apply).await.unwrap();
    run_delete(&lab.context(), &backup_name("first"), Removal::Hide).await.unwrap();
    hours(&lab, 100);
    lab
}

/// Every listed backup is whole; a deleted one may be hidden.
async fn assert_listed_is_whole(lab: &Lab, why: &str) -> BTreeMap<String, BackupState> {
    let found = states(lab).await;
    for (name, state) in &found {
        match state {
            BackupState::Complete => assert_verifies(lab, name).await,
            BackupState::Failed | BackupState::Tombstoned => {}
            BackupState::Partial
            | BackupState::Foreign
            | BackupState::Suspect
            | BackupState::Running
            | BackupState::Damaged => {
                panic!("{why}: {name} is {state:?}")
            }
        }
    }
    assert_eq!(found.get("third"), Some(&BackupState::Complete), "{why}");
    found
}

async fn prunes_to_the_end(lab: &Lab, why: &str) {
    hours(lab, 100);
    for _ in 0..2 {
        let report = run_prune(&lab.context(), Some(&staging(lab)), Prune::Apply).await;
        let report = report.unwrap_or_else(|error| panic!("{why}: {}", error.chain()));
        assert!(report.refused.is_none() && report.errors.is_empty(), "{why}: {report:?}");
        hours(lab, 25);
    }
    let found = assert_listed_is_whole(lab, why).await;
    assert!(!found.contains_key("dead"), "{why}: {found:?}");
    let left = keys(&lab.repository).await;
    let orphan = |key: &&String| key.contains("/_leases/run-") || key.contains("/dead/");
    assert_eq!(left.iter().find(orphan), None, "{why}");
    assert!(keys(&lab.staging).await.is_empty(), "{why}");
    let report = run_prune(&lab.context(), Some(&staging(lab)), Prune::Apply).await.unwrap();
    let idle = report.verdicts.iter().all(|row| row.verdict != Verdict::Delete);
    assert!(idle && report.files_deleted == 0, "{why}: {report:?}");
}

/// Dies after every single write of `work`.
async fn dies<F>(least: u64, work: impl Fn(JobContext, StagingRoot) -> F)
where
    F: Future<Output = bool>,
{
    let lab = world().await;
    let store = lab.faulty();
    let context = lab.context_over(Arc::<FaultyStore>::clone(&store));
    assert!(work(context, staging(&lab)).await, "it works when nothing dies");
    let writes = store.writes();
    assert!(writes >= least, "{writes} writes");
    for death in DEATHS {
        for allowed in 0..=writes {
            let why = format!("{death:?} after {allowed} of {writes} writes");
            let lab = world().await;
            let store = lab.faulty();
            store.stop_after_writes(allowed);
            let context = lab.context_over(Arc::<FaultyStore>::clone(&store));
            work(context, staging(&lab)).await;
            match death {
                Death::Stop => {}
                Death::PowerCut => store.lose_unsynced().await.unwrap(),
                Death::OneComesBack(one) => store.lose_deletes(|index| index == one).await.unwrap(),
            }
            assert_listed_is_whole(&lab, &why).await;
            prunes_to_the_end(&lab, &why).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_prune_may_stop_after_any_of_its_writes() {
    dies(25, |context, staging| async move {
        run_prune(&context, Some(&staging), Prune::Apply).await.is_ok()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_delete_may_stop_after_any_of_its_writes() {
    for name in ["first", "dead"] {
        dies(10, |context, _| async move {
            run_delete(&context, &backup_name(name), Removal::Now).await.is_ok()
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_undelete_may_stop_after_any_of_its_writes() {
    dies(
        4,
        |context, _| async move { run_undelete(&context, &backup_name("first")).await.is_ok() },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_a_run_left_beside_its_backup_goes_with_the_next_prune() {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    let store = lab.faulty();
    for left in ["plan", "checkpoint"] {
        store.fail(StoreOp::Delete, left, StoreErrorKind::Transient, 1);
    }
    run_backup(&lab.context_over(store), request("b")).await.unwrap();
    let left = async || {
        let all = keys(&lab.repository).await.into_iter();
        all.filter(|key| key.contains("plan.") || key.contains("checkpoint.")).count()
    };
    assert_eq!(left().await, 2);
    let told = run_prune(&lab.context(), None, Prune::Plan).await.unwrap();
    assert_eq!((told.errors.len(), left().await), (0, 2), "it only tells");
    run_prune(&lab.context(), None, Prune::Apply).await.unwrap();
    assert_eq!(left().await, 0);
    assert_verifies(&lab, "b").await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_backup_never_comes_back_by_halves() {
    // A tombstone beats a manifest that a disk brings back.
    let lab = world().await;
    let store = lab.faulty();
    let context = lab.context_over(Arc::<FaultyStore>::clone(&store));
    run_delete(&context, &backup_name("first"), Removal::Now).await.unwrap();
    store.lose_unsynced().await.unwrap();
    assert_eq!(states(&lab).await.get("first"), None, "the last step was synced");
}
