//! Requests that join a job, and jobs that are replaced.

use std::time::Duration;

use milvus_backup_agent::job::{Busy, JobRequest, RequestState, RunOutcome, Submitted};
use milvus_backup_agent::model::BackupName;
use tokio::time::sleep;

use crate::support::{Deed, Jobs, Lab};

use super::agent::{Agent, SHORT, asks_for, jobs};

#[tokio::test(start_paused = true)]
async fn a_request_joins_a_job_that_has_not_begun_and_no_other() {
    let (lab, jobs) = (Lab::new(), jobs());
    let agent = Agent::start(&jobs, lab.context()).await;
    let Submitted::Accepted(first) = agent.service.submit("nightly", 1, Busy::Join).await else {
        panic!("nothing is in its way")
    };
    sleep(Duration::from_secs(1)).await;
    // The run that is at work may have seen the state of before.
    for id in ["a", "b", "c"] {
        assert_eq!(agent.take(&asks_for("nightly", id)).await, "accepted");
    }
    let open = agent.open_jobs();
    assert_eq!(open.iter().map(|job| job.requesters.len()).collect::<Vec<_>>(), [0, 3]);
    assert_eq!(open[0].id, first);
    for id in ["a", "b", "c"] {
        assert_eq!(agent.known(id), Some(RequestState::Accepted { job: open[1].id }));
    }
    // A slot that is due does for them: it is no later than they are.
    let Submitted::Joined(joined) = agent.service.submit("nightly", 2, Busy::Replace).await else {
        panic!("they wait")
    };
    assert_eq!(joined, open[1].id);
    agent.service.settled().await;
    assert_eq!(jobs.world.made().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn whoever_asked_for_a_job_that_is_replaced_is_served_by_the_other() {
    let lab = Lab::new();
    let jobs = Jobs::new(&[("nightly", SHORT)]);
    let agent = Agent::start(&jobs, lab.context()).await;
    assert_eq!(agent.take(&asks_for("nightly", "a")).await, "accepted");
    sleep(Duration::from_secs(2)).await;
    let Submitted::Accepted(second) = agent.service.submit("nightly", 1, Busy::Replace).await
    else {
        panic!("it takes its place")
    };
    agent.service.settled().await;
    let ended = agent.service.journal.ended_jobs(9).expect("they are read");
    let ends: Vec<_> =
        ended.iter().map(|job| (job.id, job.outcome(), job.requesters.len())).collect();
    assert_eq!(ends[0], (second, Some(RunOutcome::Complete), 1));
    assert_eq!((ends[1].1, ends[1].2), (Some(RunOutcome::Cancelled), 0));
}

/// The old one may be about to stop already, and then nothing more is written of it.
#[tokio::test(start_paused = true)]
async fn a_job_that_is_replaced_tells_nobody_who_is_served_by_the_other() {
    let lab = Lab::new();
    let jobs = Jobs::new(&[("nightly", Deed::Ignores)]);
    let agent = Agent::start(&jobs, lab.context()).await;
    assert_eq!(agent.take(&asks_for("nightly", "a")).await, "accepted");
    sleep(Duration::from_secs(2)).await;
    let old = agent.open_jobs()[0].id;
    assert!(agent.service.runner.cancel(old).await);
    let Submitted::Accepted(second) = agent.service.submit("nightly", 1, Busy::Replace).await
    else {
        panic!("it takes its place")
    };
    let open: Vec<_> = agent.open_jobs().iter().map(|job| (job.id, job.requesters.len())).collect();
    assert_eq!(open, [(old, 0), (second, 1)]);
}

/// Whoever hands it over may give up before it is taken, and come again.
#[tokio::test(start_paused = true)]
async fn a_request_that_is_handed_over_twice_has_one_job() {
    let (lab, jobs) = (Lab::new(), jobs());
    let agent = Agent::start(&jobs, lab.context()).await;
    assert_eq!(agent.take(&asks_for("nightly", "a")).await, "accepted");
    let first = agent.open_jobs().remove(0);
    sleep(Duration::from_secs(2)).await;
    let again = JobRequest {
        policy: first.policy.clone(),
        cause: first.cause,
        backup: BackupName::new("nightly_again").expect("a name"),
        requesters: first.requesters.clone(),
    };
    for _ in 0..2 {
        let submitted = agent.service.runner.submit(again.clone(), Busy::Follow).await;
        assert_eq!(submitted.expect("it is taken"), Submitted::Joined(first.id));
    }
    let declined = agent.service.runner.decline(again, "late".to_owned()).await;
    assert_eq!(declined.expect("it is taken"), Submitted::Joined(first.id));
    agent.service.settled().await;
    assert_eq!(jobs.world.made().len(), 1);
}

/// A slot has no limit: what it joins, or what is in its way, has none any more.
#[tokio::test(start_paused = true)]
async fn a_slot_that_a_request_does_for_has_its_backup_however_late() {
    for busy in [Busy::Queue, Busy::Skip, Busy::Replace] {
        let (lab, jobs) = (Lab::new(), jobs());
        let agent = Agent::start(&jobs, lab.context()).await;
        agent.service.submit("nightly", 1, Busy::Join).await;
        sleep(Duration::from_secs(1)).await;
        let until = "2026-11-23T02:00:05Z";
        let body = format!(r#"{{"policy": "nightly", "request_id": "a", "not_after": "{until}"}}"#);
        assert_eq!(agent.take(&body).await, "accepted");
        agent.service.submit("nightly", 2, busy).await;
        agent.service.settled().await;
        assert_eq!(jobs.world.made().len(), 2, "{busy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_job_does_for_so_many_requests_and_then_another_follows() {
    let (lab, jobs) = (Lab::new(), jobs());
    let agent = Agent::start(&jobs, lab.context()).await;
    agent.service.submit("nightly", 1, Busy::Join).await;
    sleep(Duration::from_secs(1)).await;
    for number in 0..300 {
        assert_eq!(agent.take(&asks_for("nightly", &number.to_string())).await, "accepted");
    }
    let waiting: Vec<_> = agent.open_jobs().iter().map(|job| job.requesters.len()).collect();
    assert_eq!(waiting, [0, 256, 44]);
}
