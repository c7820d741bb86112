//! Repositories in which something is not as it was written.

use std::fs;
use std::path::{Path, PathBuf};

use super::agent::Agent;
use super::server::server;

/// A file somewhere below a folder.
fn some_file(folder: &Path) -> PathBuf {
    let entries = fs::read_dir(folder).expect("the repository is readable");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    let first = paths.into_iter().next().expect("no folder of a repository is empty");
    if first.is_dir() { some_file(&first) } else { first }
}

fn cut(file: &Path) {
    let bytes = fs::read(file).expect("it is there");
    fs::write(file, &bytes[..bytes.len() / 2]).expect("it is writable");
}

fn of_a_newer_agent(file: &Path) {
    let text = fs::read_to_string(file).expect("it is there");
    let newer = text.replacen("\"version\":1", "\"version\":7", 1);
    assert_ne!(text, newer, "the document has another shape");
    fs::write(file, newer).expect("it is writable");
}

/// Two backups of `default.films`, which share all their files.
fn two_backups(agent: &Agent) {
    for name in ["first", "second"] {
        agent.works(&["backup", "--name", name, "--collections", "default.films"]);
    }
}

#[test]
fn a_manifest_is_cut_off_or_too_new() {
    let server = server();
    let agent = &server.agent;
    two_backups(agent);
    let manifest = agent.repository().join("lab/first/manifest.json");
    let whole = fs::read(&manifest).expect("it is there");
    for (damage, why) in [
        (cut as fn(&Path), "the manifest is damaged: EOF while parsing"),
        (of_a_newer_agent, "format version 7, this agent reads up to 1"),
    ] {
        damage(&manifest);
        let (state, reasons) = agent.state_of("first");
        assert_eq!(state, "damaged");
        assert!(reasons.contains("lab/first/manifest.json") && reasons.contains(why), "{reasons}");
        let shown = agent.works(&["show", "first"]);
        assert!(shown.stdout.contains(why), "{shown}");
        let verified = agent.run(&["verify", "first"]);
        assert_eq!(verified.code, Some(14), "{verified}");
        assert!(verified.stdout.contains(why), "{verified}");
        let words = ["lab/first/manifest.json", why, "`list` shows the complete ones"];
        agent.refuses(&["restore", "first", "--suffix", "_x"], 14, &words);
        agent.works(&["verify", "second", "--depth", "content"]);
        fs::write(&manifest, &whole).expect("it is writable");
    }
    cut(&manifest);
    agent.works(&["backup", "--name", "third", "--collections", "default.films"]);
    assert_eq!(agent.state_of("third").0, "complete");
}

#[test]
fn a_byte_of_a_segment_is_flipped() {
    let server = server();
    let agent = &server.agent;
    two_backups(agent);
    let file = some_file(&agent.repository().join("lab/_segments/insert_log"));
    let mut bytes = fs::read(&file).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).expect("it is writable");
    agent.works(&["verify", "first", "--depth", "size"]);
    let said = agent.run(&["verify", "first", "--depth", "content"]);
    assert_eq!(said.code, Some(14), "{said}");
    let place = file.strip_prefix(agent.repository()).expect("it lies there");
    let place = place.to_str().expect("a plain name");
    assert!(said.stdout.contains(&format!("damaged  {place}: its CRC64NVME is")), "{said}");
    assert!(said.stdout.contains("1 damaged"), "{said}");
}

/// The next backup copies it again, which heals the older ones too.
#[test]
fn a_segment_file_is_missing() {
    let server = server();
    let agent = &server.agent;
    two_backups(agent);
    let file = some_file(&agent.repository().join("lab/_segments/insert_log"));
    fs::remove_file(&file).expect("it is there");
    let said = agent.run(&["verify", "first"]);
    assert_eq!(said.code, Some(14), "{said}");
    let place = file.strip_prefix(agent.repository()).expect("it lies there");
    assert!(said.stdout.contains(&format!("missing  {}", place.display())), "{said}");
    agent.works(&["backup", "--name", "third", "--collections", "default.films"]);
    assert_eq!(agent.state_of("third").0, "complete");
    agent.works(&["verify", "first", "--depth", "content"]);
}

/// A list is named by its content, so the next backup knows what it has to be.
#[test]
fn a_list_is_cut_off() {
    let server = server();
    let agent = &server.agent;
    two_backups(agent);
    let list = some_file(&agent.repository().join("lab/_lists"));
    cut(&list);
    let said = agent.run(&["verify", "first"]);
    assert_eq!(said.code, Some(14), "{said}");
    assert!(said.stdout.contains(list.to_str().expect("a plain name")), "{said}");
    agent.works(&["backup", "--name", "third", "--collections", "default.films"]);
    assert_eq!(agent.listed().len(), 3);
}

#[test]
fn a_mark_is_damaged_or_too_new() {
    let server = server();
    let agent = &server.agent;
    two_backups(agent);
    let copy = "put this file back from another copy of the repository";
    let mark = agent.repository().join("_repository.json");
    let whole = fs::read(&mark).expect("it is there");
    of_a_newer_agent(&mark);
    let newer = ["_repository.json", "format version 7, this agent reads up to 1", "use that one"];
    cut_or_new(agent, 15, &newer);
    fs::write(&mark, "garbage").expect("it is writable");
    cut_or_new(agent, 14, &["_repository.json", "the repository mark is damaged", copy]);
    fs::write(&mark, whole).expect("it is writable");

    let cluster = agent.repository().join("lab/_cluster.json");
    fs::write(cluster, "garbage").expect("it is writable");
    agent.refuses(&["backup"], 14, &["lab/_cluster.json", "the cluster mark is damaged", copy]);
    assert_eq!(agent.listed().len(), 2, "reading needs no cluster mark");
}

/// No command gets past the repository's mark.
fn cut_or_new(agent: &Agent, code: i32, words: &[&str]) {
    for command in [&["list"][..], &["backup"], &["verify", "first"], &["restore", "first"]] {
        agent.refuses(command, code, words);
    }
}
