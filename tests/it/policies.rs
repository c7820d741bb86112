//! The program reads policies; the shipped ones and their schema are right.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::cargo::cargo_bin_cmd;
use milvus_backup_agent::config::policy_files;
use milvus_backup_agent::job::{Sizes, run_backup, run_list};
use milvus_backup_agent::model::{ClusterName, PolicyName};
use milvus_backup_agent::policy::{PolicySet, Retention, Trigger, schema};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Lab, request};

/// Set to write `policies/schema.json` anew instead of comparing it.
const REGENERATE: &str = "MBA_WRITE_SCHEMA";

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

struct Ended {
    code: i32,
    out: String,
    err: String,
}

impl Ended {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{}\n{}", self.out, self.err))
    }
}

/// Runs the program with this folder of policies.
fn run(policies: &Path, arguments: &[&str]) -> Ended {
    let (scratch, storage) = (TempDir::new().expect("a folder"), TempDir::new().expect("a folder"));
    let output = cargo_bin_cmd!("milvus-backup-agent")
        .args(arguments)
        .current_dir("/")
        .env("MBA__MILVUS__ADDRESS", "http://127.0.0.1:1")
        .env("MBA__MILVUS__CLUSTER", "c1")
        .env("MBA__REPOSITORY__LOCAL__PATH", scratch.path())
        .env("MBA__MILVUS__STORAGE__LOCAL__PATH", storage.path())
        .env("MBA__STATE", scratch.path())
        .env("MBA__POLICIES", policies)
        .output()
        .expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let code = output.status.code().expect("an exit code");
    Ended { code, out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn the_shipped_policies_are_good() {
    let files = policy_files(&shipped()).expect("the folder is there");
    let policies = PolicySet::parse(&files, &ClusterName::new("c1").expect("a name"))
        .unwrap_or_else(|problems| panic!("{problems}"));
    let names: Vec<&str> = policies.iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names, ["before-deploy", "hourly", "nightly"]);
    for policy in policies.iter() {
        let Retention::Rules(rules) = policy.retention else { panic!("{} keeps all", policy.name) };
        assert!(rules.last.is_some() && rules.min_keep.get() >= 2, "{}", policy.name);
        let on_request = policy.name.as_str() == "before-deploy";
        assert_eq!(policy.schedule.is_none(), on_request, "{}", policy.name);
        assert_eq!(policy.accepts(Trigger::Amqp), on_request, "{}", policy.name);
    }
    for (file, content) in &files {
        let text = String::from_utf8(content.as_ref().expect("it is read").clone()).expect("text");
        let first = "# yaml-language-server: $schema=./schema.json\n";
        assert!(text.starts_with(first), "{}", file.display());
        // What is a comment until backups are pruned is right, too.
        let later: String = text
            .lines()
            .filter(|line| !line.contains("keep_all: true"))
            .map(|line| line.replace("  # keep_", "  keep_").replace("  # drill", "  drill") + "\n")
            .collect();
        let later = [(file.clone(), Ok(later.into_bytes()))];
        let later = PolicySet::parse(&later, &ClusterName::new("c1").expect("a name"));
        let later = later.unwrap_or_else(|problems| panic!("{problems}"));
        assert!(later.iter().all(|policy| policy.retention != Retention::KeepAll));
    }
}

#[test]
fn the_schema_is_current() {
    let file = shipped().join("schema.json");
    let text = serde_json::to_string_pretty(&schema()).expect("it is JSON") + "\n";
    if std::env::var_os(REGENERATE).is_some() {
        fs::write(&file, &text).expect("it is written");
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(found == text, "write it anew: {REGENERATE}=1 cargo test --test it the_schema");
}

/// What is wrong, each in its own way, and what must be said about it.
const WRONG: [(&str, &str); 30] = [
    ("", "the file says nothing"),
    ("- a\n", "the file must be a section of keys"),
    ("a: [1\n", "not valid YAML"),
    ("paused: false\n", "`retention` is missing"),
    ("retention: {}\n", "`retention` keeps nothing"),
    ("retention: {keep_daily: 0}\n", "to keep no daily backups, remove the line"),
    ("retention: {keep_dayly: 7}\n", "did you mean `keep_daily`?"),
    ("retention: {keep_all: true, keep_last: 1}\n", "means nothing beside `keep_all: true`"),
    ("retention: {keep_within: 3}\n", "write 3h for hours"),
    ("retention: {keep_last: many}\n", "expected a number from 1 to 10000"),
    ("name: 7\nretention: {keep_all: true}\n", "is not a policy name"),
    ("name: good-1\nretention: {keep_all: true}\n", "the policy `good-1` is there twice"),
    ("name: good_2\nretention: {keep_all: true}\n", "name their backups alike: `good_2_...`"),
    ("retention: {keep_all: true}\nretention: {keep_all: true}\n", "appears twice"),
    ("schedul: {}\nretention: {keep_all: true}\n", "did you mean `schedule`?"),
    ("schedule: {}\nretention: {keep_all: true}\n", "does not say when"),
    ("schedule: {cron: 0 0 2 * * *}\nretention: {keep_all: true}\n", "the first would be seconds"),
    ("schedule: {cron: 0 25 * * *}\nretention: {keep_all: true}\n", "the hour takes 0-23"),
    ("schedule: {cron: 0 2 30 2 *}\nretention: {keep_all: true}\n", "30 February is no day"),
    ("schedule: {cron: '@reboot'}\nretention: {keep_all: true}\n", "is not a time"),
    (
        "schedule: {cron: 0 2 * * *, timezone: Asia/Shangai}\nretention: {keep_all: true}\n",
        "did you mean `Asia/Shanghai`?",
    ),
    ("schedule: {cron: 0 2 * * *, every: 1h}\nretention: {keep_all: true}\n", "are both set"),
    ("schedule: {every: 1h, jitter: 1h}\nretention: {keep_all: true}\n", "write at most 6m"),
    ("schedule: {every: 1h, catch_up: 0s}\nretention: {keep_all: true}\n", "write `none`"),
    ("collections: [films]\nretention: {keep_all: true}\n", "is not a collection pattern"),
    ("triggers: [kafka]\nretention: {keep_all: true}\n", "expected one of amqp, api"),
    ("layout: alone\nretention: {keep_all: true}\n", "one of incremental, standalone"),
    ("flush: skip\nretention: {keep_all: true}\n", "`skip` is not supported yet"),
    ("timeout: 0s\nretention: {keep_all: true}\n", "as long as it needs, remove the line"),
    ("retry: {attempts: 0}\nretention: {keep_all: true}\n", "for no second one, write 1"),
];

#[test]
fn thirty_wrong_policies_of_three_hundred_are_told_in_one_run() {
    let folder = TempDir::new().expect("a folder");
    let good = "schedule: {cron: 0 2 * * *}\nretention: {keep_daily: 7}\n";
    for number in 1..=270 {
        fs::write(folder.path().join(format!("good-{number}.yaml")), good).expect("written");
    }
    let checked = run(folder.path(), &["policy", "check"]);
    assert_eq!(checked.code, 0, "{}", checked.err);
    assert!(checked.out.contains("270 policies are good"), "{}", checked.out);
    for (number, (text, _)) in WRONG.iter().enumerate() {
        fs::write(folder.path().join(format!("wrong-{number}.yaml")), text).expect("written");
    }
    let checked = run(folder.path(), &["policy", "check"]);
    assert_eq!((checked.code, checked.out.as_str()), (2, ""), "{}", checked.err);
    let problems: Vec<&str> = checked.err.split("\n\n").collect();
    assert_eq!(problems.len(), WRONG.len() + 1, "{}", checked.err);
    assert_eq!(problems[30].trim_end(), "30 problems in 300 files");
    for (number, (_, expected)) in WRONG.iter().enumerate() {
        let file = format!("wrong-{number}.yaml");
        let about = |problem: &&str| {
            problem.contains(&format!("--> {}", folder.path().join(&file).display()))
        };
        let problem = problems.iter().copied().find(about);
        let problem = problem.unwrap_or_else(|| panic!("nothing about {file}:\n{}", checked.err));
        assert!(problem.contains(expected), "{problem}");
        assert!(problem.starts_with("error: ") && problem.lines().count() <= 6, "{problem}");
    }
    for command in [&["policy", "list"][..], &["policy", "next"], &["backup", "--policy", "good-1"]]
    {
        assert_eq!(run(folder.path(), command).code, 2, "{command:?}");
    }
    let json = run(folder.path(), &["policy", "check", "--output", "json"]).json();
    assert_eq!(json["error"]["kind"], "usage", "{json}");
}

#[test]
fn policies_are_checked_listed_and_foretold() {
    let run = |arguments: &[&str]| run(&shipped(), arguments);
    let checked = run(&["policy", "check"]);
    let says = ["3 policies are good", "last 3, daily 7, weekly 4, monthly 6"];
    assert!(checked.code == 0 && says.iter().all(|it| checked.out.contains(it)), "{}", checked.out);
    let line = |starts: &[&str]| {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let lines = checked.out.lines().map(words);
        let found = lines.into_iter().find(|words| starts.iter().zip(words).all(|(a, b)| a == b));
        found.unwrap_or_else(|| panic!("{starts:?}: {}", checked.out)).join(" ")
    };
    assert!(line(&["nightly", "backup"]).contains("T02:"), "{}", checked.out);
    let verify = line(&["nightly", "verify"]);
    assert!(verify.contains("0 5 * * *") && verify.contains("T05:00:00"), "{verify}");
    let one = shipped().join("nightly.yaml");
    let one = run(&["policy", "check", one.to_str().expect("text")]);
    assert!(one.code == 0 && one.out.contains("the policy is good"), "{}", one.out);
    let json = run(&["policy", "check", "--output", "json"]).json();
    assert_eq!(json["policies"][2], "nightly", "{json}");

    let listed = run(&["policy", "list", "--output", "json"]).json();
    assert_eq!(listed[0]["name"], "before-deploy", "{listed}");
    assert_eq!((&listed[0]["schedule"], &listed[0]["next"]), (&Value::Null, &Value::Null));
    assert_eq!(listed[2]["schedule"], "0 2 * * *");
    assert_eq!((&listed[2]["verify"], &listed[2]["drill"]), (&"0 5 * * *".into(), &Value::Null));
    assert!(run(&["policy", "list"]).out.contains("size; all in 720h: 0 5 * * *"));
    assert_eq!(listed[2]["max_age_seconds"], 30 * 3600);
    assert!(run(&["policy", "list"]).out.contains("on request"));

    let next = run(&["policy", "next", "-n", "3", "--output", "json"]).json();
    let next = next.as_array().expect("a list");
    assert_eq!(next.len(), 9, "{next:?}");
    let kinds = ["backup", "verify"].map(|kind| next.iter().filter(move |it| it["kind"] == kind));
    assert_eq!(kinds.map(Iterator::count), [6, 3], "{next:?}");
    assert!(
        next.iter().all(|fire| fire["local"].as_str().is_some_and(|at| at.ends_with("+00:00")))
    );
    let only = run(&["policy", "next", "nightly"]);
    assert_eq!(only.out.lines().count(), 11, "{}", only.out);
    let none = run(&["policy", "next", "nigthly"]);
    assert!(none.code == 2 && none.err.contains("did you mean `nightly`?"), "{}", none.err);
}

#[test]
fn a_missing_folder_is_told_with_what_to_do() {
    let missing = Path::new("/nowhere/policies");
    for command in [&["policy", "check"][..], &["policy", "next"], &["backup", "--policy", "x"]] {
        let ended = run(missing, command);
        let said = "the folder of policies cannot be read: No such file";
        assert!(ended.code == 2 && ended.err.contains(said), "{}", ended.err);
        assert!(ended.err.contains("or set `policies` in the configuration"), "{}", ended.err);
    }
    let empty = TempDir::new().expect("a folder");
    let checked = run(empty.path(), &["policy", "check"]);
    assert!(checked.code == 0 && checked.out.contains("there are no policies"), "{}", checked.out);
    let file = run(empty.path(), &["policy", "check", "/nowhere/x.yaml"]);
    assert!(file.code == 2 && file.err.contains("the policy cannot be read"), "{}", file.err);
}

/// Milvus is away, and every other line is there all the same.
#[test]
fn the_check_has_a_line_for_policies() {
    let line = |policies: &Path| {
        let checked = run(policies, &["check", "--output", "json"]);
        assert_eq!(checked.code, 13, "{}", checked.err);
        let lines = checked.json()["checks"].as_array().expect("lines").clone();
        let line = lines.into_iter().find(|line| line["check"] == "policies").expect("a line");
        (line["ok"] == true, line["detail"].as_str().expect("text").to_owned())
    };
    let (ok, detail) = line(&shipped());
    assert!(ok && detail.starts_with("3, all good; next: hourly at "), "{detail}");
    let folder = TempDir::new().expect("a folder");
    assert_eq!(line(folder.path()), (true, "none".to_owned()));
    fs::write(folder.path().join("a.yaml"), "schedule: {every: 1h}\n").expect("it is written");
    let (ok, detail) = line(folder.path());
    assert!(!ok && detail.contains("a.yaml"), "{detail}");
    assert!(!line(Path::new("/nowhere/policies")).0, "somebody named it");
    let usual = Path::new("/etc/milvus-backup-agent/policies");
    if !usual.exists() {
        let (ok, detail) = line(usual);
        assert!(ok && detail.contains("`run` needs the folder"), "{detail}");
    }
}

#[test]
fn a_backup_by_policy_needs_the_policy_before_anything_else() {
    let unknown = run(&shipped(), &["backup", "--policy", "nigthly"]);
    assert!(
        unknown.code == 2 && unknown.err.contains("did you mean `nightly`?"),
        "{}",
        unknown.err
    );
    let glob = run(&shipped(), &["backup", "--policy", "nightly", "--collections", "films"]);
    assert!(glob.code == 2 && glob.err.contains("`films` is not a collection pattern"));
    // The policy is fine; there is only no Milvus.
    let known = run(&shipped(), &["backup", "--policy", "nightly"]);
    assert_eq!(known.code, 13, "{}", known.err);
}

#[tokio::test]
async fn a_backup_of_a_policy_bears_its_name() {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    let mut wanted = request("x");
    wanted.name = None;
    wanted.policy = Some(PolicyName::new("before-deploy").expect("a name"));
    let report = run_backup(&lab.context(), wanted.clone()).await.expect("a backup");
    assert_eq!(report.name, "before_deploy_20261123_020000");
    assert_eq!(report.policy, "before-deploy");
    let again = run_backup(&lab.context(), wanted).await.expect("a backup");
    assert_eq!(again.name, "before_deploy_20261123_020000_2");
    let listed = run_list(&lab.context(), Sizes::Known).await.expect("a list");
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|row| row.policy == "before-deploy"));
}
