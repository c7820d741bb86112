//! What runs leave, and what the agent finds of it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use crate::job::JobError;
use crate::job::events::{AtWork, EventEnd, EventRun, EventSource, RunEvents, Spool};
use crate::model::{Address, ClusterName, ErrorKind, Letter, RunKind, RunOutcome};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn run() -> EventRun {
    let cluster = ClusterName::new("c1").unwrap();
    EventRun::begun(EventSource::host(cluster, "h"), RunKind::Prune, NOW)
}

fn begin(spool: &Spool, run: &EventRun) -> AtWork {
    spool.begin(run, run.started(NOW)).unwrap()
}

fn end() -> EventEnd {
    let error = JobError::new(ErrorKind::NothingToDo, "there is nothing to do");
    EventEnd::broken_off(RunOutcome::Skipped, NOW, &error)
}

fn key(letter: &Letter) -> &str {
    match &letter.to {
        Address::Topic { key } => key,
        Address::Reply { .. } => panic!("{letter:?} is an answer"),
    }
}

/// The routing keys of what is found, which is taken away.
fn found(spool: &Spool) -> Vec<String> {
    let found = spool.collect(NOW).unwrap();
    let keys = found.letters.iter().map(|letter| key(letter).to_owned()).collect();
    found.done();
    keys
}

fn names(state: &Path) -> Vec<String> {
    let entries = fs::read_dir(state.join("outbox")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_a_run_leaves_is_found_once_it_is_done() {
    let state = TempDir::new().unwrap();
    let spool = Spool::of(state.path());
    assert_eq!(found(&spool), [""; 0], "there is no folder yet");
    let run = run();
    let at_work = begin(&spool, &run);
    drop(spool.collect(NOW).unwrap());
    assert_eq!(found(&spool), ["prune.started"], "it is found until it is done");
    assert_eq!(found(&spool), [""; 0], "it is at work");
    at_work.end(run.ended(&end(), &[], NOW)).unwrap();
    assert_eq!(found(&spool), ["prune.skipped"]);
    assert_eq!(names(state.path()), [""; 0]);
}

#[test]
fn a_run_that_was_killed_is_told_to_have_failed() {
    let state = TempDir::new().unwrap();
    let spool = Spool::of(state.path());
    let run = run();
    drop(begin(&spool, &run));
    let first = spool.collect(NOW).unwrap();
    assert_eq!(first.letters[1].id, format!("{}-failed", run.id));
    let body: serde_json::Value = serde_json::from_str(&first.letters[1].body).unwrap();
    assert_eq!(body["data"]["detail"], "it was killed while it was at work");
    assert_eq!(body["data"].get("ended_at"), None);
    let again: Vec<_> = spool.collect(NOW).unwrap().letters;
    assert_eq!(first.letters, again, "also to an agent that is killed meanwhile");
    first.done();
    assert_eq!(found(&spool), [""; 0]);
}

/// Writers in many threads, each with an end; the agent collects meanwhile.
#[test]
fn nothing_is_lost_or_told_wrong_while_many_write() {
    const WRITERS: usize = 4;
    const RUNS: usize = 20;
    let state = TempDir::new().unwrap();
    let spool = Spool::of(state.path());
    let over = AtomicBool::new(false);
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    let mut note = |spool: &Spool| {
        let found = spool.collect(NOW).unwrap();
        for letter in &found.letters {
            *told.entry(format!("{} {}", key(letter), letter.id)).or_default() += 1;
        }
        let some = !found.letters.is_empty();
        found.done();
        some
    };
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                // A process of its own has its own spool.
                let spool = Spool::of(state.path());
                scope.spawn(move || {
                    for _ in 0..RUNS {
                        let run = run();
                        let at_work = begin(&spool, &run);
                        at_work.end(run.ended(&end(), &[], NOW)).unwrap();
                    }
                })
            })
            .collect();
        let over = &over;
        scope.spawn(move || {
            for writer in writers {
                writer.join().unwrap();
            }
            over.store(true, Ordering::SeqCst);
        });
        while !over.load(Ordering::SeqCst) {
            note(&spool);
        }
    });
    while note(&spool) {}
    assert!(told.values().all(|times| *times == 1), "{told:?}");
    let count = |word: &str| told.keys().filter(|event| event.starts_with(word)).count();
    assert_eq!((count("prune.started"), count("prune.skipped")), (80, 80), "{told:?}");
    assert_eq!(told.len(), 2 * WRITERS * RUNS, "nothing was killed: {told:?}");
}

#[test]
fn what_cannot_be_read_is_in_nobodys_way() {
    let state = TempDir::new().unwrap();
    let spool = Spool::of(state.path());
    let run = run();
    let at_work = begin(&spool, &run);
    let outbox = state.path().join("outbox");
    fs::write(outbox.join("0.json"), "{").unwrap();
    fs::write(outbox.join("1.json"), r#"{"version": 2, "letters": []}"#).unwrap();
    fs::write(outbox.join("2.json"), r#"{"version": 1}"#).unwrap();
    fs::create_dir(outbox.join("3.json")).unwrap();
    File::create(outbox.join("4.json")).unwrap().set_len((16 << 20) + 1).unwrap();
    std::os::unix::fs::symlink("/dev/zero", outbox.join("5.json")).unwrap();
    assert_eq!(found(&spool), ["prune.started"]);
    at_work.end(run.ended(&end(), &[], NOW)).unwrap();
    assert_eq!(found(&spool), ["prune.skipped"]);
    let aside: Vec<String> = (0..6).map(|n| format!("{n}.json.unreadable")).collect();
    assert_eq!(names(state.path()), aside);
}

#[test]
fn an_unfinished_file_goes_when_its_writer_must_be_gone() {
    let state = TempDir::new().unwrap();
    let spool = Spool::of(state.path());
    begin(&spool, &run()).end(vec![run().started(NOW)]).unwrap();
    found(&spool);
    let unfinished = state.path().join("outbox/x.tmp");
    fs::write(&unfinished, "{").unwrap();
    let written = Timestamp::try_from(fs::metadata(&unfinished).unwrap().modified().unwrap());
    let written = written.unwrap();
    let later = |minutes| written + SignedDuration::from_mins(minutes);
    assert_eq!(spool.collect(later(59)).unwrap().letters, []);
    assert!(unfinished.exists());
    assert_eq!(spool.collect(later(61)).unwrap().letters, []);
    assert!(!unfinished.exists());
}

#[test]
fn where_nobody_collects_the_oldest_go_and_never_what_is_at_work() {
    let state = TempDir::new().unwrap();
    let spool = Spool::of(state.path());
    let oldest = run();
    let at_work = begin(&spool, &oldest);
    let outbox = state.path().join("outbox");
    for n in 0..9_999 {
        fs::write(outbox.join(format!("{}{n:04}.json", oldest.id)), "{}").unwrap();
    }
    let newest = run();
    let second = begin(&spool, &newest);
    let left = names(state.path());
    assert_eq!(left.len(), 10_000);
    for run in [&oldest, &newest] {
        assert!(left.contains(&format!("{}.json", run.id)), "{run:?}");
    }
    assert!(left.contains(&format!("{}-started.json", newest.id)));
    assert!(!left.contains(&format!("{}-started.json", oldest.id)), "the oldest event");
    drop((at_work, second));
}

#[test]
fn an_end_that_cannot_be_left_is_not_told_as_a_death() {
    let state = TempDir::new().unwrap();
    let spool = Spool::of(state.path());
    let run = run();
    let at_work = begin(&spool, &run);
    fs::create_dir(state.path().join(format!("outbox/{}.tmp", run.id))).unwrap();
    assert!(at_work.end(run.ended(&end(), &[], NOW)).is_err());
    assert_eq!(found(&spool), ["prune.started"]);
}

#[test]
fn the_agent_reads_and_removes_what_root_leaves() {
    let state = TempDir::new().unwrap();
    let theirs = (65_534, 65_534);
    // Without root there is nobody else to be.
    let other = chown(state.path(), Some(theirs.0), Some(theirs.1)).is_ok();
    let spool = Spool::of(state.path());
    let at_work = begin(&spool, &run());
    let folder = fs::metadata(state.path().join("outbox")).unwrap();
    let owner = fs::metadata(state.path()).unwrap();
    assert_eq!((folder.uid(), folder.gid()), (owner.uid(), owner.gid()));
    assert_eq!(folder.uid() == theirs.0, other);
    assert_eq!(folder.mode() & 0o777, 0o770);
    for name in names(state.path()) {
        let file = fs::metadata(state.path().join("outbox").join(&name)).unwrap();
        assert_eq!(file.mode() & 0o777, 0o644, "{name}");
    }
    drop(at_work);
}

#[tokio::test]
async fn a_spool_that_cannot_be_written_stops_no_run() {
    let state = TempDir::new().unwrap();
    fs::write(state.path().join("outbox"), "").unwrap();
    let events = RunEvents::begin(Spool::of(state.path()), run(), NOW).await;
    events.end(None, &end(), NOW).await;
    // One that can be written again tells the end.
    let events = RunEvents::begin(Spool::of(state.path()), run(), NOW).await;
    fs::remove_file(state.path().join("outbox")).unwrap();
    events.end(Some("b1"), &end(), NOW).await;
    let spool = Spool::of(state.path());
    let found = spool.collect(NOW).unwrap();
    assert_eq!(found.letters.iter().map(key).collect::<Vec<_>>(), ["prune.skipped"]);
    assert!(found.letters[0].body.contains(r#""subject":"b1""#), "{:?}", found.letters);
}

#[tokio::test]
async fn the_events_of_a_run_are_left_in_order() {
    let state = TempDir::new().unwrap();
    let spool = Spool::of(state.path());
    let events = RunEvents::begin(spool.clone(), run(), NOW).await;
    assert_eq!(found(&spool), ["prune.started"]);
    events.end(None, &end(), NOW).await;
    assert_eq!(found(&spool), ["prune.skipped"]);
    RunEvents::none().end(None, &end(), NOW).await;
    assert_eq!(names(state.path()), [""; 0]);
}
