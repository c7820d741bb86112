//! Trees of milvus-backup: those that `lab/foreign.py` makes from its format alone, and one that it wrote
//! itself (`fixtures/official`).

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::lab::{Agent, LabServer, assert_equal, lab, milvus};

/// Writes a tree into milvus-backup's root, which lies in the agent's repository.
fn write(server: &LabServer, agent: &Agent, name: &str, options: &[&str]) {
    let out = agent.path("repository").join("backup").join(name);
    let paths = ["--data", server.data.to_str().unwrap(), "--out", out.to_str().unwrap()];
    lab("foreign.py", &[&["--address", &server.address], &paths[..], options].concat());
}

#[test]
fn what_milvus_backup_wrote_comes_back_as_it_was() {
    let (new, old) = ("default.types_foreign", "default.old_foreign");
    let server = milvus();
    server.data_py("fill", &["--scenario", "types", "--rows", "100", "--tag", "foreign"]);
    server.data_py("fill", &["--scenario", "upsert", "--collection", old, "--rows", "300"]);
    server.data_py("add", &["--collection", old, "--rows", "20", "--start", "800", "--flush"]);
    server.data_py("add", &["--collection", old, "--rows", "20", "--start", "900", "--flush"]);
    let deletes = ["--collection", old, "--where", "id in [3, 4, 5, 900]", "--flush"];
    server.data_py("delete", &deletes);
    let agent = Agent::new(&server, "foreign");
    let before = server.dump(&format!("{new},{old}"), &agent.path("before.json"));
    write(&server, &agent, "whole_2024_09_11_10_30_00", &["--collections", new]);
    write(&server, &agent, "grouped", &["--collections", old, "--old"]);

    let list = agent.ok(&["list"]);
    let rows = list.as_array().unwrap();
    assert_eq!(rows.len(), 2, "{list}");
    for row in rows {
        let facts = ["cluster", "policy", "state", "layout", "collections"].map(|key| &row[key]);
        assert_eq!(json!(facts), json!(["backup", "", "foreign", "standalone", 1]));
    }
    for name in ["whole_2024_09_11_10_30_00", "grouped"] {
        let shown = agent.ok(&["show", name]);
        assert_eq!(shown["manifest"]["agent"], "milvus-backup", "{shown}");
        let report = agent.ok(&["verify", name, "--depth", "content"]);
        assert_eq!(report["outcome"], "complete", "{report}");
        assert_eq!((&report["unchecked"], &report["missing"]), (&report["files"], &json!([])));
        assert_eq!(agent.run(&["delete", name]).code, 10, "it is in no folder of ours");
    }

    let whole = agent.restore("whole_2024_09_11_10_30_00", &["--suffix", "_back"]);
    let grouped = agent.restore("grouped", &["--suffix", "_back"]);
    let missing = |report: &Value| report["collections"][0]["rows_deleted"].as_u64().unwrap();
    assert!(missing(&whole) > 0 && missing(&grouped) > 0, "{whole} {grouped}");
    let [new_back, old_back] = [new, old].map(|name| format!("{name}_back"));
    let after = server.dump(&format!("{new_back},{old_back}"), &agent.path("after.json"));
    let renames = [format!("{new}={new_back}"), format!("{old}={old_back}")];
    assert_equal(&before, &after, &[&renames[0], &renames[1]], "aliases");
    assert_eq!(agent.leftovers(), Vec::<std::path::PathBuf>::new());
}

/// The fixture's README tells how it came to be.
#[test]
fn what_the_real_milvus_backup_wrote_comes_back_as_it_was() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/official/v0.5.9");
    let server = milvus();
    let agent = Agent::new(&server, "official");
    let repository = agent.path("repository");
    std::fs::create_dir(&repository).unwrap();
    let copied = Command::new("cp").arg("-r").arg(fixture.join("backup")).arg(repository).status();
    assert!(copied.unwrap().success());

    let list = agent.ok(&["list"]);
    let row = &list.as_array().unwrap()[0];
    let facts = ["cluster", "name", "state", "collections", "rows"].map(|key| &row[key]);
    assert_eq!(json!(facts), json!(["backup", "official_v0_5_9", "foreign", 2, 63]), "{list}");
    let report = agent.ok(&["verify", "official_v0_5_9", "--depth", "content"]);
    assert_eq!(json!([report["outcome"], report["files"]]), json!(["complete", 187]), "{report}");
    let report = agent.restore("official_v0_5_9", &[]);
    let deleted = |row: &Value| row["rows_deleted"].as_u64();
    let collections = report["collections"].as_array().unwrap();
    assert_eq!(collections.iter().map(deleted).collect::<Vec<_>>(), [Some(2), Some(14)]);
    let both = "default.types_official,shop_official.orders";
    let after = server.dump(both, &agent.path("after.json"));
    // It tells of no aliases before v0.5.10.
    assert_equal(&fixture.join("rows.json"), &after, &[], "aliases");
    let drill = agent.ok(&["drill", "official_v0_5_9"]);
    assert_eq!(drill["outcome"], "complete", "{drill}");
}
