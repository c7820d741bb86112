//! A lease that is taken away by hand: whoever had it does nothing any more.

use std::path::Path;
use std::sync::Arc;

use assert_cmd::cargo::cargo_bin_cmd;
use milvus_backup_agent::catalog::{Cluster, Lease, PRUNE, Repository, SWEEP, this_process};
use milvus_backup_agent::job::{
    Prune, Removal, run_backup, run_delete, run_prune, run_undelete, run_unlock,
};
use milvus_backup_agent::manifest::{LeaseRecord, decode, encode};
use milvus_backup_agent::model::{BackupState, ErrorKind, ObjectKey};
use milvus_backup_agent::storage::{LocalStore, ObjectStore, ObjectStoreExt, PutMode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::support::{
    Lab, Process, Stop, assert_verifies, backup_name, keys, leases, request, snapshot, state,
};

const WHY: &str = "a test";

async fn lab() -> Lab {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    lab.backup("old").await;
    lab.fill("books", 0..4).await;
    lab
}

fn cluster(lab: &Lab) -> Cluster {
    Repository::unopened(Arc::new(lab.repository.clone())).cluster(&lab.context().cluster)
}

/// The name of the lease of a run that is at work.
async fn lease_of_run(lab: &Lab) -> Option<String> {
    let keys = leases(lab).await;
    let names = keys.iter().filter_map(|key| key.split('/').find(|name| name.starts_with("run-")));
    names.map(str::to_owned).next()
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_lease_is_unlocked_commits_nothing() {
    let whole = Process::immortal();
    run_backup(&whole.context(lab().await.context()), request("new")).await.expect("it works");
    let (mut unlocked, mut told, mut longest) = (0, 0, 0);
    for how in [Stop::OneCall, Stop::Everything] {
        for calls in 0..whole.calls() {
            let why = format!("{how:?} before call {calls}");
            let lab = lab().await;
            let process = Process::halted_before(calls, how);
            let context = process.context(lab.context());
            let unlock = async {
                let lease = lease_of_run(&lab).await?;
                let begun = Instant::now();
                let report = run_unlock(&lab.context(), &lease, WHY).await;
                let report = report.unwrap_or_else(|error| panic!("{why}: {error:?}"));
                assert_eq!(report.host, Some(this_process().host), "{why}");
                assert!(report.last_heard.is_some(), "{why}");
                longest = longest.max(begun.elapsed().as_secs());
                Some(keys(&lab.repository).await.contains(&"c1/new/manifest.json".to_owned()))
            };
            let (backup, there) = process.amid(run_backup(&context, request("new")), unlock).await;
            match there {
                // It was not there yet, or not any more.
                None => drop(backup.unwrap_or_else(|error| panic!("{why}: {error:?}"))),
                Some(committed) => {
                    unlocked += 1;
                    assert_eq!(backup.is_ok(), committed, "{why}: {backup:?}");
                    if let Err(error) = backup {
                        assert_eq!(error.kind(), ErrorKind::Locked, "{why}");
                        told += usize::from(error.to_string().ends_with(WHY));
                    }
                    let complete = state(&lab, "new").await == Some(BackupState::Complete);
                    assert_eq!(complete, committed, "{why}");
                }
            }
            let next = run_backup(&lab.context(), request("next")).await;
            next.unwrap_or_else(|error| panic!("{why}: {error:?}"));
            assert_verifies(&lab, "next").await;
        }
    }
    assert!(unlocked > 0 && told > 0, "{unlocked} {told}");
    // Someone who beats on at the first look is looked at for once more.
    assert!(longest <= 65, "{longest} s");
}

#[tokio::test(start_paused = true)]
async fn a_prune_whose_lease_is_unlocked_deletes_nothing() {
    for name in [PRUNE, SWEEP] {
        let deleted = async || {
            let lab = lab().await;
            let old = backup_name("old");
            run_delete(&lab.context(), &old, Removal::Hide).await.expect("it is hidden");
            lab.clock.advance(jiff::SignedDuration::from_hours(49));
            lab
        };
        let whole = Process::immortal();
        let context = whole.context(deleted().await.context());
        run_prune(&context, None, Prune::Apply).await.expect("it works");
        let (mut unlocked, mut stopped) = (0, 0);
        for calls in 0..whole.calls() {
            let why = format!("{name}, before call {calls}");
            let lab = deleted().await;
            let process = Process::halted_before(calls, Stop::OneCall);
            let context = process.context(lab.context());
            let unlock = async {
                let begun = Instant::now();
                let done = run_unlock(&lab.context(), name, WHY).await;
                // It gave up at a heartbeat, or had no call that it could end.
                assert!(begun.elapsed().as_secs() <= 65, "{why}");
                let before = keys(&lab.repository).await;
                let ended = match done {
                    Ok(_) => true,
                    Err(error) => {
                        let none = [ErrorKind::NotFound, ErrorKind::NothingToDo];
                        assert!(none.contains(&error.kind()), "{why}: {error:?}");
                        false
                    }
                };
                if ended && name == PRUNE {
                    drop(run_undelete(&lab.context(), &backup_name("old")).await);
                }
                (ended, before)
            };
            let pruning = run_prune(&context, None, Prune::Apply);
            let (pruned, (ended, before)) = process.amid(pruning, unlock).await;
            if !ended {
                continue;
            }
            unlocked += 1;
            let after = keys(&lab.repository).await;
            let gone = |folder: &str| {
                before.iter().find(|key| key.contains(folder) && !after.contains(key)).cloned()
            };
            if name == PRUNE {
                let undeleted = gone("/old/").is_none_or(|key| key.ends_with("tombstone.json"));
                assert!(undeleted, "{why}: {:?}", gone("/old/"));
                stopped += usize::from(pruned.is_err());
            } else {
                assert_eq!(gone("/_segments/"), None, "{why}: {pruned:?}");
            }
        }
        assert!(unlocked > 0 && (stopped > 0 || name == SWEEP), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unlocked_lease_says_who_and_why_and_can_be_had() {
    let lab = lab().await;
    let (context, cluster) = (lab.context(), cluster(&lab));
    let unknown = run_unlock(&context, "../x", WHY).await.expect_err("there is none");
    assert_eq!(
        (unknown.kind(), unknown.to_string().contains("none at all")),
        (ErrorKind::NotFound, true)
    );
    let held = Lease::acquire(&cluster, PRUNE).await.expect("it is free");
    let unknown = run_unlock(&context, SWEEP, WHY).await.expect_err("there is none");
    assert_eq!((unknown.kind(), unknown.to_string().contains(PRUNE)), (ErrorKind::NotFound, true));

    run_unlock(&context, PRUNE, WHY).await.expect("it is taken away");
    let key = ObjectKey::new("c1/_leases/prune/2.json").expect("a key");
    let record: LeaseRecord =
        decode("lease", &lab.repository.get_bytes(&key).await.expect("it is there")).expect("one");
    assert_eq!((record.released, record.unlocked.as_deref()), (true, Some(WHY)));
    assert_eq!(record.holder, this_process());
    let lost = held.delete(&[key]).await.expect_err("it is lost");
    assert_eq!(lost.kind(), ErrorKind::Locked);
    held.release().await;

    let nobody = run_unlock(&context, PRUNE, WHY).await.expect_err("nobody has it");
    assert_eq!(nobody.kind(), ErrorKind::NothingToDo);
    let begun = Instant::now();
    run_prune(&context, None, Prune::Apply).await.expect("it has the lease");
    assert_eq!(begun.elapsed().as_secs(), 0, "it waited");
}

/// Runs the program; its exit code and what it said.
fn run(folder: &Path, arguments: &[&str]) -> (i32, Value) {
    let output = cargo_bin_cmd!("milvus-backup-agent")
        .args(["--output", "json"])
        .args(arguments)
        .current_dir("/")
        .env("MBA__MILVUS__ADDRESS", "http://127.0.0.1:1")
        .env("MBA__MILVUS__CLUSTER", "c1")
        .env("MBA__REPOSITORY__LOCAL__PATH", folder.join("repository"))
        .env("MBA__STATE", folder.join("state"))
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let code = output.status.code().expect("an exit code");
    (code, serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}")))
}

#[tokio::test]
async fn the_program_takes_a_lease_from_a_process_that_is_gone() {
    let lab = lab().await;
    let folder = TempDir::new().expect("a folder");
    let store = LocalStore::open(&folder.path().join("repository")).await.expect("a store");
    for (key, content) in snapshot(&lab.repository).await {
        let key = ObjectKey::new(key).expect("a key");
        store.put(&key, content, PutMode::IfAbsent).await.expect("it is written");
    }
    let mut gone = this_process();
    gone.started += 1;
    let record = LeaseRecord {
        version: 1,
        token: "theirs".to_owned(),
        holder: gone.clone(),
        heartbeat: 7,
        interval_secs: 10,
        released: false,
        unlocked: None,
    };
    let key = ObjectKey::new("c1/_leases/run-x/1.json").expect("a key");
    store.put(&key, encode(&record).into(), PutMode::IfAbsent).await.expect("it is written");

    let run = |arguments: &[&str]| run(folder.path(), arguments);
    assert_eq!(run(&["cluster", "adopt", "c1", "--reason", WHY]).0, 0);
    let (code, unknown) = run(&["unlock", "prune", "--reason", WHY]);
    let message = unknown["error"]["message"].as_str().expect("a message");
    assert!(code == 10 && message.contains("run-x"), "{unknown}");
    assert_eq!(run(&["unlock", "run-x"]).0, 2, "without a reason");
    let (code, report) = run(&["unlock", "run-x", "--reason", WHY]);
    assert_eq!(code, 0, "{report}");
    assert_eq!((report["lease"].as_str(), report["cluster"].as_str()), (Some("run-x"), Some("c1")));
    assert_eq!(report["host"].as_str(), Some(gone.host.as_str()));
    assert_eq!(report["pid"].as_u64(), Some(u64::from(gone.pid)));
    assert!(report["last_heard"].as_str().is_some_and(|heard| heard.contains('T')), "{report}");
    assert_eq!(run(&["unlock", "run-x", "--reason", WHY]).0, 4);
    assert_eq!(run(&["prune", "--apply"]).0, 0);
    assert_eq!(run(&["unlock", "run-x", "--reason", WHY]).0, 10);
}
