//! Milvus that is not there, is silent, or goes away in the middle.

use std::net::TcpListener;
use std::time::Duration;

use super::agent::Agent;
use super::server::server_alone;

/// A dead server is reported within 10 s; a silent one within two keepalives of 10 s.
const SILENCE: Duration = Duration::from_secs(30);

#[test]
fn milvus_is_down() {
    let agent = Agent::alone();
    let words = ["http://127.0.0.1:1", "Connection refused", "check that Milvus runs"];
    agent.refuses(&["backup"], 13, &words);
    agent.refuses(&["backup", "--plan"], 13, &words);
    let nowhere = agent.with("MILVUS__ADDRESS", "http://nowhere.invalid:19530");
    nowhere.run(&["backup"]).fails(13, &["nowhere.invalid", "lookup", "milvus.address"]);
    let said = agent.run(&["check"]);
    assert_eq!(said.code, Some(13), "{said}");
    assert!(said.stdout.contains("FAILED  milvus"), "{said}");
    assert!(agent.listed().is_empty());
}

#[test]
fn milvus_accepts_and_never_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = format!("http://{}", silent.local_addr().expect("it is bound"));
    let said = Agent::alone().with("MILVUS__ADDRESS", &address).run(&["backup"]);
    said.fails(13, &[&address, "does not answer", "check that Milvus runs"]);
    assert!(said.took < SILENCE, "{:?}", said.took);
}

#[test]
fn something_else_answers() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = format!("http://{}", other.local_addr().expect("it is bound"));
    std::thread::spawn(move || {
        for connection in other.incoming().flatten() {
            let mut connection = connection;
            drop(std::io::Write::write_all(&mut connection, b"HTTP/1.1 400 Bad Request\r\n\r\n"));
        }
    });
    let agent = Agent::alone().with("MILVUS__ADDRESS", &address);
    agent.run(&["backup"]).fails(13, &[&address, "does not answer", "milvus.address"]);
}

/// Killed, the server refuses connections; stopped, it only falls silent.
#[test]
fn milvus_goes_away_in_the_middle_of_a_backup() {
    let server = server_alone();
    let agent = &server.agent;
    for (signal, name, after) in [("KILL", "killed", "after_kill"), ("STOP", "hung", "after_stop")]
    {
        let mut running = agent.start(&["backup", "--name", name]);
        running.wait_for(&agent.repository().join(format!("lab/{name}/attempt.json")));
        server.signal(signal);
        let said = running.end();
        server.restart();
        said.fails(13, &["flush", "does not answer", "check that Milvus runs"]);
        assert!(said.took < SILENCE, "{:?}", said.took);
        let (state, reasons) = agent.state_of(name);
        assert_eq!(state, "failed");
        assert!(reasons.contains("does not answer"), "{reasons}");
        agent.works(&["backup", "--name", after]);
        assert_eq!(agent.state_of(after).0, "complete");
    }
}
