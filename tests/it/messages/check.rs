//! `check` looks at the broker, too.

use serde_json::Value;

use crate::lab::{Agent, Client, rabbit};
use crate::steps::requests::fake_server;

fn looked(url: &str, more: &str) -> Value {
    let data = tempfile::tempdir().expect("a folder");
    let agent = Agent::new(&fake_server(data.path()), "checked");
    agent.serve_with(&[], &format!("amqp: {{url: \"{url}\"{more}}}\n"));
    let report = agent.run(&["check"]).json;
    let lines = report["checks"].as_array().expect("lines").clone();
    lines.into_iter().find(|line| line["check"] == "amqp").expect("a line of the broker")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_tells_whether_the_agent_would_find_its_broker() {
    let rabbit = rabbit();
    let url = rabbit.vhost();
    let missing = looked(&url, "");
    assert_eq!(missing["ok"], false);
    let detail = missing["detail"].as_str().expect("text");
    assert!(detail.contains("there is no exchange `milvus-backup`"), "{detail}");
    assert!(missing["hint"].as_str().expect("a remedy").contains("amqp.declare"), "{missing}");
    let made = looked(&url, ", declare: true");
    assert_eq!(made["ok"], true, "{made}");
    let there = looked(&url, "");
    assert_eq!(there["ok"], true, "{there}");
    assert!(!there["detail"].as_str().expect("text").contains("guest:guest"), "{there}");
    assert_eq!(Client::new(&rabbit, &url).depth("milvus-backup.checked").await, 0);
    let absent = looked("amqp://127.0.0.1:1", "");
    assert_eq!(absent["ok"], false);
    assert!(absent["detail"].as_str().expect("text").contains("refused"), "{absent}");
}
