//! The real program is killed again and again, and has to get over it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use milvus_backup_agent::milvus::MilvusApi;
use milvus_backup_agent::model::Namespace;

use crate::lab::{Agent, LabServer, assert_equal, say};

/// A run looks at nothing before it has been at work for so long.
const WAIT: Duration = Duration::from_secs(1);

/// Kills a backup at so many moments, each in a repository of its own.
pub(crate) fn kill_backups(server: &LabServer, tag: &str, kills: u32) {
    server.data_py("fill", &["--scenario", "types", "--rows", "200", "--tag", tag]);
    let globs = format!("default.types_{tag},db2_{tag}.types_{tag}");
    let first = Agent::new(server, tag);
    let begun = Instant::now();
    let whole = first.ok(&["backup", "--collections", &globs]);
    let took = begun.elapsed();
    let mut seen = Vec::new();
    for number in 0..kills {
        let mut moment = WAIT + moment(took.saturating_sub(WAIT), number, kills);
        let agent = loop {
            let agent = Agent::new(server, tag);
            if agent.kill_after(moment, &["backup", "--name", "killed", "--collections", &globs]) {
                break agent;
            }
            moment = moment * 9 / 10;
        };
        let left = agent.complete();
        for name in &left {
            agent.verify(name);
        }
        let next = agent.backup("next", &globs);
        assert_eq!(next["rows"], whole["rows"], "after a kill at {moment:?}");
        assert!(agent.complete().contains(&"next".to_owned()));
        seen.push(format!("{moment:.2?} {}", agent.state_of("killed")));
    }
    say(&format!(
        "{kills} kills of a backup of {took:.2?}, then another: {}; every complete one verified",
        seen.join(", ")
    ));
}

/// Kills a restore that replaces a collection at so many moments; each time the same
/// command has to end well, and leave nothing behind.
pub(crate) async fn kill_restores(server: &LabServer, tag: &str, kills: u32) {
    server.data_py("fill", &["--scenario", "auto_id", "--rows", "200", "--tag", tag]);
    let collection = Namespace::new("default", format!("autoid_{tag}"));
    let client = server.client();
    client.set_alias(&collection, &format!("alias_{tag}")).await.unwrap();
    let collection = collection.to_string();
    let agent = Agent::new(server, tag);
    let before = server.dump(&collection, &agent.path("before.json"));
    agent.backup("b1", &collection);
    let restore = ["restore", "b1", "--drop-existing"];
    let begun = Instant::now();
    agent.ok(&restore);
    let took = begun.elapsed();
    let mut seen = Vec::new();
    for number in 0..kills {
        let mut moment = moment(took, number, kills);
        while !agent.kill_after(moment, &restore) {
            moment = moment * 9 / 10;
        }
        seen.push(format!("{moment:.2?} {}", step(&agent)));
        agent.restore("b1", &restore[2..]);
        let after = server.dump(&collection, &agent.path("after.json"));
        assert_equal(&before, &after, &[], "");
        assert_eq!(agent.leftovers(), Vec::<PathBuf>::new(), "after a kill at {moment:?}");
        let left = client.collections("default").await.unwrap();
        let left = left.iter().find(|name| name.starts_with(&format!("autoid_{tag}_")));
        assert_eq!(left, None, "after a kill at {moment:?}");
    }
    say(&format!(
        "{kills} kills of a restore of {took:.2?}, then the same again: {}; each equal, nothing left",
        seen.join(", ")
    ));
}

/// Kills a drill at so many moments, each in two databases, of which it makes one. A prune cleans
/// up, or every fourth time the next drill, and leaves nothing.
pub(crate) async fn kill_drills(server: &LabServer, tag: &str, kills: u32) {
    let (name, database) = (format!("drilled_{tag}"), format!("db_{tag}"));
    let both = ["default", &*database].map(|database| format!("{database}.{name}"));
    for collection in &both {
        let fill = ["--scenario", "upsert", "--rows", "60", "--collection", collection];
        server.data_py("fill", &fill);
        let gone = ["--collection", collection, "--where", "id in [3, 4]", "--flush"];
        server.data_py("delete", &gone);
    }
    let agent = Agent::new(server, tag);
    agent.backup("b1", &both.join(","));
    server.data_py("drop", &["--collection", &both[1]]);
    server.data_py("drop-database", &["--database", &database]);
    let client = server.client();
    let assert_nothing_left = async |when: &str| {
        let left = client.collections("default").await.unwrap().into_iter();
        let left: Vec<String> = left.filter(|one| one.starts_with(&format!("{name}_"))).collect();
        assert_eq!(left, [""; 0], "{when}");
        assert!(!client.databases().await.unwrap().contains(&database), "{when}");
        let files = agent.leftovers().into_iter().map(|file| file.display().to_string());
        let turns = |file: &String| file.contains("_leases/prune/") || file.contains("/sweep/");
        assert_eq!(files.filter(|file| !turns(file)).collect::<Vec<_>>(), [""; 0], "{when}");
    };
    let passes = || {
        let report = agent.ok(&["drill", "b1"]);
        assert_eq!(report["outcome"], "complete", "{report}");
        let rows = report["collections"].as_array().unwrap().iter().map(|one| &one["rows"]);
        assert_eq!(rows.collect::<Vec<_>>(), [58, 58]);
    };
    let begun = Instant::now();
    passes();
    let took = begun.elapsed();
    assert_nothing_left("whole").await;
    let mut seen = Vec::new();
    for number in 0..kills {
        let mut moment = moment(took, number, kills);
        while !agent.kill_after(moment, &["drill", "b1"]) {
            moment = moment * 9 / 10;
        }
        let left = client.collections("default").await.unwrap();
        let left = left.iter().filter(|one| one.starts_with(&format!("{name}_"))).count();
        let made = client.databases().await.unwrap().contains(&database);
        seen.push(format!(
            "{moment:.2?} {} files, {left} of default, {made}",
            agent.leftovers().len()
        ));
        if number % 4 == 3 {
            passes();
        } else {
            agent.ok(&["prune", "--apply"]);
        }
        assert_nothing_left(&format!("after a kill at {moment:?}")).await;
    }
    say(&format!(
        "{kills} kills of a drill of {took:.2?}, then a prune or the next: {}; nothing left",
        seen.join(", ")
    ));
}

fn step(agent: &Agent) -> String {
    let ledger = agent.ledger();
    let step = ledger.as_ref().and_then(|ledger| ledger["items"][0]["step"].as_str());
    step.unwrap_or("no ledger").to_owned()
}

/// The middle of one of so many equal parts.
fn moment(of: Duration, number: u32, parts: u32) -> Duration {
    of * (2 * number + 1) / (2 * parts)
}
