//! The tree of a small cluster, byte for byte.
//!
//! The golden files were not made by this program. `full_meta.json` was typed from the tables
//! (3.4) and the worked example (3.6) of the reference, object by object as indented JSON in
//! which nothing is left out or in by rule: keys in the order of the tables, no `fieldID` for
//! field 0, `"deltalogs":[{}]` where there are none, no `group_id` for partition -1, no
//! `consistency_level` for Strong. A script then took the white space out, wrote `<`, `>` and `&`
//! as Go does, and cut the other four files out of it as 3.6 says. Sizes were added up by hand:
//! 677 + 457 + 677 + 53729 + 100 + 675 = 56315; 150; 11 + 21 + 31 + 41 + 51 + 61 + 71 = 287;
//! `old` 437; `films` 56752; `books` 81; all 56833.

use std::fs;
use std::path::Path;

use milvus_backup_agent::manifest::{TreeDocument, tree_documents};

use super::sample::sample;

pub(super) fn golden(document: TreeDocument) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tree");
    let file = folder.join(format!("{document}.json"));
    fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

#[test]
fn a_tree_is_milvus_backups_byte_for_byte() {
    let sample = sample();
    for root in ["files", "files/"] {
        let documents = tree_documents((&sample.manifest, None), &sample.lists, root).unwrap();
        for document in TreeDocument::ALL {
            let (written, golden) = (documents.bytes(*document), golden(*document));
            let [written, golden] = [written, &golden].map(String::from_utf8_lossy);
            assert_eq!(written, golden, "{document}");
        }
    }
}

#[test]
fn a_milvus_without_a_root_path_has_keys_without_one() {
    let sample = sample();
    let documents = tree_documents((&sample.manifest, None), &sample.lists, "").unwrap();
    let full = String::from_utf8(documents.full).unwrap();
    assert!(full.contains(r#""log_path":"insert_log/451699909127432302/"#), "{full}");
}

#[test]
fn a_schema_that_is_none_makes_no_tree() {
    let mut sample = sample();
    let content = sample.manifest.collections[0].content.as_mut().unwrap();
    content.schema = vec![0xff];
    assert!(tree_documents((&sample.manifest, None), &sample.lists, "files").is_err());
}
