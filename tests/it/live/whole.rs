//! What was backed up comes back as it was: under its name, under others, from elsewhere.

use serde_json::Value;

use crate::lab::{Agent, assert_equal, milvus};

#[test]
fn everything_comes_back_as_it_was() {
    let server = milvus();
    for scenario in ["types", "partition_key", "auto_id"] {
        server.data_py("fill", &["--scenario", scenario, "--rows", "200", "--tag", "whole"]);
    }
    let all = ["db2_whole.types_whole", "default.autoid_whole"];
    let all = [all.as_slice(), &["default.pkey_whole", "default.types_whole"]].concat();
    let agent = Agent::new(&server, "whole");
    let before = server.dump(&all.join(","), &agent.path("before.json"));

    let backup = agent.backup("b1", "default.*_whole,db2_whole.*");
    let names: Vec<String> = backup["collections"].as_array().unwrap().iter().map(name).collect();
    assert_eq!(names, all);
    for collection in &all {
        server.data_py("drop", &["--collection", collection]);
    }
    server.data_py("drop-database", &["--database", "db2_whole"]);

    // First for a test: of databases and collections nothing is left that a restore could meet.
    let drilled = agent.ok(&["drill", "b1"]);
    assert_eq!(drilled["outcome"], "complete", "{drilled}");
    assert_eq!(drilled["collections"].as_array().unwrap().len(), all.len());
    assert!(drilled["rto_seconds"].as_f64().unwrap() > 1.0, "{drilled}");
    assert_eq!(agent.leftovers(), Vec::<std::path::PathBuf>::new());

    let restored = agent.restore("b1", &[]);
    // In each database 220 rows were written, and 12 deleted again.
    let deleted = |of: &str| {
        let collections = restored["collections"].as_array().unwrap().iter();
        collections.filter(|c| c["to"] == of).map(|c| c["rows_deleted"].as_u64().unwrap()).sum()
    };
    let counts: Vec<u64> = all.iter().map(|of| deleted(of)).collect();
    assert_eq!(counts, [12, 0, 0, 12], "{restored}");
    let after = server.dump(&all.join(","), &agent.path("after.json"));
    assert_equal(&before, &after, &[], "");
    assert_eq!(agent.leftovers(), Vec::<std::path::PathBuf>::new());
}

fn name(collection: &Value) -> String {
    let text = |key: &str| collection[key].as_str().unwrap().to_owned();
    format!("{}.{}", text("database"), text("name"))
}

/// Also from an agent that has never seen the cluster.
#[test]
fn a_collection_comes_back_under_other_names() {
    let server = milvus();
    server.data_py("fill", &["--scenario", "auto_id", "--rows", "200", "--tag", "named"]);
    let from = "default.autoid_named";
    let agent = Agent::new(&server, "named");
    let before = server.dump(from, &agent.path("before.json"));
    agent.backup("b1", from);
    let again = agent.run(&["restore", "b1"]);
    assert_eq!(again.code, 15, "it exists: {again:?}");

    let same = |to: &str, ignored: &str| {
        let after = server.dump(to, &agent.path(&format!("{to}.json")));
        assert_equal(&before, &after, &[&format!("{from}={to}")], ignored);
        let dump: Value = serde_json::from_slice(&std::fs::read(after).unwrap()).unwrap();
        dump["collections"][to].clone()
    };
    let to = "elsewhere_named.renamed";
    agent.restore("b1", &["--rename", &format!("{from}:{to}"), "--skip-load"]);
    let renamed = same(to, "load");
    assert_eq!(renamed["load"]["collection"], "LoadStateNotLoad");
    assert_eq!(renamed["indexes"].as_object().unwrap().len(), 1);

    agent.restore("b1", &["--suffix", "_bare", "--skip-index"]);
    let bare = same("default.autoid_named_bare", "load,indexes");
    assert_eq!(bare["load"]["collection"], "LoadStateNotLoad");
    assert_eq!(bare["indexes"], serde_json::json!({}));

    let stranger = agent.beside(&server, "stranger");
    let list = stranger.ok(&["list"]);
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    assert_eq!(
        [&list[0]["name"], &list[0]["cluster"], &list[0]["state"]],
        ["b1", "named", "complete"]
    );
    assert_eq!(stranger.ok(&["show", "b1"]), agent.ok(&["show", "b1"]));
    stranger.verify("b1");
    stranger.restore("b1", &["--suffix", "_strange"]);
    let beside = same("default.autoid_named_strange", "");
    assert_eq!(beside["load"]["partitions"]["p_loaded"], "LoadStateLoaded");
    assert_eq!(beside["load"]["partitions"]["p_not_loaded"], "LoadStateNotLoad");
    for left in [agent.leftovers(), stranger.leftovers()] {
        assert_eq!(left, Vec::<std::path::PathBuf>::new());
    }
}
