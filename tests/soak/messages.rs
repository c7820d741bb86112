//! Requests by messages: more of them, and slower ones.

use std::path::Path;
use std::time::Duration;

use lapin::BasicProperties;

use crate::lab::{Agent, Client, LabServer, Rabbit, Running, milvus, say};
use crate::steps::requests::{EVENTS, Storm, deliver, fake_server, policies, serve, tell};

const STORM: Storm = Storm {
    requests: 200,
    duplicates: 50,
    malformed: 20,
    policies: 8,
    restarts: 2,
    kills: 3,
    pace: Duration::from_millis(150),
};

fn agent(data: &Path, cluster: &str, flush_takes: Duration) -> (LabServer, Agent) {
    let server = fake_server(data);
    let agent = Agent::new(&server, cluster).with_fake_milvus(flush_takes);
    (server, agent)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_requests_are_done_once_through_kills_and_restarts() {
    let (data, rabbit) = (tempfile::tempdir().unwrap(), Rabbit::start(&[]));
    let url = rabbit.vhost();
    let (_, agent) = agent(data.path(), "storm", Duration::from_millis(500));
    let agents = [agent];
    serve(&agents, &url, &policies(STORM.policies));
    let outcome = deliver(&agents, (&rabbit, &url), ("milvus-backup.storm", STORM)).await;
    tell("one agent", STORM, &outcome);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_share_two_hundred_requests() {
    let (data, rabbit) = (tempfile::tempdir().unwrap(), Rabbit::start(&[]));
    let url = rabbit.vhost();
    let slow = Duration::from_millis(500);
    let (server, first) = agent(data.path(), "storms", slow);
    let second = first.beside(&server, "storms").with_fake_milvus(slow);
    let agents = [first, second];
    serve(&agents, &url, &policies(STORM.policies));
    let outcome = deliver(&agents, (&rabbit, &url), ("milvus-backup.storms", STORM)).await;
    assert_eq!(outcome.agents, 2);
    tell("two agents", STORM, &outcome);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_milvus_is_backed_up_ten_times_by_messages() {
    let (server, rabbit) = (milvus(), Rabbit::start(&[]));
    let collections = ["default.soak_1", "default.soak_2", "default.soak_3"];
    for collection in collections {
        let fill = ["--scenario", "segments", "--rows", "500", "--segments", "2"];
        server.data_py("fill", &[fill.as_slice(), &["--collection", collection]].concat());
    }
    let url = rabbit.vhost();
    let agents = [Agent::new(&server, "soaked")];
    let policies = [1, 2, 3].map(|number| (format!("p{number}"), format!("default.soak_{number}")));
    serve(&agents, &url, &policies);
    let storm = Storm {
        requests: 30,
        duplicates: 8,
        malformed: 3,
        policies: 3,
        restarts: 1,
        kills: 2,
        pace: Duration::from_secs(2),
    };
    let queue = "milvus-backup.soaked";
    let outcome = deliver(&agents, (&rabbit, &url), (queue, storm)).await;
    assert!(outcome.jobs >= 10, "{outcome:?}");
    tell("a real Milvus", storm, &outcome);
}

/// A plain consumer that holds a message for so long is cut off with 406: `it` has the test
/// (`rabbit::a_consumer_that_holds_a_message_for_too_long_is_cut_off`).
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_40_seconds_holds_no_message() {
    let data = tempfile::tempdir().unwrap();
    let rabbit = Rabbit::start_with(&[
        "--set",
        "consumer_timeout=10000",
        "--advanced",
        "{rabbit, [{channel_tick_interval, 5000}]}",
    ]);
    let url = rabbit.vhost();
    let (_, agent) = agent(data.path(), "long", Duration::from_secs(40));
    let client = Client::new(&rabbit, &url);
    client.listen(EVENTS, "milvus-backup", "backup.*").await;
    serve(std::slice::from_ref(&agent), &url, &policies(1));
    let mut running = Running::start(&agent);
    running.until("a connection", |running| running.metric("amqp_connected") == Some(1));
    let body = br#"{"policy": "p1", "request_id": "long"}"#;
    client.publish("milvus-backup.long", body, BasicProperties::default()).await;
    running.until("the backup", |running| running.runs("p1", "complete") == 1);
    assert_eq!(running.metric("amqp_reconnects_total"), Some(0));
    assert_eq!(running.metric("amqp_messages_total{result=\"accepted\"}"), Some(1));
    assert_eq!(running.metric("amqp_messages_total{result=\"duplicate\"}"), Some(0));
    assert_eq!(client.depth("milvus-backup.long").await, 0);
    let log = running.stop();
    assert!(!log.contains("the broker is away"), "{log}");
    let events = client.take_all(EVENTS).await;
    let keys: Vec<&str> = events.iter().map(|event| event.routing_key.as_str()).collect();
    assert_eq!(keys, ["backup.started", "backup.succeeded"]);
    let took = events[1].json()["data"]["duration_seconds"].as_f64().unwrap();
    assert!(took > 40.0, "{took}");
    say(&format!(
        "consumer_timeout 10 s: a backup of {took:.0} s by a message: no reconnect, no redelivery"
    ));
}
