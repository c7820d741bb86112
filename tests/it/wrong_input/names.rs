//! Names and patterns that cannot be, are taken, or name nothing.

use super::agent::Agent;
use super::server::server;

const LONG: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

#[test]
fn what_is_no_name_is_refused_before_anything_is_touched() {
    let agent = Agent::alone();
    let rule = "use 1 to 128 letters, digits and `_`, with a letter first";
    assert_eq!(LONG.len(), 200);
    for name in ["../x", "a/b", "größe", "備份", "1st", "_x", "a b", "", LONG] {
        for command in [&["backup", "--name", name][..], &["show", name], &["verify", name]] {
            agent.refuses(command, 2, &[name, rule]);
        }
        agent.refuses(&["restore", name], 2, &[name, rule]);
        let words = [name, "use 1 to 63 letters"];
        if !["1st", "_x"].contains(&name) {
            agent.refuses(&["show", "x", "--cluster", name], 2, &words);
        }
    }
    assert!(!agent.repository().exists(), "a reading command made a repository");
}

#[test]
fn patterns_must_be_patterns_and_match_something() {
    let server = server();
    let agent = &server.agent;
    let rule = "write database.collection";
    for (globs, code, words) in [
        ("films", 2, &["`films`", rule][..]),
        ("", 2, &["``", rule]),
        ("../x.y", 2, &["`../x.y`", rule]),
        ("default.größe/", 2, &["`default.größe/`", rule]),
        ("default.nosuch", 2, &["`default.nosuch`", "default.films"]),
        ("default.*,nosuch.*", 2, &["`nosuch.*`", "db2.books"]),
        ("!*.*", 4, &["leaves out every collection", "loosen"]),
    ] {
        agent.refuses(&["backup", "--collections", globs], code, words);
    }
    assert!(agent.listed().is_empty(), "a name was reserved");
}

#[test]
fn a_name_is_given_once() {
    let server = server();
    let agent = &server.agent;
    agent.works(&["backup", "--name", "one"]);
    let words = ["`one` is taken by a complete backup", "choose another name"];
    agent.refuses(&["backup", "--name", "one"], 15, &words);
    assert_eq!(agent.state_of("one").0, "complete");
}

#[test]
fn two_agents_with_one_name_make_one_backup() {
    let server = server();
    let agent = &server.agent;
    agent.works(&["backup", "--name", "before"]);
    let two = ["backup", "--name", "same"];
    let (first, second) = (agent.start(&two), agent.start(&two));
    let (first, second) = (first.end(), second.end());
    let (won, refused) = if first.code == Some(0) { (first, second) } else { (second, first) };
    assert_eq!(won.code, Some(0), "{won}");
    // The other one is at work, or has just made it.
    if refused.code == Some(11) {
        refused.fails(11, &["is making backup `same`", "wait for that run to end"]);
    } else {
        refused.fails(15, &["`same` is taken by a complete backup", "choose another name"]);
    }
    assert_eq!(agent.state_of("same").0, "complete");
}

#[test]
fn a_restore_of_what_is_not_there() {
    let server = server();
    let agent = &server.agent;
    agent.works(&["backup", "--name", "one"]);
    let repository = agent.repository();
    let repository = repository.to_str().expect("a plain name");
    let nothing = ["there is no backup `none`", repository, "`list` shows what there is"];
    for command in ["show", "verify", "restore"] {
        agent.refuses(&[command, "none"], 10, &nothing);
        let words = ["there is no cluster `other`", repository, "`cluster list`"];
        agent.refuses(&[command, "one", "--cluster", "other"], 10, &words);
    }
    agent.refuses(&["cluster", "adopt", "other", "--reason", "r"], 10, &["`other`", repository]);
    agent.refuses(
        &["restore", "one"],
        15,
        &[
            "db2.books exists already",
            "default.films exists already",
            "--suffix",
            "--drop-existing",
        ],
    );
    agent.works(&["verify", "one", "--depth", "content"]);
}

#[test]
fn a_restore_under_names_that_cannot_be() {
    let server = server();
    let agent = &server.agent;
    agent.works(&["backup", "--name", "one"]);
    let rule = "use 1 to 255 letters, digits and `_`, with no digit first";
    let too_long = LONG.repeat(2);
    let longer = format!("default.films:default.{too_long}");
    for (option, value, words) in [
        ("--suffix", "../x", &["`films../x` is no Milvus name", rule][..]),
        ("--suffix", "größe", &["`filmsgröße` is no Milvus name", rule]),
        ("--suffix", " x", &["`films x` is no Milvus name", rule]),
        ("--suffix", &too_long, &["is no Milvus name", rule]),
        ("--rename", "default.films:default.../x", &["`../x` is no Milvus name", rule]),
        ("--rename", "default.films:default.1st", &["`1st` is no Milvus name", rule]),
        ("--rename", "default.films:../a.b", &["../a.b", "database.collection"]),
        ("--rename", &longer, &["is no Milvus name", rule]),
        ("--rename", "default.none:default.x", &["default.none is to be renamed", "not in backup"]),
        ("--rename", "default.films:db2.books", &["would both become db2.books"]),
        ("--collections", "default.none", &["`default.none` matches no collection of backup one"]),
    ] {
        agent.refuses(&["restore", "one", option, value], 2, words);
    }
    let twice = ["--rename", "default.films:a.b", "--rename", "default.films:a.c"];
    let twice = [&["restore", "one"], &twice[..]].concat();
    agent.refuses(&twice, 2, &["default.films is renamed twice"]);
    let same = ["restore", "one", "--suffix", ""];
    agent.refuses(&same, 15, &["default.films exists already", "--drop-existing"]);
}

#[test]
fn an_empty_collection_is_backed_up_and_restored() {
    let server = server();
    let agent = &server.agent;
    let only = ["--collections", "default.nothing"];
    agent.works(&[&["backup", "--name", "empty"], &only[..]].concat());
    agent.works(&["verify", "empty", "--depth", "content"]);
    let said = agent.works(&["restore", "empty", "--suffix", "_again"]);
    assert!(said.stdout.contains("default.nothing_again"), "{said}");
}
