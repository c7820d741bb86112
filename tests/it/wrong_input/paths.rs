//! Folders that are missing, empty, of another kind, or of someone else.

use std::fs;
use std::os::unix::fs::symlink;

use super::agent::Agent;
use super::server::server;

#[test]
fn milvus_keeps_its_files_elsewhere() {
    let server = server();
    let agent = &server.agent;
    let key = "MILVUS__STORAGE__LOCAL__PATH";
    let path = |name: &str| agent.path(name).to_str().expect("a plain name").to_owned();
    fs::write(path("file"), "").expect("the folder is writable");
    fs::create_dir_all(path("other/insert_log/1/2/3")).expect("the folder is writable");
    let advice = "milvus.storage.local.path";

    let missing = agent.with(key, path("missing"));
    missing.refuses(&["backup"], 2, &[&path("missing"), "does not exist", advice]);
    let file = agent.with(key, path("file"));
    file.refuses(&["backup"], 2, &[&path("file"), "Milvus's folder", "not a directory", advice]);
    assert!(agent.listed().is_empty(), "a name was reserved");

    // Both exist, so only the search for a segment can tell.
    for folder in ["milvus", "other"] {
        let wrong = agent.with(key, path(folder)).with("MILVUS__CLUSTER", folder);
        let films = ["--collections", "default.films"];
        let name = format!("of_{folder}");
        let said = wrong.run(&[&["backup", "--name", &name], &films[..]].concat());
        let place = path(folder);
        let words = ["default.films: segment", "no file in the storage", &place, advice];
        said.fails(1, &words);
        let (state, reasons) = agent.state_of(&name);
        assert_eq!(state, "failed");
        assert!(reasons.contains("no file in the storage"), "{reasons}");
        let check = wrong.run(&["check"]);
        assert_eq!(check.code, Some(2), "{check}");
        assert!(check.stdout.contains(&path(folder)) && check.stdout.contains(advice), "{check}");
    }
    let unset = agent.without(key);
    unset.refuses(&["backup"], 2, &["where Milvus keeps its files", "milvus.config_file", advice]);
}

#[test]
fn reading_a_repository_that_is_not_there_makes_nothing() {
    let server = server();
    let agent = server.agent.without("MILVUS__CLUSTER");
    let repository = agent.repository();
    let repository = repository.to_str().expect("a plain name");
    for command in [
        &["list"][..],
        &["show", "a"],
        &["verify", "a"],
        &["restore", "a"],
        &["restore", "a", "--plan"],
        &["cluster", "list"],
        &["cluster", "adopt", "lab", "--reason", "r"],
    ] {
        let words = ["there is no repository", repository, "repository.local.path"];
        agent.refuses(command, 10, &words);
    }
    agent.works(&["backup", "--plan"]);
    assert!(!agent.repository().exists() && !agent.path("state").exists());

    fs::create_dir(agent.repository()).expect("the folder is writable");
    agent.refuses(&["list"], 10, &["there is no repository", repository]);
    agent.refuses(&["restore", "a"], 10, &["there is no repository", repository]);
}

#[test]
fn the_repository_is_no_folder_or_lies_in_milvus_folder() {
    let agent = Agent::alone();
    let key = "REPOSITORY__LOCAL__PATH";
    let path = |name: &str| agent.path(name).to_str().expect("a plain name").to_owned();
    fs::write(path("file"), "content").expect("the folder is writable");
    symlink(path("milvus"), path("link")).expect("the folder is writable");
    for name in ["file", "file/below"] {
        let wrong = agent.with(key, path(name));
        let words = [path(name)];
        let words = [words[0].as_str(), "the repository cannot be opened", "repository.local.path"];
        wrong.refuses(&["backup"], 2, &words);
        wrong.refuses(&["list"], 2, &words);
    }
    assert_eq!(fs::read_to_string(path("file")).expect("it is there"), "content");
    for name in ["milvus", "milvus/repository", "link/repository"] {
        let words = [path(name), path("milvus")];
        let words = [&words[0], &words[1], "Milvus's own folder", "repository.local.path"];
        agent.with(key, path(name)).refuses(&["backup"], 2, &words);
    }
    let left = fs::read_dir(path("milvus")).expect("it is there").count();
    assert_eq!(left, 0, "something was written into Milvus's folder");
}

#[test]
fn the_state_folder_cannot_be_written() {
    let server = server();
    let agent = server.agent.without("MILVUS__CLUSTER");
    fs::write(agent.path("file"), "").expect("the folder is writable");
    let wrong = agent.with("STATE", agent.path("file/state"));
    let words = ["file/state/cluster", "Not a directory", "make `state` writable"];
    wrong.refuses(&["backup"], 1, &words);
    assert!(wrong.listed().is_empty());
    wrong.with("MILVUS__CLUSTER", "named").works(&["backup", "--name", "a"]);
}

/// A cluster's folder is one Milvus's, until someone says that it moved.
#[test]
fn the_address_changes() {
    let server = server();
    let agent = &server.agent;
    agent.works(&["backup", "--name", "before"]);
    let address = server.address.replace("127.0.0.1", "localhost");
    let moved = agent.with("MILVUS__ADDRESS", &address);
    let words = [address.as_str(), server.address, "milvus.cluster", "cluster adopt NAME"];
    moved.refuses(&["backup", "--name", "after"], 15, &words);
    let check = moved.run(&["check"]);
    assert_eq!(check.code, Some(15), "{check}");
    moved.works(&["cluster", "adopt", "lab", "--reason", "it has a name now"]);
    let said = moved.works(&["backup", "--name", "after"]);
    assert!(said.stdout.contains("copied 0 files"), "{said}");
    agent.refuses(&["backup"], 15, &words);
}
