//! A backup that is killed goes on where it was.

use std::time::Duration;

use serde_json::Value;

use crate::lab::{Agent, milvus, say};

/// How long the copying of a throttled backup takes.
const COPYING_SECS: u64 = 20;

/// A checkpoint is written every 2 s.
const KILLED_AFTER: Duration = Duration::from_secs(6);

#[test]
fn a_killed_backup_goes_on_where_it_was() {
    let server = milvus();
    let collection = "default.resumed";
    let shape = ["--rows", "1000", "--segments", "12", "--collection", collection];
    server.data_py("fill", &[["--scenario", "segments"].as_slice(), &shape].concat());
    let whole = Agent::new(&server, "resumed").backup("whole", collection);
    let (files, bytes) = (number(&whole, "files_copied"), number(&whole, "bytes_copied"));

    let agent = Agent::new(&server, "resumed");
    throttle(&agent, bytes / COPYING_SECS);
    let mut seen = Vec::new();
    let mut before = agent.segment_files();
    for name in ["killed", "killed", "other"] {
        let run = ["backup", "--name", name, "--collections", collection];
        assert!(agent.kill_after(KILLED_AFTER, &run));
        let after = agent.segment_files();
        for (file, facts) in &before {
            assert_eq!(after.get(file), Some(facts), "{} was copied again", file.display());
        }
        seen.push(after.len());
        before = after;
    }
    assert!(seen[0] < seen[1] && seen[1] < seen[2], "{seen:?}: a run got nowhere");
    assert!(agent.has_checkpoint("killed"), "no checkpoint was written");
    agent.configure("");
    let last = agent.backup("killed", collection);
    let left = before.values().map(|(size, ..)| size).sum::<u64>();
    assert_eq!(number(&last, "files_copied"), files - before.len() as u64);
    assert_eq!(number(&last, "files_reused"), before.len() as u64);
    assert_eq!(number(&last, "bytes_copied") + left, bytes);
    assert!(!agent.has_checkpoint("killed"));
    assert_eq!(agent.state_of("other"), "failed");
    say(&format!(
        "a backup of {files} files killed 3 times with {seen:?} files copied; the fourth run copied \
         the other {}, none twice",
        number(&last, "files_copied")
    ));
}

fn throttle(agent: &Agent, bytes_per_second: u64) {
    agent.configure(&format!(
        "transfer:\n  concurrency: 4\n  max_bytes_per_second: {bytes_per_second}B\n"
    ));
}

fn number(report: &Value, key: &str) -> u64 {
    report[key].as_u64().unwrap()
}
