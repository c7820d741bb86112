//! What a Milvus without memory does to a drill and to a restore.

use serde_json::Value;

use crate::lab::{Agent, Ended, LabServer, milvus};

/// Nothing fits into it, which it says once it has given up to load.
const CRAMPED: &[&str] = &[
    "queryCoord.overloadedMemoryThresholdPercentage=0.001",
    "queryCoord.loadTimeoutSeconds=3",
    "dataCoord.enableCompaction=false",
];

/// Why the only collection of a run did not come back.
fn error(ended: &Ended) -> &str {
    assert_eq!((ended.code, &ended.json["outcome"]), (1, &"failed".into()), "{ended:?}");
    ended.json["collections"][0]["error"].as_str().unwrap()
}

#[test]
fn a_milvus_without_memory_is_told_and_keeps_nothing_of_what_it_could_not_load() {
    let (server, cramped) = (milvus(), LabServer::start("cramped", CRAMPED));
    server.data_py("fill", &["--scenario", "auto_id", "--rows", "200", "--tag", "cramped"]);
    let agent = Agent::new(&server, "cramped");
    agent.backup("b1", "default.autoid_cramped");
    let agent = agent.beside(&cramped, "elsewhere");
    for (command, hint) in
        [("drill", "a drill needs room in Milvus"), ("restore", "or restore with `--skip-load`")]
    {
        let ended = agent.run(&[command, "b1", "--cluster", "cramped"]);
        let said = error(&ended);
        assert!(said.contains("OOM if load") && said.contains(hint), "{said}");
        assert_eq!(agent.leftovers(), Vec::<std::path::PathBuf>::new());
        let state = cramped.dump("", &agent.path("state.json"));
        let state: Value = serde_json::from_slice(&std::fs::read(state).unwrap()).unwrap();
        assert_eq!(state["collections"], serde_json::json!({}), "after a {command}");
    }
    agent.restore("b1", &["--cluster", "cramped", "--skip-load"]);
}
