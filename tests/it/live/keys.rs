//! A drill finds every key where it belongs, and files tell which that are.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use milvus_backup_agent::binlog::{read_deletes, read_keys, read_timestamps};
use milvus_backup_agent::milvus::MilvusApi;
use milvus_backup_agent::model::{Namespace, PrimaryKey, PrimaryKeys};
use milvus_backup_agent::plan::{KeyHistory, KeyRoom};

use crate::lab::{Agent, LabServer, milvus};

const NUMBERS: &str = "db2_keyed.types_keyed";
const TEXTS: &str = "default.types_keyed";

/// Of 440 keys in four partitions 24 were deleted; 50 were upserted then, with 3 of these; of two
/// that were deleted once more one was inserted again.
const LIVE: usize = 440 - 24 + 3 - 1;
const DELETED: usize = 440 - LIVE;

#[tokio::test]
async fn a_drill_finds_every_key_and_the_files_tell_which_that_are() {
    let server = milvus();
    fill(&server);
    let agent = Agent::new(&server, "keyed");
    agent.backup("b1", &format!("{NUMBERS},{TEXTS}"));

    let drilled = agent.run(&["drill", "b1"]);
    assert_eq!(drilled.code, 0, "{drilled:?}");
    let collections = drilled.json["collections"].as_array().unwrap();
    assert_eq!(collections.len(), 2, "{drilled:?}");
    for collection in collections {
        assert_eq!(collection["keys_checked"], LIVE, "{collection}");
        assert_eq!(collection["deleted_keys_checked"], DELETED, "{collection}");
        assert_eq!(collection["whole"], true, "{collection}");
        assert_eq!(collection["problems"], serde_json::json!([]), "{collection}");
    }

    agent.restore("b1", &["--suffix", "_r"]);
    let from: Namespace = NUMBERS.parse().unwrap();
    let client = server.client();
    let id = client.describe(&from).await.unwrap().id;
    let expected = history(&agent.path("repository/keyed/_segments"), id).expected();
    let live: BTreeSet<i64> = expected.keys.iter().filter(|(_, live)| *live).map(number).collect();
    let asked = PrimaryKeys::Int64(expected.keys.iter().map(number).collect());
    assert_eq!((live.len(), asked.len(), expected.whole), (LIVE, 440, true));

    let restored: Namespace = format!("{NUMBERS}_r").parse().unwrap();
    // Imported rows have new timestamps: what lives for a time lives for all of it again.
    let again = times(&server.data, client.describe(&restored).await.unwrap().id);
    assert!(times(&agent.path("repository/keyed/_segments"), id).end < again.start, "{again:?}");

    let found = || async {
        match client.find_keys(&restored, "id", &asked).await.unwrap() {
            PrimaryKeys::Int64(keys) => keys.into_iter().collect::<BTreeSet<i64>>(),
            PrimaryKeys::Text(keys) => panic!("{keys:?}"),
        }
    };
    assert_eq!(found().await, live);
    let rows = client.count_rows(&restored).await.unwrap();
    assert_eq!(rows, LIVE as u64);
    // Keys 1 and 101 go, and 60 comes back.
    let restored = restored.to_string();
    server.data_py("delete", &["--collection", &restored, "--where", "id in [1, 101]"]);
    server.data_py("add", &["--collection", &restored, "--start", "60", "--rows", "1"]);
    let different: Vec<i64> = found().await.symmetric_difference(&live).copied().collect();
    assert_eq!(different, [1, 60, 101]);
}

fn fill(server: &LabServer) {
    server.data_py("fill", &["--scenario", "types", "--rows", "400", "--tag", "keyed"]);
    for (collection, gone) in
        [(NUMBERS, "id in [44, 45]"), (TEXTS, r#"id in ["key-000000044", "key-000000045"]"#)]
    {
        let add = ["--collection", collection, "--partition", "_default", "--start"];
        let add = |more: &[&str]| server.data_py("add", &[&add[..], more].concat());
        add(&["0", "--rows", "50", "--upsert"]);
        server.data_py("delete", &["--collection", collection, "--where", gone]);
        add(&["45", "--rows", "1"]);
    }
}

fn number((key, _): &(PrimaryKey, bool)) -> i64 {
    match key {
        PrimaryKey::Int64(key) => *key,
        PrimaryKey::Text(key) => panic!("{key}"),
    }
}

/// Of a collection's files in a repository, which hold nothing from after the backup.
fn history(segments: &Path, collection: i64) -> KeyHistory {
    let mut history = KeyHistory::new(None, KeyRoom::default());
    let read = |path: &PathBuf| fs::read(path).unwrap().into();
    for partition in folders(&segments.join(format!("insert_log/{collection}"))) {
        for segment in folders(&partition) {
            let keys = folders(&segment.join("100")).into_iter();
            for (keys, times) in keys.zip(folders(&segment.join("1"))) {
                let (keys, times) = (read_keys(read(&keys)), read_timestamps(read(&times)));
                for (key, at) in keys.unwrap().into_iter().zip(times.unwrap()) {
                    history.row(id(&partition), key, at);
                }
            }
        }
    }
    for partition in folders(&segments.join(format!("delta_log/{collection}"))) {
        for log in folders(&partition).iter().flat_map(|segment| folders(segment)) {
            for (key, at) in read_deletes(read(&log)).unwrap() {
                history.delete(id(&partition), key, at);
            }
        }
    }
    history
}

/// From the first to the last timestamp of a collection's rows, in its files.
pub(super) fn times(data: &Path, collection: i64) -> Range<u64> {
    let partitions = folders(&data.join(format!("insert_log/{collection}")));
    let segments = partitions.iter().flat_map(|partition| folders(partition));
    let logs = segments.flat_map(|segment| folders(&segment.join("1")));
    let times = logs.flat_map(|log| read_timestamps(fs::read(log).unwrap().into()).unwrap());
    let times: BTreeSet<u64> = times.collect();
    *times.first().unwrap()..*times.last().unwrap()
}

/// What is in a folder, in the order of ids.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort_by_key(|path| id(path));
    all
}

fn id(path: &Path) -> i64 {
    path.file_name().unwrap().to_str().unwrap().parse().unwrap()
}
