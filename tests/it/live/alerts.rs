//! The rules of `dashboards/alerts.yml` in a real Prometheus, over the real agent, a real Milvus
//! and a real RabbitMQ: what breaks is told and clears when it is put right, and whatever alerts,
//! dashboard or README name is there.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use milvus_backup_agent::metrics::FAMILIES;
use serde_json::Value;

use crate::alerts::{path, queries, rules, shortened};
use crate::lab::{Agent, LabServer, Prometheus, Rabbit, Running, say};

/// Compaction would make files that have to be copied.
const QUIET: &[&str] = &["dataCoord.enableCompaction=false"];

/// What Milvus loses is told when it could have been backed up three times; every byte is read
/// again each minute.
const POLICY: &str = "collections: [default.alerted]\nschedule: {every: 12s}\ntriggers: [amqp]\n\
    retention: {keep_last: 3}\nmax_age: 30s\n";
const READ: &str = "verify: {schedule: \"* * * * *\", read_all_within: 1m}\n";
const READ_AND_DRILLED: &str = "verify: {after_backup: content, schedule: \"* * * * *\", read_all_within: 1m, drill: \"* * * * *\"}\n";

/// What this agent never exports, and why.
const ABSENT: &[(&str, &str)] = &[
    ("milvus_backup_gc_pause_active", "Milvus 2.3.5 cannot pause its garbage collection"),
    ("milvus_backup_gc_pause_started_timestamp_seconds", "the same"),
];

#[test]
fn what_breaks_is_told_and_clears_when_it_is_put_right() {
    let server = LabServer::start("alerted", QUIET);
    let rabbit = Rabbit::start(&[]);
    let segments = ["--scenario", "segments", "--rows", "500", "--segments", "2"];
    server.data_py("fill", &[segments.as_slice(), &["--collection", "default.alerted"]].concat());
    let agent = Agent::new(&server, "alerted");
    let more = format!(
        "amqp: {{url: \"{}\", declare: true}}\ntransfer: {{max_bytes_per_second: 20KB}}\n",
        rabbit.vhost()
    );
    let policy = |verify| format!("{POLICY}{verify}");
    agent.serve_with(&[("often", &policy(READ_AND_DRILLED))], &more);
    let mut running = Running::start(&agent);
    let text = fs::read_to_string(path("alerts.yml")).unwrap();
    let folder = agent.path("prometheus");
    let mut prometheus = Prometheus::start(&folder, running.address(), &shortened(&text));
    running.signal("HUP");
    // What is of a run at work is gone with it.
    let types = RefCell::new(BTreeMap::new());
    running.until("good backups", |running| {
        types.borrow_mut().extend(types_of(&running.ask("/metrics")));
        let ended = |kind: &str| {
            let labels = format!("kind=\"{kind}\",outcome=\"complete\",policy=\"often\"");
            running.metric(&format!("runs_total{{{labels}}}")).unwrap_or_default()
        };
        ended("backup") >= 3 && ended("verify") >= 1 && ended("drill") >= 1
    });
    // What is told a moment after the run, or with the next look at the repository.
    prometheus.until("all of it is told", |prometheus| {
        ["repository_bytes", "last_drill_rto_seconds", "verify_read_since_timestamp_seconds"]
            .iter()
            .all(|name| !prometheus.query(&format!("milvus_backup_{name}")).is_empty())
    });
    // Where the machine is slow, not at every moment.
    prometheus.until("all is well", |prometheus| prometheus.firing().is_empty());
    assert_rules_work(&prometheus);
    for (alert, query) in queries() {
        prometheus.until(&format!("{alert} is well in Grafana"), |prometheus| {
            matches!(prometheus.query(&shortened(&query))[..], [(_, 0.)])
        });
    }
    types.borrow_mut().extend(types_of(&running.ask("/metrics")));
    assert_everything_is_there(&prometheus, &types.borrow());
    let panels = assert_panels_have_data(&prometheus);
    // A drill that fails would be told, too, and for a minute.
    agent.serve_with(&[("often", &policy(READ))], &more);
    running.signal("HUP");

    server.kill();
    fires(&mut prometheus, "MilvusBackupLastRunFailed");
    fires(&mut prometheus, "MilvusBackupTooOld");
    rabbit.stop();
    server.start_again(QUIET);
    fires(&mut prometheus, "MilvusBackupBrokerDisconnected");
    rabbit.restart();
    for alert in ["LastRunFailed", "TooOld", "BrokerDisconnected"] {
        clears(&mut prometheus, &format!("MilvusBackup{alert}"));
    }

    lose_a_byte(&agent, &mut prometheus);
    running.stop();
    say(&format!(
        "{} alerts in a real Prometheus; 5 fired and cleared; {panels} expressions of the dashboard have data",
        rules().len()
    ));
}

/// The scheduled verification finds it, the next backup writes the file again, and what is verified
/// after that is as good as before.
fn lose_a_byte(agent: &Agent, prometheus: &mut Prometheus) {
    let file = largest(agent);
    let whole = fs::read(&file).unwrap();
    flip(&file);
    fires(prometheus, "MilvusBackupVerifyFailed");
    fires(prometheus, "MilvusBackupSuspect");
    prometheus.until("the file is mended", |_| fs::read(&file).is_ok_and(|bytes| bytes == whole));
    prometheus.until("no backup is suspect", |_| {
        let listed = agent.ok(&["list"]);
        let suspect = listed.as_array().unwrap().iter().find(|row| row["state"] == "suspect");
        let Some(row) = suspect else { return true };
        let name = row["name"].as_str().unwrap();
        // Retention may have been there first.
        let ended = agent.run(&["verify", name, "--depth", "content"]);
        assert!(matches!(ended.code, 0 | 10), "{name}: {}\n{}", ended.json, ended.talk);
        false
    });
    clears(prometheus, "MilvusBackupVerifyFailed");
    clears(prometheus, "MilvusBackupSuspect");
}

fn fires(prometheus: &mut Prometheus, alert: &str) {
    let (_, query) = queries().into_iter().find(|(name, _)| name == alert).unwrap();
    prometheus.until(&format!("{alert} fires, and in Grafana"), |prometheus| {
        prometheus.firing().iter().any(|firing| firing == alert)
            && prometheus.query(&shortened(&query)).iter().any(|(_, value)| *value > 0.)
    });
}

fn clears(prometheus: &mut Prometheus, alert: &str) {
    prometheus.until(&format!("{alert} clears"), |prometheus| {
        prometheus.firing().iter().all(|firing| firing != alert)
    });
}

/// Prometheus evaluates every rule, and without an error.
fn assert_rules_work(prometheus: &Prometheus) {
    let groups = prometheus.get("/api/v1/rules").unwrap();
    let found = groups["groups"].as_array().unwrap().iter();
    let found: Vec<&Value> = found.flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert_eq!(found.len(), rules().len());
    for rule in found {
        assert_eq!((&rule["health"], &rule["lastError"]), (&"ok".into(), &Value::Null), "{rule}");
    }
}

/// The file of a segment in which a byte will hardly be missed by its length.
fn largest(agent: &Agent) -> PathBuf {
    let files = agent.segment_files();
    files.into_iter().max_by_key(|(_, (size, _))| *size).expect("there are files").0
}

/// Turns a byte round, as a disk might: nothing else of the file tells.
fn flip(file: &Path) {
    let modified = fs::metadata(file).unwrap().modified().unwrap();
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file, bytes).unwrap();
    fs::File::options().write(true).open(file).unwrap().set_modified(modified).unwrap();
}

/// The families of a scrape with their types.
fn types_of(scraped: &str) -> BTreeMap<String, String> {
    let lines = scraped.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    lines.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

/// Every family was there, with its type and its labels, and no other.
fn assert_everything_is_there(prometheus: &Prometheus, types: &BTreeMap<String, String>) {
    let series = prometheus.query("last_over_time({__name__=~\"milvus_backup_.+\"}[15m])");
    let mut known = BTreeSet::new();
    for family in FAMILIES {
        let name = family.name();
        let exported = match family.kind {
            "histogram" => ["_bucket", "_sum", "_count"].map(|part| name.clone() + part).to_vec(),
            _ => vec![name.clone()],
        };
        let of_it = |of: &Value| exported.iter().any(|name| of["__name__"] == **name);
        let found: Vec<_> = series.iter().filter(|(of, _)| of_it(of)).collect();
        known.extend(exported.iter().cloned());
        if let Some((_, reason)) = ABSENT.iter().find(|(absent, _)| *absent == name) {
            assert!(found.is_empty(), "{name} is there, and not absent because {reason}");
            continue;
        }
        assert_eq!(types.get(&name).map(String::as_str), Some(family.kind), "{name}");
        let labels = |of: &Value| -> BTreeSet<String> {
            let all = of.as_object().unwrap().keys();
            let ours =
                all.filter(|name| !["__name__", "instance", "job", "le"].contains(&&***name));
            ours.cloned().collect()
        };
        let documented: BTreeSet<String> =
            family.labels.iter().map(|label| (*label).to_owned()).collect();
        for (of, _) in &found {
            assert!(labels(of).is_subset(&documented), "{name} has other labels: {of}");
        }
        let whole = found.iter().any(|(of, _)| labels(of) == documented);
        assert!(whole, "{name} was never there with {documented:?}");
    }
    for (of, _) in &series {
        let name = of["__name__"].as_str().unwrap();
        assert!(known.contains(name), "{name} is not documented");
    }
}

/// Every expression of the dashboard gives something; how many there are.
fn assert_panels_have_data(prometheus: &Prometheus) -> usize {
    let text = fs::read_to_string(path("milvus-backup-agent.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let mut panels: Vec<&Value> = dashboard["panels"].as_array().unwrap().iter().collect();
    let mut looked_at = 0;
    while let Some(panel) = panels.pop() {
        let parts = |name: &str| panel[name].as_array().into_iter().flatten();
        panels.extend(parts("panels"));
        for target in parts("targets") {
            let expr = target["expr"].as_str().unwrap();
            let expr = ["$instance", "$policy", "$cluster"]
                .iter()
                .fold(expr.to_owned(), |expr, variable| expr.replace(variable, ".*"));
            let expr = expr.replace("$__rate_interval", "1m").replace("$__range", "15m");
            assert!(!expr.contains('$'), "{expr}: another variable");
            let found = prometheus.query(&expr);
            assert!(!found.is_empty(), "{}: nothing of {expr}", panel["title"]);
            looked_at += 1;
        }
    }
    assert!(looked_at > 50, "only {looked_at}");
    looked_at
}
