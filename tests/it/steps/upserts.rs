//! A constant set of keys, written over and over while backups are made.

use std::fs;

use serde_json::{Value, json};

use crate::lab::{Agent, LabServer, say};

/// Makes backups while every key is upserted again and again, and restores each: it has
/// to hold every key, and each once.
pub(crate) fn back_up_under_upserts(server: &LabServer, name: &str, backups: usize, keys: usize) {
    let collection = format!("default.{name}");
    let count = keys.to_string();
    server
        .data_py("fill", &["--scenario", "upsert", "--collection", &collection, "--rows", &count]);
    let agent = Agent::new(server, name);
    let stop = agent.path("stop");
    let writer = server.start_data_py(
        "upsert-loop",
        &["--collection", &collection, "--keys", &count, "--stop-file", stop.to_str().unwrap()],
    );
    let mut stored = Vec::new();
    for number in 0..backups {
        let report = agent.backup(&format!("b{number}"), &collection);
        stored.push(report["rows"].as_u64().unwrap());
    }
    fs::write(&stop, "").unwrap();
    let ended = writer.wait_with_output().unwrap();
    assert!(ended.status.success(), "the writer ended with {}", ended.status);
    let rounds: u64 = String::from_utf8(ended.stdout).unwrap().trim().parse().unwrap();
    assert!(rounds > 1, "nothing was written while the backups were made");
    assert!(stored.windows(2).all(|two| two[0] < two[1]), "writes ran through: {stored:?}");

    for number in 0..backups {
        let suffix = format!("_{number}");
        agent.restore(&format!("b{number}"), &["--suffix", &suffix]);
        let restored = format!("{collection}{suffix}");
        let found: Value =
            serde_json::from_str(&server.data_py("keys", &["--collection", &restored])).unwrap();
        let expected = json!({
            "rows": keys, "keys": keys, "distinct": keys, "first": [0], "last": [keys - 1]
        });
        assert_eq!(found, expected, "backup {number}");
    }
    say(&format!(
        "{rounds} rounds of {keys} upserts ran through {backups} backups ({stored:?} rows stored); \
         each restored {keys} keys, each once"
    ));
}
