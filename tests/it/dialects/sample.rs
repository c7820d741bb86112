//! The small cluster that is backed up: `shop.films` with everything that its server can have,
//! and `default.notes`.

use std::collections::BTreeMap;

use prost::Message;

use super::cluster::{Cluster, Collection, Segment, Version};
use super::wire::common::KeyValuePair;
use super::wire::schema::{
    CollectionSchema, FieldSchema, FunctionSchema, StructArrayFieldSchema, ValueField, value_field,
};

/// `schema.DataType`.
const INT64: i32 = 5;
const VARCHAR: i32 = 21;
const FLOAT_VECTOR: i32 = 101;
const SPARSE_VECTOR: i32 = 104;

/// `common.SegmentState`.
const FLUSHED: i32 = 4;
const DROPPED: i32 = 6;

/// `common.SegmentLevel`.
const L0: i32 = 1;
const L1: i32 = 2;

const FILMS: i64 = 449;
const NOTES: i64 = 450;

/// A delta log that lies there and is of no segment any more.
pub(super) const REPLACED: &str = "delta_log/449/11/1002/99";

fn field(id: i64, name: &str, data_type: i32) -> FieldSchema {
    FieldSchema { field_id: id, name: name.to_owned(), data_type, ..FieldSchema::default() }
}

fn vector(id: i64, name: &str) -> FieldSchema {
    let dim = KeyValuePair { key: "dim".to_owned(), value: "2".to_owned() };
    FieldSchema { type_params: vec![dim], ..field(id, name, FLOAT_VECTOR) }
}

/// 100 `id`, 101 `title`, 102 `vec`; with functions 103 `sparse`; then the dynamic field, which
/// is not listed; in a modern one 105 `chapters` with 106 in it, and 107 `year`, added later.
fn films(version: Version) -> CollectionSchema {
    let id = FieldSchema { is_primary_key: true, ..field(100, "id", INT64) };
    let mut schema = CollectionSchema {
        name: "films".to_owned(),
        fields: vec![id, field(101, "title", VARCHAR), vector(102, "vec")],
        enable_dynamic_field: true,
        ..CollectionSchema::default()
    };
    if version.functions {
        let sparse = field(103, "sparse", SPARSE_VECTOR);
        schema.fields.push(FieldSchema { is_function_output: true, ..sparse });
        schema.functions.push(FunctionSchema {
            name: "bm25".to_owned(),
            id: 100,
            r#type: 1,
            input_field_names: vec!["title".to_owned()],
            input_field_ids: vec![101],
            output_field_names: vec!["sparse".to_owned()],
            output_field_ids: vec![103],
            ..FunctionSchema::default()
        });
    }
    if version.modern {
        schema.struct_array_fields.push(StructArrayFieldSchema {
            field_id: 105,
            name: "chapters".to_owned(),
            fields: vec![field(106, "chapters[name]", VARCHAR)],
            ..StructArrayFieldSchema::default()
        });
        let data = Some(value_field::Data::LongData(1895));
        let default_value = ValueField { data }.encode_to_vec();
        let year = FieldSchema { nullable: true, default_value, ..field(107, "year", INT64) };
        schema.fields.push(year);
    }
    schema
}

fn stored(version: Version) -> Vec<i64> {
    let last = match (version.modern, version.functions) {
        (true, _) => 107,
        (false, true) => 104,
        (false, false) => 103,
    };
    let nested = |id: &i64| *id != 105;
    [0, 1].into_iter().chain((100..=last).filter(nested)).collect()
}

fn segment(id: i64, partition: i64, channel: usize, fields: &[i64], delta: &[i64]) -> Segment {
    Segment {
        id,
        partition,
        rows: rows().get(&id).copied().unwrap_or_default(),
        state: FLUSHED,
        level: if fields.is_empty() { L0 } else { L1 },
        channel: format!("by-dev-rootcoord-dml_{channel}_449v{channel}"),
        insert: fields.iter().map(|field| (*field, id * 1000 + field)).collect(),
        delta: delta.to_vec(),
        ..Segment::default()
    }
}

/// Stored rows by segment; Milvus counts the deletes of an L0 segment for rows.
pub(super) fn rows() -> BTreeMap<i64, i64> {
    [(1001, 5), (1002, 3), (1003, 4), (1004, 2), (1005, 1), (1006, 2), (1009, 9), (2001, 7)].into()
}

fn segments(version: Version) -> Vec<Segment> {
    let all = stored(version);
    let old: Vec<i64> = all.iter().copied().filter(|id| *id != 107).collect();
    let (groups, storage_version) =
        if version.modern { (vec![0, 102], 2) } else { (all.clone(), 0) };
    vec![
        segment(1001, 11, 0, &old, &[]),
        segment(1002, 11, 1, &all, &[5]),
        Segment { storage_version, ..segment(1003, 12, 0, &groups, &[]) },
        segment(1004, -1, 0, &[], &[6]),
        segment(1005, 12, 1, &[], &[7]),
        segment(1006, -1, 0, &[], &[8]),
        Segment { state: DROPPED, ..segment(1009, 11, 0, &all, &[]) },
    ]
}

/// The cluster, and the files in its storage.
pub(super) fn cluster(version: Version, sorted_notes: bool) -> (Cluster, Vec<String>) {
    let text = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let films = Collection {
        id: FILMS,
        schema: films(version),
        shards: 2,
        partitions: vec![(11, "_default".to_owned()), (12, "old".to_owned())],
        properties: vec![text(("collection.ttl.seconds", "3600"))],
        indexes: vec![text(("vec", "vec_index"))],
        loaded: true,
        segments: segments(version),
    };
    let id = FieldSchema { is_primary_key: true, ..field(100, "id", INT64) };
    let notes = Collection {
        id: NOTES,
        schema: CollectionSchema {
            name: "notes".to_owned(),
            fields: vec![id, vector(101, "vec")],
            ..CollectionSchema::default()
        },
        shards: 1,
        partitions: vec![(21, "_default".to_owned())],
        segments: vec![Segment {
            sorted: sorted_notes,
            channel: "by-dev-rootcoord-dml_0_450v0".to_owned(),
            ..segment(2001, 21, 0, &[0, 1, 100, 101], &[])
        }],
        ..Collection::default()
    };
    let mut keys = vec![REPLACED.to_owned()];
    for collection in [&films, &notes] {
        for segment in &collection.segments {
            let place = format!("{}/{}/{}", collection.id, segment.partition, segment.id);
            let insert = segment.insert.iter();
            keys.extend(insert.map(|(field, log)| format!("insert_log/{place}/{field}/{log}")));
            keys.extend(segment.delta.iter().map(|log| format!("delta_log/{place}/{log}")));
        }
    }
    let name = |database: &str, name: &str| (database.to_owned(), name.to_owned());
    let cluster = Cluster {
        databases: [
            ("default".to_owned(), Vec::new()),
            ("shop".to_owned(), vec![text(("database.replica.number", "2"))]),
        ]
        .into(),
        collections: [(name("shop", "films"), films), (name("default", "notes"), notes)].into(),
        last_id: 5000,
        ..Cluster::default()
    };
    (cluster, keys)
}
