//! The agent at work: through a Milvus that is gone for a while, through its own death, and
//! with a Milvus that does not answer any more.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use milvus_backup_agent::model::{Clock, SystemClock};

use super::hang::Proxy;
use crate::lab::{Agent, LabServer, Running, say};

/// Compaction would make files that have to be copied.
const QUIET: &[&str] = &["dataCoord.enableCompaction=false"];

/// How much later than its slot a run may begin on a busy machine: well before the next slot.
const LATE: SignedDuration = SignedDuration::from_secs(10);

/// The slot that a backup is named after.
pub(super) fn slot(backup: &str) -> Timestamp {
    let time = backup.split_once('_').expect("policy and time").1;
    let time = DateTime::strptime("%Y%m%d_%H%M%S", time).expect("a time");
    time.to_zoned(TimeZone::UTC).expect("a moment").timestamp()
}

/// The backups that were begun, each with the moment.
fn begun(log: &str) -> Vec<(String, Timestamp)> {
    let lines = log.lines().filter(|line| line.contains(" backup begins "));
    let field = |line: &str| {
        let (_, rest) = line.split_once(" backup=").expect("its name");
        rest.split_whitespace().next().expect("its name").to_owned()
    };
    let at = |line: &str| line.split(' ').next().expect("a time").parse().expect("a time");
    lines.map(|line| (field(line), at(line))).collect()
}

/// So many slots of a short schedule, with Milvus killed for some of them in the middle.
pub(crate) fn follow_schedule(name: &str, (before, lost, after): (u64, u64, u64)) {
    let server = LabServer::start(name, QUIET);
    let fill = ["--scenario", "segments", "--rows", "500", "--segments", "2"];
    server.data_py("fill", &[fill.as_slice(), &["--collection", "default.scheduled"]].concat());
    let agent = Agent::new(&server, "scheduled");
    agent.serve(&[("often", "schedule: {every: 15s}\nretention: {keep_all: true}\n")]);
    let mut running = Running::start(&agent);
    running.until("the first backups", |running| running.runs("often", "complete") >= before);
    let gauge = |running: &Running, name: &str| {
        running.metric(&format!("{name}{{kind=\"backup\",policy=\"often\"}}")).expect(name)
    };
    let success = gauge(&running, "last_success_timestamp_seconds");
    let ended = |running: &Running, outcome: &str| {
        let labels = format!("{{kind=\"backup\",outcome=\"{outcome}\",policy=\"often\"}}");
        running.metric(&format!("last_run_outcome{labels}"))
    };
    assert_eq!(ended(&running, "complete"), Some(1));
    assert_eq!(running.metric("last_backup_uploaded_bytes{policy=\"often\"}"), Some(0));
    let reused = running.metric("last_backup_reused_bytes{policy=\"often\"}");
    assert!(reused > Some(0), "{reused:?}");

    server.kill();
    running.until("failed runs", |running| running.runs("often", "failed") >= lost);
    assert_eq!(ended(&running, "failed"), Some(1));
    let failure = begun(&running.log()).last().expect("it was begun").1.as_second();
    let kept = gauge(&running, "last_success_timestamp_seconds");
    assert!((success..=failure).contains(&kept), "a failure is no success: {kept}");
    assert!(running.log().contains("check that Milvus runs"), "{}", running.log());
    running.until("the doubt", |running| running.ask("/readyz").contains("\"what\":\"milvus\""));
    server.start_again(QUIET);
    running.until("good runs again", |running| running.runs("often", "complete") >= before + after);
    assert_eq!(ended(&running, "complete"), Some(1));
    running.until("all is well", |running| running.ask("/readyz").contains("\"ready\":true"));

    let slots = slots_in_time(&running.log());

    let success = gauge(&running, "last_success_timestamp_seconds");
    let complete = running.runs("often", "complete");
    running.stop();
    // The repository alone is enough.
    std::fs::remove_file(agent.path("state/journal.redb")).expect("the journal");
    let running = Running::start(&agent);
    assert!(gauge(&running, "last_success_timestamp_seconds") >= success, "it is forgotten");
    assert_eq!(ended(&running, "complete"), Some(1));
    let backups = running.metric("backups{policy=\"often\",state=\"complete\"}");
    let backups = u64::try_from(backups.expect("backups")).expect("a count");
    running.stop();
    let all = agent.complete();
    assert!(backups >= complete && all.len() as u64 >= backups, "{backups} {complete}");
    for backup in &all {
        agent.verify(backup);
    }
    say(&format!(
        "{} slots of 15 s: {} complete, at least {lost} failed while Milvus was gone",
        slots,
        all.len()
    ));
}

/// Every run began at its slot, and no slot is without one but those that the log tells, of a
/// Milvus that took long to come back; how many there are.
fn slots_in_time(log: &str) -> usize {
    let begun = begun(log);
    for (backup, at) in &begun {
        let late = at.duration_since(slot(backup));
        assert!(!late.is_negative() && late < LATE, "{backup} began at {at}");
    }
    let slots: Vec<Timestamp> = begun.iter().map(|(backup, _)| slot(backup)).collect();
    let (first, last) = (slots.first().expect("a run"), slots.last().expect("a run"));
    let all = last.duration_since(*first).as_secs() / 15 + 1;
    let lacking = usize::try_from(all).expect("a few") - slots.len();
    let told = missed(log, "often");
    assert!(lacking <= told, "{lacking} slots have no run, {told} were told: {slots:?}\n{log}");
    slots.len()
}

/// Kills the agent at so many moments. Every slot gets its backup, but for those that passed
/// while it was down or busy, which it says.
pub(crate) fn kill_agents(server: &LabServer, tag: &str, kills: u32, mut seed: u64) {
    let collection = format!("default.{tag}");
    let fill = ["--scenario", "segments", "--rows", "500", "--segments", "4"];
    server.data_py("fill", &[fill.as_slice(), &["--collection", &collection]].concat());
    let agent = Agent::new(server, tag);
    let policy = |every: u32| {
        format!(
            "collections: [{collection}]\nschedule: {{every: {every}s}}\nretention: {{keep_all: true}}\n"
        )
    };
    agent.serve(&[("a", &policy(10)), ("b", &policy(15))]);
    let mut log = String::new();
    for _ in 0..kills {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let running = Running::start(&agent);
        // Into the run of the next slot, or a little before or after it.
        let into = i64::try_from((seed >> 33) % 3500).expect("it is small");
        let slot = (SystemClock.now().as_millisecond() / 10_000 + 1) * 10_000;
        let moment = slot - 500 + into - SystemClock.now().as_millisecond();
        std::thread::sleep(Duration::from_millis(moment.unsigned_abs()));
        log += &running.kill();
    }
    let mut running = Running::start(&agent);
    running.until("both policies go on", |running| {
        running.runs("a", "complete") >= 2 && running.runs("b", "complete") >= 2
    });
    running.until("nothing is stuck", |running| {
        ["a", "b"].iter().all(|policy| {
            let name = format!("run_in_progress{{kind=\"backup\",policy=\"{policy}\"}}");
            running.metric(&name) == Some(0)
        })
    });
    log += &running.stop();
    let complete = agent.complete();
    for backup in &complete {
        agent.verify(backup);
    }
    let (mut without, mut told) = (0, 0);
    for (policy, every) in [("a_", 10), ("b_", 15)] {
        let made: BTreeSet<Timestamp> = complete
            .iter()
            .filter(|name| name.starts_with(policy))
            .map(|name| slot(name))
            .collect();
        let (first, last) = (made.first().expect("a backup"), made.last().expect("a backup"));
        let slots = last.duration_since(*first).as_secs() / every + 1;
        let lacking = usize::try_from(slots).expect("a few") - made.len();
        let said = missed(&log, policy.trim_end_matches('_'));
        assert!(lacking <= said, "{lacking} slots have no backup, {said} were told:\n{log}");
        (without, told) = (without + lacking, told + said);
    }
    let again = log.matches("a job of an earlier process goes on").count();
    say(&format!(
        "{kills} kills of the agent, {again} of them into a job: {} backups, each verified; {without} slots without one, {told} told",
        complete.len()
    ));
}

/// The slots of a policy that the log says got no run.
fn missed(log: &str, policy: &str) -> usize {
    let of_policy = format!("policy=\"{policy}\"");
    let lines = log.lines().filter(|line| line.contains(&of_policy));
    let count = |line: &str| {
        if line.contains("a slot is skipped") {
            return 1;
        }
        let Some((_, rest)) = line.split_once("slots passed without a run") else { return 0 };
        let slots = rest.split_once("slots=").and_then(|(_, rest)| rest.split_whitespace().next());
        slots.and_then(|slots| slots.parse().ok()).expect("how many")
    };
    lines.map(count).sum::<usize>()
}

/// Runs against a Milvus that takes everything and answers nothing.
pub(crate) fn hang(server: &LabServer, tag: &str, runs: u64) {
    let collection = format!("default.{tag}");
    let fill = ["--scenario", "segments", "--rows", "100", "--segments", "1"];
    server.data_py("fill", &[fill.as_slice(), &["--collection", &collection]].concat());
    let proxy = Proxy::start(&server.address);
    let behind = LabServer { address: proxy.address.clone(), ..server.clone() };
    let agent = Agent::new(&behind, tag);
    let policy = format!(
        "collections: [{collection}]\nschedule: {{every: 10s}}\nstall_timeout: 3s\nretention: {{keep_all: true}}\n"
    );
    agent.serve(&[("first", &policy), ("second", &policy)]);
    let mut running = Running::start(&agent);
    let both = |running: &Running, outcome: &str, runs: u64| {
        running.runs("first", outcome) >= runs && running.runs("second", outcome) >= runs
    };
    running.until("good runs", |running| both(running, "complete", 1));
    proxy.hang();
    running.until("the first hung runs", |running| both(running, "failed", 1));
    let (files, threads) = running.holds();
    running.until("hung runs", |running| both(running, "failed", runs));
    // Threads that were needed for a moment are let go a while later.
    running.until(&format!("no more than {files} files and {threads} threads"), |running| {
        let held = running.holds();
        held.0 <= files + 8 && held.1 <= threads + 4
    });
    let held = running.holds();
    let log = running.log();
    assert!(log.contains("it hung: nothing moved for 3s (stall_timeout)"), "{log}");
    // The second did not wait for the first to end.
    let begun = begun(&log);
    let pairs = begun.iter().filter(|(backup, at)| {
        let twin = backup.replace("first_", "second_");
        begun.iter().any(|(other, then)| {
            *other == twin && other != backup && then.duration_since(*at).as_secs() < 3
        })
    });
    assert!(pairs.count() as u64 >= runs, "{begun:?}");
    let complete = running.runs("first", "complete");
    proxy.go_on();
    running.until("good runs again", |running| both(running, "complete", complete + 1));
    running.stop();
    say(&format!(
        "{runs} hung runs of each of 2 policies: {files} files open at first, {} at last",
        held.0
    ));
}
