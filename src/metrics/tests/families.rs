//! The table of families.

use std::collections::BTreeSet;

use crate::metrics::FAMILIES;

/// Every label that a family may have: all of few values.
const LABELS: [&str; 18] = [
    "policy",
    "kind",
    "outcome",
    "stage",
    "state",
    "source",
    "reason",
    "scope",
    "side",
    "op",
    "class",
    "code_class",
    "check",
    "version",
    "revision",
    "cluster",
    "result",
    "level",
];

/// The name of the contract for which way bytes go.
const DIRECTION: &str = "direction";

#[test]
fn names_follow_the_rule() {
    let names: BTreeSet<String> = FAMILIES.iter().map(super::super::Family::name).collect();
    assert_eq!(names.len(), FAMILIES.len(), "a name is there twice");
    for family in FAMILIES {
        let name = family.name();
        assert!(name.starts_with("milvus_backup_"), "{name}");
        assert_eq!(family.kind == "counter", name.ends_with("_total"), "{name}");
        assert!(family.help.ends_with('.') && !family.help.contains('\n'), "{name}");
        for label in family.labels {
            assert!(LABELS.contains(label) || *label == DIRECTION, "{name} has {label}");
        }
    }
}
