//! A backup beside a prune, at every call of either: no backup loses a file.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use milvus_backup_agent::catalog::BackupState;
use milvus_backup_agent::job::{
    BackupReport, JobError, JobResult, Prune, PruneReport, Removal, RunOutcome, StagingRoot,
    run_backup, run_delete, run_prune,
};
use milvus_backup_agent::model::ErrorKind;

use crate::support::{
    Lab, Process, Stop, assert_verifies, backup_name, keys, request, state, states,
};

/// `old` is deleted, its files are due, and a new backup would reuse or adopt all of them.
async fn world() -> Lab {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    lab.fill("books", 0..4).await;
    lab.backup("old").await;
    run_delete(&lab.context(), &backup_name("old"), Removal::Now).await.expect("it is deleted");
    prune(&lab).await.expect("it works");
    lab.clock.advance(SignedDuration::from_hours(25));
    lab
}

/// The same, but `old` is only hidden, and its grace is over.
async fn hidden() -> Lab {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    lab.backup("old").await;
    lab.backup("older").await;
    run_delete(&lab.context(), &backup_name("old"), Removal::Hide).await.expect("it is hidden");
    run_delete(&lab.context(), &backup_name("older"), Removal::Hide).await.expect("it is hidden");
    lab.clock.advance(SignedDuration::from_hours(49));
    lab
}

async fn prune(lab: &Lab) -> JobResult<PruneReport> {
    let staging = StagingRoot { store: Arc::new(lab.staging.clone()), shared: true };
    Box::pin(run_prune(&lab.context(), Some(&staging), Prune::Apply)).await
}

async fn assert_whole(lab: &Lab, backup: &JobResult<BackupReport>, why: &str) {
    for (name, state) in states(lab).await {
        match state {
            BackupState::Complete => assert_verifies(lab, &name).await,
            BackupState::Failed | BackupState::Tombstoned => {}
            BackupState::Damaged
            | BackupState::Suspect
            | BackupState::Partial
            | BackupState::Running => {
                panic!("{why}: {name} is {state:?}")
            }
        }
    }
    // Whoever finds its own object gone has met no store that lies.
    assert!(!keys(&lab.repository).await.contains(&"_single_agent.json".to_owned()), "{why}");
    if let Ok(report) = backup {
        assert_eq!(report.outcome, RunOutcome::Complete, "{why}");
        assert_eq!(state(lab, "new").await, Some(BackupState::Complete), "{why}");
    }
}

/// And still so when everything that can go has gone.
async fn assert_stays_whole(lab: &Lab, backup: JobResult<BackupReport>, why: &str) {
    assert_whole(lab, &backup, why).await;
    for _ in 0..3 {
        lab.clock.advance(SignedDuration::from_hours(100));
        let report = prune(lab).await.unwrap_or_else(|error| panic!("{why}: {}", error.chain()));
        assert!(report.refused.is_none() && report.errors.is_empty(), "{why}: {report:?}");
        assert_whole(lab, &backup, why).await;
    }
    let files = keys(&lab.repository).await.iter().filter(|key| key.contains("/_seg")).count();
    let expected = if backup.is_ok() { files } else { 0 };
    assert_eq!(files, expected, "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_whole_prune_may_run_between_any_two_calls_of_a_backup() {
    let lab = world().await;
    let whole = Process::immortal();
    run_backup(&whole.context(lab.context()), request("new")).await.expect("it works");
    let mut swept = 0;
    for how in [Stop::OneCall, Stop::Everything] {
        for calls in 0..whole.calls() {
            let why = format!("{how:?} before call {calls}");
            let lab = world().await;
            let process = Process::halted_before(calls, how);
            let context = process.context(lab.context());
            let backup = run_backup(&context, request("new"));
            let (backup, pruned) = process.amid(backup, prune(&lab)).await;
            let pruned = pruned.unwrap_or_else(|error| panic!("{why}: {}", error.chain()));
            swept += pruned.files_deleted;
            if how == Stop::OneCall {
                let chain = backup.as_ref().map_err(JobError::chain).map(drop);
                assert_eq!(chain, Ok(()), "{why}");
            } else if let Err(error) = &backup {
                // Whoever stands still for half a minute is dead to the others.
                assert!([ErrorKind::Locked, ErrorKind::Failed].contains(&error.kind()), "{why}");
            }
            assert_stays_whole(&lab, backup, &why).await;
        }
    }
    assert!(swept > 0, "no sweep ever deleted anything");
}

#[tokio::test(start_paused = true)]
async fn a_backup_may_begin_at_any_call_of_a_prune() {
    for world in [0, 1] {
        let make = async || if world == 0 { self::world().await } else { hidden().await };
        let lab = make().await;
        let whole = Process::immortal();
        let context = whole.context(lab.context());
        run_prune(&context, None, Prune::Apply).await.expect("it works");
        for (how, pause) in [(Stop::OneCall, 5), (Stop::OneCall, 100), (Stop::Everything, 100)] {
            for calls in 0..whole.calls() {
                let why = format!("world {world}, {how:?} for {pause} s before call {calls}");
                let lab = make().await;
                let process = Process::halted_before(calls, how);
                let context = process.context(lab.context());
                let beginning = lab.context();
                let begun = tokio_util::sync::CancellationToken::new();
                let backup = async {
                    begun.cancelled().await;
                    run_backup(&beginning, request("new")).await
                };
                let amid = async {
                    begun.cancel();
                    tokio::time::sleep(Duration::from_secs(pause)).await;
                };
                let pruning = process.amid(run_prune(&context, None, Prune::Apply), amid);
                let ((pruned, ()), backup) = tokio::join!(Box::pin(pruning), Box::pin(backup));
                if let Err(error) = &pruned {
                    // Half of a lease is 15 s: whoever is late stops.
                    assert!(pause > 15 && error.kind() == ErrorKind::Locked, "{why}: {error:?}");
                }
                // A process that stands still for longer than its lease lives, after it has looked
                // at the lease and before it deletes what it decided on: no store fences that.
                if how == Stop::Everything && process.was_deleting() {
                    continue;
                }
                let chain = backup.as_ref().map_err(JobError::chain).map(drop);
                assert_eq!(chain, Ok(()), "{why}");
                assert_stays_whole(&lab, backup, &why).await;
            }
        }
    }
}
