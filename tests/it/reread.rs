//! Scheduled verification: every byte in time, damage found and told, nobody in the way.

use std::fs;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use milvus_backup_agent::catalog::{BackupState, Repository, put_reading_proof, reading_proof};
use milvus_backup_agent::job::{
    JobContext, ProofsWanted, Removal, RereadReport, RunOutcome, Sizes, run_backup, run_delete,
    run_list, run_proofs, run_scheduled_verify,
};
use milvus_backup_agent::manifest::ReadingProof;
use milvus_backup_agent::model::{Clock, ErrorKind, Layout, ObjectKey, PolicyName};
use milvus_backup_agent::plan::{Turn, read_since};
use milvus_backup_agent::storage::testing::{Cut, FaultyStore};
use milvus_backup_agent::storage::{
    LocalStore, ObjectStore, ObjectStoreExt, PutMode, StoreErrorKind, StoreOp,
};
use milvus_backup_agent::transfer::Throttle;
use tokio::time::sleep;

use crate::support::{Lab, backup_name, keys, leases, request};

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn nightly() -> PolicyName {
    PolicyName::new("nightly").expect("a name")
}

/// A backup of a policy.
async fn backup(lab: &Lab, context: &JobContext, (policy, name): (&str, &str), layout: Layout) {
    let policy = Some(PolicyName::new(policy).expect("a name"));
    let wanted = milvus_backup_agent::job::BackupRequest { policy, layout, ..request(name) };
    let report = run_backup(context, wanted).await.expect("a backup");
    assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
    lab.later();
}

/// The turn of a daily schedule that begins now.
fn turn(lab: &Lab, days: i32) -> Turn {
    let slot = lab.clock.now();
    Turn { from: slot, slot, next: slot + DAY, after_next: slot + DAY * 2, within: DAY * days }
}

async fn read(lab: &Lab, context: &JobContext, days: i32) -> RereadReport {
    let report = run_scheduled_verify(context, &nightly(), turn(lab, days)).await;
    report.unwrap_or_else(|error| panic!("{}", error.chain()))
}

async fn state(context: &JobContext, name: &str) -> BackupState {
    let rows = run_list(context, Sizes::Known).await.expect("a list");
    rows.into_iter().find(|row| row.name == name).expect("it is there").state
}

async fn proof(context: &JobContext) -> ReadingProof {
    let repository = Repository::open(Arc::clone(&context.repository)).await.expect("it is there");
    let cluster = repository.cluster(&context.cluster);
    reading_proof(&cluster, &nightly()).await.expect("it can be read").expect("it is there")
}

/// The segment files of a collection that lie in the repository.
async fn files(lab: &Lab, folder: &str) -> Vec<ObjectKey> {
    let all = keys(&lab.repository).await.into_iter().filter(|key| key.contains(folder));
    all.map(|key| ObjectKey::new(key).expect("a key")).collect()
}

/// Changes the last byte of an object.
async fn flip(lab: &Lab, key: &ObjectKey) {
    let mut bytes = lab.repository.get_bytes(key).await.expect("it is there").to_vec();
    *bytes.last_mut().expect("it is not empty") ^= 1;
    lab.repository.put(key, bytes.into(), PutMode::Overwrite).await.expect("it is written");
}

/// Reads a share a day until everything was read.
async fn all_is_read_in_days(lab: &Lab, context: &impl Fn() -> JobContext) {
    let since = lab.clock.now();
    let (mut files_read, mut turns) = (0, 0);
    while turns < 6 {
        let report = read(lab, &context(), 6).await;
        assert_eq!((report.outcome, report.backups), (RunOutcome::Complete, 2), "{report:?}");
        assert!(report.files > 0 && report.unchecked == 0, "{report:?}");
        assert!(report.files_read < report.files, "a share, not all: {report:?}");
        files_read += report.files_read;
        turns += 1;
        lab.clock.advance(DAY);
        if files_read >= report.files {
            break;
        }
    }
    let last = proof(&context()).await;
    assert!(
        read_since(&last, lab.clock.now())
            .is_some_and(|read| read >= since && read < lab.clock.now())
    );
}

/// The files of a folder and of those in it.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut stack = vec![folder.to_owned()];
    let mut files = Vec::new();
    while let Some(path) = stack.pop() {
        match fs::read_dir(&path) {
            Ok(entries) => stack.extend(entries.map(|entry| entry.expect("an entry").path())),
            Err(_) => files.push(path),
        }
    }
    files
}

#[tokio::test(start_paused = true)]
async fn a_byte_that_was_flipped_in_a_folder_is_found_in_time_and_until_it_is_mended() {
    let folder = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let store: Arc<dyn ObjectStore> =
        Arc::new(LocalStore::open(folder.path()).await.expect("a store"));
    let lab = Lab::new();
    let context = || lab.context_over(Arc::clone(&store));
    for number in 0..20 {
        lab.fill(&format!("c{number}"), 0..5).await;
    }
    backup(&lab, &context(), ("nightly", "first"), Layout::Incremental).await;
    backup(&lab, &context(), ("nightly", "second"), Layout::Incremental).await;
    backup(&lab, &context(), ("hourly", "other"), Layout::Standalone).await;

    all_is_read_in_days(&lab, &context).await;

    // The file is in two backups of the policy, and in the tree of another one, as a copy.
    let mut segment_files = files_below(&folder.path().join("c1/_segments"));
    segment_files.sort();
    let path = &segment_files[segment_files.len() / 2];
    let good = fs::read(path).expect("it is there");
    let mut bad = good.clone();
    bad[0] ^= 0x10;
    fs::write(path, &bad).expect("it is written");
    let mut found = None;
    for _ in 0..6 {
        let report = read(&lab, &context(), 6).await;
        lab.clock.advance(DAY);
        if report.outcome == RunOutcome::Failed {
            found = Some(report);
            break;
        }
    }
    let report = found.expect("it is found within six days");
    assert_eq!(report.suspect, ["first", "second"]);
    let [damaged] = report.damaged.as_slice() else { panic!("{report:?}") };
    assert!(damaged.contains("CRC64NVME") && report.missing.is_empty(), "{report:?}");
    assert_eq!(report.facts().wrong_content, 1);
    for (name, expected) in [
        ("first", BackupState::Suspect),
        ("second", BackupState::Suspect),
        ("other", BackupState::Complete),
    ] {
        assert_eq!(state(&context(), name).await, expected, "{name}");
    }
    let last = proof(&context()).await.last.expect("a run ended");
    assert_eq!((last.outcome, last.problems), (RunOutcome::Failed, vec![damaged.clone()]));

    // It is not forgotten: the next run looks at it again, and finds it mended one day.
    assert_eq!(read(&lab, &context(), 6).await.damaged, report.damaged);
    lab.clock.advance(DAY);
    fs::write(path, &good).expect("it is written");
    assert_eq!(read(&lab, &context(), 6).await.outcome, RunOutcome::Complete);
    assert!(proof(&context()).await.damaged.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_or_has_another_size_is_found_at_once() {
    let lab = Lab::new();
    lab.fill("a", 0..5).await;
    backup(&lab, &lab.context(), ("nightly", "first"), Layout::Incremental).await;
    lab.fill("a", 5..9).await;
    backup(&lab, &lab.context(), ("nightly", "second"), Layout::Incremental).await;
    backup(&lab, &lab.context(), ("nightly", "alone"), Layout::Standalone).await;
    assert_eq!(read(&lab, &lab.context(), 1000).await.outcome, RunOutcome::Complete);

    // Only the second has the newer segment.
    let shared = files(&lab, "/_segments/").await;
    let (gone, short) = (shared.last().expect("a file"), &files(&lab, "/alone/binlogs/").await[0]);
    lab.repository.delete(std::slice::from_ref(gone)).await.expect("it is deleted");
    lab.repository.put(short, "x".into(), PutMode::Overwrite).await.expect("it is written");
    lab.clock.advance(DAY);
    let report = read(&lab, &lab.context(), 1000).await;
    assert_eq!(report.missing, [gone.to_string()]);
    assert!(report.damaged[0].starts_with(short.as_str()), "{report:?}");
    assert_eq!(report.suspect, ["second", "alone"]);
    let facts = report.facts();
    assert_eq!((facts.missing, facts.wrong_size, facts.wrong_content), (1, 1, 0));
    assert!(report.problems()[0].ends_with(" is missing"), "{:?}", report.problems());
    assert_eq!(state(&lab.context(), "first").await, BackupState::Complete);
    assert!(leases(&lab).await.is_empty());

    // A list that cannot be read is damage, too.
    let list = &files(&lab, "/_lists/").await[0];
    flip(&lab, list).await;
    let report = read(&lab, &lab.context(), 1000).await;
    assert!(report.damaged.iter().any(|what| what.contains("_lists")), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_killed_has_lost_a_few_seconds_and_the_next_goes_on() {
    let lab = Lab::new();
    for number in 0..10 {
        lab.fill(&format!("c{number}"), 0..5).await;
    }
    backup(&lab, &lab.context(), ("nightly", "first"), Layout::Incremental).await;
    let all = read(&lab, &lab.context(), 1).await;
    assert_eq!((all.files_read, all.bytes_read), (all.files, all.bytes), "all are due each day");
    let again = read(&lab, &lab.context(), 1).await;
    assert_eq!(again.files_read, 0, "they were read in this turn");

    lab.clock.advance(DAY);
    let turn = turn(&lab, 1);
    let slow = || {
        let rate = NonZeroU64::new(all.bytes / 100).expect("there is something");
        JobContext { throttle: Arc::new(Throttle::new(Some(rate))), ..lab.context() }
    };
    for (index, seconds) in [45, 30].into_iter().enumerate() {
        let context = slow();
        let policy = nightly();
        let run = run_scheduled_verify(&context, &policy, turn);
        // The first is killed, the second is told to stop.
        if index == 0 {
            assert!(tokio::time::timeout(Duration::from_secs(seconds), run).await.is_err());
        } else {
            let stop = async {
                sleep(Duration::from_secs(seconds)).await;
                context.cancel.cancel();
            };
            let (ended, ()) = tokio::join!(run, stop);
            assert_eq!(ended.expect_err("it was cancelled").kind(), ErrorKind::Cancelled);
        }
    }
    let rest = run_scheduled_verify(&slow(), &nightly(), turn).await.expect("it comes to its end");
    let part = rest.bytes_read * 100 / all.bytes;
    assert!((20..=45).contains(&part), "{part} % were left: {rest:?}");
    assert_eq!(rest.outcome, RunOutcome::Complete);
    assert!(rest.read_since.is_some_and(|since| since >= turn.slot));
}

#[tokio::test(start_paused = true)]
async fn the_next_slot_ends_a_run_that_goes_on_there() {
    let lab = Lab::new();
    lab.fill("a", 0..5).await;
    backup(&lab, &lab.context(), ("nightly", "first"), Layout::Incremental).await;
    let late = Turn { next: lab.clock.now(), ..turn(&lab, 1) };
    let report = run_scheduled_verify(&lab.context(), &nightly(), late).await.expect("a report");
    assert_eq!(report.outcome, RunOutcome::Partial, "{report:?}");
    let first = report.files_read;
    assert!(first > 0 && first < report.files, "one part, however late it is: {report:?}");
    let report = read(&lab, &lab.context(), 1).await;
    assert_eq!((report.outcome, report.files_read), (RunOutcome::Complete, report.files - first));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_named_and_everything_else_is_read() {
    let lab = Lab::new();
    for number in 0..10 {
        lab.fill(&format!("c{number}"), 0..5).await;
    }
    backup(&lab, &lab.context(), ("nightly", "first"), Layout::Incremental).await;
    let faulty = || FaultyStore::new(Arc::new(lab.repository.clone()));
    let over = |store: FaultyStore| lab.context_over(Arc::new(store));
    let segments = files(&lab, "/_segments/").await;
    let (bad, list) = (segments[3].as_str(), files(&lab, "/_lists/").await[0].clone());

    let refused = faulty();
    refused.fail(StoreOp::Get, bad, StoreErrorKind::PermissionDenied, u32::MAX);
    // What fails for a moment is nothing to tell of.
    refused.fail(StoreOp::Get, segments[5].as_str(), StoreErrorKind::Transient, 2);
    refused.fail(StoreOp::Get, "/_lists/", StoreErrorKind::Transient, 2);
    refused.truncate(segments[7].as_str(), 1, Cut::WithError);
    let report = read(&lab, &over(refused), 1).await;
    assert_eq!((report.outcome, report.files_read), (RunOutcome::Failed, report.files - 1));
    let [why] = report.unread.as_slice() else { panic!("{report:?}") };
    assert!(why.contains(bad) && report.suspect.is_empty(), "{report:?}");
    assert_eq!(proof(&lab.context()).await.last.expect("it ended").problems, vec![why.clone()]);
    assert_eq!(state(&lab.context(), "first").await, BackupState::Complete);
    // Its part was not read, and others were.
    let report = read(&lab, &lab.context(), 1).await;
    assert_eq!(report.outcome, RunOutcome::Complete);
    assert!(report.files_read > 0 && report.files_read < report.files / 2, "{report:?}");

    lab.clock.advance(DAY);
    let refused = faulty();
    refused.fail(StoreOp::Get, list.as_str(), StoreErrorKind::PermissionDenied, u32::MAX);
    let report = read(&lab, &over(refused), 1).await;
    assert_eq!((report.outcome, report.suspect.len()), (RunOutcome::Failed, 0), "{report:?}");
    assert!(report.unread[0].contains(list.as_str()) && report.files_read > 0, "{report:?}");

    // What a disk cannot give back is damage.
    lab.clock.advance(DAY);
    let spoilt = faulty();
    spoilt.spoil(bad, u32::MAX);
    let report = read(&lab, &over(spoilt), 1).await;
    assert_eq!(
        (report.suspect.as_slice(), report.files_read),
        (&["first".to_owned()][..], report.files)
    );
    assert!(report.damaged[0].starts_with(bad) && report.unread.is_empty(), "{report:?}");
    assert_eq!(state(&lab.context(), "first").await, BackupState::Suspect);

    // Where nothing answers, a run does not ask for every file.
    lab.clock.advance(DAY);
    let away = faulty();
    away.fail(StoreOp::Get, "/_segments/", StoreErrorKind::Transient, u32::MAX);
    let (context, begun) = (over(away), tokio::time::Instant::now());
    let ended = run_scheduled_verify(&context, &nightly(), turn(&lab, 1)).await;
    assert!(ended.expect_err("it gave up").chain().contains("/_segments/"));
    assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_goes_with_its_backup_is_no_damage_and_nothing_keeps_it() {
    for (deleted, lost) in [(&["first"][..], 1), (&["first", "second"], 0)] {
        let lab = Lab::new();
        for number in 0..10 {
            lab.fill(&format!("c{number}"), 0..5).await;
        }
        let context = lab.context();
        backup(&lab, &context, ("nightly", "first"), Layout::Incremental).await;
        backup(&lab, &context, ("nightly", "second"), Layout::Incremental).await;
        let bytes: u64 = read(&lab, &lab.context(), 1).await.bytes;
        lab.clock.advance(DAY);
        let rate = NonZeroU64::new(bytes / 60).expect("there is something");
        let slow = JobContext { throttle: Arc::new(Throttle::new(Some(rate))), ..lab.context() };
        let policy = nightly();
        let run = run_scheduled_verify(&slow, &policy, turn(&lab, 1));
        let prune = async {
            sleep(Duration::from_secs(20)).await;
            for name in deleted {
                let removed = run_delete(&lab.context(), &backup_name(name), Removal::Now).await;
                removed.expect("nobody reads it, as far as a delete knows");
            }
            lab.repository.delete(&files(&lab, "/_segments/").await).await.expect("a sweep");
        };
        let (report, ()) = tokio::join!(run, prune);
        let report = report.expect("a report");
        assert_eq!(report.suspect.len(), lost, "{deleted:?}: {report:?}");
        assert_eq!(report.missing.is_empty(), lost == 0, "{report:?}");
        let expected = if lost == 0 { RunOutcome::Complete } else { RunOutcome::Failed };
        assert_eq!(report.outcome, expected);
        assert!(!keys(&lab.repository).await.iter().any(|key| key.ends_with("first/doubt.json")));
        assert!(!leases(&lab).await.iter().any(|lease| lease.contains("verify-")));
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_backup_or_with_a_record_that_is_broken_all_is_read_anew() {
    let lab = Lab::new();
    let none = run_scheduled_verify(&lab.context(), &nightly(), turn(&lab, 1)).await;
    assert_eq!(none.expect_err("there is no repository").kind(), ErrorKind::NotFound);
    lab.fill("a", 0..5).await;
    backup(&lab, &lab.context(), ("hourly", "other"), Layout::Incremental).await;
    let report = read(&lab, &lab.context(), 1).await;
    assert_eq!((report.outcome, report.backups, report.files), (RunOutcome::Complete, 0, 0));
    assert_eq!(report.read_since, Some(lab.clock.now()));
    backup(&lab, &lab.context(), ("nightly", "first"), Layout::Incremental).await;
    let record = &files(&lab, "/_proofs/").await[0];
    lab.repository.put(record, "{".into(), PutMode::Overwrite).await.expect("it is written");
    let report = read(&lab, &lab.context(), 1).await;
    assert_eq!(report.files_read, report.files);

    // One of a later version is left alone.
    let repository = Repository::open(Arc::new(lab.repository.clone())).await.expect("it is there");
    let cluster = repository.cluster(&lab.context().cluster);
    let mut newer = ReadingProof::none();
    newer.version = 9;
    put_reading_proof(&cluster, &nightly(), &newer).await.expect("it is written");
    let refused = run_scheduled_verify(&lab.context(), &nightly(), turn(&lab, 1)).await;
    assert!(refused.expect_err("it is too new").chain().contains('9'));
}

#[tokio::test(start_paused = true)]
async fn where_nothing_can_be_written_what_is_known_is_told_all_the_same() {
    let lab = Lab::new();
    lab.fill("a", 0..5).await;
    backup(&lab, &lab.context(), ("nightly", "first"), Layout::Incremental).await;
    read(&lab, &lab.context(), 1).await;
    let known = proof(&lab.context()).await;
    let read_only = FaultyStore::new(Arc::new(lab.repository.clone()));
    read_only.make_read_only();
    let [old, new] = ["nightly", "new"].map(|name| PolicyName::new(name).expect("a name"));
    let wanted = [&old, &new].map(|policy| ProofsWanted {
        policy: policy.clone(),
        drill: true,
        reread: true,
    });
    let told = run_proofs(&lab.context_over(Arc::new(read_only)), &wanted).await;
    let told = told.unwrap_or_else(|error| panic!("{}", error.chain()));
    assert_eq!((told[&old].reading.as_ref(), &told[&old].drill), (Some(&known), &None));
    assert_eq!((&told[&new].reading, &told[&new].drill), (&None, &None));
}

#[tokio::test(start_paused = true)]
async fn backups_of_other_policies_that_share_a_damaged_file_are_suspect_and_it_is_mended() {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    let context = lab.context();
    backup(&lab, &context, ("nightly", "first"), Layout::Incremental).await;
    backup(&lab, &context, ("hourly", "sharing"), Layout::Incremental).await;
    backup(&lab, &context, ("hourly", "alone"), Layout::Standalone).await;
    let file = files(&lab, "c1/_segments/").await.remove(0);
    flip(&lab, &file).await;
    let report = read(&lab, &context, 1).await;
    assert_eq!(report.suspect, ["first", "sharing"]);
    for (name, expected) in [("sharing", BackupState::Suspect), ("alone", BackupState::Complete)] {
        assert_eq!(state(&context, name).await, expected, "{name}");
    }
    backup(&lab, &context, ("nightly", "next"), Layout::Incremental).await;
    lab.clock.advance(DAY);
    let report = read(&lab, &context, 1).await;
    assert_eq!((report.outcome, report.damaged.len()), (RunOutcome::Complete, 0), "{report:?}");
}
