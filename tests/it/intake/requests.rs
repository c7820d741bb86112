//! What becomes of a message.

use std::sync::Arc;
use std::time::Duration;

use milvus_backup_agent::broker::Incoming;
use milvus_backup_agent::job::{Busy, JobContext, RequestState, RunOutcome};
use milvus_backup_agent::model::{Address, ClusterName};
use milvus_backup_agent::storage::testing::FaultyStore;
use milvus_backup_agent::storage::{StoreErrorKind, StoreOp};
use tokio::time::sleep;

use crate::support::Lab;

use super::agent::{Agent, asks_for, jobs};

#[tokio::test(start_paused = true)]
async fn a_request_is_run_once_however_often_it_comes() {
    let (lab, jobs) = (Lab::new(), jobs());
    let agent = Agent::start(&jobs, lab.context()).await;
    assert_eq!(agent.take(&asks_for("nightly", "a")).await, "accepted");
    assert_eq!(agent.take(&asks_for("nightly", "a")).await, "duplicate", "while it waits");
    agent.service.settled().await;
    assert_eq!(agent.take(&asks_for("nightly", "a")).await, "duplicate", "after its end");
    agent.kill().await;
    let agent = Agent::start(&jobs, lab.context()).await;
    assert_eq!(agent.take(&asks_for("nightly", "a")).await, "duplicate", "after a restart");
    assert_eq!(jobs.world.made().len(), 1);
    let ended = agent.service.journal.ended_jobs(9).expect("they are read");
    assert_eq!(ended[0].requesters[0].id.as_str(), "a");
    assert_eq!(ended[0].cause.as_str(), "amqp");
    let name = ended[0].backup.as_str();
    assert!(name.starts_with("nightly_20261123_020000_") && name.len() == 32, "{name}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_another_agent_has_is_left_to_it() {
    let (lab, here, there) = (Lab::new(), jobs(), jobs());
    let (ours, theirs) =
        (Agent::start(&here, lab.context()).await, Agent::start(&there, lab.context()).await);
    assert_eq!(ours.take(&asks_for("nightly", "a")).await, "accepted");
    assert_eq!(theirs.take(&asks_for("nightly", "a")).await, "duplicate");
    assert_eq!(theirs.known("a"), Some(RequestState::Elsewhere));
    assert_eq!(theirs.open_jobs(), []);
    // An agent of another cluster on the same repository has requests of its own.
    let elsewhere = jobs();
    let cluster = ClusterName::new("c2").expect("a name");
    let third = Agent::start(&elsewhere, JobContext { cluster, ..lab.context() }).await;
    assert_eq!(third.take(&asks_for("nightly", "a")).await, "accepted");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_could_see_to_stays_with_the_broker() {
    let (lab, jobs) = (Lab::new(), jobs());
    let store = Arc::new(FaultyStore::new(Arc::new(lab.repository.clone())));
    let context = lab.context_over(Arc::<FaultyStore>::clone(&store));
    let agent = Agent::start(&jobs, context).await;
    store.fail(StoreOp::Put, "_requests/", StoreErrorKind::Transient, 2);
    let said = agent.take(&asks_for("nightly", "a")).await;
    assert!(said.starts_with("later: the repository cannot be used"), "{said}");
    assert_eq!(agent.open_jobs(), [], "it is not known to be ours");
    assert!(agent.intake.resume(agent.scene()).await.is_err());
    agent.intake.resume(agent.scene()).await.expect("the store is back");
    assert_eq!(agent.open_jobs().len(), 1);
    assert_eq!(agent.take(&asks_for("nightly", "a")).await, "duplicate");
    agent.service.settled().await;

    agent.service.runner.drain().await;
    let said = agent.take(&asks_for("nightly", "b")).await;
    assert_eq!(said, "later: the agent is stopping");
    // The repository says that it is ours, so it is done when we are back.
    agent.kill().await;
    let agent = Agent::start(&jobs, lab.context()).await;
    agent.intake.resume(agent.scene()).await.expect("it goes on");
    agent.service.settled().await;
    assert_eq!(jobs.world.made().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_not_for_this_agent_is_refused_with_the_reason() {
    let (lab, jobs) = (Lab::new(), jobs());
    let agent = Agent::start(&jobs, lab.context()).await;
    for (body, said) in [
        (
            asks_for("nigthly", "a"),
            "unknown_policy: this agent has no policy `nigthly`; is it `nightly`?",
        ),
        (
            asks_for("quiet", "a"),
            "not_triggered: messages do not start the policy `quiet`: add `triggers: [amqp]` to it",
        ),
        (
            r#"{"policy": "nightly", "request_id": "a", "cluster": "c2"}"#.to_owned(),
            "other_cluster: it is for the cluster `c2`, and this agent's is `c1`",
        ),
    ] {
        assert_eq!(agent.take(&body).await, said);
    }
    assert!(agent.take("nightly").await.starts_with("malformed: it is no JSON object"));
    assert!(agent.take(&" ".repeat(70_000)).await.starts_with("too_large: it has 70000 bytes"));
    assert_eq!(agent.known("a"), None, "it may come again, rightly");
    assert_eq!(agent.open_jobs(), []);
    let own = r#"{"policy": "nightly", "request_id": "a", "cluster": "c1"}"#;
    assert_eq!(agent.take(own).await, "accepted");
}

#[tokio::test(start_paused = true)]
async fn what_comes_too_late_or_to_a_paused_policy_is_skipped_and_told() {
    let (lab, jobs) = (Lab::new(), jobs());
    let agent = Agent::start(&jobs, lab.context()).await;
    let late = |id: &str, until: &str| {
        format!(r#"{{"policy": "nightly", "request_id": "{id}", "not_after": "{until}"}}"#)
    };
    // It is 02:00:00.
    assert_eq!(agent.take(&late("a", "2026-11-23T01:59:59Z")).await, "expired");
    assert_eq!(agent.take(&late("a", "2026-11-23T01:59:59Z")).await, "duplicate");
    assert_eq!(agent.take(&asks_for("resting", "b")).await, "paused");
    // One that is in time, and then waits behind a run for too long.
    agent.service.submit("nightly", 1, Busy::Join).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(agent.take(&late("c", "2026-11-23T02:00:05Z")).await, "accepted");
    agent.service.settled().await;
    let ended = agent.service.journal.ended_jobs(9).expect("they are read");
    let skipped: Vec<_> = ended
        .iter()
        .rev()
        .filter(|job| job.outcome() == Some(RunOutcome::Skipped))
        .map(|job| (job.requesters[0].id.as_str(), job.detail.as_deref().unwrap_or_default()))
        .collect();
    assert_eq!(
        skipped,
        [
            ("a", "the request came too late: it was not to begin after 2026-11-23T01:59:59Z"),
            ("b", "the policy `resting` is paused"),
            ("c", "nobody wants it any more: it was not to begin after 2026-11-23T02:00:05Z"),
        ]
    );
    assert_eq!(jobs.world.made().len(), 1);
}

/// The answers that are in the outbox: to whom, and what.
fn answers(agent: &Agent) -> Vec<(String, String, String)> {
    let letters = agent.service.journal.outbox(99).expect("it is read").first;
    let answers = letters.into_iter().filter_map(|posted| match posted.letter.to {
        Address::Reply { queue, correlation_id } => {
            let body: serde_json::Value = serde_json::from_str(&posted.letter.body).expect("JSON");
            let kind = body["type"].as_str().expect("a type").to_owned();
            Some((queue, correlation_id.unwrap_or_default(), kind))
        }
        Address::Topic { .. } => None,
    });
    answers.collect()
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_an_answer_hears_of_a_refusal_and_of_an_end_that_was_missed() {
    let (lab, jobs) = (Lab::new(), jobs());
    let agent = Agent::start(&jobs, lab.context()).await;
    let asks = |body: String, correlation: &str| Incoming {
        body: body.into_bytes(),
        reply_to: Some("answers".to_owned()),
        correlation_id: Some(correlation.to_owned()),
        ..Incoming::default()
    };
    agent.take_message(&asks(asks_for("nightly", "a"), "1")).await;
    agent.take_message(&asks(asks_for("nothing", "b"), "2")).await;
    let refused = "milvus.backup.agent.v1.request.refused";
    let answer = |id: &str, kind: &str| ("answers".to_owned(), id.to_owned(), kind.to_owned());
    assert_eq!(answers(&agent), [answer("2", refused)]);
    agent.take_message(&asks(asks_for("nightly", "a"), "3")).await;
    assert_eq!(answers(&agent).len(), 1, "its end is not known yet");
    agent.service.settled().await;
    agent.take_message(&asks(asks_for("nightly", "a"), "4")).await;
    let ended = "milvus.backup.agent.v1.backup.succeeded";
    assert_eq!(answers(&agent)[1..], [answer("4", ended)]);
}
