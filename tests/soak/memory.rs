//! How much memory a large backup takes.
//!
//! The 6 GiB are made up: files under ids of their own in the folder of a real segment, as
//! many for each field, which is all that a backup looks at. Only 1 GiB of them is not zero,
//! so that making them is quick; they are copied in full.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use milvus_backup_agent::milvus::MilvusApi;
use milvus_backup_agent::model::Namespace;

use crate::lab::{Agent, LabServer, milvus, say};

pub(crate) const MIB: u64 = 1 << 20;
const FILES: u64 = 5_000;
const BYTES: u64 = 6 << 30;
const NOT_ZERO: u64 = 1 << 30;
const LARGEST: u64 = 256 * MIB;

/// Peak resident size that a backup and a verification may have.
pub(crate) const LIMIT: u64 = 150 * MIB;

#[tokio::test]
async fn six_gibibytes_in_5000_files_are_backed_up_in_150_mebibytes() {
    let server = milvus();
    let name = "default.memory";
    let fill = ["--scenario", "segments", "--rows", "100", "--segments", "1", "--collection", name];
    server.data_py("fill", &fill);
    let made = make_files(&segment_folder(&server, "memory").await);
    let agent = Agent::new(&server, "memory");
    for arguments in [
        &["backup", "--name", "large", "--collections", name][..],
        &["verify", "large", "--depth", "content"],
        &["backup", "--name", "again", "--collections", name],
    ] {
        let begun = Instant::now();
        let peak = peak_of(agent.start(arguments));
        say(&format!(
            "{} of {made} bytes in {FILES} files: peak {} MiB resident, {:.1} s",
            arguments[..2].join(" "),
            peak / MIB,
            begun.elapsed().as_secs_f64()
        ));
        assert!(peak < LIMIT, "{arguments:?} took {peak} bytes");
    }
    for backup in ["large", "again"] {
        assert_eq!(agent.state_of(backup), "complete");
    }
    server.data_py("drop", &["--collection", name]);
}

/// Where the only segment of the collection has its fields.
pub(crate) async fn segment_folder(server: &LabServer, collection: &str) -> PathBuf {
    let namespace = Namespace::new("default", collection);
    let segments = server.client().persistent_segments(&namespace).await.unwrap();
    let [segment] = segments.as_slice() else { panic!("one segment: {segments:?}") };
    let ids = [segment.collection, segment.partition, segment.id];
    server.folder("insert_log", &ids).expect("the segment is in the storage").into()
}

/// As many files in each field's folder, one of them the largest; returns their bytes.
fn make_files(segment: &Path) -> u64 {
    let fields: Vec<PathBuf> =
        fs::read_dir(segment).unwrap().map(|entry| entry.unwrap().path()).collect();
    let each = FILES / fields.len() as u64;
    let usual = (BYTES - LARGEST) / (each * fields.len() as u64 - 1);
    let (mut made, mut noise) = (0, Noise::default());
    for (number, field) in fields.iter().enumerate() {
        for log in 0..each {
            let size = if made == 0 { LARGEST } else { usual };
            let id = 900_000_000_000_000_000 + number as u64 * each + log;
            let mut file = File::create(field.join(id.to_string())).unwrap();
            let not_zero = size.min(NOT_ZERO.saturating_sub(made));
            noise.write(&mut file, not_zero);
            file.set_len(size).unwrap();
            made += size;
        }
    }
    made
}

/// Bytes that do not compress: xorshift64*.
pub(crate) struct Noise(u64);

impl Default for Noise {
    fn default() -> Self {
        Self(1)
    }
}

impl Noise {
    pub(crate) fn write(&mut self, file: &mut File, bytes: u64) {
        let mut block = Vec::with_capacity(1 << 20);
        let mut left = bytes;
        while left > 0 {
            block.clear();
            while block.len() < 1 << 20 {
                self.0 ^= self.0 >> 12;
                self.0 ^= self.0 << 25;
                self.0 ^= self.0 >> 27;
                block.extend_from_slice(&self.0.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
            }
            let now = left.min(block.len() as u64);
            file.write_all(&block[..usize::try_from(now).unwrap()]).unwrap();
            left -= now;
        }
    }
}

/// Waits for a process that has to succeed; `VmHWM` of its last moments, see proc(5).
pub(crate) fn peak_of(mut child: Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(kibibytes.unwrap_or(0) * 1024);
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success(), "{ended}");
            return peak;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
