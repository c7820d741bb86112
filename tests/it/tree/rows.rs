//! Every row of the tables of milvus-backup's documents (3.4 of the reference), one test each:
//! where we have the fact, key, type and value as written, and that a zero is absent (or is not);
//! on reading, what the key tells, and what its absence does.

use milvus_backup_agent::manifest::{CollectionContent, SegmentFiles, Tree};
use serde_json::{Value, json};

use super::proto::at;
use super::reading::read_full;
use super::sample::{ID, blank, sample};

/// Where an object lies in `full_meta.json` of the sample, and in the one of zeros.
type Place = (&'static str, &'static str);

const BACKUP: Place = ("", "");
const DATABASE: Place = ("/database_backups/0", "/database_backups/0");
const FILMS: Place = ("/collection_backups/1", "/collection_backups/0");
const BOOKS: Place = ("/collection_backups/0", "/collection_backups/0");
const PARTITION: Place =
    ("/collection_backups/1/partition_backups/1", "/collection_backups/0/partition_backups/0");
const BLANK_SEGMENT: &str = "/collection_backups/0/partition_backups/0/segment_backups/0";
const SEGMENT: Place =
    ("/collection_backups/1/partition_backups/0/segment_backups/0", BLANK_SEGMENT);
const L0: Place = ("/collection_backups/0/l0_segments/0", BLANK_SEGMENT);
const FIELD_BINLOG: Place = (
    "/collection_backups/1/partition_backups/0/segment_backups/0/binlogs/2",
    "/collection_backups/0/partition_backups/0/segment_backups/0/binlogs/0",
);
const DELTA_BINLOG: Place = (
    "/collection_backups/1/partition_backups/0/segment_backups/0/deltalogs/0",
    "/collection_backups/0/partition_backups/0/segment_backups/0/deltalogs/0",
);
const BINLOG: Place = (
    "/collection_backups/1/partition_backups/0/segment_backups/0/binlogs/2/binlogs/0",
    "/collection_backups/0/partition_backups/0/segment_backups/0/binlogs/0/binlogs/0",
);
const INDEX: Place = ("/collection_backups/1/index_infos/0", "/collection_backups/0/index_infos/0");
const FILM_SCHEMA: Place = ("/collection_backups/1/schema", "/collection_backups/0/schema");
const BOOK_SCHEMA: Place = ("/collection_backups/0/schema", "/collection_backups/0/schema");
const BLANK_FIELD: &str = "/collection_backups/0/schema/fields/0";
const ID_FIELD: Place = ("/collection_backups/0/schema/fields/0", BLANK_FIELD);
const TEXT_FIELD: Place = ("/collection_backups/0/schema/fields/1", BLANK_FIELD);
const SPARSE_FIELD: Place = ("/collection_backups/0/schema/fields/2", BLANK_FIELD);
const TAGS_FIELD: Place = ("/collection_backups/0/schema/fields/3", BLANK_FIELD);
const META_FIELD: Place = ("/collection_backups/0/schema/fields/4", BLANK_FIELD);
const FUNCTION: Place =
    ("/collection_backups/0/schema/functions/0", "/collection_backups/0/schema/functions/0");
const STRUCT: Place = (
    "/collection_backups/0/schema/struct_array_fields/0",
    "/collection_backups/0/schema/struct_array_fields/0",
);
const PAIR: Place =
    ("/database_backups/0/properties/0", "/collection_backups/0/schema/properties/0");

/// What becomes of a zero.
enum Zero {
    /// Its key is absent.
    Absent,
    /// It is written as this.
    Shown(Value),
    /// It cannot be.
    Never,
}

/// What the key is to a reader.
enum Read {
    /// It tells this, and without it that.
    Tells(fn(&Tree) -> String, String, String),
    /// Without it the tree is refused, with these words.
    Needed(&'static str),
    /// Nothing.
    Ignored,
}

use Read::{Ignored, Needed};
use Zero::{Absent, Never, Shown};

fn tells(
    fact: fn(&Tree) -> String,
    with: impl std::fmt::Display,
    without: impl std::fmt::Display,
) -> Read {
    Read::Tells(fact, with.to_string(), without.to_string())
}

fn films(tree: &Tree) -> &CollectionContent {
    content(tree, "films")
}

fn books(tree: &Tree) -> &CollectionContent {
    content(tree, "books")
}

fn content<'t>(tree: &'t Tree, name: &str) -> &'t CollectionContent {
    tree.manifest.contents().find(|(record, _)| record.name == name).expect("a collection").1
}

fn segment(tree: &Tree) -> &SegmentFiles {
    &tree.lists[&films(tree).list].segments()[0]
}

fn l0(tree: &Tree) -> String {
    let list = &tree.lists[&books(tree).list];
    list.segments().first().map_or_else(String::new, |segment| format!("{:?}", segment.traits))
}

/// A row that this agent writes.
fn written((inside, blank_inside): Place, key: &str, value: &Value, zero: &Zero, read: &Read) {
    let full = sample().full();
    let found = full.pointer(inside).and_then(|object| object.get(key));
    assert_eq!(found, Some(value), "{inside}: {key}");
    let blank = blank().full();
    let object = blank.pointer(blank_inside).expect("the object of zeros");
    match zero {
        Absent => assert_eq!(object.get(key), None, "a zero of {key}"),
        Shown(value) => assert_eq!(object.get(key), Some(value), "a zero of {key}"),
        Never => {}
    }
    let mut without = full.clone();
    without.pointer_mut(inside).unwrap().as_object_mut().unwrap().remove(key);
    readers_see(&full, &without, read);
}

/// A row that this agent has no fact for, or none any more.
fn foreign((inside, _): Place, key: &str, value: Value, read: &Read) {
    let without = sample().full();
    let object = without.pointer(inside).and_then(Value::as_object).expect("an object");
    assert!(!object.contains_key(key), "{key} is written");
    let mut full = without.clone();
    full.pointer_mut(inside).unwrap()[key] = value;
    readers_see(&full, &without, read);
}

fn readers_see(with: &Value, without: &Value, read: &Read) {
    let tree = read_full(with).expect("a tree");
    match read {
        Read::Tells(fact, told, absent) => {
            assert_eq!(fact(&tree), *told);
            assert_eq!(fact(&read_full(without).expect("a tree")), *absent, "without it");
        }
        Needed(words) => {
            let error = read_full(without).expect_err("a tree without it").to_string();
            assert!(error.contains(words), "{error}");
        }
        Ignored => assert_eq!(read_full(without).expect("a tree"), tree),
    }
}

macro_rules! rows {
    ($($name:ident: $of:ident($place:expr, $key:expr, $($rest:expr),+);)+) => {
        $(#[test] fn $name() { rows!(@ $of $place, $key, $($rest),+) })+
    };
    (@ written $place:expr, $key:expr, $value:expr, $zero:expr, $read:expr) => {
        written($place, $key, &json!($value), &$zero, &$read)
    };
    (@ foreign $place:expr, $key:expr, $value:expr, $read:expr) => {
        foreign($place, $key, json!($value), &$read)
    };
}

const TASK: &str = "b7a1c0de-0000-4000-8000-000000000001";
const CHANNEL: &str = "by-dev-rootcoord-dml_2_451699909127432302v0";

// BackupInfo
rows! {
    backup_id: written(BACKUP, "id", TASK, Absent, tells(|tree| tree.manifest.run.clone(), TASK, ""));
    backup_state_code: written(BACKUP, "state_code", 0, Shown(json!(0)), Ignored);
    backup_state_code_of_old_versions_means_nothing:
        foreign(BACKUP, "errorMessage", "never mind", Ignored);
    backup_name: written(BACKUP, "name", "my_backup", Never, Ignored);
    backup_timestamp_of_v0_4: foreign(BACKUP, "backup_timestamp", 1_726_045_000_123_u64, tells(
        |tree| tree.manifest.created_at.to_string(), "2024-09-11T08:56:40.123Z", "2024-09-11T09:04:32Z"
    ));
    backup_start_time_of_v0_4: foreign(BACKUP, "start_time", 1_726_045_000_000_u64, tells(
        |tree| tree.manifest.created_at.to_string(), "2024-09-11T08:56:40Z", "2024-09-11T09:04:32Z"
    ));
    backup_end_time_of_v0_4: foreign(BACKUP, "end_time", 1_726_046_000_000_u64, tells(
        |tree| tree.manifest.completed_at.to_string(), "2024-09-11T09:13:20Z", "2024-09-11T09:04:32Z"
    ));
    backup_progress_of_v0_4: foreign(BACKUP, "progress", 100, Ignored);
    backup_size: written(BACKUP, "size", 56_833, Shown(json!(0)), Ignored);
    backup_milvus_version: written(BACKUP, "milvus_version", "v2.4.9", Absent, tells(
        |tree| tree.manifest.milvus_version.clone(), "v2.4.9", ""
    ));
    backup_rbac_meta: foreign(BACKUP, "rbac_meta", json!({
        "users": [{"user": "u", "password": "$2a$10$", "roles": [{"name": "r"}]}],
        "roles": [{"name": "r"}],
        "grants": [{"role": {"name": "r"}, "object": {"name": "Collection"}, "object_name": "films",
            "grantor": {"user": {"name": "root"}, "privilege": {"name": "Search"}}, "db_name": "default"}],
        "privilege_groups": [{"group_name": "g", "privileges": [{"name": "Search"}]}]
    }), tells(
        |tree| tree.rbac.as_ref().map_or_else(String::new, |rbac| rbac.counts().to_string()),
        "1 users, 1 roles, 1 grants, 1 privilege groups", ""
    ));
    backup_rpc_channel_info:
        foreign(BACKUP, "rpc_channel_info", json!({"name": "c", "position": "cA=="}), Ignored);
    backup_flush_all_msgs:
        foreign(BACKUP, "flush_all_msgs_base64", json!({"by-dev-rootcoord-dml_2": "bQ=="}), Ignored);
    backup_control_channel_name: foreign(BACKUP, "control_channel_name", "by-dev-cchannel", Ignored);
    backup_physical_channel_names: foreign(BACKUP, "physical_channel_names", ["c"], Ignored);
    backup_format: foreign(BACKUP, "format", "", Ignored);
    backup_keys_of_later_versions: foreign(BACKUP, "of_tomorrow", json!({"a": [1]}), Ignored);
}

#[test]
fn backup_collection_backups() {
    let mut full = sample().full();
    assert_eq!(full["collection_backups"].as_array().map(Vec::len), Some(2));
    full.as_object_mut().unwrap().remove("collection_backups");
    assert_eq!(read_full(&full).unwrap().manifest.contents().count(), 0);
}

#[test]
fn backup_database_backups() {
    let mut full = sample().full();
    assert_eq!(full["database_backups"][1], json!({"db_name": "default", "db_id": 1}));
    assert_eq!(blank().full()["database_backups"], json!([{}]));
    full.as_object_mut().unwrap().remove("database_backups");
    let tree = read_full(&full).unwrap();
    assert_eq!(tree.manifest.databases, ["archive", "default"], "what its collections tell");
    assert!(tree.manifest.database_descriptions.is_empty());
}

// DatabaseBackupInfo
rows! {
    database_db_name: written(DATABASE, "db_name", "archive", Absent, tells(
        |tree| tree.manifest.database_descriptions[0].name.clone(), "archive", "default"
    ));
    database_db_id: written(DATABASE, "db_id", ID + 7, Absent, tells(
        |tree| tree.manifest.database_descriptions[0].id.to_string(), ID + 7, 0
    ));
    database_properties: written(
        DATABASE, "properties", json!([{"key": "database.replica.number", "value": "1"}]), Absent, tells(
            |tree| tree.manifest.database_descriptions[0].properties.len().to_string(), 1, 0
        )
    );
    database_ezk: foreign(DATABASE, "ezk", "key", Ignored);
    pair_key: written(PAIR, "key", "database.replica.number", Absent, tells(
        |tree| tree.manifest.database_descriptions[0].properties[0].key.clone(),
        "database.replica.number", ""
    ));
    pair_value: written(PAIR, "value", "1", Absent, tells(
        |tree| tree.manifest.database_descriptions[0].properties[0].value.clone(), "1", ""
    ));
}

// CollectionBackupInfo
rows! {
    collection_task_id: written(FILMS, "id", TASK, Absent, Ignored);
    collection_id: written(FILMS, "collection_id", ID + 302, Absent, Needed("it has no id"));
    collection_db_name: written(BOOKS, "db_name", "archive", Absent, tells(
        |tree| tree.manifest.contents().map(|(record, _)| record.namespace().to_string())
            .collect::<Vec<_>>().join(" "),
        "archive.books default.films", "default.books default.films"
    ));
    collection_name: written(FILMS, "collection_name", "films", Absent, Needed("no name"));
    collection_shards_num:
        written(FILMS, "shards_num", 2, Absent, tells(|tree| films(tree).shards.to_string(), 2, 0));
    collection_consistency_level: written(FILMS, "consistency_level", 2, Absent, tells(
        |tree| films(tree).consistency_level.to_string(), 2, 0
    ));
    collection_backup_timestamp:
        foreign(FILMS, "backup_timestamp", 452_472_464_411_983_874_u64, Ignored);
    collection_size: written(FILMS, "size", 56_752, Shown(json!(0)), Ignored);
    collection_has_index: written(FILMS, "has_index", true, Never, Ignored);
    collection_has_no_index: written(BOOKS, "has_index", false, Never, Ignored);
    collection_load_state: written(FILMS, "load_state", "Loading", Never, tells(
        |tree| format!("{:?}", films(tree).load),
        "Partitions { replicas: 1, partitions: [\"old\"] }", "NotLoaded"
    ));
    collection_backup_physical_timestamp: written(
        FILMS, "backup_physical_timestamp", 1_726_045_472, Absent, tells(
            |tree| tree.manifest.created_at.to_string(),
            "2024-09-11T09:04:32Z", "2026-11-26T02:00:00Z"
        )
    );
    collection_channel_checkpoints:
        foreign(FILMS, "channel_checkpoints", json!({CHANNEL: "bQ=="}), Ignored);
    collection_properties: written(
        FILMS, "properties", json!([{"key": "collection.ttl.seconds", "value": "3600"}]), Absent, tells(
            |tree| films(tree).properties.len().to_string(), 1, 0
        )
    );
    collection_db_id: written(FILMS, "db_id", 1, Absent, tells(
        |tree| films(tree).origin.database_id.to_string(), 1, 0
    ));
    collection_created_timestamp: written(
        FILMS, "created_timestamp", 452_470_000_000_000_001_u64, Absent, tells(
            |tree| films(tree).origin.created_timestamp.to_string(), 452_470_000_000_000_001_u64, 0
        )
    );
    collection_virtual_channel_names: written(FILMS, "virtual_channel_names", [CHANNEL], Absent, tells(
        |tree| films(tree).origin.virtual_channels.join(" "), CHANNEL, ""
    ));
    collection_physical_channel_names: written(
        FILMS, "physical_channel_names", ["by-dev-rootcoord-dml_2"], Absent, tells(
            |tree| films(tree).origin.physical_channels.join(" "), "by-dev-rootcoord-dml_2", ""
        )
    );
    collection_aliases: written(FILMS, "aliases", ["best"], Absent, tells(
        |tree| films(tree).aliases.join(" "), "best", ""
    ));
    collection_snapshot_backup: foreign(
        FILMS, "snapshot_backup", json!({"metadata_path": "p", "total_files": 1, "total_bytes": 2}), Ignored
    );
    collection_state_code_of_old_versions: foreign(FILMS, "state_code", 2, Ignored);
}

#[test]
fn collection_schema() {
    let mut full = sample().full();
    assert!(full.pointer("/collection_backups/1/schema/fields/1").is_some());
    full["collection_backups"][1].as_object_mut().unwrap().remove("schema");
    assert!(read_full(&full).unwrap_err().to_string().contains("it has no schema"));
}

#[test]
fn collection_partition_backups() {
    let mut full = sample().full();
    full["collection_backups"][1].as_object_mut().unwrap().remove("partition_backups");
    let tree = read_full(&full).unwrap();
    assert_eq!((films(&tree).partitions.len(), films(&tree).segments), (0, 0));
    assert_eq!(films(&read_full(&sample().full()).unwrap()).partitions.len(), 2);
}

#[test]
fn collection_index_infos() {
    let mut full = sample().full();
    assert_eq!(full["collection_backups"][0].get("index_infos"), None, "none of books");
    full["collection_backups"][1].as_object_mut().unwrap().remove("index_infos");
    assert_eq!(films(&read_full(&full).unwrap()).indexes, []);
}

#[test]
fn collection_l0_segments() {
    let mut full = sample().full();
    assert_eq!(full["collection_backups"][1].get("l0_segments"), None, "none of films");
    assert_eq!(books(&read_full(&full).unwrap()).segments, 1);
    full["collection_backups"][0].as_object_mut().unwrap().remove("l0_segments");
    assert_eq!(books(&read_full(&full).unwrap()).segments, 0);
}

// PartitionBackupInfo
rows! {
    partition_name:
        written(PARTITION, "partition_name", "old", Absent, Needed("partition 451699909127432304 has no name"));
    partition_collection_id: written(PARTITION, "collection_id", ID + 302, Absent, Ignored);
    partition_size: written(PARTITION, "size", 437, Shown(json!(0)), Ignored);
    partition_load_state: written(PARTITION, "load_state", "Loaded", Never, tells(
        |tree| format!("{:?}", films(tree).load),
        "Partitions { replicas: 1, partitions: [\"old\"] }", "Loaded { replicas: 1 }"
    ));
    partition_id: written(PARTITION, "partition_id", ID + 304, Absent, Needed("and stands in 0"));
}

#[test]
fn partition_segment_backups() {
    let mut full = sample().full();
    let books = "/collection_backups/0/partition_backups/0";
    assert_eq!(full.pointer(books).unwrap().get("segment_backups"), None, "none of books");
    full.pointer_mut(PARTITION.0).unwrap().as_object_mut().unwrap().remove("segment_backups");
    assert_eq!(films(&read_full(&full).unwrap()).segments, 1);
}

// SegmentBackupInfo
rows! {
    segment_id: written(SEGMENT, "segment_id", ID + 419, Absent, Needed("has no id"));
    segment_collection_id: written(SEGMENT, "collection_id", ID + 302, Absent, Ignored);
    segment_partition_id: written(SEGMENT, "partition_id", ID + 303, Absent, Ignored);
    segment_partition_id_of_all: written(L0, "partition_id", -1, Absent, tells(
        |tree| tree.lists[&books(tree).list].segments()[0].partition.to_string(), -1, -1
    ));
    segment_num_of_rows: written(SEGMENT, "num_of_rows", 100, Absent, tells(
        |tree| films(tree).rows.to_string(), 111, 11
    ));
    segment_statslogs: foreign(SEGMENT, "statslogs", json!([{"fieldID": 100, "binlogs": []}]), Ignored);
    segment_size: written(SEGMENT, "size", 56_315, Shown(json!(0)), Ignored);
    segment_group_id: written(SEGMENT, "group_id", ID + 419, Absent, tells(
        |tree| {
            let (file, _) = segment(tree).files().next().expect("a file");
            tree.placement.key(&file).as_str().split('/').count().to_string()
        },
        10, 9
    ));
    segment_group_id_of_all_partitions: foreign(L0, "group_id", ID + 600, Ignored);
    segment_backuped: foreign(SEGMENT, "backuped", true, Ignored);
    segment_is_l0: written(L0, "is_l0", true, Absent, tells(
        l0,
        "SegmentTraits { l0: true, storage_version: 2, channel: \"v0\" }",
        "SegmentTraits { l0: false, storage_version: 2, channel: \"v0\" }"
    ));
    segment_v_channel: written(SEGMENT, "v_channel", CHANNEL, Absent, tells(
        |tree| segment(tree).traits.channel.clone(), CHANNEL, ""
    ));
    segment_storage_version: written(L0, "storage_version", 2, Absent, tells(
        l0,
        "SegmentTraits { l0: true, storage_version: 2, channel: \"v0\" }",
        "SegmentTraits { l0: true, storage_version: 0, channel: \"v0\" }"
    ));
}

#[test]
fn segment_binlogs() {
    let mut full = sample().full();
    assert_eq!(full.pointer(L0.0).unwrap().get("binlogs"), None, "an L0 segment has none");
    full.pointer_mut(SEGMENT.0).unwrap().as_object_mut().unwrap().remove("binlogs");
    let tree = read_full(&full).unwrap();
    let error = tree.manifest.collections[1].error.as_deref();
    assert_eq!(error, Some("segment 451699909127432419 has 100 rows and no file of them"));
    full.pointer_mut(SEGMENT.0).unwrap()["num_of_rows"] = json!(0);
    let tree = read_full(&full).unwrap();
    assert_eq!(segment(&tree).insert, []);
}

#[test]
fn segment_deltalogs() {
    let mut full = sample().full();
    let second = "/collection_backups/1/partition_backups/1/segment_backups/0";
    assert_eq!(full.pointer(second).unwrap()["deltalogs"], json!([{}]), "none");
    assert_eq!(segment(&read_full(&full).unwrap()).delta.len(), 1);
    full.pointer_mut(SEGMENT.0).unwrap().as_object_mut().unwrap().remove("deltalogs");
    assert_eq!(segment(&read_full(&full).unwrap()).delta, []);
}

// FieldBinlog and Binlog
rows! {
    field_binlog_field_id: written(FIELD_BINLOG, "fieldID", 100, Absent, tells(
        |tree| segment(tree).insert.iter().map(|field| field.field.to_string())
            .collect::<Vec<_>>().join(" "),
        "0 1 100 101 102", "0 1 101 102"
    ));
    field_binlog_field_id_of_deltas_of_old_versions: foreign(DELTA_BINLOG, "fieldID", ID + 16, Ignored);
    binlog_log_path: written(
        BINLOG, "log_path",
        "files/insert_log/451699909127432302/451699909127432303/451699909127432419/100/451699909127432013",
        Never, Ignored
    );
    binlog_log_size: written(BINLOG, "log_size", 677, Shown(json!(0)), tells(
        |tree| segment(tree).bytes().to_string(), 56_315, 55_638
    ));
    binlog_log_id: written(BINLOG, "log_id", ID + 13, Absent, Ignored);
    binlog_entries_num: foreign(BINLOG, "entries_num", 100, Ignored);
    binlog_timestamp_from: foreign(BINLOG, "timestamp_from", 452_472_464_411_983_874_u64, Ignored);
    binlog_timestamp_to: foreign(BINLOG, "timestamp_to", 452_472_464_411_983_874_u64, Ignored);
}

#[test]
fn field_binlog_binlogs() {
    let mut full = sample().full();
    assert_eq!(blank().full().pointer(DELTA_BINLOG.1), Some(&json!({})), "none are absent");
    full.pointer_mut(FIELD_BINLOG.0).unwrap().as_object_mut().unwrap().remove("binlogs");
    assert_eq!(segment(&read_full(&full).unwrap()).insert.len(), 4);
}

// IndexInfo
rows! {
    index_field_name:
        written(INDEX, "field_name", "vec", Absent, tells(|tree| films(tree).indexes[0].field.clone(), "vec", ""));
    index_name:
        written(INDEX, "index_name", "v", Absent, tells(|tree| films(tree).indexes[0].name.clone(), "v", ""));
    index_type: written(INDEX, "index_type", "HNSW", Absent, Ignored);
    index_params: written(
        INDEX, "params",
        json!({"index_type": "HNSW", "metric_type": "L2", "params": "{\"M\": 8, \"efConstruction\": 64}"}),
        Absent, tells(
            |tree| films(tree).indexes[0].params.iter().map(|pair| pair.key.clone())
                .collect::<Vec<_>>().join(" "),
            "index_type metric_type params", "index_type"
        )
    );
    index_id: written(INDEX, "index_id", ID + 310, Absent, tells(
        |tree| films(tree).indexes[0].id.to_string(), ID + 310, 0
    ));
    index_field_id: foreign(INDEX, "field_id", 101, Ignored);
    index_create_time: foreign(INDEX, "create_time", 452_472_464_411_983_874_u64, Ignored);
    index_type_params: foreign(INDEX, "type_params", json!([{"key": "dim", "value": "2"}]), Ignored);
    index_index_params: foreign(INDEX, "index_params", json!([{"key": "M", "value": "8"}]), Ignored);
    index_user_index_params: foreign(INDEX, "user_index_params", json!([{"key": "M", "value": "8"}]), Ignored);
    index_is_auto_index: foreign(INDEX, "is_auto_index", true, Ignored);
    index_min_index_version: foreign(INDEX, "min_index_version", 1, Ignored);
    index_max_index_version: foreign(INDEX, "max_index_version", 4, Ignored);
}

fn schema(tree: &Tree, path: &[(u64, usize)]) -> String {
    at(&books(tree).schema, path)
}

// CollectionSchema
rows! {
    schema_name: written(BOOK_SCHEMA, "name", "books", Absent, Ignored);
    schema_description: written(FILM_SCHEMA, "description", "films & <series>", Absent, tells(
        |tree| at(&films(tree).schema, &[(2, 0)]), "films & <series>", ""
    ));
    schema_auto_id: written(BOOK_SCHEMA, "autoID", true, Absent, tells(|tree| schema(tree, &[(3, 0)]), 1, ""));
    schema_enable_dynamic_field: written(FILM_SCHEMA, "enable_dynamic_field", true, Absent, tells(
        |tree| at(&films(tree).schema, &[(5, 0)]), 1, ""
    ));
    schema_properties: written(BOOK_SCHEMA, "properties", json!([{"key": "mmap.enabled"}]), Never, tells(
        |tree| schema(tree, &[(6, 0), (1, 0)]), "mmap.enabled", ""
    ));
}

#[test]
fn schema_fields() {
    let mut full = sample().full();
    full.pointer_mut(BOOK_SCHEMA.0).unwrap().as_object_mut().unwrap().remove("fields");
    assert_eq!(schema(&read_full(&full).unwrap(), &[(4, 0)]), "");
    assert_eq!(blank().full().pointer(BLANK_FIELD), Some(&json!({})), "a field of zeros");
}

#[test]
fn schema_functions() {
    let mut full = sample().full();
    assert_eq!(full.pointer(FILM_SCHEMA.0).unwrap().get("functions"), None, "none of films");
    full.pointer_mut(BOOK_SCHEMA.0).unwrap().as_object_mut().unwrap().remove("functions");
    assert_eq!(schema(&read_full(&full).unwrap(), &[(7, 0)]), "");
}

#[test]
fn schema_struct_array_fields() {
    let mut full = sample().full();
    assert_eq!(full.pointer(FILM_SCHEMA.0).unwrap().get("struct_array_fields"), None);
    full.pointer_mut(BOOK_SCHEMA.0).unwrap().as_object_mut().unwrap().remove("struct_array_fields");
    assert_eq!(schema(&read_full(&full).unwrap(), &[(9, 0)]), "");
}

rows! {
    struct_field_id: written(STRUCT, "fieldID", 105, Absent, tells(|tree| schema(tree, &[(9, 0), (1, 0)]), 105, ""));
    struct_name: written(STRUCT, "name", "parts", Absent, tells(|tree| schema(tree, &[(9, 0), (2, 0)]), "parts", ""));
    struct_description:
        written(STRUCT, "description", "of it", Absent, tells(|tree| schema(tree, &[(9, 0), (3, 0)]), "of it", ""));
    struct_fields: written(
        STRUCT, "fields", json!([{"fieldID": 106, "name": "x", "data_type": 5}]), Never,
        tells(|tree| schema(tree, &[(9, 0), (4, 0), (2, 0)]), "x", "")
    );
}

// FieldSchema
rows! {
    field_id: written(TEXT_FIELD, "fieldID", 101, Absent, tells(|tree| schema(tree, &[(4, 1), (1, 0)]), 101, ""));
    field_name: written(TEXT_FIELD, "name", "text", Absent, tells(|tree| schema(tree, &[(4, 1), (2, 0)]), "text", ""));
    field_is_primary_key:
        written(ID_FIELD, "is_primary_key", true, Absent, tells(|tree| schema(tree, &[(4, 0), (3, 0)]), 1, ""));
    field_description: written(
        TEXT_FIELD, "description", "the text", Absent,
        tells(|tree| schema(tree, &[(4, 1), (4, 0)]), "the text", "")
    );
    field_data_type: written(TEXT_FIELD, "data_type", 21, Absent, tells(|tree| schema(tree, &[(4, 1), (5, 0)]), 21, ""));
    field_type_params: written(
        TEXT_FIELD, "type_params", json!([{"key": "max_length", "value": "64"}]), Absent,
        tells(|tree| schema(tree, &[(4, 1), (6, 0), (2, 0)]), 64, "")
    );
    field_index_params: written(
        TEXT_FIELD, "index_params", json!([{"key": "mmap.enabled", "value": "true"}]), Absent,
        tells(|tree| schema(tree, &[(4, 1), (7, 0), (2, 0)]), "true", "")
    );
    field_auto_id: written(ID_FIELD, "autoID", true, Absent, tells(|tree| schema(tree, &[(4, 0), (8, 0)]), 1, ""));
    field_state: written(TEXT_FIELD, "state", 1, Absent, tells(|tree| schema(tree, &[(4, 1), (9, 0)]), 1, ""));
    field_element_type:
        written(TAGS_FIELD, "element_type", 21, Absent, tells(|tree| schema(tree, &[(4, 3), (10, 0)]), 21, ""));
    field_default_value: foreign(TEXT_FIELD, "default_value", json!({"Data": {"StringData": "other"}}), Ignored);
    field_is_dynamic: written(META_FIELD, "is_dynamic", true, Absent, tells(|tree| schema(tree, &[(4, 4), (12, 0)]), 1, ""));
    field_is_partition_key:
        written(TEXT_FIELD, "is_partition_key", true, Absent, tells(|tree| schema(tree, &[(4, 1), (13, 0)]), 1, ""));
    field_nullable: written(TEXT_FIELD, "nullable", true, Absent, tells(|tree| schema(tree, &[(4, 1), (15, 0)]), 1, ""));
    field_default_value_proto: foreign(TAGS_FIELD, "default_value_proto", "2\u{4}none", tells(
        |tree| schema(tree, &[(4, 3), (11, 0), (6, 0)]), "none", ""
    ));
    field_is_function_output:
        written(SPARSE_FIELD, "is_function_output", true, Absent, tells(|tree| schema(tree, &[(4, 2), (16, 0)]), 1, ""));
    field_default_value_base64: written(TEXT_FIELD, "default_value_base64", "MgRub25l", Absent, tells(
        |tree| schema(tree, &[(4, 1), (11, 0), (6, 0)]), "none", ""
    ));
}

// FunctionSchema
rows! {
    function_name: written(FUNCTION, "name", "bm25", Absent, tells(|tree| schema(tree, &[(7, 0), (1, 0)]), "bm25", ""));
    function_id: written(FUNCTION, "id", 9, Absent, tells(|tree| schema(tree, &[(7, 0), (2, 0)]), 9, ""));
    function_description:
        written(FUNCTION, "description", "words", Absent, tells(|tree| schema(tree, &[(7, 0), (3, 0)]), "words", ""));
    function_type: written(FUNCTION, "type", 1, Absent, tells(|tree| schema(tree, &[(7, 0), (4, 0)]), 1, ""));
    function_input_field_names: written(
        FUNCTION, "input_field_names", ["text"], Absent, tells(|tree| schema(tree, &[(7, 0), (5, 0)]), "text", "")
    );
    function_input_field_ids: written(
        FUNCTION, "input_field_ids", [101], Absent, tells(|tree| schema(tree, &[(7, 0), (6, 0)]), "e", "")
    );
    function_output_field_names: written(
        FUNCTION, "output_field_names", ["sparse"], Absent, tells(|tree| schema(tree, &[(7, 0), (7, 0)]), "sparse", "")
    );
    function_output_field_ids: written(
        FUNCTION, "output_field_ids", [102], Absent, tells(|tree| schema(tree, &[(7, 0), (8, 0)]), "f", "")
    );
    function_params: written(
        FUNCTION, "params", json!([{"key": "k", "value": "v"}]), Absent,
        tells(|tree| schema(tree, &[(7, 0), (9, 0), (2, 0)]), "v", "")
    );
}

#[test]
fn data_types_keep_their_numbers() {
    for number in [
        1, 2, 3, 4, 5, 10, 11, 20, 21, 22, 23, 24, 25, 26, 100, 101, 102, 103, 104, 105, 106, 200,
        201,
    ] {
        let mut full = sample().full();
        full.pointer_mut(TAGS_FIELD.0).unwrap()["data_type"] = json!(number);
        let tree = read_full(&full).unwrap();
        assert_eq!(schema(&tree, &[(4, 3), (5, 0)]), number.to_string());
    }
}
