//! What the command and `/v1/status` say.

use std::fs;
use std::time::{Duration, SystemTime};

use super::{OFTEN, RARELY, chromium, kinds, nowhere, point, text_of, view};
use crate::lab::{Agent, Running};

#[test]
fn a_failed_run_is_told_with_its_remedy_by_page_json_and_command() {
    let (_data, server) = nowhere();
    let agent = Agent::new(&server, "told");
    agent.serve(&[("often", OFTEN), ("rarely", RARELY)]);
    let mut running = Running::start(&agent);
    running
        .until("a failed run", |running| kinds(&view(running)) == ["last_run_failed", "not_ready"]);
    let view = view(&running);
    let failed = &view["problems"][0];
    assert_eq!((&failed["severity"], &failed["policies"][0]), (&"warning".into(), &"often".into()));
    assert!(failed["remedy"].as_str().unwrap().starts_with("check that Milvus runs"), "{failed}");
    let file = agent.path("config.yaml");
    let check = format!("milvus-backup-agent --config {} check", file.display());
    assert_eq!(failed["command"], check.as_str(), "it works wherever it is pasted");
    let often = &view["policies"][0];
    assert_eq!(
        (&often["state"], &often["last_run"]["outcome"]),
        (&"failed".into(), &"failed".into())
    );
    let rarely = &view["policies"][1];
    assert_eq!((&rarely["state"], &rarely["last_good"]), (&"none_yet".into(), &().into()));
    assert!(running.ask("/").contains("often: the last run failed: "), "{}", running.ask("/"));

    let text = text_of(&agent, running.address());
    for part in ["2 things need you\n", "\nWARNING   often: the last run failed:", "POLICY  STATE"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let told = agent.run(&["status"]);
    assert_eq!((told.code, &told.json["agent"]["version"]), (1, &env!("CARGO_PKG_VERSION").into()));
    let log = running.stop();
    assert!(log.ends_with("stopped\n"), "{log}");

    // The journal remembers what was wrong.
    agent.serve(&[("often", RARELY)]);
    let running = Running::start(&agent);
    let view = super::view(&running);
    assert_eq!(kinds(&view)[0], "last_run_failed", "{view}");
    assert!(view["problems"][0]["remedy"].as_str().unwrap().starts_with("check that Milvus"));
    running.stop();
}

#[test]
fn a_run_at_work_is_told_and_all_can_be_well_meanwhile() {
    let (_data, server) = nowhere();
    let agent = Agent::new(&server, "at_work").with_fake_milvus(Duration::from_mins(1));
    agent.serve(&[("often", OFTEN)]);
    let mut running = Running::start(&agent);
    running.until("a run", |running| !view(running)["policies"][0]["running"].is_null());
    let run = view(&running)["policies"][0]["running"].clone();
    assert!(run["stage"].as_str().unwrap().starts_with("gathering"), "{run}");
    assert!(run["backup"].as_str().unwrap().starts_with("often_2"), "{run}");
    let text = text_of(&agent, running.address());
    assert!(text.contains("\nAt work: often, gathering"), "{text}");
    drop(running.kill());
}

#[test]
fn where_no_agent_answers_that_is_the_first_problem() {
    let (_data, server) = nowhere();
    let agent = Agent::new(&server, "alone");
    agent.serve(&[("rarely", RARELY)]);
    point(&agent, "127.0.0.1:9", "");
    let told = agent.run(&["status"]);
    assert_eq!(told.code, 1, "{told:?}");
    assert_eq!(kinds(&told.json), ["no_agent", "none_yet"], "{told:?}");
    assert!(told.json["policies"][0]["next_run"].is_null(), "nobody keeps it");
    let backup = told.json["problems"][1]["command"].as_str().unwrap();
    let file = agent.path("config.yaml");
    assert!(backup.contains(&format!(" --config {} backup ", file.display())), "{backup}");
    let first = &told.json["problems"][0];
    assert!(first["message"].as_str().unwrap().contains("127.0.0.1:9 (`api.listen`)"), "{first}");
    assert_eq!(first["command"], "systemctl start milvus-backup-agent");
    assert_eq!(
        (&told.json["agent"], &told.json["repository"]["readable"]),
        (&().into(), &true.into())
    );
    let text = text_of(&agent, "127.0.0.1:9");
    assert!(text.contains("\nCRITICAL  no agent answers at"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("rarely") && line.contains("no agent")));
    let rarely = fs::File::options().write(true).open(agent.path("policies/rarely.yaml"));
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_hours(24);
    rarely.and_then(|file| file.set_modified(long_ago)).expect("its time is set");
    assert_eq!(kinds(&agent.run(&["status"]).json), ["no_agent", "too_old"]);

    fs::write(agent.path("policies/wrong.yaml"), "retention: {keep_al: true}\n").unwrap();
    let told = agent.run(&["status"]);
    assert_eq!(kinds(&told.json), ["no_agent", "settings_refused"], "{told:?}");
    let wrong = told.json["problems"][1]["message"].as_str().unwrap();
    assert!(wrong.contains("wrong.yaml:1:"), "{wrong}");
    fs::remove_dir_all(agent.path("policies")).unwrap();
    fs::create_dir_all(agent.path("policies")).unwrap();
    assert_eq!(kinds(&agent.run(&["status"]).json), ["no_agent", "no_policies"]);
}

#[test]
fn a_token_is_asked_for_and_a_browser_can_give_it() {
    let (_data, server) = nowhere();
    let agent = Agent::new(&server, "guarded").with_fake_milvus(Duration::ZERO);
    agent.serve(&[("rarely", RARELY)]);
    point(&agent, "127.0.0.1:0", ", token: s3cret");
    let running = Running::start(&agent);
    let address = running.address();
    assert!(running.ask("/v1/status").contains("\"status\":401"), "{}", running.ask("/v1/status"));

    point(&agent, address, ", token: another");
    let told = agent.run(&["status"]);
    let first = &told.json["problems"][0];
    assert_eq!((told.code, &first["kind"]), (1, &"no_agent".into()));
    assert!(first["message"].as_str().unwrap().contains("does not take this token"), "{first}");
    point(&agent, address, ", token: s3cret");
    assert!(!agent.run(&["status"]).json["agent"].is_null());

    let shot = super::phone("token-phone");
    let shown = chromium::show(&format!("http://me:s3cret@{address}/"), &[shot]);
    assert_eq!(shown.shots[0]["rows"], 1, "{:?}", shown.shots);
}
