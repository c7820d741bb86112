//! Retention on a real Milvus, and each guard of it, provoked.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lab::{Agent, Ended, LabServer, milvus, say};
use crate::steps::retain;

#[test]
fn three_backups_of_ten_remain() {
    retain(&milvus(), "retained", (8, 10));
}

/// An agent without a service, whose prunes tell a textfile.
struct Guarded {
    agent: Agent,
    collection: String,
}

impl Guarded {
    fn new(server: &LabServer, tag: &str, backups: usize) -> Self {
        let collection = format!("default.{tag}");
        let fill = ["--scenario", "segments", "--rows", "100", "--segments", "1"];
        server.data_py("fill", &[&fill[..], &["--collection", &collection]].concat());
        let agent = Agent::new(server, tag);
        agent.serve(&[]);
        let (policies, textfile) = (agent.path("policies"), agent.path("agent.prom"));
        agent.configure(&format!(
            "policies: {}\nmetrics: {{textfile: {}}}\n",
            policies.display(),
            textfile.display()
        ));
        let guarded = Self { agent, collection };
        guarded.policy("retention: {keep_last: 1, min_keep: 1}");
        for number in 1..=backups {
            let name = format!("b{number}");
            guarded.agent.ok(&["backup", "--policy", "p", "--name", &name]);
            if number == 1 {
                guarded.agent.ok(&["prune", "--apply"]);
            }
        }
        guarded
    }

    fn policy(&self, more: &str) {
        let policy = format!("collections: [{}]\n{more}\n", self.collection);
        fs::write(self.agent.path("policies/p.yaml"), policy).expect("it is written");
    }

    fn file(&self, name: &str) -> PathBuf {
        let cluster = self.collection.trim_start_matches("default.");
        self.agent.path("repository").join(cluster).join(name)
    }

    /// How often a guard refused, as the newest command tells.
    fn refused(&self, guard: &str) -> u64 {
        let text = fs::read_to_string(self.agent.path("agent.prom")).expect("it is written");
        let name = format!("milvus_backup_prune_refused_total{{reason=\"{guard}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        line.expect("it is counted from 0").parse().expect("a count")
    }

    fn prune(&self, allowed: &[&str]) -> Ended {
        let allowed = allowed.iter().flat_map(|guard| ["--allow", guard]);
        let arguments: Vec<&str> =
            ["prune", "--policy", "p", "--apply"].into_iter().chain(allowed).collect();
        self.agent.run(&arguments)
    }

    /// It refuses with a message, an exit code and a metric; and lets go once it is allowed.
    fn assert_guarded(&self, guard: &str, others: &[&str]) {
        let ended = self.prune(others);
        let why = ended.json["refused"].as_str().unwrap_or_else(|| panic!("{guard}: {ended:?}"));
        assert_eq!((ended.code, &ended.json["backups_hidden"]), (15, &Value::from(0)), "{ended:?}");
        assert!(why.contains(&format!("--allow {guard}")), "{why}");
        assert_eq!(ended.json["guards"][0]["guard"], guard, "{ended:?}");
        assert_eq!(self.refused(guard), 1);
        say(&format!("{guard}: exit 15, {why}"));
        let ended = self.prune(&[others, &[guard]].concat());
        assert!(ended.json["backups_hidden"].as_u64() > Some(0), "{ended:?}");
        let mark = fs::read_to_string(self.file("_retention/p.json")).expect("it is noted");
        assert!(mark.contains(&format!("\"guard\":\"{guard}\"")), "{mark}");
    }
}

#[test]
fn too_many_at_once_and_new_rules_are_guarded() {
    let guarded = Guarded::new(&milvus(), "guard_mass", 4);
    guarded.assert_guarded("mass_delete", &[]);
    for number in 5..=6 {
        guarded.agent.ok(&["backup", "--policy", "p", "--name", &format!("b{number}")]);
    }
    guarded.policy("retention: {keep_daily: 1, min_keep: 1}");
    guarded.assert_guarded("policy_changed", &["mass_delete"]);
}

#[test]
fn failing_backups_and_wrong_clocks_are_guarded() {
    let guarded = Guarded::new(&milvus(), "guard_time", 2);
    guarded.policy("retention: {keep_last: 1, min_keep: 1}\nmax_age: 1s");
    std::thread::sleep(Duration::from_secs(1));
    guarded.assert_guarded("stale_source", &[]);

    guarded.policy("retention: {keep_last: 1, min_keep: 1}");
    guarded.agent.ok(&["backup", "--policy", "p", "--name", "b3"]);
    let manifest = guarded.file("b3/manifest.json");
    let text = fs::read_to_string(&manifest).expect("a manifest");
    let mut json: Value = serde_json::from_str(&text).expect("JSON");
    json["created_at"] = "2999-01-01T00:00:00Z".into();
    fs::write(&manifest, json.to_string()).expect("it is changed");
    guarded.assert_guarded("clock", &[]);
}

#[test]
fn what_cannot_be_read_is_guarded() {
    let guarded = Guarded::new(&milvus(), "guard_cut", 3);
    guarded.agent.ok(&["backup", "--name", "by_hand", "--collections", &guarded.collection]);
    fs::write(guarded.file("by_hand/manifest.json"), "{").expect("it is spoiled");
    guarded.assert_guarded("catalog_incomplete", &["mass_delete"]);
    // The sweep cannot be talked into anything: what that backup refers to is not known.
    assert_eq!(guarded.prune(&["catalog_incomplete"]).code, 15);
    guarded.agent.ok(&["delete", "by_hand", "--now"]);
    assert_eq!(guarded.prune(&[]).code, 0);
}

/// A prune that stands still for longer than its lease lives, and wakes.
#[test]
fn a_prune_that_lost_its_lease_deletes_nothing() {
    let guarded = Guarded::new(&milvus(), "guard_lock", 2);
    // Somebody on another machine may be reading: that takes half a minute to find out.
    let lease = guarded.file("_leases/verify-b1-0123/1.json");
    fs::create_dir_all(lease.parent().expect("a folder")).expect("a folder");
    let holder = r#"{"host":"far","machine":"far","process_space":"far","pid":1,"started":1}"#;
    let record = format!(
        r#"{{"version":1,"token":"t","holder":{holder},"heartbeat":0,"interval_secs":10}}"#
    );
    fs::write(lease, record).expect("a lease");
    let mut command = guarded.agent.command(&["prune", "--apply"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let stopped = command.spawn().expect("it starts");
    let begun = Instant::now();
    while fs::read_dir(guarded.file("_leases/prune")).is_ok_and(|held| held.count() == 0)
        || begun.elapsed() < Duration::from_secs(3)
    {
        std::thread::sleep(Duration::from_millis(20));
    }
    let signal = |signal: &str| {
        let pid = stopped.id().to_string();
        assert!(
            std::process::Command::new("kill")
                .args([signal, &pid])
                .status()
                .expect("kill")
                .success()
        );
    };
    signal("-STOP");
    let other = guarded.prune(&[]);
    assert_eq!((other.code, &other.json["backups_hidden"]), (0, &Value::from(1)), "{other:?}");
    guarded.agent.ok(&["undelete", "b1"]);
    signal("-CONT");
    let woken = stopped.wait_with_output().expect("it ends");
    let json: Value = serde_json::from_slice(&woken.stdout).expect("JSON");
    assert_eq!(woken.status.code(), Some(11), "{json}");
    let message = json["error"]["message"].as_str().expect("a message");
    assert!(message.contains("lease `prune` was lost"), "{json}");
    assert_eq!(guarded.refused("lock"), 1);
    guarded.agent.verify("b1");
    say(&format!("lock: exit 11, {message}; {}", json["error"]["hint"]));
}
