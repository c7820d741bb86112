//! Our restore of many small segments beside one import for each.

use std::time::{Duration, Instant};

use milvus_backup_agent::milvus::{CollectionSpec, GrpcMilvus, ImportRequest, MilvusApi};
use milvus_backup_agent::model::Namespace;
use milvus_backup_agent::schema::rename_and_strip;

use crate::lab::{Agent, LabServer, assert_equal, imported};

/// How long each way took, everything included: collection, staging, imports, index.
#[derive(Debug)]
pub(crate) struct Speed {
    pub(crate) ours: Duration,
    pub(crate) one_by_one: Duration,
}

/// Restores one partition of `segments` segments in both ways, and compares the rows. The
/// collection is not loaded.
pub(crate) async fn race(server: &LabServer, name: &str, segments: usize, rows: u64) -> Speed {
    let from = Namespace::new("default", name);
    let (collection, one_by_one) =
        (from.to_string(), Namespace::new("default", format!("{name}_1")));
    let (count, size) = (segments.to_string(), rows.to_string());
    server.data_py(
        "fill",
        &[
            ["--scenario", "segments", "--collection", &collection].as_slice(),
            &["--segments", &count, "--rows", &size],
        ]
        .concat(),
    );
    let agent = Agent::new(server, name);
    let before = server.dump(&collection, &agent.path("before.json"));
    let backup = agent.backup("b1", &collection);
    assert_eq!(backup["collections"][0]["segments"], segments, "compaction is off");

    let begun = Instant::now();
    agent.restore("b1", &["--suffix", "_ours"]);
    let ours = begun.elapsed();
    let begun = Instant::now();
    let imported = import_one_by_one(server, &from, &one_by_one).await;
    let took = begun.elapsed();
    assert_eq!(imported, segments as u64 * rows);

    for restored in [format!("{collection}_ours"), one_by_one.to_string()] {
        let after = server.dump(&restored, &agent.path(&format!("{restored}.json")));
        assert_equal(&before, &after, &[&format!("{collection}={restored}")], "");
    }
    Speed { ours, one_by_one: took }
}

/// As simple as it gets: nothing is staged, each segment is imported from where it lies.
async fn import_one_by_one(server: &LabServer, from: &Namespace, to: &Namespace) -> u64 {
    let client = server.client();
    let segments = client.persistent_segments(from).await.unwrap();
    create_like(&client, from, to).await;
    let mut rows = 0;
    for segment in segments {
        let ids = [segment.collection, segment.partition, segment.id];
        let request = ImportRequest {
            namespace: to.clone(),
            partition: "_default".to_owned(),
            insert_folder: server.folder("insert_log", &ids).unwrap(),
            delta_folder: None,
            end_ts: None,
        };
        let task = client.import(&request).await.unwrap();
        rows += imported(&client, task).await.unsigned_abs();
    }
    for index in client.indexes(from).await.unwrap() {
        client.create_index(to, &index).await.unwrap();
    }
    rows
}

/// An empty collection of the same schema.
pub(crate) async fn create_like(client: &GrpcMilvus, from: &Namespace, to: &Namespace) {
    let described = client.describe(from).await.unwrap();
    let spec = CollectionSpec {
        namespace: to.clone(),
        schema: rename_and_strip(&described.schema, &to.collection).unwrap(),
        shards: described.shards,
        consistency_level: described.consistency_level,
        num_partitions: None,
        properties: described.properties,
    };
    client.create_collection(&spec).await.unwrap();
}
