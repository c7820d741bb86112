//! Milvus on S3, repositories on S3, and every mix with folders.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use milvus_backup_agent::storage::ObjectMeta;
use serde_json::Value;

use crate::lab::{Agent, Bucket, LabServer, assert_equal, milvus, moto};
use crate::steps::{resume_backups, share_slots};

/// What Milvus itself keeps below its prefix.
const OWN: [&str; 4] = ["insert_log/", "delta_log/", "stats_log/", "index_files/"];

/// The server on S3 that these tests share.
fn on_s3() -> LabServer {
    static SERVER: OnceLock<LabServer> = OnceLock::new();
    // It gathers enough to write large files in one go.
    let settings = ["dataNode.segment.insertBufSize=134217728"];
    SERVER.get_or_init(|| LabServer::on(Bucket::new("milvus", "files"), "s3", &settings)).clone()
}

fn backups(prefix: &str) -> Bucket {
    Bucket::new("backups", prefix)
}

/// What Milvus itself has written to its bucket.
fn milvus_s_objects(server: &LabServer) -> BTreeMap<String, ObjectMeta> {
    let mut objects = server.bucket.as_ref().unwrap().objects();
    objects.retain(|key, _| is_milvus_s(key));
    objects
}

fn is_milvus_s(key: &str) -> bool {
    let below = key.strip_prefix("files/");
    below.is_some_and(|below| OWN.iter().any(|own| below.starts_with(own)))
}

/// Keys in the bucket of a server that are not Milvus's, besides those below `ours`.
fn strangers(server: &LabServer, ours: &str) -> Vec<String> {
    let bucket = server.bucket.as_ref().unwrap();
    let keys: Vec<String> = bucket.objects().into_keys().collect();
    assert!(keys.iter().any(|key| is_milvus_s(key)), "Milvus has no file in {bucket:?}");
    keys.into_iter().filter(|key| !is_milvus_s(key) && !key.starts_with(ours)).collect()
}

/// Waits until there are no strangers: other tests of the shared server stage files, too.
fn assert_no_strangers(server: &LabServer, ours: &str) {
    let begun = Instant::now();
    loop {
        let found = strangers(server, ours);
        if found.is_empty() {
            return;
        }
        assert!(begun.elapsed() < Duration::from_mins(2), "{found:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// From one bucket through another into a third, to a server that has never seen the first,
/// by an agent that has no state.
#[test]
fn a_backup_comes_back_in_another_server_through_buckets_alone() {
    let source = on_s3();
    for scenario in ["types", "partition_key", "auto_id"] {
        source.data_py("fill", &["--scenario", scenario, "--rows", "200", "--tag", "far"]);
    }
    let all = "db2_far.types_far,default.autoid_far,default.pkey_far,default.types_far";
    let agent = Agent::over(&source, "source", backups("far"));
    let before = source.dump(all, &agent.path("before.json"));
    let check = agent.ok(&["check"]);
    let storage =
        check["checks"].as_array().unwrap().iter().find(|line| line["check"] == "storage");
    assert!(storage.unwrap()["detail"].as_str().unwrap().contains("is there"), "{check}");
    agent.backup("b1", "default.*_far,db2_far.*");
    let again = agent.backup("b2", "default.*_far,db2_far.*");
    assert_eq!(again["files_copied"], 0, "{again}");

    let target = LabServer::on(Bucket::new("target", "files"), "s3-target", &[]);
    let restorer = Agent::over(&target, "target", backups("far"));
    let list = restorer.ok(&["list"]);
    assert_eq!(list.as_array().unwrap().len(), 2, "{list}");
    restorer.restore("b1", &[]);
    let after = target.dump(all, &restorer.path("after.json"));
    assert_equal(&before, &after, &[], "");
    for server in [&source, &target] {
        assert_no_strangers(server, "backups/");
    }
    assert_eq!([agent.leftovers(), restorer.leftovers()], [const { Vec::<PathBuf>::new() }; 2]);
    restorer.ok(&["check", "--restore"]);
    assert_no_strangers(&target, "-");
}

/// Milvus, repository and target, each in a folder or in a bucket.
#[test]
fn every_mix_of_folders_and_buckets_comes_back() {
    for (number, source) in [milvus(), on_s3()].into_iter().enumerate() {
        let name = format!("default.mix_{number}");
        let fill = ["--scenario", "segments", "--rows", "300", "--segments", "2"];
        source.data_py("fill", &[fill.as_slice(), &["--collection", &name]].concat());
        let repositories = [
            Agent::new(&source, "mix"),
            Agent::over(&source, "mix", backups(&format!("mix_{number}"))),
            // In the bucket of the Milvus on S3, beside its files.
            Agent::over(&source, "mix", Bucket::new("milvus", format!("backups/{number}"))),
            Agent::over(&source, "mix", backups(&format!("streamed_{number}")).under_another_key()),
        ];
        for (place, agent) in repositories.iter().enumerate() {
            let before = source.dump(&name, &agent.path("before.json"));
            let backup = agent.backup("b1", &name);
            assert_eq!(backup["rows"], 600, "{backup}");
            for (end, target) in [milvus(), on_s3()].into_iter().enumerate() {
                let suffix = format!("_{place}_{end}");
                let restorer = agent.beside(&target, "elsewhere");
                let report = restorer.restore("b1", &["--suffix", &suffix]);
                // Only a repository in the bucket of the target is seen by it.
                let in_place = (place, end) == (2, 1);
                assert_eq!(report["collections"][0]["bytes_staged"] == 0, in_place, "{report}");
                let to = format!("{name}{suffix}");
                let after = target.dump(&to, &restorer.path("after.json"));
                assert_equal(&before, &after, &[&format!("{name}={to}")], "");
                assert_eq!(restorer.leftovers(), Vec::<PathBuf>::new());
                target.data_py("drop", &["--collection", &to]);
            }
            assert_no_strangers(&on_s3(), "backups/");
        }
    }
}

/// With two credentials, so that the bytes pass the agent and its throttle.
#[test]
fn a_killed_backup_to_s3_goes_on_where_it_was() {
    let server = on_s3();
    resume_backups(&server, "far_resumed", 3, |name| {
        Agent::over(&server, "resumed", backups(&format!("resumed_{name}")).under_another_key())
    });
}

#[test]
fn two_agents_make_each_backup_once_while_one_is_killed_or_stands_still() {
    share_slots(&on_s3(), "shared_slots", backups("shared_slots"), 1);
}

/// Milvus writes what is above 16 MiB in parts, and the fingerprint of that is no MD5. And what
/// Milvus reads of its own bucket without a copy: a partition that holds what the backup does,
/// else a large segment.
#[test]
fn large_files_are_copied_and_imported_as_they_lie() {
    let server = on_s3();
    let name = "default.large";
    let agent = Agent::over(&server, "large", Bucket::new("milvus", "backups/large"));
    let keys = |name: &str| server.data_py("keys", &["--collection", name]);
    // 66 MiB in one segment.
    server.data_py("fill", &["--scenario", "large", "--rows", "17000", "--collection", name]);
    let objects = milvus_s_objects(&server);
    let in_parts = |meta: &&ObjectMeta| meta.etag.as_ref().unwrap().contains('-');
    let large = objects.values().find(in_parts).expect("a file written in parts");
    let mut rows = vec![keys(name)];
    agent.backup("b1", name);
    let restored = |agent: &Agent, backup: &str, rows: &str, to: &str| {
        let report = agent.restore(backup, &["--suffix", to]);
        let to = format!("{name}{to}");
        assert!(keys(&to) == rows, "{to} has other keys than {backup}");
        server.data_py("drop", &["--collection", &to]);
        report["collections"][0]["bytes_staged"].as_u64().unwrap()
    };
    let streamed = Agent::over(&server, "large", backups("large").under_another_key());
    streamed.backup("b1", name);
    for agent in [&agent, &streamed] {
        let copies = agent.segment_files();
        assert!(copies.values().any(|(size, _)| *size == large.size), "{large:?} is not copied");
        let again = agent.backup("again", name);
        assert_eq!(again["files_copied"], 0, "{again}");
    }
    assert!(restored(&streamed, "b1", &rows[0], "_streamed") > 64 << 20);

    server.data_py("add", &["--collection", name, "--rows", "50", "--start", "17000", "--flush"]);
    rows.push(keys(name));
    agent.backup("b2", name);
    assert_eq!(restored(&agent, "b1", &rows[0], "_segment"), 0, "its segment is large");
    assert_eq!(restored(&agent, "b2", &rows[1], "_partition"), 0);
    server.data_py("delete", &["--collection", name, "--where", "id in [1, 2, 3]", "--flush"]);
    rows.push(keys(name));
    agent.backup("b3", name);
    assert_eq!(restored(&agent, "b3", &rows[2], "_deleted"), 0);
    // Deletes came to the segment since.
    assert!(restored(&agent, "b1", &rows[0], "_staged") > 64 << 20);
    assert_no_strangers(&server, "backups/");
    // Whoever backs up and restores only reads: what was there is there, unchanged.
    let after = milvus_s_objects(&server);
    for (key, meta) in objects {
        assert_eq!(after.get(&key), Some(&meta), "{key}");
    }
}

/// Trees of milvus-backup: one that was backed up as such, and one exported from an incremental
/// backup by nothing but copies within the server. Milvus imports both as they lie: their folders
/// have a level more than its own, for the group.
#[test]
fn trees_are_copied_by_the_server_and_imported_as_they_lie() {
    let server = on_s3();
    let name = "default.trees";
    let shape = ["--scenario", "segments", "--rows", "200", "--segments", "2"];
    server.data_py("fill", &[shape.as_slice(), &["--collection", name]].concat());
    let agent = Agent::over(&server, "trees", Bucket::new("milvus", "backups/trees"));
    agent.backup("b1", name);
    server.data_py("add", &["--collection", name, "--rows", "50", "--start", "400", "--flush"]);
    let gone = ["--where", "id in [1, 2, 3, 201, 420]", "--flush"];
    server.data_py("delete", &[["--collection", name].as_slice(), &gone].concat());
    let second = agent.backup("b2", name);
    let files = second["files_copied"].as_u64().unwrap() + second["files_reused"].as_u64().unwrap();
    assert!(second["files_copied"] != 0 && second["files_reused"] != 0, "{second}");
    let before = server.dump(name, &agent.path("before.json"));

    let earlier = moto::asked("/backups/trees/").len();
    let export = agent.ok(&["export", "b2", "--to", "tree"]);
    assert_eq!((&export["files"], &export["copied"]["by_server"]), (&files.into(), &files.into()));
    let asked = moto::asked("/backups/trees/").split_off(earlier);
    let count = |method: &str, folder: &str| {
        let of = |line: &&String| line.starts_with(method) && line.contains(folder);
        asked.iter().filter(of).count() as u64
    };
    assert_eq!(count("COPY ", "/trees/tree/binlogs/"), files, "{asked:#?}");
    assert_eq!(count("PUT ", "/binlogs/") + count("GET ", "_log/"), 0, "{asked:#?}");
    agent.verify("tree");

    let alone = ["--name", "alone", "--collections", name, "--layout", "standalone"];
    let alone = agent.ok(&[["backup"].as_slice(), &alone].concat());
    assert_eq!((&alone["files_copied"], &alone["files_reused"]), (&files.into(), &0.into()));
    for deleted in ["b1", "b2"] {
        agent.ok(&["delete", deleted, "--now"]);
    }
    for tree in ["tree", "alone"] {
        let to = format!("{name}_{tree}");
        let report = agent.restore(tree, &["--suffix", &format!("_{tree}")]);
        let collection = &report["collections"][0];
        assert_eq!(
            (&collection["bytes_staged"], &collection["rows_deleted"]),
            (&0.into(), &5.into())
        );
        let after = server.dump(&to, &agent.path(&format!("{tree}.json")));
        assert_equal(&before, &after, &[&format!("{name}={to}")], "");
        server.data_py("drop", &["--collection", &to]);
    }
    assert_no_strangers(&server, "backups/");
}

/// The bucket is right and the prefix is not.
#[test]
fn a_wrong_root_path_is_told_before_a_backup_is() {
    let server = on_s3();
    let shape = ["--scenario", "segments", "--rows", "10", "--segments", "1"];
    server.data_py("fill", &[shape.as_slice(), &["--collection", "default.rooted"]].concat());
    let bucket = Some(Bucket::new("milvus", "file"));
    let lost = LabServer { bucket, ..server };
    let agent = Agent::over(&lost, "lost", backups("lost"));
    let check = agent.run(&["check"]);
    assert_eq!(check.code, 2, "{check:?}");
    let lines = check.json["checks"].as_array().unwrap();
    let line = lines.iter().find(|line| line["check"] == "storage").unwrap();
    assert_eq!(line["ok"], false);
    let text = |key: &str| line[key].as_str().unwrap().to_owned();
    assert!(text("detail").contains("is not in `s3://milvus/file/insert_log/"), "{line}");
    assert!(text("hint").contains("milvus.storage.s3"), "{line}");
    let backup: Value =
        agent.run(&["backup", "--name", "b", "--collections", "default.rooted"]).json;
    assert_ne!(backup["outcome"], "complete", "{backup}");
    assert_ne!(agent.state_of("b"), "complete");
}
