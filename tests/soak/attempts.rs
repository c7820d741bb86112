//! How much memory a sweep takes beside many dead attempts, all of whose plans it has to respect.
//!
//! Attempts and plans are made up; no file is in two of the plans.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::fs;
use std::time::Instant;

use milvus_backup_agent::manifest::{
    Attempt, FileEntry, FileId, FileList, LogKind, SegmentFiles, encode,
};
use milvus_backup_agent::model::{BackupName, Clock, SystemClock};

use crate::lab::{Agent, milvus, say};
use crate::memory::{LIMIT, MIB, peak_of};

const ATTEMPTS: i64 = 20;
const SEGMENTS: i64 = 20_000;
const FIELDS: i64 = 10;

/// The file of one field of a segment; each collection has its own attempt.
fn file(collection: i64, segment: i64, field: i64) -> FileId {
    let log = segment * FIELDS + field;
    FileId { collection, partition: 1, segment, kind: LogKind::Insert { field }, log }
}

/// The plan of a run on one collection.
fn plan(collection: i64) -> FileList {
    let segments = (0..SEGMENTS).map(|segment| {
        let files = (0..FIELDS).map(|field| {
            let id = file(collection, segment, field);
            let source = "1700000000000000000".to_owned();
            let (copy, crc) = (String::new(), format!("{:016x}", id.log));
            (id.kind, FileEntry { log: id.log, size: 1 << 20, source, copy, crc })
        });
        SegmentFiles::new((collection, 1, segment), 100, files)
    });
    FileList::new(segments.collect())
}

/// Of a run that died a moment ago.
fn attempt(name: &str) -> Attempt {
    Attempt {
        version: 1,
        name: BackupName::new(name).unwrap(),
        run: name.to_owned(),
        lease: format!("run-{name}"),
        policy: String::new(),
        trigger: "cli".to_owned(),
        host: "h".to_owned(),
        started_at: SystemClock.now(),
        agent: "a".to_owned(),
        job: None,
        end: None,
    }
}

#[test]
fn the_plans_of_20_dead_attempts_are_respected_in_150_mebibytes() {
    let server = milvus();
    let name = "default.attempts";
    let fill = ["--scenario", "segments", "--rows", "100", "--segments", "1", "--collection", name];
    server.data_py("fill", &fill);
    let agent = Agent::new(&server, "attempts");
    agent.backup("kept", name);
    agent.configure("retention: {orphan_grace: 0s}\n");
    let cluster = agent.path("repository").join("attempts");
    for collection in 1..=ATTEMPTS {
        let name = format!("dead_{collection}");
        let folder = cluster.join(&name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("attempt.json"), encode(&attempt(&name))).unwrap();
        fs::write(folder.join("plan.jsonl.zst"), plan(collection).encode().bytes).unwrap();
    }
    // Of each collection one file that is planned, and one that is not.
    let kept = agent.segment_files().len();
    for collection in 1..=ATTEMPTS {
        for segment in [SEGMENTS - 1, SEGMENTS] {
            let path = cluster.join("_segments").join(file(collection, segment, 1).tail());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
    }
    for what in ["sees", "deletes"] {
        let begun = Instant::now();
        let peak = peak_of(agent.start(&["prune", "--apply"]));
        say(&format!(
            "a sweep beside {ATTEMPTS} plans of {} files {what} files of no backup: \
             peak {} MiB resident, {:.1} s",
            SEGMENTS * FIELDS,
            peak / MIB,
            begun.elapsed().as_secs_f64()
        ));
        assert!(peak < LIMIT, "{what}: {peak} bytes");
    }
    let left = agent.segment_files();
    assert_eq!(left.len(), kept + usize::try_from(ATTEMPTS).unwrap(), "{:?}", left.keys());
    for collection in 1..=ATTEMPTS {
        assert!(cluster.join("_segments").join(file(collection, SEGMENTS - 1, 1).tail()).exists());
    }
}
