//! Each request is done once.

use std::time::Duration;

use crate::lab::{Agent, LabServer, Rabbit};
use crate::steps::requests::{Storm, deliver, serve, tell};

/// A fake Milvus: nothing connects to it, and its files are in memory.
pub(super) fn fake(folder: &std::path::Path) -> LabServer {
    LabServer {
        address: "http://127.0.0.1:9".to_owned(),
        management: "http://127.0.0.1:9".to_owned(),
        data: folder.to_owned(),
        bucket: None,
    }
}

pub(super) fn policies(count: usize) -> Vec<(String, String)> {
    (1..=count).map(|number| (format!("p{number}"), format!("default.c{number}"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_is_done_once_through_kills_and_restarts() {
    let (data, rabbit) = (tempfile::tempdir().expect("a folder"), Rabbit::start(&[]));
    let url = rabbit.vhost();
    let agent = Agent::new(&fake(data.path()), "messages");
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
