//! Listeners, and who may be let in.

use super::fixture::Fixture;
use crate::config::Api;

fn api(text: &str) -> Api {
    Fixture::new(text).load().unwrap().config.api
}

#[test]
fn without_a_word_the_agent_answers_on_loopback() {
    let config = Fixture::new("").load().unwrap().config;
    assert_eq!(config.api.listen.to_string(), "127.0.0.1:7480");
    assert_eq!(config.api.token, None);
    assert_eq!(config.metrics.listen, None);
    for listen in ["127.8.0.1:0", "\"[::1]:7480\"", "\"[::ffff:127.0.0.1]:1\""] {
        api(&format!("api: {{listen: {listen}}}\n"));
    }
}

#[test]
fn anywhere_else_it_wants_a_token() {
    let fixture = Fixture::new("log: {level: info}\napi:\n  listen: 0.0.0.0:7480\n");
    let expected = "\
error: `api.listen` is `0.0.0.0:7480`, where other hosts reach it, and `api.token` is not set
 --> /etc/config.yaml:3:11
  |
3 |   listen: 0.0.0.0:7480
  |           ^
  = hint: set `api.token_file`, or listen on 127.0.0.1:7480; for Prometheus alone set `metrics.listen`";
    assert_eq!(fixture.problems(), expected);
    let problems =
        Fixture::new("api: {listen: \"[::]:1\"}\nmetrics: {listen: \":1\"}\n").problems();
    assert!(problems.contains("`[::]:1`, where other hosts"), "{problems}");
    assert!(problems.contains("hint: write 0.0.0.0:1 for all"), "{problems}");

    let token = fixture.file("token", "s3cret\n");
    let fixture = fixture.variable("MBA__API__TOKEN_FILE", token.to_str().unwrap());
    let found = fixture.load().unwrap().config.api.token.unwrap();
    assert_eq!(found.reveal(), "s3cret");
    let folder = token.parent().unwrap().to_str().unwrap().to_owned();
    std::fs::rename(&token, token.with_file_name("api.token")).unwrap();
    let fixture =
        Fixture::new("api: {listen: 0.0.0.0:7480}\n").variable("CREDENTIALS_DIRECTORY", &folder);
    assert_eq!(fixture.load().unwrap().config.api.token.unwrap().reveal(), "s3cret");
    assert_eq!(fixture.row("api.token").0.as_deref(), Some("(set)"));
}

#[test]
fn a_token_that_cannot_be_sent_is_refused_once_and_not_shown() {
    let text = "api: {listen: 0.0.0.0:7480, token: \"two words\"}\n";
    let problems = Fixture::new(text).problems();
    assert!(problems.starts_with("error: `api.token`: must be letters"), "{problems}");
    assert_eq!(problems.matches("error: ").count(), 1, "{problems}");
    assert!(!problems.contains("two words"), "{problems}");
}

#[test]
fn metrics_alone_may_be_answered_anywhere() {
    let config = Fixture::new("metrics: {listen: 0.0.0.0:9480}\n").load().unwrap().config;
    assert_eq!(config.metrics.listen.unwrap().port(), 9480);
    for (listen, hint) in [("localhost:1", "write 127.0.0.1:1"), ("9480", ""), ("h:99999", "")] {
        let problems = Fixture::new(format!("metrics: {{listen: \"{listen}\"}}\n")).problems();
        assert!(problems.contains("expected an IP address and a port"), "{problems}");
        assert!(problems.contains(hint), "{problems}");
    }
    let problems = Fixture::new("metrics: {listen: 127.0.0.1:7480}\n").problems();
    let start = "error: `metrics.listen` and `api.listen` are both `127.0.0.1:7480`\n --> /etc/config.yaml:1:19";
    assert!(problems.starts_with(start), "{problems}");
}
