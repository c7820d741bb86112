//! The agent as a user who may not read or write, which root always may.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::agent::Agent;
use super::server::server;

const NOBODY: u32 = 65_534;

/// The same agent as another user, with a program that this user can reach.
fn as_nobody(agent: &Agent) -> Agent {
    let program = agent.path("agent");
    fs::copy(env!("CARGO_BIN_EXE_milvus-backup-agent"), &program).expect("there is space");
    allow(agent.path("").as_path(), 0o755);
    let user = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")];
    let wrapper = ["setpriv", &user[0], &user[1], "--clear-groups"];
    agent.with_program(&program).under(wrapper)
}

fn for_all_to_read(folder: &Path) {
    let done = Command::new("chmod").args(["-R", "a+rX"]).arg(folder).status();
    assert!(done.expect("chmod can be started").success());
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

#[test]
fn the_repository_may_only_be_read() {
    let server = server();
    server.agent.works(&["backup", "--name", "one"]);
    // Milvus's own folder may lie where this user cannot look.
    let ours = server.agent.with("MILVUS__STORAGE__LOCAL__PATH", server.agent.path("milvus"));
    let nobody = as_nobody(&ours);
    for_all_to_read(&ours.repository());
    assert_eq!(nobody.state_of("one").0, "complete");
    nobody.works(&["show", "one"]);
    let moved = ["cluster", "adopt", "lab", "--reason", "another folder"];
    let words = ["Permission denied", "give the agent's user access to this path"];
    nobody.refuses(&moved, 12, &[&words[..], &["lab/_cluster.json"]].concat());
    ours.works(&moved);
    nobody.refuses(&["backup"], 12, &[&words[..], &["lab/_leases/"]].concat());
    nobody.refuses(&["restore", "one"], 12, &[&words[..], &["_staging"]].concat());
    assert_eq!(ours.listed().len(), 1);

    allow(&ours.repository(), 0o700);
    nobody.refuses(&["list"], 12, &[&words[..], &["_repository.json"]].concat());
    let elsewhere = nobody.with("REPOSITORY__LOCAL__PATH", ours.path("new"));
    elsewhere.refuses(&["backup"], 12, &[&words[..], &["/new", "the repository"]].concat());
}

#[test]
fn the_state_folder_may_not_be_written() {
    let agent = as_nobody(&Agent::alone().without("MILVUS__CLUSTER"));
    fs::create_dir(agent.repository()).expect("the folder is writable");
    let words = ["state/cluster", "Permission denied", "make `state` writable"];
    agent.refuses(&["backup"], 1, &words);
}

#[test]
fn milvus_folder_may_not_be_read() {
    let server = server();
    let agent = as_nobody(&server.agent);
    let key = "MILVUS__STORAGE__LOCAL__PATH";
    let agent = agent.with(key, agent.path("milvus"));
    fs::create_dir(agent.path("milvus/insert_log")).expect("the folder is writable");
    fs::create_dir(agent.repository()).expect("the folder is writable");
    allow(&agent.repository(), 0o777);
    allow(&agent.path("milvus/insert_log"), 0o700);
    let films = ["backup", "--name", "blind", "--collections", "default.films"];
    let words = ["milvus/insert_log", "Permission denied", "read access to Milvus's folder"];
    agent.run(&films).fails(12, &words);
    let (state, reasons) = agent.state_of("blind");
    assert_eq!(state, "failed");
    assert!(reasons.contains("Permission denied"), "{reasons}");
}
