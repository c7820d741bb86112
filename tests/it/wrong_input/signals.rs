//! Whoever stops the agent, or stops listening to it.

use std::net::{TcpListener, TcpStream};
use std::thread::sleep;
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

/// An address where calls hang for 20 s.
fn silent() -> (TcpListener, Agent) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = format!("http://{}", listener.local_addr().expect("it is bound"));
    (listener, Agent::alone().with("MILVUS__ADDRESS", address))
}

/// Waits until a command has called there. The call goes on while this is held.
fn called(listener: &TcpListener) -> TcpStream {
    listener.accept().expect("a call").0
}

const A_MOMENT: Duration = Duration::from_secs(1);

#[test]
fn a_backup_that_waits_for_milvus_can_be_interrupted() {
    let (listener, agent) = silent();
    let running = agent.start(&["backup"]);
    let _call = called(&listener);
    running.signal("INT");
    let said = running.end();
    said.fails(130, &["error: stopped on request"]);
    assert!(said.took < Duration::from_secs(10), "{:?}", said.took);
    assert!(agent.listed().is_empty());
}

/// `check` looks at everything before it ends, unless it is told twice.
#[test]
fn the_second_signal_does_not_wait() {
    let (listener, agent) = silent();
    let running = agent.start(&["check"]);
    let _call = called(&listener);
    running.signal("INT");
    sleep(A_MOMENT);
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
