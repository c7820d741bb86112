//! Two agents that want the same backup: one makes it, the other finds it made, whatever
//! happens to one of them.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use milvus_backup_agent::catalog::BackupState;
use milvus_backup_agent::job::{
    BackupRequest, JobContext, JobError, JobResult, Made, Removal, make_once, run_delete,
};
use milvus_backup_agent::manifest::{Attempt, Manifest, ManifestOutcome, decode, encode};
use milvus_backup_agent::model::{ErrorKind, ObjectKey, PolicyName};
use milvus_backup_agent::policy::CollectionSelector;
use milvus_backup_agent::storage::testing::FaultyStore;
use milvus_backup_agent::storage::{ObjectStore, ObjectStoreExt, PutMode, StoreErrorKind, StoreOp};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{
    Lab, Process, Stop, assert_ends_clean, assert_verifies, backup_name, keys, leases, request,
    state, states,
};

/// A run has its name by then, and is not done.
const A_LITTLE: Duration = Duration::from_millis(500);

/// Longer than any lease lives.
const LONG: Duration = Duration::from_secs(100);

const SLOT: &str = "often_20261126_020000";

async fn world() -> Lab {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    lab.fill("other.books", 0..4).await;
    lab
}

/// A run of a job for the slot.
async fn run(context: &JobContext, job: &str, after: Duration) -> JobResult<Made> {
    sleep(after).await;
    let request = BackupRequest { name: None, job: Some(job.to_owned()), ..request("any") };
    make_once(context, &backup_name(SLOT), request).await
}

/// Whether the run has made the backup; else another one has.
fn made(run: JobResult<Made>, why: &str) -> bool {
    match run.unwrap_or_else(|error| panic!("{why}: {}", error.chain())) {
        Made::Now(_) | Made::Before(ManifestOutcome::Complete) => true,
        Made::Before(ManifestOutcome::Partial) => panic!("{why}: partial"),
        Made::Elsewhere { host } => {
            assert!(!host.is_empty(), "{why}");
            false
        }
    }
}

/// The slot has its backup, whole, and there is no other.
async fn assert_one_backup(lab: &Lab, why: &str) {
    let all: Vec<_> = states(lab).await.into_iter().collect();
    assert_eq!(all, [(SLOT.to_owned(), BackupState::Complete)], "{why}");
    assert_verifies(lab, SLOT).await;
}

/// The calls of a run that nobody is in the way of.
async fn calls() -> usize {
    let whole = Process::immortal();
    let lab = world().await;
    assert!(made(run(&whole.context(lab.context()), "a/1", Duration::ZERO).await, "alone"));
    whole.calls()
}

#[tokio::test(start_paused = true)]
async fn of_two_that_start_at_once_one_makes_the_backup() {
    for lead in [0, 1, 10, 100, 500, 1000] {
        let (lab, why) = (world().await, format!("{lead} ms ahead"));
        let (one, other) = (lab.context(), lab.context());
        let (one, other) = tokio::join!(
            Box::pin(run(&one, "a/1", Duration::ZERO)),
            Box::pin(run(&other, "b/1", Duration::from_millis(lead)))
        );
        let (one, other) = (made(one, &why), made(other, &why));
        assert!(one != other, "{why}: {one} {other}");
        assert_one_backup(&lab, &why).await;
        assert!(leases(&lab).await.is_empty(), "{why}: a lease is left");
        assert_ends_clean(&lab, &why).await;
    }
}

/// And the job of the killed one, which goes on at its agent's next start, ends well, too.
#[tokio::test(start_paused = true)]
async fn one_of_two_may_be_killed_at_any_of_its_calls() {
    let mut taken_over = 0;
    for (first, second) in [(Duration::ZERO, A_LITTLE), (A_LITTLE, Duration::ZERO)] {
        for calls in 0..calls().await {
            let (lab, why) = (world().await, format!("killed at {calls}, {first:?} late"));
            let mortal = Process::killed_after(calls);
            let (dying, living) = (mortal.context(lab.context()), lab.context());
            let (died, lived) = tokio::join!(
                Box::pin(mortal.run(run(&dying, "a/1", first))),
                Box::pin(run(&living, "b/1", second))
            );
            let lived = made(lived, &why);
            assert_one_backup(&lab, &why).await;
            let again = made(run(&lab.context(), "a/1", Duration::ZERO).await, &why);
            assert!(lived != again, "{why}: both say {lived}");
            if let Some(died) = died {
                assert_eq!(made(died, &why), again, "{why}");
            }
            taken_over += usize::from(lived && first.is_zero());
            assert_ends_clean(&lab, &why).await;
        }
    }
    assert!(taken_over > 20, "only {taken_over} were taken over");
}

#[tokio::test(start_paused = true)]
async fn one_of_two_may_stand_still_at_any_of_its_calls() {
    let mut woke_late = 0;
    for how in [Stop::OneCall, Stop::Everything] {
        for (first, second) in [(Duration::ZERO, A_LITTLE), (A_LITTLE, Duration::ZERO)] {
            for calls in 0..calls().await {
                let (lab, why) = (world().await, format!("{how:?} before {calls}, {first:?} late"));
                let process = Process::halted_before(calls, how);
                let (halted, going) = (process.context(lab.context()), lab.context());
                let halting = process.amid(run(&halted, "a/1", first), sleep(LONG));
                let ((woken, ()), other) =
                    tokio::join!(Box::pin(halting), Box::pin(run(&going, "b/1", second)));
                let (woken, other) = (made(woken, &why), made(other, &why));
                assert!(woken != other, "{why}: both say {woken}");
                assert_one_backup(&lab, &why).await;
                woke_late += usize::from(first.is_zero() && !woken);
                assert_ends_clean(&lab, &why).await;
            }
        }
    }
    assert!(woke_late > 20, "only {woke_late} lost their place");
}

/// A third run has left the name in the midst of its work, and died.
async fn inheritance() -> Lab {
    let lab = world().await;
    let dead = Process::killed_after(50);
    let context = dead.context(lab.context());
    assert!(dead.run(run(&context, "c/1", Duration::ZERO)).await.is_none());
    assert!(keys(&lab.repository).await.contains(&format!("c1/{SLOT}/attempt.json")));
    lab
}

#[tokio::test(start_paused = true)]
async fn of_two_heirs_one_may_be_killed_or_slow_at_any_of_its_calls() {
    let (whole, lab) = (Process::immortal(), inheritance().await);
    assert!(made(run(&whole.context(lab.context()), "a/1", Duration::ZERO).await, "alone"));
    for (first, second) in [(Duration::ZERO, A_LITTLE), (A_LITTLE, Duration::ZERO)] {
        for calls in 0..whole.calls() {
            let (lab, why) = (inheritance().await, format!("killed at {calls}, {first:?} late"));
            let mortal = Process::killed_after(calls);
            let (dying, living) = (mortal.context(lab.context()), lab.context());
            let (_, lived) = tokio::join!(
                Box::pin(mortal.run(run(&dying, "a/1", first))),
                Box::pin(run(&living, "b/1", second))
            );
            let (lived, again) =
                (made(lived, &why), made(run(&lab.context(), "a/1", Duration::ZERO).await, &why));
            assert!(lived != again, "{why}: both say {lived}");
            assert_one_backup(&lab, &why).await;

            let (lab, why) = (inheritance().await, format!("slow at {calls}, {first:?} late"));
            let process = Process::halted_before(calls, Stop::OneCall);
            let (slow, fast) = (process.context(lab.context()), lab.context());
            let slowly = process.amid(run(&slow, "a/1", first), sleep(LONG));
            let ((slow, ()), fast) =
                tokio::join!(Box::pin(slowly), Box::pin(run(&fast, "b/1", second)));
            let (slow, fast) = (made(slow, &why), made(fast, &why));
            assert!(slow != fast, "{why}: both say {slow}");
            assert_one_backup(&lab, &why).await;
        }
    }
}

/// When one that stood still wakes, the other one is at work in its place (32 and 36 s) or is
/// done. A run that wrote now what it had decided on before would spoil the backup.
#[tokio::test(start_paused = true)]
async fn no_moment_to_wake_is_a_wrong_one() {
    let (whole, lab) = (Process::immortal(), inheritance().await);
    assert!(made(run(&whole.context(lab.context()), "a/1", Duration::ZERO).await, "alone"));
    for (heirs, pause) in [(false, 32), (true, 32), (true, 36), (true, 100)] {
        for calls in 0..whole.calls() {
            let why = format!("heirs: {heirs}, {pause} s before {calls}");
            let lab = if heirs { inheritance().await } else { world().await };
            let process = Process::halted_before(calls, Stop::Everything);
            let (halted, going) = (process.context(lab.context()), lab.context());
            let pause = async { sleep(Duration::from_secs(pause)).await };
            let halting = process.amid(run(&halted, "a/1", Duration::ZERO), pause);
            let ((woken, ()), other) =
                tokio::join!(Box::pin(halting), Box::pin(run(&going, "b/1", A_LITTLE)));
            let (woken, other) = (made(woken, &why), made(other, &why));
            assert!(woken != other, "{why}: both say {woken}");
            assert_one_backup(&lab, &why).await;
        }
    }
}

/// A run whose third read of Milvus's storage never ends.
fn stuck(lab: &Lab) -> JobContext {
    let mut context = lab.context();
    context.source = Some(Process::killed_after(2).store(Arc::clone(&lab.source)));
    context
}

#[tokio::test(start_paused = true)]
async fn who_waits_moves_all_the_time_and_can_be_told_to_stop() {
    let lab = world().await;
    let (working, waiting) = (stuck(&lab), lab.context());
    let watch = async {
        sleep(A_LITTLE * 10).await;
        let mut moves = waiting.progress.snapshot().moves;
        for _ in 0..100 {
            sleep(Duration::from_millis(2500)).await;
            let now = waiting.progress.snapshot();
            assert!(now.moves > moves, "a stall timeout would end it");
            assert!(now.subject.contains("waiting for a run on"), "{now:?}");
            moves = now.moves;
        }
        waiting.cancel.cancel();
        Instant::now()
    };
    let waits = async { (run(&waiting, "b/1", A_LITTLE).await, Instant::now()) };
    let worker = timeout(LONG * 4, run(&working, "a/1", Duration::ZERO));
    let (_, (ended, at), cancelled) = tokio::join!(Box::pin(worker), Box::pin(waits), watch);
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(at.duration_since(cancelled) < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn who_waits_makes_the_backup_when_the_other_one_fails() {
    let lab = world().await;
    let (working, waiting) = (stuck(&lab), lab.context());
    let stop = async {
        sleep(LONG).await;
        working.cancel.cancel();
        Instant::now()
    };
    let waits = async { (run(&waiting, "b/1", A_LITTLE).await, Instant::now()) };
    let worker = run(&working, "a/1", Duration::ZERO);
    let (worker, (waited, at), stopped) = tokio::join!(Box::pin(worker), Box::pin(waits), stop);
    assert_eq!(worker.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(made(waited, "the other one was stopped"));
    assert!(
        at.duration_since(stopped) < Duration::from_secs(10),
        "it waits for longer than it must"
    );
    assert_one_backup(&lab, "stopped").await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_loses_its_lease_again_and_again_fails() {
    let lab = world().await;
    let context = stuck(&lab);
    let mut taken = 0;
    let thief = async {
        loop {
            sleep(Duration::from_secs(3)).await;
            for key in leases(&lab).await {
                taken += 1;
                lab.repository.delete(&[ObjectKey::new(key).unwrap()]).await.unwrap();
            }
        }
    };
    let error = tokio::select! {
        ended = Box::pin(run(&context, "a/1", Duration::ZERO)) => ended.unwrap_err(),
        () = thief => unreachable!("it steals until it is dropped"),
    };
    assert_eq!((error.kind(), taken), (ErrorKind::Locked, 3), "{}", error.chain());
}

/// A store that cannot be read is no reason to wait for ever.
#[tokio::test(start_paused = true)]
async fn who_waits_fails_with_its_repository() {
    let lab = world().await;
    let working = stuck(&lab);
    let store = lab.faulty();
    let waiting = lab.context_over(Arc::<FaultyStore>::clone(&store));
    let waits = async {
        sleep(A_LITTLE * 4).await;
        store.fail(StoreOp::Get, SLOT, StoreErrorKind::PermissionDenied, 1000);
        pending::<()>().await;
    };
    let error: JobError = tokio::select! {
        ended = Box::pin(run(&waiting, "b/1", A_LITTLE)) => ended.unwrap_err(),
        _ = Box::pin(run(&working, "a/1", Duration::ZERO)) => unreachable!("it is stuck"),
        () = waits => unreachable!("it never ends"),
    };
    assert_eq!(error.kind(), ErrorKind::NotAuthorised, "{}", error.chain());
}

#[tokio::test(start_paused = true)]
async fn a_backup_says_which_job_made_it() {
    let lab = world().await;
    assert!(made(run(&lab.context(), "a/1", Duration::ZERO).await, "first"));
    let key = keys(&lab.repository).await.into_iter().find(|key| key.ends_with("/attempt.json"));
    let key = ObjectKey::new(key.unwrap()).unwrap();
    let attempt: Attempt =
        decode("attempt", &lab.repository.get_bytes(&key).await.unwrap()).unwrap();
    assert_eq!(attempt.job.as_deref(), Some("a/1"));
    assert!(matches!(
        run(&lab.context(), "a/1", Duration::ZERO).await,
        Ok(Made::Before(ManifestOutcome::Complete))
    ));
    // Numbers of jobs are given once by each agent only.
    for other in ["b/1", "a/2"] {
        let found = run(&lab.context(), other, Duration::ZERO).await;
        assert!(matches!(found, Ok(Made::Elsewhere { .. })), "{other}: {found:?}");
    }
}

/// Two agents whose files of a policy differ, or whose policies become one name (`a-b`, `a_b`).
#[tokio::test(start_paused = true)]
async fn what_another_agent_made_of_other_collections_is_not_this_backup() {
    let lab = world().await;
    let (context, slot) = (lab.context(), backup_name(SLOT));
    let make = async |policy: Option<&str>, globs: &[&str], job: &str| {
        let request = BackupRequest {
            name: None,
            policy: policy.map(|policy| PolicyName::new(policy).unwrap()),
            selector: CollectionSelector::parse(globs).unwrap(),
            job: Some(job.to_owned()),
            ..request("any")
        };
        Box::pin(make_once(&context, &slot, request)).await
    };
    let films = ["default.films"];
    assert!(made(make(Some("often"), &films, "a/1").await, "alone"));
    for (policy, globs, job, kind, told) in [
        (
            Some("often"),
            &["other.books"][..],
            "b/1",
            ErrorKind::Failed,
            "other collections by policy `often`: [default.films] there, [other.books] here",
        ),
        (Some("of-ten"), &films, "b/2", ErrorKind::Refused, "a backup of policy `often`, made on"),
        (None, &films, "b/3", ErrorKind::Refused, "a backup of policy `often`, made on"),
    ] {
        let error = make(policy, globs, job).await.expect_err("its collections are in no backup");
        assert_eq!(error.kind(), kind, "{}", error.chain());
        assert!(error.chain().contains(told) && error.remedy().is_some(), "{}", error.chain());
    }
    assert!(!made(make(Some("often"), &films, "b/4").await, "alike"));
    assert!(made(make(Some("often"), &["other.books"], "a/1").await, "its own, of before"));

    // Of what an agent made that did not write down what it selected, nothing can be said.
    let key = ObjectKey::new(format!("c1/{SLOT}/manifest.json")).unwrap();
    let bytes = lab.repository.get_bytes(&key).await.unwrap();
    let old = Manifest { selection: Vec::new(), ..decode("manifest", &bytes).unwrap() };
    lab.repository.put(&key, encode(&old).into(), PutMode::Overwrite).await.unwrap();
    assert!(!made(make(Some("often"), &["other.books"], "b/5").await, "of an older agent"));
}

/// The rules of the other agent may have let it go before this one wakes.
#[tokio::test(start_paused = true)]
async fn a_backup_that_was_made_and_hidden_since_is_not_made_again() {
    let lab = world().await;
    let wanted = |job: &str| BackupRequest { job: Some(job.to_owned()), ..request("any") };
    let context = lab.context();
    let slot = backup_name(SLOT);
    assert!(made(Box::pin(make_once(&context, &slot, wanted("a/1"))).await, "alone"));
    run_delete(&context, &slot, Removal::Hide).await.expect("it is hidden");
    let other = Box::pin(make_once(&context, &slot, wanted("b/1"))).await;
    assert!(matches!(other, Ok(Made::Elsewhere { .. })), "{other:?}");
    let again = Box::pin(make_once(&context, &slot, wanted("a/1"))).await;
    assert!(matches!(again, Ok(Made::Before(_))), "{again:?}");
    assert_eq!(state(&lab, SLOT).await, Some(BackupState::Tombstoned));
}
