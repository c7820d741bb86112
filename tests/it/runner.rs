//! Jobs: what is accepted runs to exactly one end, whatever happens to the process.

use std::collections::BTreeMap;
use std::time::Duration;

use milvus_backup_agent::job::{
    Busy, JobId, JobRecord, Journal, JournalError, RunOutcome, Submitted,
};
use milvus_backup_agent::model::ErrorKind;
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

use crate::support::{Deed, Jobs, Service, job_request};

const SHORT: Deed = Deed::Takes(Duration::from_secs(10));

#[tokio::test(start_paused = true)]
async fn jobs_run_beside_each_other_but_one_of_a_policy_at_a_time() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let lab = Jobs::new(&names.map(|name| (name, SHORT)));
    let agent = lab.agent().await;
    for name in names {
        agent.submit(name, 1, Busy::Join).await;
    }
    assert_eq!(agent.submit("a", 2, Busy::Queue).await, Submitted::Accepted(JobId(7)));
    agent.settled().await;
    assert_eq!(lab.world.made().len(), 7);
    assert_eq!(lab.world.at_work.lock().unwrap().1, 4, "places");
    let ended = agent.journal.ended_jobs(10).unwrap();
    assert!(ended.iter().all(|job| job.outcome() == Some(RunOutcome::Complete)), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_is_busy_joins_skips_queues_or_replaces() {
    let lab = Jobs::new(&[("a", SHORT)]);
    let agent = lab.agent().await;
    let Submitted::Accepted(first) = agent.submit("a", 1, Busy::Join).await else { panic!() };
    sleep(Duration::from_secs(2)).await;
    assert_eq!(agent.submit("a", 2, Busy::Join).await, Submitted::Joined(first));
    assert_eq!(agent.submit("a", 3, Busy::Skip).await, Submitted::Skipped(first));
    let Submitted::Accepted(second) = agent.submit("a", 4, Busy::Queue).await else { panic!() };
    assert_eq!(agent.submit("a", 5, Busy::Queue).await, Submitted::Joined(second));
    agent.settled().await;
    assert_eq!(lab.world.made(), [("a_1".to_owned(), 1), ("a_4".to_owned(), 1)]);

    agent.submit("a", 6, Busy::Join).await;
    sleep(Duration::from_secs(2)).await;
    agent.submit("a", 7, Busy::Replace).await;
    agent.settled().await;
    let ends: Vec<RunOutcome> = lab.world.ends().into_iter().map(|end| end.1).collect();
    assert_eq!(ends[2..], [RunOutcome::Cancelled, RunOutcome::Complete]);
    assert_eq!(lab.world.made().last().unwrap().0, "a_7");
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_may_pass_is_tried_again_and_another_is_not() {
    let lab = Jobs::new(&[
        ("passes", Deed::Fails(2, ErrorKind::Unreachable)),
        ("stays", Deed::Fails(9, ErrorKind::Failed)),
        ("usage", Deed::Fails(9, ErrorKind::Usage)),
        ("empty", Deed::Fails(9, ErrorKind::NothingToDo)),
        ("panics", Deed::Panics),
    ]);
    let agent = lab.agent().await;
    let begun = Instant::now();
    for name in ["passes", "stays", "usage", "empty", "panics"] {
        agent.submit(name, 1, Busy::Join).await;
    }
    agent.settled().await;
    let took = begun.elapsed().as_secs();
    assert!((180..400).contains(&took), "pauses of 60 s and 120 s: {took}");
    let ends: BTreeMap<String, RunOutcome> = lab.world.ends().into_iter().collect();
    for (policy, outcome) in [
        ("passes", RunOutcome::Complete),
        ("stays", RunOutcome::Failed),
        ("usage", RunOutcome::Failed),
        ("empty", RunOutcome::Skipped),
        ("panics", RunOutcome::Failed),
    ] {
        assert_eq!(ends[policy], outcome, "{policy}");
    }
    let tries = lab.world.tries.lock().unwrap().clone();
    assert_eq!((tries["passes_1"], tries["stays_1"], tries["usage_1"]), (3, 3, 1));
    assert!(lab.world.why("panics").contains("a bug"));
}

/// The others of the same moment run meanwhile, and nothing is left of 50 such runs.
#[tokio::test(start_paused = true)]
async fn a_run_that_hangs_ends_by_its_stall_timeout_and_leaks_nothing() {
    let lab = Jobs::new(&[("hangs", Deed::Hangs), ("ignores", Deed::Ignores), ("fine", SHORT)]);
    let agent = lab.agent().await;
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = alive();
    for number in 1..=50 {
        let begun = Instant::now();
        agent.submit("hangs", number, Busy::Join).await;
        agent.submit("ignores", number, Busy::Join).await;
        agent.submit("fine", number, Busy::Join).await;
        while !lab.world.made().iter().any(|made| made.0 == format!("fine_{number}")) {
            sleep(Duration::from_millis(100)).await;
        }
        assert!(begun.elapsed() < Duration::from_secs(15), "the hung ones were in its way");
        agent.settled().await;
    }
    let why = lab.world.why("hangs");
    assert!(why.contains("nothing moved for") && why.contains("stall_timeout"), "{why}");
    assert!(lab.world.why("ignores").contains("nothing moved for"));
    assert_eq!(alive(), before);
    assert_eq!(lab.world.at_work.lock().unwrap().0, 0);
}

/// A machine that was suspended, or SIGSTOP. Its run may have lost its place to another agent,
/// and finds that out by itself.
#[tokio::test(start_paused = true)]
async fn the_time_in_which_the_whole_agent_stood_still_is_no_fault_of_its_runs() {
    let lab = Jobs::new(&[("moves", Deed::Takes(Duration::from_secs(30))), ("hangs", Deed::Hangs)]);
    let agent = lab.agent().await;
    agent.submit("moves", 1, Busy::Join).await;
    agent.submit("hangs", 1, Busy::Join).await;
    for _ in 0..3 {
        sleep(Duration::from_secs(7)).await;
        tokio::time::advance(Duration::from_hours(2)).await;
    }
    let woken = Instant::now();
    agent.settled().await;
    let took = woken.elapsed();
    // Three tries of a minute, and the pauses between them.
    assert!(took > Duration::from_mins(6) && took < Duration::from_secs(380), "{took:?}");
    assert!(lab.world.why("hangs").contains("nothing moved for"), "a limit still holds");
    assert_eq!(lab.world.made(), [("moves_1".to_owned(), 1)]);
    assert_eq!(lab.world.tries.lock().unwrap()["moves_1"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_job_ends_as_cancelled() {
    let lab = Jobs::new(&[("a", SHORT), ("b", Deed::Ignores)]);
    let agent = lab.agent().await;
    for name in ["a", "b"] {
        let Submitted::Accepted(id) = agent.submit(name, 1, Busy::Join).await else { panic!() };
        sleep(Duration::from_secs(3)).await;
        assert!(agent.runner.cancel(id).await);
        agent.settled().await;
        assert!(!agent.runner.cancel(id).await, "it is over");
    }
    let cancelled = |name: &str| (name.to_owned(), RunOutcome::Cancelled);
    assert_eq!(lab.world.ends(), [cancelled("a"), cancelled("b")]);
    assert!(lab.world.made().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_drains_goes_on_later() {
    let lab = Jobs::new(&[("a", SHORT), ("b", SHORT)]);
    let agent = lab.agent().await;
    agent.submit("a", 1, Busy::Join).await;
    agent.submit("b", 1, Busy::Join).await;
    sleep(Duration::from_secs(4)).await;
    agent.runner.drain().await;
    let Service { runner, journal, task } = agent;
    timeout(Duration::from_mins(1), task).await.expect("it drains").expect("it does not panic");
    assert!(runner.submit(job_request("a", 2), Busy::Join).await.is_err(), "it is stopping");
    drop(journal);
    assert!(lab.world.made().is_empty() && lab.world.ends().is_empty());
    let agent = lab.agent().await;
    agent.settled().await;
    assert_eq!(lab.world.ends().len(), 2);
    let ended = agent.journal.ended_jobs(5).unwrap();
    assert!(ended.iter().all(|job| job.interruptions == 0), "{ended:?}");
}

/// Killed after every so many milliseconds, in the middle of anything.
#[tokio::test(start_paused = true)]
async fn what_was_accepted_runs_to_exactly_one_end_across_kills() {
    let flaky = Deed::Fails(1, ErrorKind::Failed);
    for moment in (0..24_000).step_by(397) {
        let lab = Jobs::new(&[("a", SHORT), ("b", flaky), ("c", SHORT)]);
        let agent = lab.agent().await;
        for name in ["a", "b", "c"] {
            agent.submit(name, 1, Busy::Join).await;
        }
        sleep(Duration::from_millis(moment)).await;
        agent.kill().await;
        sleep(Duration::from_secs(30)).await;
        let agent = lab.agent().await;
        agent.settled().await;
        let made: Vec<u32> = lab.world.made().into_iter().map(|made| made.1).collect();
        assert_eq!(made, [1, 1, 1], "killed after {moment} ms");
        let ended = agent.journal.ended_jobs(9).unwrap();
        assert_eq!(ended.len(), 3, "{ended:?}");
        let complete = |job: &JobRecord| job.outcome() == Some(RunOutcome::Complete);
        assert!(ended.iter().all(complete), "killed after {moment} ms: {ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_policy_is_gone_is_skipped() {
    let lab = Jobs::new(&[]);
    let agent = lab.agent().await;
    agent.submit("a", 1, Busy::Join).await;
    agent.settled().await;
    assert_eq!(lab.world.ends(), [("a".to_owned(), RunOutcome::Skipped)]);
    assert!(lab.world.why("a").contains("no policy `a`"));
}

#[tokio::test(start_paused = true)]
async fn the_journal_keeps_so_much_history_and_is_nobody_else_s() {
    let lab = Jobs::new(&[("a", Deed::Takes(Duration::ZERO))]);
    let agent = lab.agent().await;
    let second = Journal::open(lab.state.path()).unwrap_err();
    assert!(matches!(second, JournalError::InUse(_)), "{second}");
    for number in 0..1010 {
        agent.submit("a", number, Busy::Queue).await;
        agent.settled().await;
    }
    let ended = agent.journal.ended_jobs(2000).unwrap();
    assert_eq!(ended.len(), 1000);
    assert_eq!(ended[0].backup.as_str(), "a_1009", "the newest comes first");
    assert_eq!(ended[999].backup.as_str(), "a_10");

    let name = agent.journal.agent().unwrap();
    assert_eq!((name.len(), agent.journal.agent().unwrap()), (16, name.clone()));
    agent.kill().await;
    let again = lab.agent().await;
    assert_eq!(again.journal.agent().unwrap(), name, "it is an agent's for good");
    let other = Jobs::new(&[]).agent().await.journal.agent().unwrap();
    assert_ne!(other, name);

    let file = TempDir::new().unwrap();
    std::fs::write(file.path().join("journal.redb"), "this is no journal").unwrap();
    let broken = Journal::open(file.path()).unwrap_err();
    assert!(broken.to_string().contains("journal.redb` cannot be opened"), "{broken}");
}
