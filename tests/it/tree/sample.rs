//! A backup of a small cluster: two databases, two collections, three partitions, four segments.

use std::collections::BTreeMap;

use milvus_backup_agent::manifest::{
    Boundary, CollectionContent, CollectionOutcome, CollectionRecord, DeletesComplete, FileEntry,
    FileList, LogKind, Manifest, ManifestOutcome, SegmentFiles, tree_documents,
};
use milvus_backup_agent::milvus::{IndexDescription, KeyValue, LoadState, Partition};
use milvus_backup_agent::model::{
    ClusterName, CollectionOrigin, DatabaseDescription, Layout, SegmentTraits,
};

use super::proto::Message;
use crate::support::backup_name;

/// What every id begins with: none of them fits a float.
pub(super) const ID: i64 = 451_699_909_127_432_000;

/// A backup and its lists.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) manifest: Manifest,
    pub(super) lists: BTreeMap<String, FileList>,
}

pub(super) fn sample() -> Sample {
    let at = "2026-11-26T02:00:00Z".parse().expect("a time");
    let mut sample = Sample {
        manifest: Manifest {
            version: Manifest::VERSION,
            name: backup_name("my_backup"),
            cluster: ClusterName::new("db1").expect("a name"),
            cluster_id: "5f0c1d7e-0000-4000-8000-000000000002".to_owned(),
            policy: "nightly".to_owned(),
            run: "b7a1c0de-0000-4000-8000-000000000001".to_owned(),
            layout: Layout::Standalone,
            created_at: at,
            completed_at: at,
            outcome: ManifestOutcome::Partial,
            agent: "milvus-backup-agent 0.1.0".to_owned(),
            milvus_version: "2.4.9".to_owned(),
            databases: vec!["archive".to_owned(), "default".to_owned()],
            database_descriptions: vec![DatabaseDescription {
                name: "archive".to_owned(),
                id: ID + 7,
                properties: vec![pair("database.replica.number", "1")],
            }],
            collections: Vec::new(),
            selection: Vec::new(),
            suspect: None,
            rbac: None,
        },
        lists: BTreeMap::new(),
    };
    let lost = CollectionRecord {
        database: "default".to_owned(),
        name: "lost".to_owned(),
        id: 0,
        outcome: CollectionOutcome::Failed,
        error: Some("dropped meanwhile".to_owned()),
        content: None,
    };
    let books = sample.collection(("archive", "books", ID + 500), books(), book_files());
    let films = sample.collection(("default", "films", ID + 302), films(), film_files());
    sample.manifest.collections = vec![books, films, lost];
    sample
}

/// A backup in which nothing is told that can be zero.
pub(super) fn blank() -> Sample {
    let empty = Message::new();
    let inner = Message::new().message(4, &empty);
    let schema =
        Message::new().message(4, &empty).pair(6, "", "").message(7, &empty).message(9, &inner);
    let content = CollectionContent {
        schema: schema.bytes(),
        shards: 0,
        partitions: vec![Partition { id: 0, name: String::new() }],
        indexes: vec![IndexDescription {
            field: String::new(),
            name: String::new(),
            params: Vec::new(),
            id: 0,
        }],
        ..no_content()
    };
    let segment = SegmentFiles::new((0, 0, 0), 0, [(LogKind::Insert { field: 0 }, entry(0, 0))]);
    let mut sample = sample();
    sample.lists.clear();
    let record = sample.collection(("", "", 0), content, vec![segment]);
    sample.manifest = Manifest {
        run: String::new(),
        milvus_version: String::new(),
        databases: vec![String::new()],
        database_descriptions: Vec::new(),
        collections: vec![record],
        ..sample.manifest
    };
    sample
}

impl Sample {
    /// `full_meta.json`.
    pub(super) fn full(&self) -> serde_json::Value {
        let documents =
            tree_documents((&self.manifest, None), &self.lists, "files").expect("a tree");
        serde_json::from_slice(&documents.full).expect("JSON")
    }

    fn collection(
        &mut self,
        (database, name, id): (&str, &str, i64),
        content: CollectionContent,
        segments: Vec<SegmentFiles>,
    ) -> CollectionRecord {
        let count = |number: usize| u64::try_from(number).expect("a small number");
        let list = FileList::new(segments);
        let rows: i64 = list.segments().iter().map(|segment| segment.rows).sum();
        let content = CollectionContent {
            list: list.encode().digest,
            segments: count(list.segments().len()),
            files: count(list.files().count()),
            rows: rows.unsigned_abs(),
            bytes: list.files().map(|(_, entry)| entry.size).sum(),
            ..content
        };
        self.lists.insert(content.list.clone(), list);
        CollectionRecord {
            database: database.to_owned(),
            name: name.to_owned(),
            id,
            outcome: CollectionOutcome::Complete,
            error: None,
            content: Some(content),
        }
    }
}

/// Dynamic fields, an index, an alias, one of two partitions loaded.
fn films() -> CollectionContent {
    let id = Message::new().number(1, 100).text(2, "id").number(3, 1).number(5, 5);
    let vec = Message::new().number(1, 101).text(2, "vec").number(5, 101).pair(6, "dim", "2");
    let schema = Message::new()
        .text(1, "films")
        .text(2, "films & <series>")
        .message(4, &id)
        .message(4, &vec)
        .number(5, 1);
    let params = r#"{"M": 8, "efConstruction": 64}"#;
    CollectionContent {
        schema: schema.bytes(),
        shards: 2,
        consistency_level: 2,
        num_partitions: 2,
        properties: vec![pair("collection.ttl.seconds", "3600")],
        aliases: vec!["best".to_owned()],
        origin: CollectionOrigin {
            database_id: 1,
            created_timestamp: 452_470_000_000_000_001,
            virtual_channels: vec!["by-dev-rootcoord-dml_2_451699909127432302v0".to_owned()],
            physical_channels: vec!["by-dev-rootcoord-dml_2".to_owned()],
        },
        partitions: vec![
            Partition { id: ID + 303, name: "_default".to_owned() },
            Partition { id: ID + 304, name: "old".to_owned() },
        ],
        indexes: vec![IndexDescription {
            field: "vec".to_owned(),
            name: "v".to_owned(),
            params: vec![
                pair("index_type", "HNSW"),
                pair("metric_type", "L2"),
                pair("params", params),
            ],
            id: ID + 310,
        }],
        load: LoadState::Partitions { replicas: 1, partitions: vec!["old".to_owned()] },
        boundary: Some(Boundary {
            timestamp: 452_472_464_411_983_874,
            flush: 452_472_464_674_127_874,
        }),
        ..no_content()
    }
}

fn film_files() -> Vec<SegmentFiles> {
    let logs = |first: i64, sizes: [u64; 5]| {
        let fields = [0, 1, 100, 101, 102];
        let files = fields.into_iter().zip(sizes).zip(first..);
        files.map(|((field, size), log)| (LogKind::Insert { field }, entry(log, size)))
    };
    let traits = SegmentTraits {
        channel: "by-dev-rootcoord-dml_2_451699909127432302v0".to_owned(),
        ..SegmentTraits::default()
    };
    vec![
        SegmentFiles::new(
            (ID + 302, ID + 303, ID + 419),
            100,
            logs(ID + 11, [677, 457, 677, 53_729, 100])
                .chain([(LogKind::Delta, entry(ID + 16, 675))]),
        )
        .with_traits(traits),
        SegmentFiles::new((ID + 302, ID + 304, ID + 420), 5, logs(ID + 21, [10, 20, 30, 40, 50])),
        SegmentFiles::new(
            (ID + 302, ID + 304, ID + 421),
            6,
            logs(ID + 31, [11, 21, 31, 41, 51]).chain(
                [(ID + 36, 61), (ID + 37, 71)]
                    .map(|(log, size)| (LogKind::Delta, entry(log, size))),
            ),
        ),
    ]
}

/// What only later servers have, and nothing that may be absent.
fn books() -> CollectionContent {
    let id = Message::new().number(1, 100).text(2, "id").number(3, 1).number(5, 5).number(8, 1);
    let text = Message::new()
        .number(1, 101)
        .text(2, "text")
        .text(4, "the text")
        .number(5, 21)
        .pair(6, "max_length", "64")
        .pair(7, "mmap.enabled", "true")
        .number(9, 1)
        .message(11, &Message::new().text(6, "none"))
        .number(13, 1)
        .number(15, 1);
    let sparse = Message::new().number(1, 102).text(2, "sparse").number(5, 104).number(16, 1);
    let tags = Message::new().number(1, 103).text(2, "tags").number(5, 22).number(10, 21);
    let meta = Message::new().number(1, 104).text(2, "$meta").number(5, 23).number(12, 1);
    let function = Message::new()
        .text(1, "bm25")
        .number(2, 9)
        .text(3, "words")
        .number(4, 1)
        .text(5, "text")
        .packed(6, &[101])
        .text(7, "sparse")
        .packed(8, &[102])
        .pair(9, "k", "v");
    let part = Message::new().number(1, 106).text(2, "x").number(5, 5);
    let parts = Message::new().number(1, 105).text(2, "parts").text(3, "of it").message(4, &part);
    let schema = Message::new()
        .text(1, "books")
        .number(3, 1)
        .message(4, &id)
        .message(4, &text)
        .message(4, &sparse)
        .message(4, &tags)
        .message(4, &meta)
        .pair(6, "mmap.enabled", "")
        .message(7, &function)
        .message(9, &parts);
    let partitions = vec![Partition { id: ID + 501, name: "_default".to_owned() }];
    CollectionContent { schema: schema.bytes(), partitions, ..no_content() }
}

fn book_files() -> Vec<SegmentFiles> {
    let traits = SegmentTraits { l0: true, storage_version: 2, channel: "v0".to_owned() };
    let deltas = [(LogKind::Delta, entry(ID + 601, 81))];
    vec![SegmentFiles::new((ID + 500, -1, ID + 600), 0, deltas).with_traits(traits)]
}

fn no_content() -> CollectionContent {
    CollectionContent {
        schema: Vec::new(),
        shards: 1,
        consistency_level: 0,
        num_partitions: 1,
        properties: Vec::new(),
        aliases: Vec::new(),
        origin: CollectionOrigin::default(),
        partitions: Vec::new(),
        indexes: Vec::new(),
        load: LoadState::NotLoaded,
        deletes_complete: DeletesComplete::Yes,
        boundary: None,
        list: String::new(),
        segments: 0,
        files: 0,
        rows: 0,
        bytes: 0,
    }
}

fn entry(log: i64, size: u64) -> FileEntry {
    let (source, copy, crc) = (String::new(), String::new(), String::new());
    FileEntry { log, size, source, copy, crc }
}

fn pair(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: value.to_owned() }
}
