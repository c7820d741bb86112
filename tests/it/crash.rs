//! A backup that dies: the table of `catalog/mod.rs`, walked step by step.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use std::sync::Arc;

use milvus_backup_agent::catalog::BackupState;
use milvus_backup_agent::job::{BackupReport, JobResult, RunOutcome, run_backup};
use milvus_backup_agent::storage::testing::FaultyStore;

use crate::support::{
    Lab, PARTITION, Process, assert_ends_clean, assert_sound, assert_verifies, keys, leases,
    request, snapshot, state,
};

/// What the repository has when the run begins that dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    /// A backup, after which `films` grew and lost a row, and `books` stayed.
    Backup,
}

/// What is left of a run that stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    Stop,
    PowerCut,
}

async fn world(before: Before) -> Lab {
    let lab = Lab::new();
    let films = lab.fill("films", 0..5).await;
    lab.fill("other.books", 0..4).await;
    if before == Before::Backup {
        lab.backup("first").await;
        lab.milvus.delete(&films, PARTITION, ["1"]);
        lab.fill("films", 5..9).await;
    }
    lab
}

/// Segment files in the repository.
async fn files(lab: &Lab) -> usize {
    let all = keys(&lab.repository).await;
    all.iter().filter(|key| key.contains("/_segments/")).count()
}

/// The run called `second` has ended somehow; only the repository tells where.
async fn assert_recovers(lab: &Lab, before: Before, ended: Option<JobResult<BackupReport>>) {
    let source = snapshot(&*lab.source).await;
    assert_sound(lab).await;
    let succeeded = matches!(&ended, Some(Ok(_)));
    match state(lab, "second").await {
        Some(BackupState::Complete) => {}
        None | Some(BackupState::Running | BackupState::Failed) => assert!(!succeeded),
        other => panic!("the interrupted run is {other:?}"),
    }
    lab.later();
    assert_ne!(state(lab, "second").await, Some(BackupState::Running), "a dead run beats");

    let (there, left) = (files(lab).await, leases(lab).await);
    let next = lab.backup("next").await;
    assert_verifies(lab, "next").await;
    assert_sound(lab).await;
    let all = if before == Before::Nothing { 10 } else { 16 };
    assert_eq!(files(lab).await, all);
    assert_eq!(next.files_copied, (all - there) as u64, "a file was copied again");
    assert_eq!(next.files_reused, there as u64);
    assert_eq!(leases(lab).await, left, "the next run left a lease");
    assert_eq!(snapshot(&*lab.source).await, source, "Milvus's storage was changed");
    if before == Before::Backup {
        assert_eq!(state(lab, "first").await, Some(BackupState::Complete));
    }
    assert_ends_clean(lab, "after a death").await;
}

/// How many writes the run called `second` makes.
async fn writes(before: Before) -> u64 {
    let lab = world(before).await;
    let store = lab.faulty();
    run_backup(&lab.context_over(Arc::<FaultyStore>::clone(&store)), request("second"))
        .await
        .unwrap();
    store.writes()
}

#[tokio::test(start_paused = true)]
async fn a_backup_may_stop_after_any_of_its_writes() {
    for before in [Before::Nothing, Before::Backup] {
        let writes = writes(before).await;
        assert!(writes > 12, "{writes} writes");
        for death in [Death::Stop, Death::PowerCut] {
            for allowed in 0..=writes {
                let lab = world(before).await;
                let store = lab.faulty();
                store.stop_after_writes(allowed);
                let context = lab.context_over(Arc::<FaultyStore>::clone(&store));
                let ended = run_backup(&context, request("second")).await;
                if death == Death::PowerCut {
                    store.lose_unsynced().await.unwrap();
                }
                assert_recovers(&lab, before, Some(ended)).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_backup_may_be_killed_at_any_of_its_calls() {
    for before in [Before::Nothing, Before::Backup] {
        let lab = world(before).await;
        let whole = Process::immortal();
        run_backup(&whole.context(lab.context()), request("second")).await.unwrap();
        assert!(whole.calls() > 40, "{} calls", whole.calls());
        for calls in 0..=whole.calls() {
            let lab = world(before).await;
            let process = Process::killed_after(calls);
            let context = process.context(lab.context());
            let ended = process.run(run_backup(&context, request("second"))).await;
            assert_recovers(&lab, before, ended).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_run_left_is_durable_once_it_is_adopted() {
    let writes = writes(Before::Nothing).await;
    for allowed in 0..writes {
        let lab = world(Before::Nothing).await;
        let first = lab.faulty();
        first.stop_after_writes(allowed);
        let context = lab.context_over(Arc::<FaultyStore>::clone(&first));
        run_backup(&context, request("second")).await.map(drop).unwrap_or_default();
        let again = Arc::new(first.restarted());
        let context = lab.context_over(Arc::<FaultyStore>::clone(&again));
        let report = run_backup(&context, request("next")).await.unwrap();
        again.lose_unsynced().await.unwrap();
        assert_eq!(report.outcome, RunOutcome::Complete);
        assert_verifies(&lab, "next").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_dies_while_reading_is_listed_as_interrupted() {
    let lab = world(Before::Nothing).await;
    let whole = Process::immortal();
    let context = whole.context(lab.context());
    run_backup(&context, request("whole")).await.unwrap();
    let process = Process::killed_after(whole.calls() / 2);
    let context = process.context(lab.context());
    assert!(process.run(run_backup(&context, request("second"))).await.is_none());
    assert_eq!(state(&lab, "second").await, Some(BackupState::Running));
    lab.later();
    assert_eq!(state(&lab, "second").await, Some(BackupState::Failed));
}
