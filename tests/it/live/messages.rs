//! A real Milvus is backed up by messages of a real RabbitMQ.

use std::time::Duration;

use crate::lab::{Agent, assert_equal, milvus, rabbit};
use crate::steps::requests::{Storm, deliver, serve, tell};

#[tokio::test(flavor = "multi_thread")]
async fn ten_requests_are_done_once_and_what_they_made_comes_back() {
    let (server, rabbit) = (milvus(), rabbit());
    let collections = ["default.asked_1", "default.asked_2"];
    for collection in collections {
        let fill = ["--scenario", "segments", "--rows", "500", "--segments", "2"];
        server.data_py("fill", &[fill.as_slice(), &["--collection", collection]].concat());
    }
    let url = rabbit.vhost();
    let agents = [Agent::new(&server, "asked")];
    let policies = [("p1", collections[0]), ("p2", collections[1])]
        .map(|(policy, collection)| (policy.to_owned(), collection.to_owned()));
    serve(&agents, &url, &policies);
    let storm = Storm {
        requests: 10,
        duplicates: 3,
        malformed: 2,
        policies: 2,
        restarts: 0,
        kills: 1,
        // So that each finds a run at work, and not only its end.
        pace: Duration::from_millis(1500),
    };
    let outcome = deliver(&agents, (&rabbit, &url), ("milvus-backup.asked", storm)).await;
    tell("a real Milvus", storm, &outcome);
    let agent = &agents[0];
    let last = agent.complete().into_iter().filter(|name| name.starts_with("p1_")).max();
    agent.restore(&last.expect("a backup"), &["--suffix", "_r"]);
    let before = server.dump(collections[0], &agent.path("before.json"));
    let restored = format!("{}_r", collections[0]);
    let after = server.dump(&restored, &agent.path("after.json"));
    assert_equal(&before, &after, &[&format!("{}={restored}", collections[0])], "");
}
