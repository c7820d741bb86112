//! A real 2.2.16 beside the real 2.3.5: out of the one into the other, and into itself.

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use milvus_backup_agent::milvus::MilvusApi;
use serde_json::{Value, json};

use super::keys::times;
use crate::lab::{Agent, LabServer, assert_equal, milvus, milvus_2_2};

/// The wait for deletes, by the lab's `dataNode.segment.syncPeriod` of 5 s.
const WAIT: Duration = Duration::from_secs(15);

/// An agent of the 2.2 that has never run.
fn agent_of(server: &LabServer, cluster: &str) -> Agent {
    Agent::new(server, cluster).with_milvus_yaml(server)
}

/// 1,000 rows, 100 of them deleted and inserted again before the flush.
fn fill_with_reinserts(server: &LabServer, collection: &str) {
    fill(server, collection, "1000");
    delete_100(server, collection);
    server.data_py("add", &["--collection", collection, "--rows", "100", "--start", "0"]);
}

/// 1,000 rows, of which 100 were deleted after their flush.
fn fill_and_delete(server: &LabServer, collection: &str) {
    let of = ["--scenario", "segments", "--segments", "1", "--rows", "1000"];
    server.data_py("fill", &[&of, ["--collection", collection].as_slice()].concat());
    delete_100(server, collection);
}

fn fill(server: &LabServer, collection: &str, rows: &str) {
    let of = ["--scenario", "upsert", "--collection", collection, "--rows", rows];
    server.data_py("fill", &of);
}

fn delete_100(server: &LabServer, collection: &str) {
    let keys: Vec<u32> = (0..100).collect();
    server.data_py("delete", &["--collection", collection, "--where", &format!("id in {keys:?}")]);
}

/// The keys that a query finds: how many, and the first and last.
fn keys(server: &LabServer, collection: &str) -> Value {
    serde_json::from_str(&server.data_py("keys", &["--collection", collection])).unwrap()
}

/// How many keys a drill found, and how many deleted ones it did not.
fn checked(drilled: &Value, collection: &str) -> (u64, u64) {
    let (_, name) = collection.split_once('.').unwrap();
    let found = drilled["collections"].as_array().unwrap().iter().find(|one| one["name"] == name);
    let found = found.unwrap();
    assert_eq!(found["whole"], true, "{found}");
    let number = |key: &str| found[key].as_u64().unwrap();
    (number("keys_checked"), number("deleted_keys_checked"))
}

#[test]
fn what_a_2_2_holds_comes_back_in_2_3_and_in_2_2_only_without_deletes() {
    let (old, new) = (milvus_2_2(), milvus());
    old.data_py("fill", &["--scenario", "types", "--rows", "200", "--tag", "v22"]);
    let (again, deleted) = ("default.again_v22", "default.deleted_v22");
    fill_with_reinserts(&old, again);
    fill_and_delete(&old, deleted);
    let agent = agent_of(&old, "v22");
    let begun = Instant::now();
    // Of the two that have every type, one is enough.
    agent.backup("b1", "*.*_v22,!default.types_v22");
    assert!(begun.elapsed() >= WAIT, "it did not wait for deletes");

    // What it would lose is passed over in a drill; in 2.3 nothing is.
    let drilled = agent.run(&["drill", "b1"]);
    assert_eq!((drilled.code, &drilled.json["outcome"]), (3, &json!("partial")), "{drilled:?}");
    for collection in drilled.json["collections"].as_array().unwrap() {
        assert_eq!(collection["outcome"], "skipped", "{collection}");
        assert!(collection["error"].as_str().unwrap().contains("Milvus 2.2"), "{collection}");
    }
    let beside = agent.beside(&new, "v22_new");
    let drilled = beside.ok(&["drill", "b1", "--cluster", "v22"]);
    assert_eq!(checked(&drilled, again), (1000, 0), "{drilled}");
    assert_eq!(checked(&drilled, deleted), (900, 100), "{drilled}");

    let all = format!("{again},{deleted},db2_v22.types_v22");
    let before = old.dump(&all, &agent.path("before.json"));
    beside.restore("b1", &["--cluster", "v22"]);
    let after = new.dump(&all, &agent.path("after.json"));
    assert_equal(&before, &after, &[], "");

    // Into itself: refused, and what is lost otherwise is what README says.
    let globs = ["--collections", "*.again_v22,*.deleted_v22", "--suffix", "_r"];
    let refused = agent.run(&[["restore", "b1"].as_slice(), &globs].concat());
    assert_eq!(refused.code, 15, "{refused:?}");
    assert!(refused.json["error"]["hint"].as_str().unwrap().contains("--accept-lost-reinserts"));
    let restored = agent.restore("b1", &[&globs, ["--accept-lost-reinserts"].as_slice()].concat());
    let notes = &restored["collections"][0]["notes"];
    assert!(notes[0].as_str().unwrap().contains("are lost"), "{restored}");
    for collection in [again, deleted] {
        let found = keys(&old, &format!("{collection}_r"));
        assert_eq!(
            (&found["keys"], &found["first"][0]),
            (&json!(900), &json!(100)),
            "{collection}"
        );
    }
}

#[tokio::test]
async fn what_was_only_inserted_comes_back_in_2_2() {
    let server = milvus_2_2();
    server.data_py("fill", &["--scenario", "auto_id", "--rows", "200", "--tag", "ins22"]);
    let names = ["default.autoid_ins22", "default.segments_ins22"];
    let segments = ["--scenario", "segments", "--segments", "2", "--rows", "100"];
    server.data_py("fill", &[&segments, ["--collection", names[1]].as_slice()].concat());
    let agent = agent_of(&server, "ins22");
    let before = server.dump(&names.join(","), &agent.path("before.json"));
    agent.backup("b1", "*.*_ins22");
    let drilled = agent.ok(&["drill", "b1"]);
    for collection in names {
        assert_eq!(checked(&drilled, collection), (200, 0), "{drilled}");
    }
    agent.restore("b1", &["--suffix", "_r"]);
    let restored = names.map(|name| format!("{name}_r"));
    let after = server.dump(&restored.join(","), &agent.path("after.json"));
    let renames = names.map(|name| format!("{name}={name}_r"));
    let renames: Vec<&str> = renames.iter().map(String::as_str).collect();
    assert_equal(&before, &after, &renames, "");
    // As in 2.3, imported rows have new timestamps.
    let client = server.client();
    let id = async |name: &str| client.describe(&name.parse().unwrap()).await.unwrap().id;
    let old = times(&agent.path("repository/ins22/_segments"), id(names[1]).await);
    assert!(old.end < times(&server.data, id(&restored[1]).await).start, "{old:?}");
    assert_eq!(agent.leftovers(), Vec::<std::path::PathBuf>::new());
}

/// Five keys at the front appear and five at the back vanish, over and over: a backup that ends
/// its inserts and deletes at one moment holds a run of keys without holes.
#[test]
fn inserts_and_deletes_that_run_through_a_backup_of_2_2_end_at_one_moment() {
    let (old, new) = (milvus_2_2(), milvus());
    let collection = "default.window";
    fill(&old, collection, "500");
    let agent = agent_of(&old, "window");
    let stop = agent.path("stop");
    let stop_file = ["--keys", "500", "--stop-file", stop.to_str().unwrap()];
    let of = ["--collection", collection];
    let mut writer = old.start_data_py("window-loop", &[of.as_slice(), &stop_file].concat());
    let mut said = BufReader::new(writer.stdout.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "writing");
    agent.backup("b1", collection);
    std::fs::write(&stop, "").unwrap();
    let written: i64 = said.next().unwrap().unwrap().parse().unwrap();
    assert!(writer.wait().unwrap().success());

    agent.beside(&new, "window_new").restore("b1", &["--cluster", "window"]);
    let found = keys(&new, collection);
    let number = |key: &Value| key.as_i64().unwrap();
    let (first, last) = (number(&found["first"][0]), number(&found["last"][0]));
    assert_eq!(number(&found["keys"]), last - first + 1, "{found}");
    assert!((500..=505).contains(&number(&found["keys"])), "{found}");
    assert!(first > 0 && last < 499 + written, "nothing ran through: {found}, {written}");
}

#[test]
fn a_backup_of_2_2_that_does_not_wait_says_so() {
    let server = milvus_2_2();
    let collection = "default.unsettled";
    fill(&server, collection, "100");
    let agent = agent_of(&server, "unsettled");
    let begun = Instant::now();
    let mut command = agent.command(&["backup", "--name", "b1", "--collections", collection]);
    let output = command.env("MBA__MILVUS__SETTLE", "none").output().unwrap();
    let talk = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{talk}");
    assert!(begun.elapsed() < WAIT, "it waited: {:?}", begun.elapsed());
    assert!(talk.contains("the latest deletes may be missing"), "{talk}");
    let shown = agent.ok(&["show", "b1"]);
    let content = &shown["manifest"]["collections"][0]["content"];
    assert_eq!(content["deletes_complete"], "unknown", "{shown}");
}
