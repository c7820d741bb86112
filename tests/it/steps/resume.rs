//! A backup that is killed again and again goes on where it was.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lab::{Agent, LabServer, say};

/// How long the copying of a throttled backup takes.
const COPYING_SECS: u64 = 20;

/// A checkpoint is written every 2 s.
const KILLED_AFTER: Duration = Duration::from_secs(6);

/// By then a run has copied something, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(2);

/// Kills a backup so many times, by its own name and, the last time, by another. `new` makes
/// agents with empty repositories.
pub(crate) fn resume_backups(
    server: &LabServer,
    tag: &str,
    kills: u32,
    new: impl Fn(&str) -> Agent,
) {
    let collection = format!("default.{tag}");
    let segments = (kills * 4).to_string();
    let shape = ["--rows", "1000", "--segments", &segments, "--collection", &collection];
    server.data_py("fill", &[["--scenario", "segments"].as_slice(), &shape].concat());
    let whole = new("whole").backup("whole", &collection);
    let (files, bytes) = (number(&whole, "files_copied"), number(&whole, "bytes_copied"));

    let agent = new("killed");
    let seconds = COPYING_SECS / 3 * u64::from(kills);
    agent.configure(&format!(
        "transfer:\n  concurrency: 4\n  max_bytes_per_second: {}B\n",
        bytes / seconds
    ));
    let mut seen = Vec::new();
    let mut before = agent.segment_files();
    for number in 1..=kills {
        let name = if number < kills { "killed" } else { "other" };
        let run = ["backup", "--name", name, "--collections", &collection];
        kill_at_work(&agent, &run, before.len());
        let after = agent.segment_files();
        for (file, facts) in &before {
            assert_eq!(after.get(file), Some(facts), "{} was copied again", file.display());
        }
        seen.push(after.len());
        before = after;
    }
    assert!(seen.is_sorted_by(|one, next| one < next), "{seen:?}: a run got nowhere");
    assert!(agent.has_checkpoint("killed"), "no checkpoint was written");
    agent.configure("");
    let last = agent.backup("killed", &collection);
    let left = before.values().map(|(size, _)| size).sum::<u64>();
    assert_eq!(number(&last, "files_copied"), files - before.len() as u64);
    assert_eq!(number(&last, "files_reused"), before.len() as u64);
    assert_eq!(number(&last, "bytes_copied") + left, bytes);
    assert!(!agent.has_checkpoint("killed"));
    assert_eq!(agent.state_of("other"), "failed");
    say(&format!(
        "a backup of {files} files killed {kills} times with {seen:?} files copied; the next run \
         copied the other {}, none twice",
        number(&last, "files_copied")
    ));
}

/// Kills a run that has copied more than was there.
fn kill_at_work(agent: &Agent, run: &[&str], there: usize) {
    let begun = Instant::now();
    let mut child = agent.start(run);
    while begun.elapsed() < KILLED_AFTER || agent.segment_files().len() <= there {
        assert!(child.try_wait().unwrap().is_none(), "the run has ended by itself");
        if begun.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("the run got nowhere");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

fn number(report: &Value, key: &str) -> u64 {
    report[key].as_u64().unwrap()
}
