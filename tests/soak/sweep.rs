//! How much memory a sweep takes that finds many files of no backup.
//!
//! The files are empty and made up: names as a backup of a large cluster leaves them when its
//! collections are gone.

use std::fs::{self, File};
use std::time::Instant;

use crate::lab::{Agent, milvus, say};
use crate::memory::{LIMIT, MIB, peak_of};

const COLLECTIONS: u64 = 30;
const SEGMENTS: u64 = 1_000;
const FIELDS: u64 = 10;

#[test]
fn three_hundred_thousand_files_are_swept_in_150_mebibytes() {
    let server = milvus();
    let name = "default.swept";
    let fill = ["--scenario", "segments", "--rows", "100", "--segments", "2"];
    server.data_py("fill", &[&fill[..], &["--collection", name]].concat());
    let agent = Agent::new(&server, "swept");
    agent.backup("kept", name);
    let kept = agent.segment_files();
    agent.configure("retention: {orphan_grace: 0s}\n");
    let segments = agent.path("repository").join("swept/_segments/insert_log");
    for collection in 1..=COLLECTIONS {
        for segment in 0..SEGMENTS {
            for field in 0..FIELDS {
                let folder = segments.join(format!("{collection}/1/{segment}/{field}"));
                fs::create_dir_all(&folder).unwrap();
                File::create(folder.join("1")).unwrap();
            }
        }
    }
    let files = COLLECTIONS * SEGMENTS * FIELDS;
    assert_eq!(agent.segment_files().len() as u64, files + kept.len() as u64);
    for what in ["sees", "deletes"] {
        let begun = Instant::now();
        let peak = peak_of(agent.start(&["prune", "--apply"]));
        say(&format!(
            "a sweep {what} {files} files of no backup: peak {} MiB resident, {:.1} s",
            peak / MIB,
            begun.elapsed().as_secs_f64()
        ));
        assert!(peak < LIMIT, "{what}: {peak} bytes");
    }
    assert_eq!(agent.segment_files(), kept);
    agent.verify("kept");
}
