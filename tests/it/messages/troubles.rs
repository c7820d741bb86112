//! What the broker does to the agent: it is said everywhere, schedules go on, nothing is lost.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lapin::BasicProperties;
use serde_json::Value;
use tempfile::TempDir;

use crate::lab::{Agent, Client, Message, Proxy, Rabbit, Running, Way, rabbit};
use crate::steps::requests::fake_server;

const QUEUE: &str = "milvus-backup.troubles";
const EVENTS: &str = "events";
const OFTEN: &str =
    "collections: [default.c1]\nschedule: {every: 2s}\nretention: {keep_all: true}\n";
const ASKED: &str = "collections: [default.c2]\ntriggers: [amqp]\nretention: {keep_all: true}\n";

/// An agent at work, and a client of its broker.
struct Scene {
    _data: TempDir,
    agent: Agent,
    running: Running,
}

impl Scene {
    /// Starts an agent whose broker is in whatever state it is.
    fn start(url: &str, more: &str) -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let agent =
            Agent::new(&fake_server(data.path()), "troubles").with_fake_milvus(Duration::ZERO);
        let amqp = format!("amqp: {{url: \"{url}\"{more}}}\n");
        agent.serve_with(&[("often", OFTEN), ("asked", ASKED)], &amqp);
        let running = Running::start(&agent);
        Self { _data: data, agent, running }
    }

    /// What `/readyz` says of the broker; empty where all is well.
    fn trouble(running: &Running) -> String {
        let ready: Value = serde_json::from_str(&running.ask("/readyz")).expect("JSON");
        let waiting = ready["waiting"].as_array().map(Vec::as_slice).unwrap_or_default();
        let broker = waiting.iter().find(|wait| wait["what"] == "amqp");
        broker.map_or("", |wait| wait["why"].as_str().expect("a reason")).to_owned()
    }

    /// Waits until all that tells of the broker tells this, and holds that schedules go on.
    fn until_trouble(&mut self, part: &str) {
        self.until(part, |running| {
            Self::trouble(running).contains(part) && running.log().contains(part)
        });
        self.go_on();
    }

    /// Waits, and tells what there is if it takes too long.
    fn until(&mut self, what: &str, done: impl Fn(&Running) -> bool) {
        let begun = Instant::now();
        while !done(&self.running) {
            let (trouble, log) = (Self::trouble(&self.running), self.running.log());
            let log: Vec<&str> = log.lines().filter(|line| line.contains("broker")).collect();
            let late = begun.elapsed() > Duration::from_mins(1);
            assert!(!late, "{what}: {trouble}\n{}", log.join("\n"));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn until_connected(&mut self) {
        self.until("a connection", |running| {
            running.metric("amqp_connected") == Some(1) && Self::trouble(running).is_empty()
        });
    }

    fn connected(&self) -> i64 {
        self.running.metric("amqp_connected").expect("there is a broker in the configuration")
    }

    /// Two more slots have their backups.
    fn go_on(&mut self) {
        let before = self.running.runs("often", "complete");
        self.until("two more backups by the schedule", |running| {
            running.runs("often", "complete") >= before + 2
        });
    }

    /// A message still becomes a backup.
    async fn ask(&mut self, client: &Client, id: &str) {
        let before = self.running.runs("asked", "complete");
        let body = format!("{{\"policy\": \"asked\", \"request_id\": \"{id}\"}}");
        client.publish(QUEUE, body.as_bytes(), BasicProperties::default()).await;
        self.until("the backup that was asked for", |running| {
            running.runs("asked", "complete") == before + 1
        });
    }

    /// Stops the agent. Every backup that is there was told of, and nothing else.
    async fn end(self, client: &Client) -> Vec<Message> {
        let Self { running, agent, _data } = self;
        running.stop();
        let events = client.take_all(EVENTS).await;
        let told: BTreeSet<String> = events
            .iter()
            .filter(|event| event.routing_key == "backup.succeeded")
            .map(|event| event.json()["data"]["backup"].as_str().expect("a name").to_owned())
            .collect();
        let complete: BTreeSet<String> = agent.complete().into_iter().collect();
        assert_eq!(told, complete);
        events
    }
}

async fn listening(rabbit: &Rabbit, url: &str) -> Client {
    let client = Client::new(rabbit, url);
    client.listen(EVENTS, "milvus-backup", "#").await;
    client
}

/// The URL of the same vhost by way of a proxy.
fn by(proxy: &Proxy, url: &str) -> String {
    let vhost = url.rsplit_once('/').expect("a vhost").1;
    format!("amqp://guest:guest@{}/{vhost}", proxy.address)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_absent_at_the_start_is_found_later() {
    let rabbit = rabbit();
    let url = rabbit.vhost();
    let client = listening(&rabbit, &url).await;
    let mut proxy = Proxy::start(&format!("127.0.0.1:{}", rabbit.port())).await;
    proxy.refuse().await;
    let mut scene = Scene::start(&by(&proxy, &url), ", declare: true");
    scene.until_trouble("Connection refused");
    assert_eq!(scene.connected(), 0);
    assert!(scene.running.log().contains("the broker is away; schedules go on, events wait"));
    assert!(!scene.running.log().contains("guest:guest"), "no password in the log");
    scene.until("events that wait", |running| {
        running.metric("amqp_outbox_events").is_some_and(|waiting| waiting >= 4)
    });
    proxy.welcome().await;
    scene.until_connected();
    scene.ask(&client, "a").await;
    // It goes away and comes back.
    proxy.refuse().await;
    scene.until_trouble("Connection refused");
    proxy.welcome().await;
    scene.until_connected();
    assert_eq!(scene.running.metric("amqp_reconnects_total"), Some(1));
    scene.ask(&client, "b").await;
    let away = scene.running.log().matches("the broker is away").count();
    assert!(away <= 4, "a line a change, not one a try: {away}");
    scene.end(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_stalls_in_the_midst_of_a_frame_is_given_up() {
    let rabbit = rabbit();
    let url = rabbit.vhost();
    let client = listening(&rabbit, &url).await;
    let proxy = Proxy::start(&format!("127.0.0.1:{}", rabbit.port())).await;
    let mut scene = Scene::start(&by(&proxy, &url), ", declare: true");
    scene.until_connected();
    scene.ask(&client, "a").await;
    // The next message is cut within its frame.
    proxy.stall(Way::ToClient, 20);
    let stalled = Instant::now();
    let body = "{\"policy\": \"asked\", \"request_id\": \"b\"}";
    client.publish(QUEUE, body.as_bytes(), BasicProperties::default()).await;
    scene.until_trouble("nothing was heard of it");
    assert_eq!(scene.connected(), 0);
    tokio::time::sleep(Duration::from_secs(30).saturating_sub(stalled.elapsed())).await;
    proxy.go_on();
    scene.until_connected();
    scene
        .running
        .until("the backup that was asked for", |running| running.runs("asked", "complete") == 2);
    assert_eq!(client.depth(QUEUE).await, 0);
    scene.end(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_said_and_tried_again_until_it_is_right() {
    let rabbit = rabbit();
    let url = rabbit.vhost();
    let client = listening(&rabbit, &url).await;
    rabbit.ctl(&["add_user", "troubled", "right"]);
    let vhost = url.rsplit_once('/').expect("a vhost").1;
    rabbit.ctl(&["set_permissions", "-p", vhost, "troubled", ".*", ".*", ".*"]);
    let wrong = format!("amqp://troubled:wrong@127.0.0.1:{}/{vhost}", rabbit.port());
    let mut scene = Scene::start(&wrong, ", declare: true");
    scene.until_trouble("it refused the login");
    let said = Scene::trouble(&scene.running);
    assert!(said.starts_with("away: "), "{said}");
    assert!(!scene.running.log().contains("wrong@") && !said.contains("wrong@"), "{said}");
    rabbit.ctl(&["change_password", "troubled", "wrong"]);
    scene.until_connected();
    scene.ask(&client, "a").await;
    scene.end(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_of_the_wrong_type_is_said_and_waited_for() {
    let rabbit = rabbit();
    let url = rabbit.vhost();
    let client = listening(&rabbit, &url).await;
    client.declare(QUEUE, &[]).await;
    let mut scene = Scene::start(&url, ", declare: true");
    scene.until_trouble("is there with another");
    let said = Scene::trouble(&scene.running);
    assert!(said.contains(QUEUE), "{said}");
    client.publish(QUEUE, b"{}", BasicProperties::default()).await;
    assert_eq!(client.depth(QUEUE).await, 1, "nobody touches it");
    rabbit.ctl(&["delete_queue", "-p", url.rsplit_once('/').expect("a vhost").1, QUEUE]);
    scene.until_connected();
    scene.ask(&client, "a").await;
    scene.end(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_dead_letter_exchange_no_message_is_touched() {
    let rabbit = rabbit();
    let url = rabbit.vhost();
    let client = listening(&rabbit, &url).await;
    client.declare(QUEUE, &[("x-queue-type", "quorum")]).await;
    client.publish(QUEUE, b"no trigger", BasicProperties::default()).await;
    let mut scene = Scene::start(&url, "");
    scene.until_trouble("milvus-backup.dead");
    assert_eq!(client.depth(QUEUE).await, 1);
    // Someone makes it, first without a queue.
    client.listen("other", "milvus-backup.dead", "other").await;
    scene.until_trouble("no queue is bound");
    scene.until("a connection that takes nothing", |running| {
        ["amqp_connected", "amqp_consuming"].map(|name| running.metric(name)) == [Some(1), Some(0)]
    });
    assert_eq!(client.depth(QUEUE).await, 1, "it is still there");
    client.listen("dead", "milvus-backup.dead", QUEUE).await;
    scene.until_connected();
    scene.until("it is put aside", |running| {
        running.metric("amqp_messages_total{result=\"invalid\"}") == Some(1)
    });
    let dead = client.take_all("dead").await;
    assert_eq!(dead[0].body, b"no trigger");
    assert_eq!(dead[0].headers["x-milvus-backup-reason"], "malformed");
    scene.ask(&client, "a").await;
    assert_eq!(client.depth(QUEUE).await, 0);
    scene.end(&client).await;
}

/// What is fetched with a message that nobody puts aside must not come again and again until
/// the broker has enough of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_put_aside_costs_no_other() {
    let rabbit = rabbit();
    let url = rabbit.vhost();
    let client = listening(&rabbit, &url).await;
    client.declare(QUEUE, &[("x-queue-type", "quorum")]).await;
    let vhost = url.rsplit_once('/').expect("a vhost").1;
    rabbit.ctl(&["set_policy", "-p", vhost, "limit", QUEUE, "{\"delivery-limit\": 2}"]);
    client.listen("other", "milvus-backup.dead", "other").await;
    let bad = b"{\"policy\": \"nowhere\", \"request_id\": \"bad-1\"}";
    client.publish(QUEUE, bad, BasicProperties::default()).await;
    let body = b"{\"policy\": \"asked\", \"request_id\": \"a\"}";
    client.publish(QUEUE, body, BasicProperties::default()).await;
    let mut scene = Scene::start(&url, "");
    scene.until_trouble("no queue is bound");
    tokio::time::sleep(Duration::from_secs(20)).await;
    let refused = scene.running.log().matches("a message is refused request_id=\"bad-1\"").count();
    assert_eq!(refused, 1, "once, by its id");
    assert_eq!(client.depth(QUEUE).await, 2, "both are still there");
    client.listen("dead", "milvus-backup.dead", QUEUE).await;
    scene.until_connected();
    scene.until("the backup that was asked for", |running| running.runs("asked", "complete") == 1);
    assert_eq!(client.take_all("dead").await.len(), 1);
    scene.end(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_without_disk_space_takes_no_events_and_backups_go_on() {
    let rabbit = Rabbit::start(&[]);
    let url = rabbit.vhost();
    let client = listening(&rabbit, &url).await;
    let mut scene = Scene::start(&url, ", declare: true");
    scene.until_connected();
    for id in ["a", "b"] {
        let body = format!("{{\"policy\": \"asked\", \"request_id\": \"{id}\"}}");
        client.publish(QUEUE, body.as_bytes(), BasicProperties::default()).await;
    }
    rabbit.ctl(&["set_disk_free_limit", "100000GB"]);
    scene.until_trouble("takes no events");
    assert_eq!(scene.running.metric("amqp_publishing_blocked"), Some(1));
    assert_eq!(scene.connected(), 1, "messages still come");
    scene.until("what was asked before", |running| {
        running.runs("asked", "complete") >= 1 && running.log().contains("request_id=b")
    });
    scene.until("events that wait", |running| {
        running.metric("amqp_outbox_events").is_some_and(|waiting| waiting >= 4)
    });
    // Longer than a confirmation is waited for.
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(scene.running.metric("amqp_reconnects_total"), Some(0));
    rabbit.ctl(&["set_disk_free_limit", "1MB"]);
    scene.until_connected();
    scene.until("all events have gone", |running| {
        running.metric("amqp_publishing_blocked") == Some(0)
            && running.metric("amqp_outbox_events").is_some_and(|waiting| waiting <= 1)
    });
    scene.end(&client).await;
}
