//! Agents that are killed between the journal and the repository.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use jiff::SignedDuration;
use milvus_backup_agent::broker::Incoming;
use milvus_backup_agent::job::{Reserved, reserve_request};
use milvus_backup_agent::model::RequestId;
use milvus_backup_agent::storage::testing::FaultyStore;
use milvus_backup_agent::storage::{StoreErrorKind, StoreOp};
use milvus_backup_agent::trigger::{Scene, Verdict};

use crate::support::{Jobs, Lab};

use super::agent::{Agent, asks_for, jobs};

/// The journal has it, and then the process is killed: before the repository was asked, or
/// after. The message is delivered again, to the same agent or to another one.
#[tokio::test(start_paused = true)]
async fn an_agent_that_is_killed_over_a_request_still_has_it_if_it_ever_had() {
    for (reserved, first) in [(true, "ours"), (true, "theirs"), (false, "ours"), (false, "theirs")]
    {
        let (lab, here, there) = (Lab::new(), jobs(), jobs());
        let store = Arc::new(FaultyStore::new(Arc::new(lab.repository.clone())));
        let ours = Agent::start(&here, lab.context_over(Arc::<FaultyStore>::clone(&store))).await;
        assert_eq!(ours.take(&asks_for("other", "before")).await, "accepted");
        ours.service.settled().await;
        // What is written last before the kill.
        if !reserved {
            store.fail(StoreOp::Put, "_requests/a.json", StoreErrorKind::Transient, 99);
        }
        let killed = {
            let body = asks_for("nightly", "a");
            let taking = ours.take(&body);
            let held = async {
                while ours.known("a").is_none() || reserved && !is_reserved(&lab).await {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                biased;
                () = held => true,
                said = taking => said.starts_with("later"),
            }
        };
        ours.kill().await;
        assert!(killed, "{reserved} {first}: it was faster than this test");
        let ours = Agent::start(&here, lab.context()).await;
        let theirs = Agent::start(&there, lab.context()).await;
        let mut said = Vec::new();
        if first == "theirs" {
            said.push(theirs.take(&asks_for("nightly", "a")).await);
        }
        ours.intake.resume(ours.scene()).await.expect("it goes on");
        said.push(ours.take(&asks_for("nightly", "a")).await);
        said.push(theirs.take(&asks_for("nightly", "a")).await);
        ours.service.settled().await;
        theirs.service.settled().await;
        let made = |jobs: &Jobs| {
            jobs.world.made().iter().filter(|(name, _)| name.starts_with("nightly")).count()
        };
        let expected = if !reserved && first == "theirs" { (0, 1) } else { (1, 0) };
        assert_eq!((made(&here), made(&there)), expected, "{reserved} {first}: {said:?}");
        let held = ours.service.journal.held_requests().expect("they are read");
        assert!(held.is_empty(), "{held:?}");
    }
}

async fn is_reserved(lab: &Lab) -> bool {
    crate::support::snapshot(&lab.repository)
        .await
        .keys()
        .any(|key| key.ends_with("_requests/a.json"))
}

/// What is put is what decides, whatever the store answered: an earlier try was put, and its
/// answer never came.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_does_not_lose_the_request() {
    let (lab, jobs) = (Lab::new(), jobs());
    let agent = Agent::start(&jobs, lab.context()).await;
    let store = lab.faulty();
    let context = lab.context_over(Arc::<FaultyStore>::clone(&store));
    let scene = Scene { context: &context, ..agent.scene() };
    store.fail(StoreOp::Put, "_requests/a.json", StoreErrorKind::Transient, 99);
    let message = Incoming { body: asks_for("nightly", "a").into(), ..Incoming::default() };
    let verdict = agent.intake.take(&message, scene).await;
    assert!(matches!(verdict, Verdict::Later(_)), "{verdict:?}");
    let asked = (&RequestId::new("a").expect("an id"), "nightly");
    let put = reserve_request(&lab.context(), asked, &agent.intake.agent).await;
    assert_eq!(put.expect("it is put"), Reserved::Ours);
    lab.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(agent.take(&asks_for("nightly", "a")).await, "accepted");
    assert_eq!(agent.open_jobs().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_wrong_for_a_while_doubles_nothing() {
    let (lab, jobs) = (Lab::new(), jobs());
    let agent = Agent::start(&jobs, lab.context()).await;
    assert_eq!(agent.take(&asks_for("nightly", "a")).await, "accepted");
    agent.service.settled().await;
    jobs.clock.shift(SignedDuration::from_hours(72));
    agent.intake.forget().await.expect("it is written");
    assert_eq!(agent.known("a"), None);
    jobs.clock.shift(SignedDuration::ZERO);
    lab.clock.advance(SignedDuration::from_secs(60));
    assert_eq!(agent.take(&asks_for("nightly", "a")).await, "duplicate");
    agent.service.settled().await;
    assert_eq!(jobs.world.made().len(), 1);
}

/// Polls so often, and then drops, as a kill does between any two steps.
async fn so_far<T>(work: impl Future<Output = T>, polls: usize) -> Option<T> {
    let (mut work, mut left) = (pin!(work), polls);
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(context).map(Some)
    })
    .await
}

/// Both agents get the message, whichever first, until it is acknowledged; the one that was
/// killed comes back: after each write to the repository, and at each wait for the journal.
#[tokio::test(start_paused = true)]
async fn an_agent_that_is_killed_after_any_step_of_a_request_neither_loses_nor_doubles_it() {
    for (policy, expected, first) in
        [("nightly", 1, "ours"), ("nightly", 1, "theirs"), ("resting", 0, "ours")]
    {
        // The documents of repository and cluster, and then the request's.
        let writes = (0..3).map(|writes| (writes, usize::MAX));
        let waits = (0..).map(|polls| (u64::MAX, polls));
        let mut moments = 0;
        for moment in writes.chain(waits) {
            moments += 1;
            if killed_at(moment, (policy, first), expected).await == Killed::AfterTheEnd {
                break;
            }
        }
        assert!(moments > 6, "{policy} {first}: killed at {moments} moments only");
    }
}

#[derive(PartialEq, Eq)]
enum Killed {
    Before,
    AfterTheEnd,
}

async fn killed_at(
    (writes, polls): (u64, usize),
    (policy, first): (&str, &str),
    expected: usize,
) -> Killed {
    let (lab, here, there) = (Lab::new(), jobs(), jobs());
    let store = lab.faulty();
    store.stop_after_writes(writes);
    let ours = Agent::start(&here, lab.context_over(store)).await;
    let body = asks_for(policy, "a");
    let said = so_far(ours.take(&body), polls).await;
    let acknowledged = said.is_some_and(|said| !said.starts_with("later"));
    ours.kill().await;
    let ours = Agent::start(&here, lab.context()).await;
    let theirs = Agent::start(&there, lab.context()).await;
    if first == "theirs" && !acknowledged {
        theirs.take(&body).await;
    }
    ours.intake.resume(ours.scene()).await.expect("it goes on");
    if first == "ours" && !acknowledged {
        ours.take(&body).await;
    }
    ours.service.settled().await;
    theirs.service.settled().await;
    let when = format!("{policy} {first}: killed after {writes} writes or {polls} waits");
    let made = here.world.made().len() + there.world.made().len();
    assert_eq!(made, expected, "{when}");
    let ended = |agent: &Agent| agent.service.journal.ended_jobs(9).expect("it is read").len();
    assert_eq!(ended(&ours) + ended(&theirs), 1, "{when}");
    if acknowledged { Killed::AfterTheEnd } else { Killed::Before }
}
