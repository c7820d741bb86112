//! How it all stands: as the agent tells it to a command and to a browser, and as a command
//! finds it out where no agent answers.

mod chromium;
mod looked;
mod told;

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::lab::{Agent, LabServer, Running};
use chromium::{Shot, Shown, show};

const OFTEN: &str = "schedule: {every: 2s}\nmax_age: 1h\nretention: {keep_all: true}\n";
const RARELY: &str = "schedule: {cron: \"0 3 * * *\"}\nretention: {keep_last: 3}\n";

/// A Milvus that nobody started, with a storage folder that is there.
fn nowhere() -> (TempDir, LabServer) {
    let data = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let server = LabServer {
        address: "http://127.0.0.1:9".to_owned(),
        management: "http://127.0.0.1:9".to_owned(),
        data: data.path().to_owned(),
        bucket: None,
        environment: Vec::new(),
    };
    (data, server)
}

/// What `/v1/status` answers.
fn view(running: &Running) -> Value {
    serde_json::from_str(&running.ask("/v1/status")).expect("a view")
}

/// The kinds of the problems of a view, in their order.
fn kinds(view: &Value) -> Vec<&str> {
    let problems = view["problems"].as_array().expect("problems").iter();
    problems.map(|problem| problem["kind"].as_str().expect("a kind")).collect()
}

/// An agent with a fake Milvus whose policies are as they are after a backup by each, and next
/// due at night.
fn backed_up(server: &LabServer, policies: &[&str]) -> (Agent, Running) {
    let agent = Agent::new(server, "shop-production").with_fake_milvus(Duration::ZERO);
    let with = |text| policies.iter().map(|name| (*name, text)).collect::<Vec<_>>();
    agent.serve(&with("schedule: {every: 4s}\nretention: {keep_last: 3}\n"));
    let mut running = Running::start(&agent);
    running.until("backups", |running| {
        policies.iter().all(|policy| running.runs(policy, "complete") >= 1)
    });
    agent.serve(&with(RARELY));
    running.signal("HUP");
    running.until("all is well", |running| view(running)["well"] == true);
    running.until("it rests", |running| {
        let view = view(running);
        let mut policies = view["policies"].as_array().expect("policies").iter();
        policies.all(|policy| policy["running"].is_null() && policy["state"] == "well")
    });
    (agent, running)
}

/// A page has room, can be read, and asked for nothing but itself.
fn assert_sound(shown: &Shown, address: &str) {
    for shot in &shown.shots {
        assert_eq!(shot["scroll_width"], shot["width"], "it is wider than the window: {shot}");
        assert_eq!(shot["wide"], Value::Array(Vec::new()), "something leaves the window");
        let contrast = shot["contrast"].as_f64().expect("a ratio");
        assert!(contrast >= 4.5, "{contrast}: {}", shot["weakest"]);
    }
    let page = format!("http://{address}/");
    let asked: Vec<&String> = shown.requests.iter().filter(|url| **url != page).collect();
    assert!(asked.iter().all(|url| *url == "data:,"), "{asked:?}");
    assert!(shown.requests.len() >= shown.shots.len(), "{:?}", shown.requests);
}

const fn desktop(name: &'static str) -> Shot {
    Shot { name, width: 1280, height: 900, scheme: "light", at: "full" }
}

const fn phone(name: &'static str) -> Shot {
    Shot { name, width: 390, height: 844, scheme: "dark", at: "full" }
}

#[test]
fn a_browser_shows_that_all_is_well() {
    let (_data, server) = nowhere();
    let (_agent, running) = backed_up(&server, &["hourly", "nightly"]);
    let shown = show(
        &format!("http://{}/", running.address()),
        &[desktop("well-desktop"), phone("well-phone")],
    );
    assert_sound(&shown, running.address());
    for shot in &shown.shots {
        assert_eq!((&shot["headline"], &shot["rows"]), (&"All well".into(), &2.into()));
        assert_eq!(shot["title"], "shop-production: All well");
        assert!(shot["text"].as_str().unwrap().contains("400 rows"), "{shot}");
    }
}

#[test]
fn a_browser_shows_a_failure_and_what_to_do() {
    let (_data, server) = nowhere();
    let agent = Agent::new(&server, "shop-production");
    agent.serve(&[("nightly", OFTEN), ("weekly", RARELY)]);
    let mut running = Running::start(&agent);
    running.until("a failed run", |running| running.runs("nightly", "failed") >= 1);
    agent.serve(&[("nightly", RARELY)]);
    running.signal("HUP");
    running.until("both problems", |running| kinds(&view(running)).len() == 2);
    let shown = show(
        &format!("http://{}/", running.address()),
        &[desktop("failed-desktop"), phone("failed-phone")],
    );
    assert_sound(&shown, running.address());
    for shot in &shown.shots {
        assert_eq!(shot["headline"], "2 things need you");
        let problems = shot["problems"].to_string();
        for part in ["nightly: the last run failed: ", "check that Milvus runs", "WARNING"] {
            assert!(problems.contains(part), "{part}: {problems}");
        }
    }
}

#[test]
fn a_browser_shows_where_nothing_ever_ran() {
    let (_data, server) = nowhere();
    let agent = Agent::new(&server, "shop-production").with_fake_milvus(Duration::ZERO);
    agent.serve(&[("nightly", RARELY), ("weekly", RARELY)]);
    let mut running = Running::start(&agent);
    running.until("it was looked at", |running| {
        let view = view(running);
        view["well"] == true && view["policies"][1]["next_run"].is_string()
    });
    let shown = show(
        &format!("http://{}/", running.address()),
        &[desktop("never-desktop"), phone("never-phone")],
    );
    assert_sound(&shown, running.address());
    for shot in &shown.shots {
        assert_eq!(shot["headline"], "No backup yet");
        let text = shot["text"].as_str().unwrap();
        assert_eq!((text.matches("none yet").count(), text.matches("never").count()), (2, 2));
    }
}

#[test]
fn the_last_of_200_policies_can_be_seen() {
    let (_data, server) = nowhere();
    let agent = Agent::new(&server, "shop-production").with_fake_milvus(Duration::ZERO);
    let names: Vec<String> = (0..199).map(|number| format!("policy-{number:03}")).collect();
    let last = "the-last-one-with-a-name-as-long-as-a-name-may-be-or-almost";
    let mut policies: Vec<(&str, &str)> = names.iter().map(|name| (&**name, RARELY)).collect();
    policies.push((last, RARELY));
    agent.serve(&policies);
    let mut running = Running::start(&agent);
    running.until("it was looked at", |running| {
        let view = view(running);
        view["well"] == true && view["policies"][199]["next_run"].is_string()
    });
    let bottom = |shot: Shot| Shot { at: "bottom", ..shot };
    let shown = show(
        &format!("http://{}/", running.address()),
        &[bottom(desktop("many-desktop")), bottom(phone("many-phone"))],
    );
    assert_sound(&shown, running.address());
    for shot in &shown.shots {
        assert_eq!(shot["rows"], 200);
        let row = &shot["last_row"];
        assert!(row["text"].as_str().unwrap().starts_with(last), "{row}");
        let (top, bottom) = (row["top"].as_f64().unwrap(), row["bottom"].as_f64().unwrap());
        let height = shot["view_height"].as_f64().unwrap();
        assert!(0.0 <= top && top < bottom && bottom <= height, "it is not in the picture: {row}");
    }
    let text = text_of(&agent, running.address());
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
    assert!(lines.iter().any(|line| line.starts_with("the-last-one")), "{text}");
}

/// What the command prints for people, of the agent at this address.
fn text_of(agent: &Agent, address: &str) -> String {
    point(agent, address, "");
    let mut command = Command::new(env!("CARGO_BIN_EXE_milvus-backup-agent"));
    command.arg("--config").arg(agent.path("config.yaml")).arg("status");
    String::from_utf8(command.output().expect("the program runs").stdout).expect("text")
}

/// Tells commands where the agent got its port.
fn point(agent: &Agent, address: &str, more: &str) {
    let policies = agent.path("policies");
    let policies = policies.display();
    agent.configure(&format!("policies: {policies}\napi: {{listen: \"{address}\"{more}}}\n"));
}
