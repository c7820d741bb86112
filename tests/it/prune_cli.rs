//! The program itself deletes: a repository from the fakes, no Milvus.

use std::path::Path;

use assert_cmd::cargo::cargo_bin_cmd;
use milvus_backup_agent::model::ObjectKey;
use milvus_backup_agent::storage::{LocalStore, ObjectStore, PutMode};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Lab, snapshot};

/// A folder with `first`, and `second`, which has a collection more.
async fn repository() -> TempDir {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    lab.backup("first").await;
    lab.fill("books", 0..4).await;
    lab.backup("second").await;
    let folder = TempDir::new().expect("a folder");
    let store = LocalStore::open(&folder.path().join("repository")).await.expect("a store");
    for (key, content) in snapshot(&lab.repository).await {
        let key = ObjectKey::new(key).expect("a key");
        store.put(&key, content, PutMode::IfAbsent).await.expect("it is written");
    }
    folder
}

/// Runs the program; its exit code, JSON and text.
fn run(folder: &Path, arguments: &[&str]) -> (i32, Value, String) {
    let said = |format: &[&str]| {
        let output = cargo_bin_cmd!("milvus-backup-agent")
            .args(format)
            .args(arguments)
            .current_dir("/")
            .env("MBA__MILVUS__ADDRESS", "http://127.0.0.1:1")
            .env("MBA__MILVUS__CLUSTER", "c1")
            .env("MBA__REPOSITORY__LOCAL__PATH", folder.join("repository"))
            .env("MBA__STATE", folder.join("state"))
            .env("MBA__RETENTION__ORPHAN_GRACE", "0s")
            .output()
            .expect("the program runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let talk = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().expect("an exit code"), text, talk)
    };
    let (code, json, talk) = said(&["--output", "json"]);
    let json = serde_json::from_str(&json).unwrap_or_else(|_| panic!("{json}\n{talk}"));
    let reads = matches!(arguments, ["list" | "prune"]);
    let text = if reads { said(&[]).1 } else { String::new() };
    (code, json, text)
}

#[tokio::test]
async fn the_program_hides_brings_back_and_deletes() {
    let folder = repository().await;
    let run = |arguments: &[&str]| run(folder.path(), arguments);
    // It was another Milvus's until someone says otherwise.
    for refused in [&["delete", "first"][..], &["prune", "--apply"], &["undelete", "first"]] {
        let (code, json, _) = run(refused);
        assert_eq!((code, json["error"]["kind"].as_str()), (15, Some("refused")), "{json}");
        assert!(json["error"]["hint"].as_str().expect("a hint").contains("cluster adopt"));
    }
    assert_eq!(run(&["cluster", "adopt", "c1", "--reason", "a test"]).0, 0);

    assert_eq!(run(&["delete", "none"]).0, 10);
    assert_eq!(run(&["undelete", "second"]).0, 4);
    let (code, told, _) = run(&["delete", "second", "--plan"]);
    assert_eq!((code, told["applied"].as_bool()), (0, Some(false)), "{told}");
    let (code, hidden, _) = run(&["delete", "second"]);
    assert_eq!((code, hidden["state"].as_str()), (0, Some("tombstoned")), "{hidden}");
    let goes = hidden["removed_after"].as_str().expect("a time").to_owned();
    let (_, list, text) = run(&["list"]);
    assert_eq!(list[1]["state"], "tombstoned");
    assert_eq!(list[1]["removed_after"], goes.as_str());
    assert!(text.contains(&format!("goes after {goes}")), "{text}");
    let (code, plan, text) = run(&["prune"]);
    assert_eq!((code, plan["applied"].as_bool()), (0, Some(false)));
    let verdict = |plan: &Value, name: &str| -> String {
        let rows = plan["verdicts"].as_array().expect("verdicts").clone();
        let row = rows.into_iter().find(|row| row["name"] == name).expect("a verdict");
        format!("{} {}", row["verdict"], row["reasons"])
    };
    assert!(verdict(&plan, "second").contains("leave"), "{plan}");
    assert!(text.contains("there is nothing to delete"), "{text}");
    assert_eq!(run(&["verify", "second"]).0, 10);
    let (code, back, _) = run(&["undelete", "second"]);
    assert_eq!((code, back["state"].as_str()), (0, Some("complete")));

    assert_eq!(run(&["delete", "second", "--now"]).0, 0);
    assert_eq!(run(&["undelete", "second"]).0, 10);
    let (code, first, _) = run(&["prune", "--apply"]);
    assert_eq!((code, first["files_deleted"].as_u64()), (0, Some(0)), "seen first: {first}");
    let (code, second, _) = run(&["prune", "--apply"]);
    assert_eq!((code, second["files_deleted"].as_u64()), (0, Some(6)), "{second}");
    assert!(second["bytes_deleted"].as_u64().is_some_and(|bytes| bytes > 0));
    assert_eq!(run(&["prune", "--apply"]).1["files_deleted"], 0);
    assert_eq!(run(&["verify", "first", "--depth", "content"]).0, 0);

    let manifest = folder.path().join("repository/c1/first/manifest.json");
    std::fs::write(manifest, "{").expect("it is spoiled");
    let (code, refused, _) = run(&["prune", "--apply"]);
    let why = refused["refused"].as_str().expect("a reason");
    assert!(code == 15 && why.contains("`first`") && why.contains("--now"), "{refused}");
    assert_eq!(run(&["delete", "first", "--now"]).0, 0);
    assert_eq!(run(&["prune", "--apply"]).0, 0);
    assert_eq!(run(&["prune", "--apply"]).1["files_deleted"], 6);
}

#[tokio::test]
async fn the_program_pins_and_says_what_it_cannot_do() {
    let folder = repository().await;
    let run = |arguments: &[&str]| run(folder.path(), arguments);
    assert_eq!(run(&["cluster", "adopt", "c1", "--reason", "a test"]).0, 0);
    let (code, pinned, _) = run(&["pin", "first", "--reason", "audit", "--until", "2999-01-01"]);
    assert_eq!((code, pinned["until"].as_str()), (0, Some("2999-01-01T00:00:00Z")), "{pinned}");
    let (_, list, text) = run(&["list"]);
    assert_eq!((&list[0]["pinned"], &list[1]["pinned"]), (&true.into(), &false.into()));
    assert!(
        text.lines()
            .any(|line| line.trim_start().starts_with("first ") && line.ends_with("pinned")),
        "{text}"
    );
    let (_, shown, _) = run(&["show", "first"]);
    assert_eq!(shown["pin"]["reason"], "audit", "{shown}");
    let (code, refused, _) = run(&["delete", "first"]);
    assert_eq!((code, refused["error"]["kind"].as_str()), (15, Some("refused")), "{refused}");
    assert_eq!(run(&["unpin", "first"]).0, 0);
    assert_eq!(run(&["unpin", "first"]).0, 4);
    assert_eq!(run(&["delete", "first"]).0, 0);
    assert_eq!(run(&["pin", "first", "--reason", "late"]).0, 15);

    for (wrong, said) in [
        (&["pin", "second"][..], "--reason"),
        (&["pin", "second", "--reason", "x", "--until", "friday"], "2027-01-01"),
        (&["pin", "second", "--reason", "x", "--until", "2020-01-01"], "in the past"),
        (&["prune", "--allow", "lock"], "guards are catalog_incomplete"),
        (&["prune", "--policy", "nightly"], "policies"),
    ] {
        let (code, json, _) = run(wrong);
        let error = json["error"].to_string();
        assert!(code == 2 && error.contains(said), "{wrong:?}: {json}");
    }
}
