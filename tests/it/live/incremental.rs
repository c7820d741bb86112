//! A backup costs what changed.

use serde_json::Value;

use crate::lab::{Agent, LabServer, assert_equal, milvus, say};

const ROWS: u64 = 20_000;

#[test]
fn a_backup_copies_what_changed_and_an_old_one_stays_as_it_was() {
    let server = milvus();
    let collection = "default.incremental";
    let agent = fill(&server, collection, "4");
    let first_state = server.dump(collection, &agent.path("first.json"));

    let first = bytes(&agent.backup("b1", collection));
    let unchanged = agent.backup("b2", collection);
    assert_eq!((bytes(&unchanged), &unchanged["files_copied"]), (0, &Value::from(0)));
    assert_eq!(unchanged["bytes_reused"], first);

    add(&server, collection, ROWS / 100);
    let third = bytes(&agent.backup("b3", collection));
    assert!(third > 0 && third * 100 <= first * 5, "{third} of {first} bytes");

    let gone: Vec<u64> = (0..ROWS).step_by(7).collect();
    server.data_py("delete", &["--collection", collection, "--where", &format!("id in {gone:?}")]);
    let fourth = bytes(&agent.backup("b4", collection));
    assert!(fourth > 0 && fourth * 100 <= first * 20, "{fourth} of {first} bytes");
    let list = agent.ok(&["list"]);
    assert_eq!(list.as_array().unwrap().len(), 4);

    let last_state = server.dump(collection, &agent.path("last.json"));
    for (name, state) in [("b1", &first_state), ("b4", &last_state)] {
        agent.restore(name, &["--suffix", &format!("_{name}")]);
        let restored = format!("{collection}_{name}");
        let after = server.dump(&restored, &agent.path(&format!("{name}.json")));
        assert_equal(state, &after, &[&format!("{collection}={restored}")], "");
    }
    say(&format!(
        "compaction off: {first} bytes first, 0 unchanged, {third} ({:.1} %) after 1 % new rows, \
         {fourth} ({:.1} %) after {} deletes",
        percent(third, first),
        percent(fourth, first),
        gone.len()
    ));
}

/// Milvus writes small segments anew as larger ones, and then those are new files.
#[test]
fn what_compaction_rewrites_is_copied_again_and_stays_right() {
    let server = LabServer::start("compacting", &[]);
    let collection = "default.compacted";
    let agent = fill(&server, collection, "12");
    let first = bytes(&agent.backup("b1", collection));
    let mut copied = Vec::new();
    for number in 2..=4 {
        std::thread::sleep(std::time::Duration::from_secs(5));
        copied.push(bytes(&agent.backup(&format!("b{number}"), collection)));
    }
    add(&server, collection, ROWS / 100);
    let changed = bytes(&agent.backup("b5", collection));
    let state = server.dump(collection, &agent.path("state.json"));
    agent.restore("b5", &["--drop-existing"]);
    let after = server.dump(collection, &agent.path("after.json"));
    assert_equal(&state, &after, &[], "");
    say(&format!(
        "compaction on: {first} bytes first, {copied:?} unchanged, 5 s apart, \
         {changed} ({:.1} %) after 1 % new rows",
        percent(changed, first)
    ));
}

/// A collection of all rows in so many segments, and an agent for it.
fn fill(server: &LabServer, collection: &str, segments: &str) -> Agent {
    let rows = (ROWS / segments.parse::<u64>().unwrap()).to_string();
    let shape = ["--rows", &rows, "--segments", segments, "--collection", collection];
    server.data_py("fill", &[["--scenario", "segments"].as_slice(), &shape].concat());
    Agent::new(server, collection.split_once('.').unwrap().1)
}

fn add(server: &LabServer, collection: &str, rows: u64) {
    let (rows, start) = (rows.to_string(), ROWS.to_string());
    server.data_py("add", &["--collection", collection, "--rows", &rows, "--start", &start]);
}

fn bytes(report: &Value) -> u64 {
    report["bytes_copied"].as_u64().unwrap()
}

#[expect(clippy::cast_precision_loss, reason = "it is only shown")]
fn percent(part: u64, of: u64) -> f64 {
    part as f64 * 100.0 / of as f64
}
