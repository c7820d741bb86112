//! What an operator does to the agent, and what the system tells it. No Milvus is there, which
//! the agent has to bear.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::lab::{Agent, Running, nowhere};

const OFTEN: &str = "schedule: {every: 2s}\nretention: {keep_all: true}\n";
const RARELY: &str = "schedule: {cron: \"0 3 * * *\"}\nretention: {keep_all: true}\n";

const PROVED: &str = "schedule: {cron: \"0 3 * * *\"}\nretention: {keep_all: true}\n\
                      verify: {schedule: \"0 4 * * *\", drill: \"0 5 * * 0\"}\n";

#[test]
fn an_agent_without_milvus_starts_says_so_and_stops() {
    let (_data, server) = nowhere();
    let agent = Agent::new(&server, "alone");
    agent.serve(&[("often", OFTEN), ("proved", PROVED), ("rarely", RARELY)]);
    let mut running = Running::start(&agent);
    // What is known of proofs is told from the first moment on.
    let proved = |name: &str| running.metric(&format!("{name}{{policy=\"proved\"}}"));
    let next = proved("verify_next_run_timestamp_seconds");
    assert!(next.is_some_and(|next| next % 86_400 == 14_400), "{next:?}");
    assert!(proved("verify_read_since_timestamp_seconds").is_some());
    assert!(proved("drill_since_timestamp_seconds").is_some_and(|since| since > 0));
    assert_eq!(proved("last_drill_success_timestamp_seconds"), Some(0));
    assert_eq!(proved("drill_max_age_seconds"), Some(14 * 86_400));
    let never = "runs_total{kind=\"drill\",outcome=\"failed\",policy=\"proved\"}";
    assert_eq!(running.metric(never), Some(0));
    running.until("failed runs", |running| running.runs("often", "failed") >= 2);
    assert!(running.log().contains("check that Milvus runs"), "{}", running.log());
    running
        .until("the preflight", |running| running.ask("/readyz").contains("\"what\":\"milvus\""));
    assert_eq!(running.ask("/healthz").trim(), "{\"status\":\"ok\"}");
    let next = running.metric("schedule_next_run_timestamp_seconds{policy=\"rarely\"}");
    assert!(next.is_some_and(|next| next % 86_400 == 10_800), "{next:?}");
    assert_eq!(running.runs("rarely", "failed"), 0);
    assert_eq!(
        running.metric("last_success_timestamp_seconds{kind=\"backup\",policy=\"rarely\"}"),
        Some(0)
    );
    let log = running.stop();
    assert!(log.ends_with("stopped\n"), "{log}");
}

#[test]
fn a_reload_takes_what_is_right_and_keeps_the_old_when_it_is_wrong() {
    let (_data, server) = nowhere();
    let agent = Agent::new(&server, "reloaded");
    agent.serve(&[("one", RARELY)]);
    let mut running = Running::start(&agent);
    let created = |running: &Running, policy: &str| {
        running.metric(&format!("policy_created_timestamp_seconds{{policy=\"{policy}\"}}"))
    };
    let success = |running: &Running| running.metric("config_last_reload_success");
    assert_eq!(success(&running), None, "nothing was reloaded");

    agent.serve(&[("two", "schedule: {cron: \"0 3 * *\"}\nretention: {keep_al: true}\n")]);
    running.signal("HUP");
    running.until("a failed reload", |running| success(running) == Some(0));
    let log = running.log();
    for part in ["the old ones stay", "two.yaml:1:", "two.yaml:2:", "keep_all"] {
        assert!(log.contains(part), "{part}: {log}");
    }
    assert!(created(&running, "one").is_some() && created(&running, "two").is_none());

    agent.serve(&[("two", OFTEN)]);
    running.signal("HUP");
    running.until("a reload", |running| success(running) == Some(1));
    assert!(created(&running, "one").is_some() && created(&running, "two").is_some());
    running.until("the new policy is due", |running| running.runs("two", "failed") >= 1);
    fs::remove_file(agent.path("policies/one.yaml")).unwrap();
    running.signal("HUP");
    running.until("another reload", |running| created(running, "one").is_none());
    running.stop();
}

#[test]
fn what_keeps_an_agent_from_starting_is_told_with_a_remedy() {
    let (_data, server) = nowhere();
    let agent = Agent::new(&server, "refused");
    agent.serve(&[("one", RARELY)]);
    let running = Running::start(&agent);
    let second = agent.run(&["run"]);
    assert_eq!(second.code, 11, "{second:?}");
    let told = second.json["error"].to_string();
    assert!(
        told.contains("in use by another agent") && told.contains("`state` of its own"),
        "{told}"
    );

    let (_, port) = running.address().rsplit_once(':').unwrap();
    let other = Agent::new(&server, "refused");
    other.serve(&[("one", RARELY)]);
    let policies = other.path("policies");
    other.configure(&format!(
        "policies: {}\napi: {{listen: \"127.0.0.1:{port}\"}}\n",
        policies.display()
    ));
    let taken = other.run(&["run"]);
    assert_eq!(taken.code, 2, "{taken:?}");
    assert!(taken.json["error"].to_string().contains("`api.listen`"), "{taken:?}");
    running.stop();

    other.serve(&[("wrong", "schedule: {every: 30}\n"), ("worse", "nothing: 1\n")]);
    let wrong = other.run(&["run"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    let told = wrong.json["error"]["message"].as_str().unwrap().to_owned();
    for part in ["wrong.yaml:1:", "worse.yaml:1:", "retention"] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

/// The words of `sd_notify(3)`, in their order.
#[test]
fn systemd_hears_that_it_is_ready_alive_busy_and_stopping() {
    let (_data, server) = nowhere();
    let agent = Agent::new(&server, "notified");
    agent.serve(&[("rarely", RARELY)]);
    let path = agent.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let running = Running::start_with(&agent, &[("NOTIFY_SOCKET", path.to_str().unwrap())]);
    let mut heard = String::new();
    let mut hear = |until: &str| {
        while !heard.contains(until) {
            let mut word = [0; 1024];
            let read =
                socket.recv(&mut word).unwrap_or_else(|error| panic!("{until}: {error}: {heard}"));
            heard += &String::from_utf8_lossy(&word[..read]);
            heard.push('\n');
        }
    };
    for word in ["READY=1", "STATUS=idle; next: rarely at ", "WATCHDOG=1"] {
        hear(word);
    }
    running.stop();
    hear("STOPPING=1");
}

#[test]
fn journald_gets_the_severity_of_every_line() {
    let (_data, server) = nowhere();
    let agent = Agent::new(&server, "journal");
    agent.serve(&[("often", OFTEN)]);
    let log = agent.path("run.log");
    fs::write(&log, "").unwrap();
    let meta = fs::metadata(&log).unwrap();
    let stream = format!("{}:{}", meta.dev(), meta.ino());
    let mut running = Running::start_with(&agent, &[("JOURNAL_STREAM", &stream)]);
    running.until("a failed run", |running| running.runs("often", "failed") >= 1);
    let log = running.stop();
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines.iter().any(|line| line.starts_with("<6>ready policies=1")), "{log}");
    assert!(lines.iter().any(|line| line.starts_with("<3>backup failed")), "{log}");
    assert!(lines.iter().all(|line| line.starts_with('<')), "{log}");
}
