//! Each request is done once.

use std::time::Duration;

use crate::lab::{Agent, Rabbit, rabbit};
use crate::steps::requests::{Storm, deliver, fake_server, policies, serve, tell};

#[tokio::test(flavor = "multi_thread")]
async fn each_request_is_done_once_through_kills_and_restarts() {
    let (data, rabbit) = (tempfile::tempdir().expect("a folder"), Rabbit::start(&[]));
    let url = rabbit.vhost();
    let agent = Agent::new(&fake_server(data.path()), "messages");
    let agents = [agent.with_fake_milvus(Duration::from_millis(300))];
    serve(&agents, &url, &policies(4));
    let storm = Storm {
        requests: 40,
        duplicates: 10,
        malformed: 5,
        policies: 4,
        restarts: 1,
        kills: 2,
        pace: Duration::from_millis(50),
    };
    let queue = "milvus-backup.messages";
    let outcome = deliver(&agents, (&rabbit, &url), (queue, storm)).await;
    tell("one agent", storm, &outcome);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_on_one_queue_double_nothing() {
    let (data, rabbit) = (tempfile::tempdir().expect("a folder"), rabbit());
    let (url, server) = (rabbit.vhost(), fake_server(data.path()));
    let slow = Duration::from_millis(500);
    let first = Agent::new(&server, "shared");
    let second = first.beside(&server, "shared").with_fake_milvus(slow);
    let agents = [first.with_fake_milvus(slow), second];
    serve(&agents, &url, &policies(8));
    let storm = Storm {
        requests: 40,
        duplicates: 20,
        malformed: 0,
        policies: 8,
        restarts: 0,
        kills: 1,
        pace: Duration::from_millis(50),
    };
    let queue = "milvus-backup.shared";
    let outcome = deliver(&agents, (&rabbit, &url), (queue, storm)).await;
    assert_eq!(outcome.agents, 2, "both take their share");
    tell("two agents", storm, &outcome);
}
