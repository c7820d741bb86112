//! Events, word by word: the bodies are those of `tests/fixtures/events`.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::job::events::{
    EventEnd, EventFacts, EventFailure, EventRun, EventSource, EventWord, JobChange, RunsAgain,
    job_letters,
};
use crate::job::{
    BackupReport, Cause, CollectionReport, Done, JobEvent, JobId, JobRecord, JobRequest,
    PruneReport, Requester, RestoreReport, RestoredCollection, Stop, VerdictRow, VerifyReport,
};
use crate::model::{
    Address, BackupName, ClusterName, ErrorKind, Letter, RequestId, RunKind, RunOutcome,
};
use crate::plan::{Verdict, VerifyDepth};

const AGENT: &str = "5b1c6a0f3e2d4c77";

fn start() -> Timestamp {
    "2026-11-23T02:00:00.25Z".parse().unwrap()
}

fn cluster() -> ClusterName {
    ClusterName::new("milvus-1").unwrap()
}

pub(super) fn later(seconds: i64) -> Timestamp {
    start() + SignedDuration::from_secs(seconds)
}

/// The routing key and the body, which is valid and has the letter's id.
fn read(letter: &Letter) -> (String, Value) {
    let body: Value = serde_json::from_str(&letter.body).unwrap();
    for (attribute, value) in body.as_object().unwrap() {
        let named = attribute.bytes().all(|byte| byte.is_ascii_lowercase());
        assert!(named, "CloudEvents has no attribute {attribute}");
        assert!(attribute == "data" || value.as_str().is_some_and(|text| !text.is_empty()));
    }
    let Address::Topic { key } = &letter.to else { panic!("{letter:?} is an answer") };
    assert_eq!(body["type"], format!("milvus.backup.agent.v1.{key}"));
    assert_eq!(body["id"], letter.id.as_str());
    (key.clone(), body)
}

#[track_caller]
pub(super) fn assert_is(letter: &Letter, key: &str, golden: &str) {
    let (found, body) = read(letter);
    let expected: Value = serde_json::from_str(golden).unwrap();
    assert_eq!((found.as_str(), &body), (key, &expected), "\n{}", letter.body);
}

fn job() -> JobRecord {
    let backup = BackupName::new("nightly_20261123_020000").unwrap();
    let cause = Cause::Schedule { slot: start() };
    let request =
        JobRequest { policy: "nightly".to_owned(), cause, backup, requesters: requesters() };
    JobRecord::accepted(JobId(17), request, start())
}

fn requesters() -> Vec<Requester> {
    let asked = |id: &str, queue: Option<&str>| Requester {
        id: RequestId::new(id).unwrap(),
        reply_to: queue.map(str::to_owned),
        correlation_id: queue.map(|_| "c-1".to_owned()),
        not_after: None,
    };
    vec![asked("r-1", None), asked("r-2", Some("answers"))]
}

/// What is told when something happens to a job.
fn after(job: &mut JobRecord, event: JobEvent, done: Option<&Done>, now: Timestamp) -> Vec<Letter> {
    let before = job.clone();
    job.apply(event).unwrap();
    told(&before, job, done, now)
}

fn told(before: &JobRecord, job: &JobRecord, done: Option<&Done>, now: Timestamp) -> Vec<Letter> {
    let failure = EventFailure {
        kind: ErrorKind::Unreachable,
        hint: Some("check that Milvus runs".to_owned()),
    };
    job_letters(&JobChange {
        cluster: &cluster(),
        agent: AGENT,
        before: Some(before),
        job,
        done,
        failure: done.is_none().then_some(&failure),
        now,
    })
}

fn backup_report() -> BackupReport {
    let collection = |name: &str, rows, error: Option<&str>| CollectionReport {
        database: "default".to_owned(),
        name: name.to_owned(),
        rows,
        segments: u64::from(error.is_none()) * 4,
        outcome: if error.is_some() { RunOutcome::Failed } else { RunOutcome::Complete },
        error: error.map(str::to_owned),
    };
    BackupReport {
        name: "nightly_20261123_020000".to_owned(),
        cluster: "milvus-1".to_owned(),
        policy: "nightly".to_owned(),
        outcome: RunOutcome::Partial,
        collections: vec![
            collection("films", 2_500_000, None),
            collection("books", 0, Some("it was dropped meanwhile")),
        ],
        collections_skipped: 1,
        files_copied: 120,
        files_reused: 2004,
        bytes_copied: 734_003_200,
        bytes_reused: 12_884_901_888,
        rows: 2_500_000,
        suspect: None,
        rbac: None,
        duration_seconds: 41.5,
    }
}

fn done(outcome: RunOutcome, report: Option<BackupReport>) -> Done {
    Done { outcome, detail: None, stages: Vec::new(), report: report.map(Box::new) }
}

#[test]
fn a_job_is_told_when_its_run_begins_and_when_it_ends() {
    let mut job = job();
    let letters = after(&mut job, JobEvent::Start(start()), None, start());
    assert_eq!(letters.len(), 1, "nobody waits for an answer yet");
    assert_is(&letters[0], "backup.started", golden::STARTED);

    job.detail = Some("default.books: it was dropped meanwhile".to_owned());
    let ended_at = start() + SignedDuration::from_millis(41_500);
    let end = JobEvent::End(RunOutcome::Partial, ended_at);
    let done = done(RunOutcome::Partial, Some(backup_report()));
    let letters = after(&mut job, end, Some(&done), ended_at);
    assert_is(&letters[0], "backup.partial", golden::PARTIAL);
    let [event, answer] = &letters[..] else { panic!("{letters:?}") };
    let queue =
        Address::Reply { queue: "answers".to_owned(), correlation_id: Some("c-1".to_owned()) };
    assert_eq!((&answer.to, &answer.body), (&queue, &event.body));
    assert_eq!(answer.id, format!("{}-to-r-2", event.id));
    assert!(answer.id.len() < 255, "AMQP has no longer message ids");
}

#[test]
fn a_run_that_is_tried_again_has_failed_and_answers_nobody_yet() {
    let mut job = job();
    after(&mut job, JobEvent::Start(start()), None, start());
    job.detail = Some("Milvus does not answer".to_owned());
    let letters = after(&mut job, JobEvent::Retry(later(90)), None, later(30));
    assert_eq!(letters.len(), 1);
    assert_is(&letters[0], "backup.failed", golden::RETRY);
    let again = after(&mut job, JobEvent::Start(later(90)), None, later(90));
    let (key, second) = read(&again[0]);
    assert_eq!(key, "backup.started");
    let letters = after(&mut job, JobEvent::End(RunOutcome::Failed, later(99)), None, later(99));
    assert_eq!(letters.len(), 2, "the last one answers");
    let (_, last) = read(&letters[0]);
    assert_eq!(last["data"]["will_run_again"], false);
    assert_eq!(last["data"].get("retry_at"), None);
    assert_eq!(last["data"]["run"], second["data"]["run"]);
}

#[test]
fn a_run_whose_agent_was_killed_has_failed_and_its_job_goes_on() {
    let mut job = job();
    after(&mut job, JobEvent::Start(start()), None, start());
    let before = job.clone();
    job.recover(later(500));
    let letters = told(&before, &job, None, later(500));
    assert_eq!(letters.len(), 1);
    let (key, body) = read(&letters[0]);
    let data = &body["data"];
    assert_eq!((key.as_str(), &data["will_run_again"]), ("backup.failed", &true.into()));
    assert_eq!(data["detail"], "the agent was killed while it was at work");
    assert_eq!((data.get("ended_at"), data.get("duration_seconds")), (None, None));
    assert_eq!(body["time"], later(500).to_string(), "when it was found out");
    let letters = after(&mut job, JobEvent::Start(later(600)), None, later(600));
    assert_ne!(read(&letters[0]).1["data"]["run"], data["run"], "the next run is another one");
}

#[test]
fn a_job_that_kills_its_agent_too_often_answers_in_the_end() {
    let mut job = job();
    let mut before = job.clone();
    while job.outcome().is_none() {
        job.apply(JobEvent::Start(start())).unwrap();
        before = job.clone();
        job.recover(later(9));
    }
    let letters = told(&before, &job, None, later(9));
    let (_, body) = read(&letters[0]);
    assert_eq!((letters.len(), &body["data"]["will_run_again"]), (2, &false.into()));
    assert!(body["data"]["detail"].as_str().unwrap().contains("6 times"), "{body}");
}

#[test]
fn a_run_that_stops_with_its_agent_is_no_failure() {
    let mut job = job();
    after(&mut job, JobEvent::Start(start()), None, start());
    assert_eq!(after(&mut job, JobEvent::Stop(Stop::Draining, start()), None, start()), []);
    let letters = after(&mut job, JobEvent::Interrupt(later(3)), None, later(3));
    let (key, body) = read(&letters[0]);
    let data = &body["data"];
    assert_eq!((letters.len(), key.as_str()), (1, "backup.cancelled"));
    assert_eq!((&data["will_run_again"], data.get("error")), (&true.into(), None));
    assert_eq!(data["duration_seconds"], 3.0);
}

#[test]
fn a_job_that_ends_without_a_run_has_one_event() {
    let mut job = job();
    assert_eq!(told(&job, &job, None, start()), [], "it is accepted");
    let stop = JobEvent::Stop(Stop::Cancelled, later(5));
    let letters = after(&mut job, stop, None, later(5));
    assert_eq!(letters.len(), 2, "whoever asked hears of it");
    assert_is(&letters[0], "backup.cancelled", golden::CANCELLED);
    // Also where there were runs before, each of which has had its end.
    let mut job = self::job();
    after(&mut job, JobEvent::Start(start()), None, start());
    let failed = after(&mut job, JobEvent::Retry(later(90)), None, later(30));
    let letters = after(&mut job, JobEvent::Stop(Stop::Replaced, later(60)), None, later(60));
    let (_, body) = read(&letters[0]);
    assert_eq!((body["data"].get("run"), body["data"].get("started_at")), (None, None));
    assert_ne!(letters[0].id, failed[0].id);
}

#[test]
fn the_same_change_is_told_in_the_same_words() {
    let mut job = job();
    job.apply(JobEvent::Start(start())).unwrap();
    let before = job.clone();
    job.apply(JobEvent::End(RunOutcome::Complete, later(1))).unwrap();
    let done = done(RunOutcome::Complete, None);
    let tell = || told(&before, &job, Some(&done), later(1));
    assert_eq!((tell(), tell().len()), (tell(), 2));
}

pub(super) fn run(kind: RunKind, policy: &str, backup: Option<&str>) -> EventRun {
    EventRun {
        source: EventSource::host(cluster(), "db-7"),
        id: "0193570e-8a3b-7c4d-9e5f-0a1b2c3d4e5f".to_owned(),
        kind,
        policy: policy.to_owned(),
        backup: backup.map(str::to_owned),
        trigger: "cli".to_owned(),
        job: None,
        started_at: Some(start()),
        requests: Vec::new(),
    }
}

fn end(outcome: RunOutcome, facts: EventFacts) -> EventEnd {
    EventEnd {
        outcome,
        detail: None,
        failure: None,
        ended_at: Some(later(2)),
        again: RunsAgain::No,
        facts: Some(facts),
    }
}

#[test]
fn a_prune_tells_what_went() {
    let row = |name: &str, verdict| VerdictRow { name: name.to_owned(), verdict, reasons: vec![] };
    let report = PruneReport {
        applied: true,
        refused: None,
        guards: Vec::new(),
        verdicts: vec![
            row("nightly_20261101_020000", Verdict::Delete),
            row("nightly_20261122_020000", Verdict::Keep),
        ],
        backups_hidden: 1,
        backups_deleted: 0,
        files_deleted: 12,
        bytes_deleted: 4096,
        errors: Vec::new(),
        error_kinds: Vec::new(),
        unswept: false,
        swept: true,
    };
    let letters = run(RunKind::Prune, "nightly", None).ended(
        &end(RunOutcome::Complete, (&report).into()),
        &[],
        later(2),
    );
    assert_is(&letters[0], "prune.succeeded", golden::PRUNE);
}

#[test]
fn a_restore_tells_each_collection() {
    let report = RestoreReport {
        name: "nightly_20261123_020000".to_owned(),
        outcome: RunOutcome::Complete,
        collections: vec![RestoredCollection {
            from: "default.films".to_owned(),
            to: "default.films_copy".to_owned(),
            rows_stored: 1000,
            rows_imported: 990,
            rows_deleted: 10,
            bytes_staged: 0,
            outcome: RunOutcome::Complete,
            error: None,
            notes: Vec::new(),
        }],
        rbac: None,
        duration_seconds: 2.0,
    };
    let letters = run(RunKind::Restore, "", Some(&report.name)).ended(
        &end(RunOutcome::Complete, (&report).into()),
        &[],
        later(2),
    );
    assert_is(&letters[0], "restore.succeeded", golden::RESTORE);
}

#[test]
fn a_verification_tells_what_is_damaged() {
    let report = VerifyReport {
        name: "nightly_20261123_020000".to_owned(),
        depth: VerifyDepth::Content,
        files: 300,
        bytes: 123_456,
        missing: Vec::new(),
        damaged: vec!["milvus-1/_segments/insert_log/1/2/3/100/4: it has 7 bytes of 9".to_owned()],
        unchecked: 0,
        outcome: RunOutcome::Failed,
    };
    let failed = EventEnd {
        failure: Some(EventFailure { kind: ErrorKind::Damaged, hint: None }),
        ..end(RunOutcome::Failed, (&report).into())
    };
    let letters = run(RunKind::Verify, "", Some(&report.name)).ended(&failed, &[], later(2));
    assert_is(&letters[0], "verify.failed", golden::VERIFY);
}

#[test]
fn every_outcome_has_its_word() {
    let words: Vec<_> =
        RunOutcome::ALL.iter().map(|outcome| EventWord::from(*outcome).as_str()).collect();
    assert_eq!(words, ["succeeded", "partial", "failed", "cancelled", "skipped"]);
    assert_eq!(EventWord::WORDS[1..], words[..]);
}

#[test]
fn an_event_of_a_large_cluster_stays_small() {
    let mut report = backup_report();
    let long = "x".repeat(1_000_000);
    let mut failed = report.collections[1].clone();
    failed.error = Some(long.clone());
    report.collections = vec![report.collections[0].clone(); 50_000];
    report.collections.push(failed);
    let end = EventEnd { detail: Some(long), ..end(RunOutcome::Partial, (&report).into()) };
    let letter = run(RunKind::Backup, "", Some(&report.name)).ended(&end, &[], later(2)).remove(0);
    let (_, body) = read(&letter);
    let data = &body["data"];
    assert_eq!(data["collections_count"], 50_001);
    assert_eq!(data["collections"].as_array().unwrap().len(), 1000);
    assert_eq!(data["collections"][0]["name"], "books", "what failed is told");
    assert!(letter.body.len() < 200_000, "{}", letter.body.len());
}

#[test]
fn a_clock_that_is_set_back_makes_no_negative_duration() {
    let end = EventEnd {
        ended_at: Some(later(-60)),
        ..end(RunOutcome::Partial, (&backup_report()).into())
    };
    let letters = run(RunKind::Backup, "", None).ended(&end, &[], later(-60));
    assert_eq!(read(&letters[0]).1["data"]["duration_seconds"], 0.0);
}

/// What is in the README, and in the scripts of others.
mod golden {
    macro_rules! golden {
        ($name:literal) => {
            include_str!(concat!("../../../../tests/fixtures/events/", $name, ".json"))
        };
    }

    pub(super) const STARTED: &str = golden!("backup.started");
    pub(super) const PARTIAL: &str = golden!("backup.partial");
    pub(super) const RETRY: &str = golden!("backup.failed");
    pub(super) const CANCELLED: &str = golden!("backup.cancelled");
    pub(super) const PRUNE: &str = golden!("prune.succeeded");
    pub(super) const RESTORE: &str = golden!("restore.succeeded");
    pub(super) const VERIFY: &str = golden!("verify.failed");
}
