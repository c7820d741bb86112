//! A backup beside a prune, at every call of either: no backup loses a file.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use milvus_backup_agent::catalog::BackupState;
use milvus_backup_agent::job::{
    BackupReport, JobContext, JobError, JobResult, Prune, PruneReport, Removal, RunOutcome,
    StagingRoot, run_backup, run_delete, run_prune, run_undelete,
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
            | BackupState::Foreign
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
                let chain = backup.as_ref().map_err(JobError::chain).map(drop);
                assert_eq!(chain, Ok(()), "{why}");
                assert_stays_whole(&lab, backup, &why).await;
            }
        }
    }
}

/// What takes a hidden backup away for good, or brings it back.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Delete,
    Prune,
    Undelete,
}

impl Deed {
    async fn run(self, context: &JobContext) -> JobResult<()> {
        let old = backup_name("old");
        match self {
            Self::Delete => run_delete(context, &old, Removal::Now).await.map(drop),
            Self::Prune => run_prune(context, None, Prune::Apply).await.map(drop),
            Self::Undelete => run_undelete(context, &old).await.map(drop),
        }
    }
}

/// A holder of the lease `prune` that stands still at any of its calls, and wakes when another
/// has taken over: whoever said that the backup is back has it.
#[tokio::test(start_paused = true)]
async fn a_holder_that_wakes_late_takes_no_backup_away_that_is_back() {
    use Deed::{Delete, Prune, Undelete};
    for (stalled, other) in
        [(Delete, Undelete), (Prune, Undelete), (Undelete, Delete), (Undelete, Prune)]
    {
        let whole = Process::immortal();
        stalled.run(&whole.context(hidden().await.context())).await.expect("it works");
        let (mut back, mut fenced) = (0, 0);
        for how in [Stop::OneCall, Stop::Everything] {
            for calls in 0..whole.calls() {
                let why = format!("{stalled:?}, {how:?} before call {calls}, {other:?}");
                let lab = hidden().await;
                let process = Process::halted_before(calls, how);
                let context = process.context(lab.context());
                let meanwhile = lab.context();
                let (woken, done) =
                    process.amid(stalled.run(&context), other.run(&meanwhile)).await;
                if let Err(error) = &woken {
                    fenced += usize::from(error.kind() == ErrorKind::Locked);
                }
                let undeleted = if matches!(stalled, Undelete) { &woken } else { &done };
                let removed = if matches!(stalled, Undelete) { &done } else { &woken };
                match state(&lab, "old").await {
                    Some(BackupState::Complete) => assert_verifies(&lab, "old").await,
                    Some(BackupState::Tombstoned) | None => {
                        assert!(undeleted.is_err() || removed.is_ok(), "{why}: it said yes");
                    }
                    Some(state) => panic!("{why}: {state:?}"),
                }
                // Of two that both said yes, the later one did.
                if undeleted.is_ok() && removed.is_err() {
                    assert_eq!(state(&lab, "old").await, Some(BackupState::Complete), "{why}");
                    back += 1;
                }
            }
        }
        assert!(back > 0 && fenced > 0, "{stalled:?}, {other:?}: {back} {fenced}");
    }
}

/// A run that stands still at any of its calls, is deleted by hand and pruned, and wakes.
#[tokio::test(start_paused = true)]
async fn a_run_that_wakes_late_commits_nothing() {
    let lab = world().await;
    let whole = Process::immortal();
    run_backup(&whole.context(lab.context()), request("new")).await.expect("it works");
    let manifest = "c1/new/manifest.json".to_owned();
    let (mut committed, mut refused) = (0, 0);
    for calls in 0..whole.calls() {
        let why = format!("before call {calls}");
        let lab = world().await;
        let process = Process::halted_before(calls, Stop::Everything);
        let context = process.context(lab.context());
        let removed = async {
            // It is judged by its lease: the wall clock only says how old it is.
            lab.clock.advance(SignedDuration::from_hours(1000));
            match run_delete(&lab.context(), &backup_name("new"), Removal::Now).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                deleted => drop(deleted.unwrap_or_else(|error| panic!("{why}: {error:?}"))),
            }
            prune(&lab).await.unwrap_or_else(|error| panic!("{why}: {error:?}"));
            keys(&lab.repository).await.contains(&manifest)
        };
        let (backup, there) = process.amid(run_backup(&context, request("new")), removed).await;
        assert!(!there, "{why}: it was deleted");
        let there = keys(&lab.repository).await.contains(&manifest);
        if there {
            // It stood still before it had reserved its name, or at its very end.
            assert!(backup.is_ok(), "{why}: {backup:?}");
            assert_verifies(&lab, "new").await;
            committed += 1;
            continue;
        }
        refused += usize::from(backup.is_err());
        for _ in 0..3 {
            lab.clock.advance(SignedDuration::from_hours(100));
            prune(&lab).await.unwrap_or_else(|error| panic!("{why}: {error:?}"));
        }
        let left = keys(&lab.repository).await;
        let ours = |key: &&String| key.contains("/new/") || key.contains("/_segments/");
        assert_eq!(left.iter().find(ours), None, "{why}: it left something");
    }
    assert!(committed > 0 && refused > 0, "{committed} {refused}");
}
