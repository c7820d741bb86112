//! The tree that milvus-backup v0.5.9 itself wrote (`fixtures/official`), read, and written again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use milvus_backup_agent::manifest::{FileList, Tree, TreeDocument, tree_documents};
use milvus_backup_agent::model::{KeyPrefix, LoadState};
use serde_json::{Map, Value};

use super::reading::read;
use crate::support::backup_name;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/official/v0.5.9/backup/official_v0_5_9")
}

fn document(document: TreeDocument) -> Vec<u8> {
    fs::read(folder().join(format!("meta/{document}.json"))).unwrap()
}

fn documents(wanted: &[TreeDocument]) -> BTreeMap<TreeDocument, Vec<u8>> {
    wanted.iter().map(|one| (*one, document(*one))).collect()
}

fn tree() -> Tree {
    read(documents(&[TreeDocument::Full])).unwrap()
}

#[test]
fn a_tree_of_v0_5_9_names_just_the_files_that_are_in_it() {
    let tree = tree();
    let manifest = &tree.manifest;
    assert_eq!(manifest.milvus_version, "v2.3.5-lite");
    assert_eq!(manifest.databases, ["default", "shop_official"]);
    // It says `state_code: 1`, executing, and no end.
    assert_eq!(manifest.created_at.to_string(), "2026-11-26T16:42:01.547Z");
    assert_eq!(manifest.completed_at, manifest.created_at);
    let loads: Vec<_> = manifest.contents().map(|(_, content)| &content.load).collect();
    assert_eq!(loads, [&LoadState::Loaded { replicas: 1 }, &LoadState::NotLoaded]);

    let binlogs = KeyPrefix::new("db1/my_backup/binlogs").unwrap();
    let named = tree.lists.values().flat_map(FileList::files).map(|(file, entry)| {
        let key = tree.placement.key(&file);
        (binlogs.strip(&key).unwrap().to_owned(), entry.size)
    });
    let root = folder().join("binlogs");
    let lying = files(&root).into_iter().map(|file| {
        let tail = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        (tail, file.metadata().unwrap().len())
    });
    assert_eq!(named.collect::<BTreeSet<_>>(), lying.collect());
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// As its versions before v0.4 wrote it.
#[test]
fn its_four_other_documents_tell_the_same() {
    let four = TreeDocument::ALL.iter().copied().filter(|one| *one != TreeDocument::Full);
    let (joined, full) = (read(documents(&four.collect::<Vec<_>>())).unwrap(), tree());
    assert_eq!((&joined.lists, &joined.placement), (&full.lists, &full.placement));
    assert_eq!(joined.manifest.collections, full.manifest.collections);
}

/// What is left out are the keys that its later versions do not write any more, and
/// `backup_physical_timestamp`, which is the boundary that a foreign tree does not have.
#[test]
fn it_is_written_again_key_by_key_as_it_was() {
    let mut tree = tree();
    tree.manifest.name = backup_name("official_v0_5_9");
    let ours = tree_documents((&tree.manifest, None), &tree.lists, "files").unwrap();
    for name in TreeDocument::ALL {
        let mut theirs: Value = serde_json::from_slice(&document(*name)).unwrap();
        let mut ours: Value = serde_json::from_slice(ours.bytes(*name)).unwrap();
        if *name == TreeDocument::Collection {
            // There it has the segments, too, which its later versions do not.
            for collection in theirs["infos"].as_array_mut().unwrap() {
                for partition in collection["partition_backups"].as_array_mut().unwrap() {
                    partition.as_object_mut().unwrap().remove("segment_backups");
                }
            }
        }
        tidy(&mut theirs);
        tidy(&mut ours);
        let differing = differing("", &ours, &theirs);
        assert_eq!(differing, Vec::<String>::new(), "{name}");
    }
}

/// Where two documents differ.
fn differing(place: &str, ours: &Value, theirs: &Value) -> Vec<String> {
    let keys = |value: &Value| match value {
        Value::Object(object) => object.keys().cloned().collect(),
        Value::Array(items) => (0..items.len()).map(|number| number.to_string()).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => BTreeSet::new(),
    };
    let all: BTreeSet<String> = keys(ours).union(&keys(theirs)).cloned().collect();
    if all.is_empty() && ours != theirs {
        return vec![format!("{place}: {ours} here, {theirs} there")];
    }
    let at = |value: &Value, key: &str| value.pointer(&format!("/{key}")).cloned();
    let each = all.iter().flat_map(|key| {
        let [ours, theirs] = [ours, theirs].map(|value| at(value, key).unwrap_or_default());
        differing(&format!("{place}/{key}"), &ours, &theirs)
    });
    each.collect()
}

/// Leaves out what may differ, and sorts what it has in the order of Go's maps.
fn tidy(value: &mut Value) {
    const FREE: [&str; 7] = [
        "state_code",
        "start_time",
        "progress",
        "meta_size",
        "backuped",
        "default_value_proto",
        "backup_physical_timestamp",
    ];
    const UNORDERED: [&str; 5] =
        ["infos", "collection_backups", "partition_backups", "segment_backups", "binlogs"];
    match value {
        Value::Object(object) => {
            let kept = std::mem::take(object).into_iter();
            let kept = kept.filter(|(key, _)| !FREE.contains(&key.as_str()));
            *object = kept.collect::<Map<_, _>>();
            for (key, value) in object {
                tidy(value);
                if let Value::Array(items) = value
                    && UNORDERED.contains(&key.as_str())
                {
                    items.sort_by_key(ToString::to_string);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
