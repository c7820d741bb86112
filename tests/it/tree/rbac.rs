//! Users and roles in milvus-backup's tree: each key of the table's row.

use milvus_backup_agent::manifest::{TreeDocument, tree_documents};
use milvus_backup_agent::model::{Rbac, RbacCounts};
use serde_json::{Value, json};

use super::reading::read_full;
use super::sample::sample;
use crate::rbac::users_and_roles;

/// Typed from the table: grants by role, groups by name, nothing of what is empty.
const RBAC_META: &str = concat!(
    r#""rbac_meta":{"users":[{"user":"ann","password":"$2a$10$AnnsHashThatNobodySees","#,
    r#""roles":[{"name":"films"},{"name":"public"}]},{"user":"bob","password":"$2a$10$BobsHash"}],"#,
    r#""roles":[{"name":"books"},{"name":"films","description":"reads films"}],"#,
    r#""grants":[{"role":{"name":"books"},"object":{"name":"Collection"},"object_name":"*","#,
    r#""grantor":{"user":{"name":"root"},"privilege":{"name":"look"}},"db_name":"default"},"#,
    r#"{"role":{"name":"films"},"object":{"name":"Collection"},"object_name":"films","#,
    r#""grantor":{"user":{"name":"root"},"privilege":{"name":"Insert"}},"db_name":"default"},"#,
    r#"{"role":{"name":"films"},"object":{"name":"Collection"},"object_name":"films","#,
    r#""grantor":{"user":{"name":"root"},"privilege":{"name":"Search"}},"db_name":"default"}],"#,
    r#""privilege_groups":[{"group_name":"look","privileges":[{"name":"Query"},{"name":"Search"}]}]}"#
);

#[test]
fn users_and_roles_are_in_the_last_document_alone_after_the_version() {
    let sample = sample();
    let rbac = users_and_roles();
    let with = tree_documents((&sample.manifest, Some(&rbac)), &sample.lists, "files").unwrap();
    let without = tree_documents((&sample.manifest, None), &sample.lists, "files").unwrap();
    for document in TreeDocument::ALL {
        let text = |of: &[u8]| String::from_utf8(of.to_vec()).unwrap();
        let (with, without) = (text(with.bytes(*document)), text(without.bytes(*document)));
        if *document == TreeDocument::Full {
            let version = r#""milvus_version":"v2.4.9","#;
            assert_eq!(with, without.replacen(version, &format!("{version}{RBAC_META},"), 1));
        } else {
            assert_eq!(with, without, "{document}");
        }
    }
}

#[test]
fn they_are_read_as_they_were_written_and_told_in_numbers() {
    let mut full = sample().full();
    full["rbac_meta"] =
        serde_json::from_str::<Value>(&format!("{{{RBAC_META}}}")).unwrap()["rbac_meta"].take();
    let tree = read_full(&full).unwrap();
    assert_eq!(tree.rbac, Some(users_and_roles()));
    let counts = RbacCounts { users: 2, roles: 2, grants: 3, privilege_groups: 1 };
    assert_eq!(tree.manifest.rbac.as_ref().map(|rbac| rbac.counts), Some(counts));
    let shown = format!("{tree:?} {}", serde_json::to_string(&tree.manifest).unwrap());
    assert!(!shown.contains("AnnsHash"), "{shown}");
}

#[test]
fn a_tree_with_empty_ones_has_none_and_was_asked_for_them() {
    let mut full = sample().full();
    full["rbac_meta"] = json!({});
    assert_eq!(read_full(&full).unwrap().rbac, Some(Rbac::default()));
    assert_eq!(read_full(&sample().full()).unwrap().rbac, None);
    full["rbac_meta"] = json!({"users": [{"user": "u", "later": 1}], "later": []});
    assert_eq!(read_full(&full).unwrap().rbac.unwrap().users[0].name, "u");
}
