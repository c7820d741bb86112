//! Trees that milvus-backup wrote, as this agent reads them.

use std::collections::BTreeMap;

use milvus_backup_agent::manifest::{
    CollectionContent, CollectionOutcome, CollectionRecord, DocumentError, Manifest,
    ManifestOutcome, Placement, Tree, TreeDocument, TreeSource, read_tree, tree_documents,
};
use milvus_backup_agent::model::{ClusterName, KeyPrefix, KeyValue};
use serde_json::{Value, json};

use super::sample::{ID, Sample, sample};
use crate::support::backup_name;

/// A tree that has only `full_meta.json`.
pub(super) fn read_full(full: &Value) -> Result<Tree, DocumentError> {
    read([(TreeDocument::Full, full.to_string().into_bytes())].into())
}

pub(super) fn read(documents: BTreeMap<TreeDocument, Vec<u8>>) -> Result<Tree, DocumentError> {
    read_tree(&TreeSource {
        cluster: ClusterName::new("db1").unwrap(),
        name: backup_name("my_backup"),
        binlogs: KeyPrefix::new("db1/my_backup/binlogs").unwrap(),
        documents,
        modified: "2026-11-26T02:00:00Z".parse().unwrap(),
    })
}

fn documents(sample: &Sample) -> BTreeMap<TreeDocument, Vec<u8>> {
    let written = tree_documents((&sample.manifest, None), &sample.lists, "files").unwrap();
    TreeDocument::ALL.iter().map(|one| (*one, written.bytes(*one).to_vec())).collect()
}

fn of<'t>(manifest: &'t Manifest, name: &str) -> (&'t CollectionRecord, &'t CollectionContent) {
    manifest.contents().find(|(record, _)| record.name == name).unwrap()
}

fn refused(full: &Value) -> String {
    read_full(full).expect_err("a tree that nobody can use").to_string()
}

#[test]
fn a_tree_of_ours_is_read_as_the_backup_that_it_was() {
    let sample = sample();
    let tree = read(documents(&sample)).unwrap();
    assert_eq!(tree.lists, sample.lists);
    assert_eq!(tree.placement, Placement::own(KeyPrefix::new("db1/my_backup/binlogs").unwrap()));
    for (record, content) in sample.manifest.contents() {
        let (read, as_read) = of(&tree.manifest, &record.name);
        assert_eq!((read.namespace(), read.id), (record.namespace(), record.id));
        // A foreign tree has no boundary. Properties that only the schema tells are the
        // collection's.
        let mut expected = CollectionContent { boundary: None, ..content.clone() };
        if record.name == "books" {
            expected.properties =
                vec![KeyValue { key: "mmap.enabled".to_owned(), value: String::new() }];
        }
        assert_eq!(*as_read, expected, "{}", record.name);
    }
    assert_eq!(tree.manifest.databases, sample.manifest.databases);
    let described = &tree.manifest.database_descriptions;
    assert_eq!(described[0], sample.manifest.database_descriptions[0]);
    assert_eq!(tree.manifest.created_at.to_string(), "2024-09-11T09:04:32Z");
}

/// 3.1: they are joined by collection and partition, which loses L0 segments and databases.
#[test]
fn without_full_meta_the_other_four_are_put_together() {
    let sample = sample();
    let mut documents = documents(&sample);
    documents.remove(&TreeDocument::Full);
    // Since 2.4 that would lose deletes, and its run has not ended.
    let error = read(documents.clone()).unwrap_err().to_string();
    assert!(error.contains("its run did not end"), "{error}");
    let older = |bytes: &Vec<u8>| {
        String::from_utf8(bytes.clone()).unwrap().replace("v2.4.9", "v2.3.5").into_bytes()
    };
    let backup = older(&documents[&TreeDocument::Backup]);
    documents.insert(TreeDocument::Backup, backup);
    let tree = read(documents.clone()).unwrap();
    let whole = read(self::documents(&sample)).unwrap();
    assert_eq!(of(&tree.manifest, "films"), of(&whole.manifest, "films"));
    assert_eq!(of(&tree.manifest, "books").1.segments, 0);
    assert!(tree.manifest.database_descriptions.is_empty());
    assert_eq!(tree.manifest.databases, ["archive", "default"]);
    for missing in [
        TreeDocument::Backup,
        TreeDocument::Collection,
        TreeDocument::Partition,
        TreeDocument::Segment,
    ] {
        let mut fewer = documents.clone();
        fewer.remove(&missing);
        let error = read(fewer).unwrap_err().to_string();
        let expected = format!("it has neither full_meta.json nor {missing}.json");
        assert!(error.contains(&expected), "{error}");
    }
}

#[test]
fn what_stands_in_no_collection_is_told() {
    let sample = sample();
    let mut documents = documents(&sample);
    documents.remove(&TreeDocument::Full);
    let backup = String::from_utf8(documents[&TreeDocument::Backup].clone()).unwrap();
    let backup = backup.replace("v2.4.9", "v2.3.5").into_bytes();
    documents.insert(TreeDocument::Backup, backup);
    for (emptied, expected) in [
        (TreeDocument::Partition, "segment_meta.json has segments of partition"),
        (TreeDocument::Collection, "partition_meta.json has partitions of collection"),
    ] {
        let mut fewer = documents.clone();
        fewer.insert(emptied, br#"{"infos":[]}"#.to_vec());
        let error = read(fewer).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let error = refused(&json!({}));
    assert!(error.contains("it tells of no backup"), "{error}");
}

#[test]
fn full_meta_is_believed_alone() {
    let sample = sample();
    let mut documents = documents(&sample);
    for (document, bytes) in &mut documents {
        if *document != TreeDocument::Full {
            *bytes = b"{".to_vec();
        }
    }
    assert_eq!(read(documents).unwrap().lists, sample.lists);
}

/// v0.1 to v0.4.3: groups of several segments, or none; a delta's field is its own log id.
#[test]
fn groups_of_old_versions_are_found_where_they_lie() {
    let mut full = sample().full();
    let films = &mut full["collection_backups"][1];
    films["partition_backups"][0]["segment_backups"][0].as_object_mut().unwrap().remove("group_id");
    for segment in films["partition_backups"][1]["segment_backups"].as_array_mut().unwrap() {
        segment["group_id"] = json!(1);
        for delta in segment["deltalogs"].as_array_mut().unwrap() {
            delta["fieldID"] = json!(ID + 36);
        }
    }
    let tree = read_full(&full).unwrap();
    let groups = [((ID + 303, ID + 419), 0), ((ID + 304, ID + 420), 1), ((ID + 304, ID + 421), 1)];
    let binlogs = KeyPrefix::new("db1/my_backup/binlogs").unwrap();
    assert_eq!(tree.placement, Placement::Own { binlogs, groups: groups.into() });
    let list = &tree.lists[&of(&tree.manifest, "films").1.list];
    let mut keys = list.files().map(|(id, _)| tree.placement.key(&id).to_string());
    let (films, old) = (ID + 302, ID + 304);
    for key in [
        format!("insert_log/{films}/{}/{}/0/{}", ID + 303, ID + 419, ID + 11),
        format!("insert_log/{films}/{old}/1/{}/100/{}", ID + 420, ID + 23),
        format!("delta_log/{films}/{old}/1/{}/{}", ID + 421, ID + 37),
    ] {
        let key = format!("db1/my_backup/binlogs/{key}");
        assert!(keys.any(|found| found == key), "{key}");
    }
    assert_eq!(tree.lists, sample().lists, "the same files");
}

#[test]
fn a_log_goes_by_its_name_or_else_by_its_id() {
    let mut full = sample().full();
    let log = "/collection_backups/1/partition_backups/0/segment_backups/0/binlogs/0/binlogs/0";
    let entry = full.pointer_mut(log).unwrap();
    entry["log_id"] = json!(7);
    let tree = read_full(&full).unwrap();
    assert_eq!(tree.lists, sample().lists, "the path has the word");
    full.pointer_mut(log).unwrap()["log_path"] = json!("files/somewhere/else");
    let tree = read_full(&full).unwrap();
    let list = &tree.lists[&of(&tree.manifest, "films").1.list];
    assert_eq!(list.segments()[0].insert[0].files[0].log, 7);
    full.pointer_mut(log).unwrap()["log_id"] = json!(0);
    assert!(refused(&full).contains("nobody can tell the id of its log `files/somewhere/else`"));
}

#[test]
fn a_database_without_a_name_is_default() {
    let mut full = sample().full();
    full["collection_backups"][1]["db_name"] = json!("");
    full["database_backups"] = json!([{"db_name": "archive", "db_id": 7}, {}]);
    let tree = read_full(&full).unwrap();
    assert_eq!(of(&tree.manifest, "films").0.namespace().to_string(), "default.films");
    assert_eq!(tree.manifest.databases, ["archive", "default"]);
}

#[test]
fn what_was_loaded_is_told_by_collection_and_partition() {
    let told = |collection: &str, partitions: [&str; 2]| {
        let mut full = sample().full();
        let films = &mut full["collection_backups"][1];
        films["load_state"] = json!(collection);
        for (partition, state) in partitions.into_iter().enumerate() {
            films["partition_backups"][partition]["load_state"] = json!(state);
        }
        let tree = read_full(&full).unwrap();
        format!("{:?}", of(&tree.manifest, "films").1.load)
    };
    assert_eq!(told("NotLoad", ["NotLoad"; 2]), "NotLoaded");
    assert_eq!(told("", [""; 2]), "NotLoaded");
    assert_eq!(told("Loaded", ["Loaded"; 2]), "Loaded { replicas: 1 }");
    assert_eq!(told("Loading", ["Loading"; 2]), "Loaded { replicas: 1 }");
    assert_eq!(told("Loading", ["Loaded"; 2]), "Loaded { replicas: 1 }");
    let some = "Partitions { replicas: 1, partitions: [\"old\"] }";
    assert_eq!(told("Loading", ["NotLoad", "Loaded"]), some);
}

#[test]
fn an_old_default_value_is_bytes_as_text_and_told_where_it_was_lost() {
    let field = "/collection_backups/0/schema/fields/1";
    let read = |value: Value| {
        let mut full = sample().full();
        let entry = full.pointer_mut(field).unwrap().as_object_mut().unwrap();
        entry.remove("default_value_base64");
        entry.insert("default_value_proto".to_owned(), value);
        read_full(&full)
    };
    let tree = read(json!("2\u{4}none")).unwrap();
    assert_eq!(of(&tree.manifest, "books").1.schema, of(&sample().manifest, "books").1.schema);
    let tree = read(json!("\u{18}\u{fffd}\u{2}")).unwrap();
    let (record, _) = of(&tree.manifest, "books");
    let expected = "milvus-backup lost the default value of `text` when it wrote the tree";
    assert_eq!(record.error.as_deref(), Some(expected));
    assert!(read(json!("\u{18}")).unwrap_err().to_string().contains("cannot be read"));
}

#[test]
fn what_does_not_fit_together_is_told_with_its_place() {
    let partition = "/collection_backups/1/partition_backups/0";
    let segment = "/collection_backups/1/partition_backups/0/segment_backups/0";
    for (place, key, value, told) in [
        ("", "format", json!("snapshot"), "only Milvus 3.0 restores by itself"),
        ("", "format", json!("parquet"), "nobody knows its format `parquet`"),
        ("", "size", json!("1"), "full_meta.json: invalid type: string"),
        ("/collection_backups/1", "collection_id", json!(0), "default.films: it has no id"),
        ("/collection_backups/1", "collection_name", json!(""), "it has no id or no name"),
        ("/collection_backups/1", "schema", json!(null), "default.films: it has no schema"),
        (partition, "partition_name", json!(""), "partition 451699909127432303 has no name"),
        (segment, "segment_id", json!(0), "a segment of partition 451699909127432303 has no id"),
        (segment, "segment_id", json!(ID + 420), "segment 451699909127432420 is in it twice"),
        (segment, "collection_id", json!(5), "it is of collection 5 and stands in"),
        (segment, "partition_id", json!(5), "it is of partition 5 and stands in"),
        (segment, "num_of_rows", json!(-1), "segment 451699909127432419: it has -1 rows"),
    ] {
        let mut full = sample().full();
        full.pointer_mut(place).unwrap()[key] = value;
        let error = refused(&full);
        assert!(error.contains(told), "{key}: {error}");
    }
    let mut twice = sample().full();
    let films = twice["collection_backups"][1].clone();
    twice["collection_backups"].as_array_mut().unwrap().push(films);
    assert!(refused(&twice).contains("collection default.films is in it twice"));
    let mut logs = sample().full();
    let field = logs.pointer_mut(&format!("{segment}/binlogs/0/binlogs")).unwrap();
    let log = field[0].clone();
    field.as_array_mut().unwrap().push(log);
    assert!(refused(&logs).contains("log 451699909127432011 is in it twice"));
    for garbage in ["", "[]", "{\"collection_backups\":{}}"] {
        let documents = [(TreeDocument::Full, garbage.as_bytes().to_vec())].into();
        let error = read(documents).unwrap_err().to_string();
        assert!(error.contains("full_meta.json"), "{garbage}: {error}");
    }
}

/// Every segment of `films`, without its files.
fn film_segments_without_files(full: &mut Value) -> Vec<&mut Value> {
    let partitions = full["collection_backups"][1]["partition_backups"].as_array_mut().unwrap();
    let mut segments: Vec<&mut Value> = partitions
        .iter_mut()
        .flat_map(|partition| partition["segment_backups"].as_array_mut().unwrap())
        .collect();
    for segment in &mut segments {
        segment.as_object_mut().unwrap().remove("binlogs");
        segment["deltalogs"] = json!([{}]);
    }
    segments
}

/// One that was compacted away before milvus-backup listed its files, as v0.5.4 and later write it,
/// and as v0.4.15 to v0.5.3 do, as an L0 segment.
#[test]
fn a_segment_without_files_costs_its_collection() {
    for l0 in [false, true] {
        let mut full = sample().full();
        let segment =
            &mut full["collection_backups"][1]["partition_backups"][1]["segment_backups"][1];
        segment.as_object_mut().unwrap().remove("binlogs");
        segment["is_l0"] = json!(l0);
        let deletes = read_full(&full).unwrap();
        assert_eq!(deletes.manifest.contents().count(), if l0 { 2 } else { 1 }, "deltas are left");
        let segment =
            &mut full["collection_backups"][1]["partition_backups"][1]["segment_backups"][1];
        segment["deltalogs"] = json!([{}]);
        let tree = read_full(&full).unwrap();
        assert_eq!(tree.manifest.outcome, ManifestOutcome::Partial);
        let films = &tree.manifest.collections[1];
        assert_eq!((films.outcome, &films.content), (CollectionOutcome::Failed, &None));
        let told = "segment 451699909127432421 has 6 rows and no file of them";
        assert_eq!(films.error.as_deref(), Some(told));
        assert_eq!(
            of(&tree.manifest, "books"),
            of(&read_full(&sample().full()).unwrap().manifest, "books")
        );
        assert_eq!(tree.lists.len(), 1);
    }
}

/// As of a wrong root path: v0.4.15 to v0.5.3 call every segment an L0 segment then.
#[test]
fn a_tree_without_a_file_of_any_row_is_damaged() {
    for l0 in [false, true] {
        let mut full = sample().full();
        for segment in film_segments_without_files(&mut full) {
            segment["is_l0"] = json!(l0);
        }
        let error = refused(&full);
        let told = "was wrong: default.films: segment 451699909127432419 has 100 rows and no file";
        assert!(error.contains(told), "{l0}: {error}");
    }
    let mut full = sample().full();
    full["collection_backups"][0]["l0_segments"][0]["num_of_rows"] = json!(3);
    full["collection_backups"][0]["l0_segments"][0]["deltalogs"] = json!([{}]);
    let tree = read_full(&full).unwrap();
    assert_eq!(tree.manifest.contents().count(), 1, "its deletes are lost");
}

/// `create --meta_only` of v0.4.5 to v0.5.3.
#[test]
fn a_tree_that_never_looked_for_files_is_of_schemas_alone() {
    let mut full = sample().full();
    for segment in film_segments_without_files(&mut full) {
        segment
            .as_object_mut()
            .unwrap()
            .retain(|key, _| !["deltalogs", "group_id"].contains(&key.as_str()));
    }
    full["collection_backups"][0].as_object_mut().unwrap().remove("l0_segments");
    let tree = read_full(&full).unwrap();
    assert_eq!(tree.manifest.outcome, ManifestOutcome::Complete);
    let (films, content) = of(&tree.manifest, "films");
    let told = "milvus-backup took its schema alone (`--meta_only`) and none of its 111 rows";
    assert_eq!(films.error.as_deref(), Some(told));
    assert_eq!((content.segments, content.rows, content.partitions.len()), (0, 0, 2));
    assert_eq!(of(&tree.manifest, "books").0.error, None, "it has no rows");
    for (key, value) in [("group_id", json!(1)), ("deltalogs", json!([{}]))] {
        let mut looked = full.clone();
        let segments = "/collection_backups/1/partition_backups/1/segment_backups/0";
        looked.pointer_mut(segments).unwrap()[key] = value;
        assert!(refused(&looked).contains("none of its rows has a file"), "{key}");
    }
}

#[test]
fn a_tree_of_nothing_is_a_backup_of_nothing() {
    let tree = read_full(&json!({"state_code": 0, "name": "my_backup", "size": 0})).unwrap();
    assert_eq!(tree.manifest.contents().count(), 0);
    assert_eq!(tree.manifest.created_at.to_string(), "2026-11-26T02:00:00Z", "when it was written");
}
