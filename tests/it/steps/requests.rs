//! Requests by messages, while the broker is restarted and the agent is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lapin::BasicProperties;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::lab::{Agent, Client, LabServer, Message, Rabbit, Running, say};

/// What no scenario takes.
const PATIENCE: Duration = Duration::from_mins(5);

/// A queue that gets every event.
pub(crate) const EVENTS: &str = "events";

/// What is sent, and what happens meanwhile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Storm {
    /// Requests, each with an id of its own.
    pub(crate) requests: usize,
    /// How many of them are sent once more.
    pub(crate) duplicates: usize,
    /// Messages that are none of ours.
    pub(crate) malformed: usize,
    /// Policies `p1` to this, each of one collection.
    pub(crate) policies: usize,
    /// Restarts of the broker.
    pub(crate) restarts: usize,
    /// Kills of an agent, each after some runs have begun.
    pub(crate) kills: usize,
    /// Between two messages.
    pub(crate) pace: Duration,
}

impl Storm {
    /// Moments at which something happens.
    fn troubles(&self) -> usize {
        self.restarts.max(self.kills)
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) jobs: usize,
    pub(crate) joined: usize,
    /// Agents that ran some of them.
    pub(crate) agents: usize,
    pub(crate) redelivered_events: usize,
    pub(crate) duplicates_counted: i64,
}

/// A fake Milvus: nothing connects to it, and its files are in memory.
pub(crate) fn fake_server(folder: &Path) -> LabServer {
    LabServer {
        address: "http://127.0.0.1:9".to_owned(),
        management: "http://127.0.0.1:9".to_owned(),
        data: folder.to_owned(),
        bucket: None,
        environment: Vec::new(),
    }
}

/// Policies `p1` and so on, each of one collection of the fake Milvus.
pub(crate) fn policies(count: usize) -> Vec<(String, String)> {
    (1..=count).map(|number| (format!("p{number}"), format!("default.c{number}"))).collect()
}

/// Gives agents on one repository a broker and policies that messages start.
pub(crate) fn serve(agents: &[Agent], url: &str, policies: &[(String, String)]) {
    for agent in agents {
        let policies: Vec<(&str, String)> = policies
            .iter()
            .map(|(name, collection)| {
                let text = format!(
                    "collections: [{collection}]\ntriggers: [amqp]\nretention: {{keep_all: true}}\n"
                );
                (name.as_str(), text)
            })
            .collect();
        let policies: Vec<(&str, &str)> =
            policies.iter().map(|(name, text)| (*name, text.as_str())).collect();
        agent.serve_with(&policies, &format!("amqp: {{url: \"{url}\", declare: true}}\n"));
    }
}

/// What a message asks for, by its number.
pub(crate) fn trigger(number: usize, policies: usize) -> (String, String) {
    let (id, policy) = (format!("load-{number}"), format!("p{}", number % policies + 1));
    let body = format!("{{\"policy\": \"{policy}\", \"request_id\": \"{id}\"}}");
    (id, body)
}

/// A message that is none of ours, by its number, and the reason that it is refused with.
fn malformed(number: usize) -> (String, &'static str) {
    match number % 5 {
        0 => (format!("backup {number}, please"), "malformed"),
        1 => (
            format!("{{\"policy\": \"nowhere\", \"request_id\": \"bad-{number}\"}}"),
            "unknown_policy",
        ),
        2 => (
            format!(
                "{{\"policy\": \"p1\", \"bucket\": \"mine\", \"request_id\": \"bad-{number}\"}}"
            ),
            "malformed",
        ),
        3 => (
            format!(
                "{{\"policy\": \"p1\", \"cluster\": \"other\", \"request_id\": \"bad-{number}\"}}"
            ),
            "other_cluster",
        ),
        _ => (format!("{number}{}", " ".repeat(70_000)), "too_large"),
    }
}

/// Sends it all, and holds that each request was done once, or together with others by a job
/// that its events name.
pub(crate) async fn deliver(
    agents: &[Agent],
    (rabbit, url): (&Rabbit, &str),
    (queue, storm): (&str, Storm),
) -> Outcome {
    let client = Client::new(rabbit, url);
    client.listen(EVENTS, "milvus-backup", "#").await;
    let mut running: Vec<Option<Running>> =
        agents.iter().map(|agent| Some(Running::start(agent))).collect();
    for agent in running.iter_mut().flatten() {
        agent.until("it is connected", |agent| agent.metric("amqp_connected") == Some(1));
    }
    let mut sending = JoinSet::new();
    let (sender, to) = (Client::new(rabbit, url), queue.to_owned());
    // However slow the machine is, each trouble comes into messages that nobody has seen.
    let parts = Arc::new(Semaphore::new(0));
    let go_on = Arc::clone(&parts);
    sending.spawn(async move { send(&sender, &to, storm, &go_on).await });
    let mut duplicates_counted = 0;
    for trouble in 0..storm.troubles() {
        if trouble >= storm.kills {
            parts.add_permits(1);
        } else {
            let which = trouble % agents.len();
            let agent = running[which].take().expect("it runs");
            let begun = agent.log().matches("backup begins").count();
            parts.add_permits(1);
            let mut agent = agent;
            agent.until("it is at work", |agent| {
                agent.log().matches("backup begins").count() > begun + 1
            });
            duplicates_counted += counted(&agent);
            agent.kill();
            running[which] = Some(Running::start(&agents[which]));
        }
        if trouble < storm.restarts {
            tokio::task::block_in_place(|| rabbit.restart());
        }
    }
    parts.add_permits(1);
    sending.join_next().await.expect("it was spawned").expect("all is sent");
    let events = all_ended(&client, storm, &running).await;
    for agent in running.iter_mut().flatten() {
        agent.until("it is connected", |agent| agent.metric("amqp_connected") == Some(1));
        duplicates_counted += counted(agent);
    }
    assert_eq!(client.depth(queue).await, 0, "the queue is empty");
    let dead = client.take_all(&format!("{queue}.dead")).await;
    assert_dead(&dead, storm);
    let outcome = Outcome { duplicates_counted, ..assert_once(&events, agents, storm) };
    for agent in running.into_iter().flatten() {
        agent.stop();
    }
    outcome
}

fn counted(agent: &Running) -> i64 {
    agent.metric("amqp_messages_total{result=\"duplicate\"}").unwrap_or_default()
}

/// Requests in their order, the second ones and the bad ones in between; a part for each trouble,
/// and the last, each when it is told to.
async fn send(client: &Client, queue: &str, storm: Storm, parts: &Semaphore) {
    let mut messages: Vec<(usize, Vec<u8>)> = Vec::new();
    for number in 0..storm.requests {
        messages.push((number * 1000, trigger(number, storm.policies).1.into_bytes()));
    }
    for number in 0..storm.duplicates {
        let of = number * storm.requests / storm.duplicates;
        // Some follow at once, some much later.
        let after = of * 1000 + 1 + number % 7 * 9000;
        messages.push((after, trigger(of, storm.policies).1.into_bytes()));
    }
    for number in 0..storm.malformed {
        let after = number * storm.requests / storm.malformed * 1000 + 500;
        messages.push((after, malformed(number).0.into_bytes()));
    }
    messages.sort_by_key(|(order, _)| *order);
    let part = messages.len().div_ceil(storm.troubles() + 1);
    for (number, (_, body)) in messages.into_iter().enumerate() {
        if number % part == 0 {
            parts.acquire().await.expect("it is not closed").forget();
        }
        let properties = BasicProperties::default().with_message_id(format!("m-{number}").into());
        client.publish(queue, &body, properties).await;
        tokio::time::sleep(storm.pace).await;
    }
}

/// Waits until each request has been told the end of; all events.
async fn all_ended(client: &Client, storm: Storm, running: &[Option<Running>]) -> Vec<Value> {
    let begun = Instant::now();
    let mut events: Vec<Value> = Vec::new();
    loop {
        events.extend(client.take_all(EVENTS).await.iter().map(Message::json));
        let ended: BTreeSet<String> =
            events.iter().filter(|event| is_last(event)).flat_map(requests).collect();
        let open: Vec<String> = (0..storm.requests)
            .map(|number| trigger(number, storm.policies).0)
            .filter(|id| !ended.contains(id))
            .collect();
        if open.is_empty() {
            // What is sent twice comes soon.
            tokio::time::sleep(Duration::from_secs(2)).await;
            events.extend(client.take_all(EVENTS).await.iter().map(Message::json));
            return events;
        }
        if begun.elapsed() > PATIENCE {
            let logs: Vec<String> = running.iter().flatten().map(Running::log).collect();
            panic!("no end of {open:?}\n{}", logs.join("\n\n"));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Whether it is the end of a job.
fn is_last(event: &Value) -> bool {
    event["data"]["will_run_again"] == false
}

/// The requests that an event names.
fn requests(event: &Value) -> Vec<String> {
    let ids = event["data"]["requests"].as_array().map(Vec::as_slice).unwrap_or_default();
    ids.iter().map(|id| text(id).to_owned()).collect()
}

fn assert_dead(dead: &[Message], storm: Storm) {
    let mut reasons: BTreeMap<Vec<u8>, String> = BTreeMap::new();
    for message in dead {
        let reason = text(&message.headers["x-milvus-backup-reason"]).to_owned();
        let detail = text(&message.headers["x-milvus-backup-detail"]);
        assert!(!detail.is_empty(), "{:?}", message.headers);
        reasons.insert(message.body.clone(), reason);
    }
    let expected: BTreeMap<Vec<u8>, String> = (0..storm.malformed)
        .map(malformed)
        .map(|(body, reason)| (body.into_bytes(), reason.to_owned()))
        .collect();
    assert_eq!(reasons, expected, "each bad message is kept, whole, with its reason");
}

/// Each request has one job, each job one backup, each run its beginning and its end.
fn assert_once(events: &[Value], agents: &[Agent], storm: Storm) -> Outcome {
    let mut by_id: BTreeMap<&str, &Value> = BTreeMap::new();
    for event in events {
        if let Some(before) = by_id.insert(text(&event["id"]), event) {
            assert_eq!(before["data"], event["data"], "what is told again is the same");
        }
    }
    let again = events.len() - by_id.len();
    let told = || by_id.values().copied();
    let of_kind = |event: &&Value| event["data"]["kind"] == "backup";
    let runs = |started: bool| -> BTreeSet<&str> {
        let is = |event: &&Value| text(&event["type"]).ends_with(".started") == started;
        let runs = told().filter(of_kind).filter(is);
        runs.filter_map(|event| event["data"]["run"].as_str()).collect()
    };
    assert_eq!(runs(true), runs(false), "each run has its beginning and its end");
    let mut jobs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut backups = BTreeSet::new();
    for event in told().filter(of_kind).filter(|event| is_last(event)) {
        assert!(text(&event["type"]).ends_with(".succeeded"), "{event}");
        let backup = text(&event["data"]["backup"]).to_owned();
        for id in requests(event) {
            jobs.entry(id).or_default().insert(backup.clone());
        }
        assert!(backups.insert(backup), "{event}: this job has ended before");
    }
    assert_eq!(jobs.len(), storm.requests);
    for (id, backups) in &jobs {
        assert_eq!(backups.len(), 1, "{id} was done {backups:?}");
    }
    let complete: BTreeSet<String> = agents[0].complete().into_iter().collect();
    assert_eq!(complete, backups, "the backups that are there are those that were told of");
    for backup in backups.iter().take(5) {
        agents[0].verify(backup);
    }
    let sources: BTreeSet<&str> =
        told().filter(of_kind).map(|event| text(&event["source"])).collect();
    Outcome {
        agents: sources.len(),
        jobs: backups.len(),
        joined: storm.requests - backups.len(),
        redelivered_events: again,
        duplicates_counted: 0,
    }
}

/// Tells what a storm came to.
pub(crate) fn tell(who: &str, storm: Storm, outcome: &Outcome) {
    say(&format!(
        "{who}: {} requests, {} of them sent twice, and {} bad messages; broker restarted {} times, \
         agents killed {} times: {} jobs, each with one backup and by {} agents in all, {} requests joined one; {} messages \
         were known already, {} events came twice",
        storm.requests,
        storm.duplicates,
        storm.malformed,
        storm.restarts,
        storm.kills,
        outcome.jobs,
        outcome.agents,
        outcome.joined,
        outcome.duplicates_counted,
        outcome.redelivered_events,
    ));
}
