//! Retention by the running agent: what no rule keeps goes, and its files go, too.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::lab::{Agent, LabServer, Running, assert_equal, say};

/// So many backups by a schedule, of which three are kept. One of two collections is dropped
/// after the first of them, so that its files are in no backup in the end.
pub(crate) fn retain(server: &LabServer, tag: &str, (every, backups): (u32, u64)) {
    let [kept, gone] = ["kept", "gone"].map(|name| format!("default.{tag}_{name}"));
    let fill = ["--scenario", "segments", "--segments", "2"];
    server.data_py("fill", &[&fill[..], &["--rows", "600", "--collection", &kept]].concat());
    server.data_py("fill", &[&fill[..], &["--rows", "200", "--collection", &gone]].concat());
    let agent = Agent::new(server, tag);
    let policy = format!(
        "collections: [\"default.{tag}_*\"]\nschedule: {{every: {every}s}}\nretention: {{keep_last: 3}}\n"
    );
    agent.serve(&[("often", &policy)]);
    let folder = agent.path("policies");
    agent.configure(&format!(
        "policies: {}\napi: {{listen: \"127.0.0.1:0\"}}\nretention: {{delete_grace: 15s, orphan_grace: 15s}}\n",
        folder.display()
    ));
    let mut running = Running::start(&agent);
    running.until("the first backup", |running| running.runs("often", "complete") >= 1);
    let first = agent.complete().remove(0);
    let dropped = id_of(&agent, &first, &gone);
    let files_of = |collection: &str| {
        let files = agent.segment_files().into_keys();
        let of = format!("/{collection}/");
        files.filter(|file| file.to_string_lossy().contains(&of)).collect::<BTreeSet<PathBuf>>()
    };
    assert!(files_of(&dropped).len() > 3, "{:?}", agent.segment_files());
    server.data_py("drop", &["--collection", &gone]);

    running.until("all backups", |running| running.runs("often", "complete") >= backups);
    running.until("its files are gone", |_| files_of(&dropped).is_empty());
    std::fs::write(folder.join("often.yaml"), format!("{policy}paused: true\n")).expect("a policy");
    running.signal("HUP");
    running.until("no more", |running| running.log().contains("the settings were read again"));
    let prunes = "{kind=\"prune\",outcome=\"complete\",policy=\"often\"}";
    running.until("the last prune", |running| {
        let made = i64::try_from(running.runs("often", "complete")).expect("a few");
        running.metric(&format!("runs_total{prunes}")) == Some(made)
    });
    let made = running.runs("often", "complete");
    let removed = running.metric("prune_deleted_backups_total").expect("backups");
    assert!(removed > 0, "{}", running.log());
    assert!(running.metric("prune_deleted_bytes_total") > Some(0));
    let (log, newest) = (running.log(), agent.complete());
    assert!(log.contains("no rule of policy `often` keeps it (last 3)"), "{log}");
    running.until("the metrics", |running| {
        running.metric("backups{policy=\"often\",state=\"complete\"}") == Some(3)
    });
    running.stop();
    assert_eq!(newest.len(), 3, "{newest:?}");

    let before = server.dump(&kept, &agent.path("before.json"));
    for (number, backup) in newest.iter().enumerate() {
        agent.verify(backup);
        agent.restore(backup, &["--suffix", &format!("_{number}")]);
        let restored = format!("{kept}_{number}");
        let after = server.dump(&restored, &agent.path("after.json"));
        assert_equal(&before, &after, &[&format!("{kept}={restored}")], "");
    }
    say(&format!(
        "{made} backups, one every {every} s: 3 are left, each verified and restored equal; {removed} removed for \
         good, and every file of the dropped collection is gone"
    ));
}

/// A collection's id, as a backup has it.
fn id_of(agent: &Agent, backup: &str, collection: &str) -> String {
    let shown = agent.ok(&["show", backup]);
    let all = shown["manifest"]["collections"].as_array().expect("collections");
    let (database, name) = collection.split_once('.').expect("a full name");
    let of = |one: &&serde_json::Value| one["database"] == database && one["name"] == name;
    all.iter().find(of).expect("it is in the backup")["id"].to_string()
}
