//! Files that vanish under a backup. When they do depends on the server's own timers, so this
//! is no test for every run.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::lab::{Agent, LabServer, assert_equal, say};

/// By then a backup copies.
const PLANNED_AFTER: Duration = Duration::from_secs(5);

/// How long one collection is written to.
const WRITING: Duration = Duration::from_mins(1);

/// Backups until one has seen files vanish. When the server compacts depends on its timers,
/// and on how busy the machine is.
const BACKUPS: u32 = 4;

/// Segments are compacted and their files deleted within seconds, while a slow backup runs
/// and one of its collections is written to. (With a tolerance of 1 s 2.3.5 itself panics:
/// `prepareCompactionMutation` does not expect that a segment goes so fast.)
#[test]
fn a_backup_outlives_compaction_and_garbage_collection() {
    let server = LabServer::start(
        "vanishing",
        &[
            "dataCoord.gc.interval=2",
            "dataCoord.gc.missingTolerance=60",
            "dataCoord.gc.dropTolerance=5",
        ],
    );
    let agent = Agent::new(&server, "vanishing");
    let shown = (1..=BACKUPS).any(|number| outlives(&server, &agent, number) > 0);
    assert!(shown, "nothing vanished in {BACKUPS} backups, so nothing was shown");
}

/// One backup that must be whole; how often it had to be planned again.
fn outlives(server: &LabServer, agent: &Agent, number: u32) -> usize {
    let (still, written) = (format!("default.still_{number}"), format!("default.written_{number}"));
    let fill = |collection: &str, scenario: &str, rows: &str, segments: &str| {
        let shape = ["--rows", rows, "--segments", segments, "--collection", collection];
        server.data_py("fill", &[["--scenario", scenario].as_slice(), &shape].concat());
    };
    fill(&written, "upsert", "200", "1");
    fill(&still, "segments", "500", "12");
    throttle(agent, 4_000);
    let begun = Instant::now();
    let (name, names) = (format!("b{number}"), format!("{still},{written}"));
    let run = ["backup", "--name", &name, "--collections", &names];
    let (ended, writer) = std::thread::scope(|scope| {
        let backup = scope.spawn(|| agent.run(&run));
        std::thread::sleep(PLANNED_AFTER);
        let stop = agent.path(&format!("stop{number}"));
        let stop_file = stop.to_str().unwrap();
        let writer = ["--collection", &written, "--keys", "200", "--stop-file", stop_file];
        let writer = server.start_data_py("upsert-loop", &writer);
        std::thread::sleep(WRITING);
        fs::write(&stop, "").unwrap();
        (backup.join().unwrap(), writer.wait_with_output().unwrap())
    });
    let took = begun.elapsed();
    assert_eq!(ended.code, 0, "{}\n{}", ended.json, ended.talk);
    assert!(writer.status.success(), "the writer ended with {}", writer.status);
    let replans = ended.talk.matches("the collection is planned again").count();
    let vanished = ended.talk.matches("a file has vanished").count();
    agent.configure("");
    agent.verify(&name);
    let before = server.dump(&still, &agent.path("before.json"));
    agent.restore(&name, &["--suffix", "_r"]);
    let after = server.dump(&format!("{still}_r"), &agent.path("after.json"));
    assert_equal(&before, &after, &[&format!("{still}={still}_r")], "");
    let found: Value =
        serde_json::from_str(&server.data_py("keys", &["--collection", &format!("{written}_r")]))
            .unwrap();
    let whole = json!({ "rows": 200, "keys": 200, "distinct": 200, "first": [0], "last": [199] });
    assert_eq!(found, whole);
    say(&format!(
        "a backup of {took:.1?} under compaction and garbage collection: {vanished} files vanished, \
         {replans} times a collection was planned again; complete, and restored equal"
    ));
    replans
}

fn throttle(agent: &Agent, bytes_per_second: u64) {
    agent.configure(&format!(
        "transfer:\n  concurrency: 4\n  max_bytes_per_second: {bytes_per_second}B\n"
    ));
}
