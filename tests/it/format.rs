//! What lies in a repository, byte for byte, and what it costs.
//!
//! A golden file of a version is never changed: readers of later versions must read it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use std::time::Duration;

use milvus_backup_agent::job::run_backup;
use milvus_backup_agent::manifest::{
    Attempt, AttemptEnd, Boundary, ClusterMark, CollectionContent, CollectionOutcome,
    CollectionRecord, DeletesComplete, DocumentError, DrillEnd, DrillLedger, DrillProof, FileEntry,
    FileList, Holder, LeaseRecord, LogKind, Manifest, ManifestOutcome, RbacRecord, RepositoryMark,
    RequestMark, RestoreItem, RestoreLedger, RestoreStep, SegmentFiles, SingleAgentMark, Tombstone,
    decode, decode_rbac, encode, encode_rbac,
};
use milvus_backup_agent::milvus::{IndexDescription, KeyValue, LoadState, Partition};
use milvus_backup_agent::model::{ClusterName, CollectionOrigin, Layout, RequestId, RunOutcome};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::rbac::users_and_roles;
use crate::support::{Lab, backup_name, keys, namespace, request};

/// The digest of `list.jsonl`, which is the name of that list.
const LIST_DIGEST: &str = "48dfbd68553ba1a62cbd36fc8c7e4799e09c43a3f022ed09de3aaba6ed3b96e2";

fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format/v1");
    fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A golden file ends in a line feed for the sake of editors; a document does not.
fn assert_golden<T: Serialize + DeserializeOwned>(name: &str, document: &T) {
    let golden = golden(name);
    let golden = golden.trim_ascii_end();
    let (text, encoded) = (String::from_utf8_lossy(golden), encode(document));
    assert_eq!(String::from_utf8_lossy(&encoded), text, "{name} is written differently");
    let read: T = decode("document", golden).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(encode(&read), golden, "{name} is read differently");

    let newer = text.replacen("\"version\":1", "\"version\":2", 1);
    let refused = decode::<T>("document", newer.as_bytes()).map(drop).expect_err(name);
    assert_eq!(refused, DocumentError::TooNew { what: "document", found: 2, known: 1 }, "{name}");
    assert!(refused.to_string().contains("version 2, this agent reads up to 1"), "{refused}");
    let later = text.replacen('{', "{\"a key of later\":[1,{}],", 1);
    assert!(decode::<T>("document", later.as_bytes()).is_ok(), "{name} with an unknown key");
}

fn time(text: &str) -> jiff::Timestamp {
    text.parse().expect("a time")
}

fn attempt() -> Attempt {
    Attempt {
        version: 1,
        name: backup_name("nightly_20261123_020000"),
        run: "5f0c1d7e-0000-4000-8000-000000000001".to_owned(),
        lease: "run-5f0c1d7e-0000-4000-8000-000000000001".to_owned(),
        policy: "nightly".to_owned(),
        trigger: "cli".to_owned(),
        host: "db1".to_owned(),
        started_at: time("2026-11-23T02:00:00.123456789Z"),
        agent: "milvus-backup-agent 0.1.0".to_owned(),
        job: None,
        end: None,
    }
}

fn content() -> CollectionContent {
    let pair = |key: &str, value: &str| KeyValue { key: key.to_owned(), value: value.to_owned() };
    CollectionContent {
        schema: vec![10, 5, b'f', b'i', b'l', b'm', b's', 255],
        shards: 2,
        consistency_level: 1,
        num_partitions: 2,
        properties: vec![pair("collection.ttl.seconds", "3600")],
        aliases: vec!["best".to_owned()],
        origin: CollectionOrigin::default(),
        partitions: vec![
            Partition { id: 470_000_000_000_000_002, name: "_default".to_owned() },
            Partition { id: 470_000_000_000_000_003, name: "old".to_owned() },
        ],
        indexes: vec![IndexDescription {
            field: "vec".to_owned(),
            name: "v".to_owned(),
            params: vec![pair("index_type", "HNSW"), pair("metric_type", "L2")],
            id: 0,
        }],
        load: LoadState::Partitions { replicas: 1, partitions: vec!["old".to_owned()] },
        boundary: Some(Boundary::before(470_548_000_000_262_144, Duration::from_secs(1))),
        deletes_complete: DeletesComplete::Yes,
        list: "ab".repeat(32),
        segments: 1,
        files: 4,
        rows: 5,
        bytes: 1_000,
    }
}

fn manifest() -> Manifest {
    let record = |name: &str, content: Option<CollectionContent>| CollectionRecord {
        database: "default".to_owned(),
        name: name.to_owned(),
        id: if content.is_some() { 470_000_000_000_000_001 } else { 0 },
        outcome: match &content {
            Some(_) => CollectionOutcome::Complete,
            None => CollectionOutcome::Failed,
        },
        error: content.is_none().then(|| "default.books was dropped meanwhile".to_owned()),
        content,
    };
    let loaded =
        CollectionContent { load: LoadState::Loaded { replicas: 2 }, aliases: vec![], ..content() };
    let not_loaded = CollectionContent { load: LoadState::NotLoaded, ..loaded.clone() };
    Manifest {
        version: Manifest::VERSION,
        name: attempt().name,
        cluster: ClusterName::new("db1").expect("a name"),
        cluster_id: "5f0c1d7e-0000-4000-8000-000000000002".to_owned(),
        policy: "nightly".to_owned(),
        run: attempt().run,
        layout: Layout::Incremental,
        created_at: attempt().started_at,
        completed_at: time("2026-11-23T02:01:00Z"),
        outcome: ManifestOutcome::Partial,
        agent: attempt().agent,
        milvus_version: "2.3.5".to_owned(),
        databases: vec!["default".to_owned()],
        database_descriptions: Vec::new(),
        collections: vec![
            record("books", None),
            record("films", Some(content())),
            record("loaded", Some(loaded)),
            record("not_loaded", Some(not_loaded)),
        ],
        selection: Vec::new(),
        suspect: None,
        rbac: None,
    }
}

#[test]
fn marks_are_written_as_ever() {
    let created_at = time("2026-11-23T02:00:00Z");
    let agent = "milvus-backup-agent 0.1.0".to_owned();
    assert_golden("_repository.json", &RepositoryMark { version: 1, created_at, agent });
    let mark = ClusterMark {
        version: 1,
        id: manifest().cluster_id,
        name: manifest().cluster,
        address: "http://127.0.0.1:19530".to_owned(),
        storage: "/var/lib/milvus".to_owned(),
        machine: Some("0123456789abcdef0123456789abcdef".to_owned()),
        created_at,
        adopted: vec!["2026-11-24T00:00:00Z: from http://old:19530 /old: moved".to_owned()],
    };
    assert_golden("_cluster.json", &mark);
    let single = SingleAgentMark {
        version: 1,
        machine: "0123456789abcdef0123456789abcdef".to_owned(),
        host: "db1".to_owned(),
    };
    assert_golden("_single_agent.json", &single);
    let request = RequestMark {
        version: 1,
        request_id: RequestId::new("load-42").expect("an id"),
        policy: "nightly".to_owned(),
        agent: "5b1c6a0f3e2d4c77".to_owned(),
        host: "db1".to_owned(),
        received_at: time("2026-11-26T06:00:00Z"),
    };
    assert_golden("request.json", &request);
}

#[test]
fn the_documents_of_a_backup_are_written_as_ever() {
    assert_golden("attempt.json", &attempt());
    let end = AttemptEnd {
        at: time("2026-11-23T02:01:00Z"),
        outcome: "failed".to_owned(),
        error: "the repository cannot be written: write `/b/x`: no space".to_owned(),
    };
    assert_golden("attempt-ended.json", &Attempt { end: Some(end), ..attempt() });
    let job = Some("9f86d081884c7d65/17".to_owned());
    assert_golden("attempt-job.json", &Attempt { job, ..attempt() });
    assert_golden("manifest.json", &manifest());
    let at = time("2026-11-30T02:00:00Z");
    let tombstone = Tombstone { version: 1, at, reason: "old".to_owned(), policy: None };
    assert_golden("tombstone.json", &tombstone);
}

#[test]
fn users_and_roles_are_written_as_ever() {
    let golden = golden("rbac.json");
    let golden = golden.trim_ascii_end();
    let encoded = encode_rbac(&users_and_roles());
    let (text, record) = (String::from_utf8_lossy(golden), encoded.record);
    assert_eq!(String::from_utf8_lossy(encoded.bytes.reveal()), text);
    assert_eq!(decode_rbac(golden, &record), Ok(users_and_roles()));
    let newer = text.replacen("\"version\":1", "\"version\":2", 1);
    let damaged = decode_rbac(newer.as_bytes(), &record).expect_err("it is another one");
    assert!(matches!(damaged, DocumentError::Damaged { .. }), "{damaged}");
    let digest = blake3::hash(newer.as_bytes()).to_hex().to_string();
    let of_newer = RbacRecord { digest, ..record.clone() };
    let refused = decode_rbac(newer.as_bytes(), &of_newer).expect_err("it is too new");
    assert!(matches!(refused, DocumentError::TooNew { found: 2, known: 1, .. }), "{refused}");
    let collections = Vec::new();
    let manifest = Manifest { collections, rbac: Some(record), ..manifest() };
    assert_golden("manifest-rbac.json", &manifest);
}

#[test]
fn leases_and_ledgers_are_written_as_ever() {
    let lease = LeaseRecord {
        version: 1,
        token: "5f0c1d7e-0000-4000-8000-000000000003".to_owned(),
        holder: Holder {
            host: "db1".to_owned(),
            machine: "0123456789abcdef0123456789abcdef".to_owned(),
            process_space: "boot pid:[4026531836]".to_owned(),
            pid: 4711,
            started: 123_456,
        },
        heartbeat: 7,
        interval_secs: 10,
        released: false,
        unlocked: None,
    };
    assert_golden("lease.json", &lease);
    let item = |name: &str, step, (made, replaces), rows| RestoreItem {
        from: namespace(name),
        to: namespace(&format!("archive.{name}")),
        restoring: namespace(&format!("archive.{name}__restoring_0123abcd")),
        step,
        aliases: vec!["best".to_owned()],
        made,
        replaces,
        rows,
    };
    let made = Some(470_000_000_000_000_011);
    let ledger = RestoreLedger {
        version: 1,
        id: "0123abcd".to_owned(),
        backup: attempt().name,
        target: "http://127.0.0.1:19530".to_owned(),
        lease: "restore-0123abcd".to_owned(),
        started_at: time("2026-11-24T02:00:00Z"),
        staging: vec!["/backups/db1/_staging/restore-0123abcd/".to_owned()],
        items: vec![
            item("filling", RestoreStep::Filling, (None, None), None),
            item(
                "swapping",
                RestoreStep::Swapping,
                (made, Some(470_000_000_000_000_009)),
                Some((5, 3)),
            ),
            item("done", RestoreStep::Done, (made, None), Some((5, 5))),
        ],
    };
    assert_golden("ledger.json", &ledger);
}

#[test]
fn what_drills_write_is_written_as_ever() {
    let ledger = DrillLedger {
        version: 1,
        id: "0123abcd".to_owned(),
        backup: attempt().name,
        of: ClusterName::new("db1").expect("a name"),
        target: "http://127.0.0.1:19530".to_owned(),
        lease: "drill-0123abcd".to_owned(),
        reading: "drill-nightly_20261123_020000-5f0c1d7e".to_owned(),
        started_at: time("2026-11-24T02:00:00Z"),
        staging: vec!["/backups/db1/_staging/drill-0123abcd/".to_owned()],
        databases: vec!["archive".to_owned()],
        collections: vec![namespace("archive.films__drill_0123abcd")],
        emptied: true,
    };
    assert_golden("drill.json", &ledger);
    let end = |outcome, detail: Option<&str>| DrillEnd {
        at: time("2026-11-24T02:05:00Z"),
        backup: attempt().name.to_string(),
        outcome,
        rto_seconds: 12.5,
        detail: detail.map(str::to_owned),
    };
    let proof = DrillProof {
        version: 1,
        since: Some(time("2026-11-20T00:00:00Z")),
        last: Some(end(RunOutcome::Failed, Some("default.films: partition `old` is not there"))),
        last_success: Some(end(RunOutcome::Complete, None)),
    };
    assert_golden("drill-proof.json", &proof);
}

fn entry(log: i64, copy: &str, crc: &str) -> FileEntry {
    let (copy, crc) = (copy.to_owned(), crc.to_owned());
    FileEntry { log, size: 250, source: "1795572000123456789".to_owned(), copy, crc }
}

#[test]
fn a_list_is_written_as_ever_under_the_same_name() {
    let (a, b) = (470_000_000_000_000_010, 470_000_000_000_000_020);
    let crc = "ae8b14860a799888";
    let segment = |id| {
        let files = [
            (LogKind::Insert { field: 100 }, entry(id + 3, "", "")),
            (LogKind::Insert { field: 0 }, entry(id + 1, "", crc)),
            (LogKind::Delta, entry(id + 4, "0123456789abcdef0123456789abcdef-2", crc)),
            (LogKind::Insert { field: 1 }, entry(id + 2, "", crc)),
        ];
        SegmentFiles::new((470_000_000_000_000_001, 470_000_000_000_000_002, id), 5, files)
    };
    let encoded = FileList::new(vec![segment(b), segment(a)]).encode();
    let lines = zstd::decode_all(&encoded.bytes[..]).unwrap();
    let golden = golden("list.jsonl");
    assert_eq!(String::from_utf8_lossy(&lines), String::from_utf8_lossy(&golden));
    assert_eq!(encoded.digest, LIST_DIGEST);
    let compressed = zstd::encode_all(&golden[..], 19).unwrap();
    let read = FileList::decode(&compressed, LIST_DIGEST).unwrap();
    assert_eq!(read.encode(), encoded, "it is read differently");
}

/// Numbers that nothing compresses, the same in every run (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the measured size is worth seeing")]
fn a_list_of_100_000_files_costs_at_most_45_bytes_a_file() {
    const FILES: u64 = 100_000;
    const FIELDS: i64 = 10;
    let mut random = Random(7);
    let (mut log, mut written) = (470_000_000_000_000_000_i64, 1_795_572_000_000_000_000_u64);
    let mut segments = Vec::new();
    for _ in 0..FILES / FIELDS.unsigned_abs() {
        log += 1 + i64::try_from(random.below(400)).unwrap();
        let segment = log;
        let files: Vec<_> = (0..FIELDS)
            .map(|field| {
                log += 1 + i64::try_from(random.below(8)).unwrap();
                // Milvus writes the logs of a segment within milliseconds, segments apart.
                written += random.below(if field == 0 { 60_000_000_000 } else { 5_000_000 });
                let entry = FileEntry {
                    log,
                    size: 1_000 + random.below(16 << 20),
                    source: written.to_string(),
                    copy: String::new(),
                    crc: format!("{:016x}", random.below(u64::MAX)),
                };
                (LogKind::Insert { field }, entry)
            })
            .collect();
        let rows = i64::try_from(random.below(1 << 20)).unwrap();
        segments.push(SegmentFiles::new(
            (470_000_000_000_000_001, 470_000_000_000_000_002, segment),
            rows,
            files,
        ));
    }
    let list = FileList::new(segments);
    assert_eq!(list.files().count() as u64, FILES);
    let bytes = list.encode().bytes.len() as u64;
    println!("{bytes} bytes for {FILES} files: {} a file", bytes.div_ceil(FILES));
    assert!(bytes <= 45 * FILES, "{bytes} bytes for {FILES} files");
}

/// Every run reads all manifests of its cluster, so 1,000 backups of one take a minute in a
/// debug build; of forty clusters they take seconds.
#[tokio::test(start_paused = true)]
async fn a_thousand_unchanged_backups_add_only_their_documents() {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    for cluster in 0..40 {
        let mut context = lab.context();
        context.cluster = ClusterName::new(format!("c{cluster}")).unwrap();
        run_backup(&context, request("b0")).await.unwrap();
        let before: BTreeSet<String> = keys(&lab.repository).await.into_iter().collect();
        let mut expected = before.clone();
        for number in 1..25 {
            lab.later();
            run_backup(&context, request(&format!("b{number}"))).await.unwrap();
            for document in ["attempt.json", "manifest.json"] {
                expected.insert(format!("c{cluster}/b{number}/{document}"));
            }
        }
        let after: BTreeSet<String> = keys(&lab.repository).await.into_iter().collect();
        assert_eq!(after, expected);
    }
}
