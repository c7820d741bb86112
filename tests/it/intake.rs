//! Messages: each request becomes one job or joins one, whatever dies in between.

use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use jiff::SignedDuration;
use milvus_backup_agent::broker::Incoming;
use milvus_backup_agent::job::{
    Busy, JobContext, JobRecord, JobRequest, Journal, RequestState, Reserved, RunOutcome,
    Submitted, reserve_request,
};
use milvus_backup_agent::metrics::{MessageResult, Metrics};
use milvus_backup_agent::model::{Address, BackupName, Clock, ClusterName, Letter, RequestId};
use milvus_backup_agent::policy::PolicySet;
use milvus_backup_agent::storage::testing::FaultyStore;
use milvus_backup_agent::storage::{StoreErrorKind, StoreOp};
use milvus_backup_agent::trigger::{Intake, Scene, Verdict};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::support::{Deed, Jobs, Lab, Service, job_request};

const SHORT: Deed = Deed::Takes(Duration::from_secs(10));

fn policies() -> PolicySet {
    let file = |name: &str, more: &str| {
        let text = format!("{more}\nretention: {{keep_all: true}}\n");
        (PathBuf::from(format!("/policies/{name}.yaml")), Ok(text.into_bytes()))
    };
    let files = [
        file("nightly", "triggers: [amqp]"),
        file("other", "triggers: [amqp]"),
        file("quiet", "triggers: [api]"),
        file("resting", "triggers: [amqp]\npaused: true"),
    ];
    PolicySet::parse(&files, &ClusterName::new("c1").expect("a name")).expect("policies")
}

/// An agent of several on one repository.
struct Agent {
    service: Service,
    intake: Intake,
    context: JobContext,
    policies: PolicySet,
}

impl Agent {
    /// One whose state is in a folder of its own.
    async fn start(jobs: &Jobs, context: JobContext) -> Self {
        let service = jobs.agent().await;
        let intake = Intake {
            runner: service.runner.clone(),
            journal: service.journal.clone(),
            metrics: Metrics::default(),
            clock: Arc::clone(&jobs.clock) as Arc<dyn Clock>,
            agent: service.journal.agent().expect("a name"),
        };
        Self { service, intake, context, policies: policies() }
    }

    /// As SIGKILL does. A write that had begun ends first.
    async fn kill(self) {
        let Self { service, intake, .. } = self;
        service.kill().await;
        let journal = intake.journal.clone();
        drop(intake);
        drop(journal.on_disk(Journal::open_jobs).await);
    }

    fn scene(&self) -> Scene<'_> {
        Scene { policies: &self.policies, context: &self.context }
    }

    /// What becomes of a message with this body, in a word.
    async fn take(&self, body: &str) -> String {
        let message = Incoming { body: body.into(), ..Incoming::default() };
        self.take_message(&message).await
    }

    async fn take_message(&self, message: &Incoming) -> String {
        match self.intake.take(message, self.scene()).await {
            Verdict::Accept(result) => result.as_str().to_owned(),
            Verdict::Refuse(why) => format!("{}: {}", why.reason, why.detail),
            Verdict::Later(why) => format!("later: {}", why.chain()),
        }
    }

    fn known(&self, id: &str) -> Option<RequestState> {
        let id = RequestId::new(id).expect("an id");
        self.service.journal.request(&id).expect("it is read").map(|known| known.state)
    }

    fn open_jobs(&self) -> Vec<JobRecord> {
        self.service.journal.open_jobs().expect("they are read")
    }
}

fn asks_for(policy: &str, id: &str) -> String {
    format!("{{\"policy\": \"{policy}\", \"request_id\": \"{id}\"}}")
}

fn jobs() -> Jobs {
    Jobs::new(&[("nightly", SHORT), ("other", SHORT), ("resting", SHORT)])
}

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

/// A letter is written with the change that it tells, and stays until the broker has it.
#[tokio::test(start_paused = true)]
async fn letters_stay_in_the_outbox_until_they_are_delivered() {
    let state = TempDir::new().expect("a folder");
    let journal = Journal::open(state.path()).expect("it is opened");
    let letter = |number: u32| Letter {
        id: number.to_string(),
        to: Address::Topic { key: "backup.started".to_owned() },
        body: "{}".to_owned(),
    };
    journal.post(&[letter(1), letter(2)]).expect("it is written");
    journal.post(&[letter(3)]).expect("it is written");
    drop(journal);
    let journal = Journal::open(state.path()).expect("it is opened again");
    let outbox = journal.outbox(2).expect("it is read");
    assert_eq!((outbox.waiting, outbox.dropped), (3, 0));
    let ids: Vec<_> = outbox.first.iter().map(|posted| posted.letter.id.as_str()).collect();
    assert_eq!(ids, ["1", "2"]);
    journal.delivered(&[outbox.first[0].number, outbox.first[1].number]).expect("it is written");
    let outbox = journal.outbox(9).expect("it is read");
    assert_eq!((outbox.waiting, outbox.first[0].letter.id.as_str()), (1, "3"));
}

#[tokio::test(start_paused = true)]
async fn every_change_of_a_job_is_in_the_outbox_with_it() {
    let jobs = Jobs::new(&[("nightly", SHORT)]);
    let service = jobs.agent().await;
    service.runner.submit(job_request("nightly", 1), Busy::Join).await.expect("it is accepted");
    sleep(Duration::from_secs(2)).await;
    service.kill().await;
    let service = jobs.agent().await;
    service.settled().await;
    let letters = service.journal.outbox(99).expect("it is read").first;
    let told: Vec<&str> = letters
        .iter()
        .map(|posted| posted.letter.id.split([' ', '{']).nth(1).expect("a state"))
        .collect();
    assert_eq!(told, ["Running", "Queued", "Running", "Ended"]);
}

#[tokio::test(start_paused = true)]
async fn requests_are_known_for_two_days() {
    let (lab, jobs) = (Lab::new(), jobs());
    let agent = Agent::start(&jobs, lab.context()).await;
    assert_eq!(agent.take(&asks_for("nightly", "a")).await, MessageResult::Accepted.as_str());
    agent.service.settled().await;
    sleep(Duration::from_hours(47)).await;
    agent.intake.forget().await.expect("it is written");
    assert!(agent.known("a").is_some());
    sleep(Duration::from_hours(2)).await;
    agent.intake.forget().await.expect("it is written");
    assert_eq!(agent.known("a"), None);
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
