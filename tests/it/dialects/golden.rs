//! Recorded calls against the files that they must equal.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use std::collections::BTreeMap;
use std::path::Path;

use milvus_backup_agent::manifest::Manifest;

/// Lines that say where in the reference the calls are found.
const COMMENT: &str = "#";

/// Writes what was recorded to the files.
const REGENERATE: &str = "MBA_GOLDEN_WRITE";

/// Compares what was recorded with `fixtures/dialects/<name>.txt`, or writes it there.
pub(super) fn assert_golden(name: &str, recorded: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dialects");
    let path = folder.join(format!("{name}.txt"));
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let (comments, calls): (Vec<&str>, Vec<&str>) =
        golden.lines().partition(|line| line.starts_with(COMMENT));
    if std::env::var_os(REGENERATE).is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&path, format!("{}\n{recorded}", comments.join("\n"))).unwrap();
        return;
    }
    let recorded: Vec<&str> = recorded.lines().collect();
    let differs = calls.iter().zip(&recorded).position(|(golden, found)| golden != found);
    let differs = differs.unwrap_or(calls.len().min(recorded.len()));
    let from = differs.saturating_sub(3);
    let shown =
        |lines: &[&str]| lines.iter().skip(from).take(9).copied().collect::<Vec<_>>().join("\n");
    assert!(
        calls == recorded,
        "{name}.txt, call {differs}:\n{}\nand not\n{}",
        shown(&recorded),
        shown(&calls)
    );
}

/// The same words whatever the time and the names that a restore makes up.
pub(super) fn stable(recorded: &str, manifest: &Manifest) -> String {
    let mut text = recorded.to_owned();
    let mut boundaries: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for (record, content) in manifest.contents() {
        let of = boundaries.entry(content.boundary.unwrap().timestamp).or_default();
        of.push(record.namespace().to_string());
    }
    for (boundary, of) in boundaries {
        text = text.replace(&boundary.to_string(), &format!("<boundary of {}>", of.join(", ")));
    }
    for made_up in ["__restoring_", "/restore-"] {
        let mut parts = text.split(made_up);
        let mut named = parts.next().unwrap().to_owned();
        for part in parts {
            let digits = part.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(part.len());
            assert_eq!(digits, 8, "{part}");
            named.push_str(made_up);
            named.push_str("<id>");
            named.push_str(&part[digits..]);
        }
        text = named;
    }
    text
}
