//! Whoever stops the agent, or stops listening to it.

use std::process::Command;
use std::time::Duration;

use super::agent::Agent;
use super::server::server;

#[test]
fn an_interrupted_backup_is_listed_as_cancelled() {
    let server = server();
    let agent = &server.agent;
    for (signal, name) in [("INT", "interrupted"), ("TERM", "terminated")] {
        let mut running = agent.start(&["backup", "--name", name]);
        running.wait_for(&agent.repository().join(format!("lab/{name}/attempt.json")));
        running.signal(signal);
        let said = running.end();
        said.fails(130, &["stopping; once more to stop at once", "error: stopped on request"]);
        let cancelled = ("failed".to_owned(), "cancelled: stopped on request".to_owned());
        assert_eq!(agent.state_of(name), cancelled);
        let words = ["`interrupted` made no backup", "stopped on request", "`list`"];
        agent.refuses(&["restore", "interrupted"], 10, &words);
    }
    agent.works(&["backup", "--name", "after"]);
    assert_eq!(agent.state_of("after").0, "complete");
}

/// A pipe that nobody writes into hangs like a dead network mount.
#[test]
fn the_second_signal_does_not_wait() {
    let agent = Agent::alone();
    std::fs::create_dir(agent.repository()).expect("the folder is writable");
    let mark = agent.repository().join("_repository.json");
    let made = Command::new("mkfifo").arg(&mark).status().expect("mkfifo can be started");
    assert!(made.success());
    let running = agent.start(&["list"]);
    std::thread::sleep(Duration::from_millis(500));
    running.signal("INT");
    std::thread::sleep(Duration::from_millis(500));
    running.signal("INT");
    let said = running.end();
    said.fails(130, &["stopping; once more to stop at once", "error: stopped at once"]);
    assert!(said.took < Duration::from_secs(10), "{:?}", said.took);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let agent = Agent::alone();
    for arguments in [&["--help"][..], &["config", "show", "--origin"]] {
        let mut running = agent.start(arguments);
        running.close_stdout();
        let said = running.end();
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said}");
    }
}
