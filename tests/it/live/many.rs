//! Nothing, next to nothing, and a lot.

use std::time::Instant;

use milvus_backup_agent::milvus::MilvusApi;
use milvus_backup_agent::model::Namespace;

use crate::lab::{Agent, LabServer, assert_equal, milvus, say};
use crate::steps::create_like;

const MANY: usize = 300;

/// On a server with Milvus's own settings, compaction included.
#[test]
fn an_empty_cluster_is_nothing_to_do_and_300_collections_are_one_backup() {
    let server = LabServer::start("many", &[]);
    let agent = Agent::new(&server, "many");
    let nothing = agent.run(&["backup"]);
    assert_eq!(nothing.code, 4, "{nothing:?}");
    assert_eq!(nothing.json["error"]["kind"], "nothing_to_do", "{nothing:?}");

    server.data_py("fill", &["--scenario", "many", "--rows", &MANY.to_string()]);
    let begun = Instant::now();
    let report = agent.ok(&["backup", "--name", "b1"]);
    let took = begun.elapsed();
    assert_eq!(report["outcome"], "complete", "{report}");
    assert_eq!(report["rows"], 5 * MANY, "{report}");
    let collections = report["collections"].as_array().unwrap();
    assert_eq!(collections.len(), MANY);
    assert!(collections.iter().all(|collection| collection["rows"] == 5), "{report}");
    agent.verify("b1");
    let last = "default.many_00299";
    let before = server.dump(last, &agent.path("before.json"));
    agent.restore("b1", &["--collections", last, "--drop-existing"]);
    assert_equal(&before, &server.dump(last, &agent.path("after.json")), &[], "");
    say(&format!("{MANY} collections are backed up in {:.1} s", took.as_secs_f64()));
}

#[tokio::test]
async fn an_empty_collection_comes_back_empty() {
    let server = milvus();
    let (full, empty) = (Namespace::new("default", "full"), Namespace::new("default", "empty"));
    let scenario = ["--scenario", "upsert", "--collection", "default.full", "--rows", "10"];
    server.data_py("fill", &scenario);
    let client = server.client();
    create_like(&client, &full, &empty).await;
    for index in client.indexes(&full).await.unwrap() {
        client.create_index(&empty, &index).await.unwrap();
    }
    let agent = Agent::new(&server, "empty");
    let before = server.dump("default.empty", &agent.path("before.json"));
    let report = agent.backup("b1", "default.empty");
    assert_eq!((&report["rows"], &report["bytes_copied"]), (&0.into(), &0.into()));
    client.drop_collection(&empty).await.unwrap();
    agent.restore("b1", &[]);
    assert_equal(&before, &server.dump("default.empty", &agent.path("after.json")), &[], "");
}
