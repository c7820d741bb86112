//! Slots of schedules become jobs: each once, also across restarts, and none after its time.

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use milvus_backup_agent::job::Cause;
use milvus_backup_agent::metrics::{Metrics, PolicyFacts};
use milvus_backup_agent::model::{Clock, ClusterName, ErrorKind};
use milvus_backup_agent::policy::PolicySet;
use milvus_backup_agent::trigger::Schedules;
use tokio::time::sleep;

use crate::support::{Deed, Jobs, Service};

const SHORT: Deed = Deed::Takes(Duration::from_secs(5));

/// A set of one policy `p`; the clock of the tests starts at 02:00:00.
fn policies(text: &str) -> PolicySet {
    let text = format!("{text}\nretention: {{keep_all: true}}\n");
    let file = (PathBuf::from("/policies/p.yaml"), Ok(text.into_bytes()));
    let cluster = ClusterName::new("c1").expect("a name");
    PolicySet::parse(&[file], &cluster).expect("a policy")
}

/// A process that looks at the schedules.
struct Process {
    service: Service,
    schedules: Schedules,
    metrics: Metrics,
}

impl Process {
    async fn start(jobs: &Jobs) -> Self {
        let service = jobs.agent().await;
        let metrics = Metrics::default();
        metrics.set_policies(&[PolicyFacts {
            name: "p".to_owned(),
            created_at: jobs.clock.now(),
            max_age: None,
            interval: None,
            min_keep: None,
        }]);
        let (runner, journal) = (service.runner.clone(), service.journal.clone());
        let clock = std::sync::Arc::<_>::clone(&jobs.clock);
        let schedules = Schedules::new(runner, journal, metrics.clone(), clock);
        Self { service, schedules, metrics }
    }

    /// Looks every second for so long.
    async fn look(&mut self, policies: &PolicySet, seconds: u64) {
        for _ in 0..seconds {
            self.schedules.look(policies).await;
            sleep(Duration::from_secs(1)).await;
        }
    }

    async fn end(self) {
        let Self { service, schedules, .. } = self;
        drop(schedules);
        service.kill().await;
    }

    fn missed(&self, reason: &str) -> u64 {
        let name = format!("schedule_missed_total{{policy=\"p\",reason=\"{reason}\"}} ");
        let text = self.metrics.render();
        let line =
            text.lines().find_map(|line| line.strip_prefix("milvus_backup_")?.strip_prefix(&name));
        line.expect("it is counted from 0").parse().expect("a count")
    }
}

/// What was made, by the minute and second of its slot.
fn made(jobs: &Jobs) -> Vec<String> {
    let names = jobs.world.made().into_iter();
    names
        .map(|(name, times)| {
            assert_eq!(times, 1, "{name}");
            name.strip_prefix("p_20261123_02").expect("a slot of this hour").to_owned()
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn every_slot_gets_one_job_in_time() {
    let jobs = Jobs::new(&[("p", SHORT)]);
    let mut process = Process::start(&jobs).await;
    let policies = policies("schedule: {every: 20s}");
    process.look(&policies, 65).await;
    process.service.settled().await;
    assert_eq!(made(&jobs), ["0020", "0040", "0100"], "none for the moment of its birth");
    let ended = process.service.journal.ended_jobs(9).expect("the journal");
    assert!(ended.iter().all(|job| matches!(job.cause, Cause::Schedule { .. })), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn what_passed_while_it_was_down_gets_one_run_inside_its_window() {
    let jobs = Jobs::new(&[("p", SHORT)]);
    let minutely = policies("schedule: {every: 1m}");
    let mut process = Process::start(&jobs).await;
    process.look(&minutely, 70).await;
    process.service.settled().await;
    process.end().await;
    sleep(Duration::from_secs(200)).await;
    let mut process = Process::start(&jobs).await;
    process.look(&minutely, 3).await;
    process.service.settled().await;
    // 02:01 was made; 02:02 and 02:03 were missed; 02:04 is caught up.
    assert_eq!(made(&jobs), ["0100", "0400"]);
    assert_eq!(process.missed("down"), 2);
    let ended = process.service.journal.ended_jobs(1).expect("the journal");
    assert!(matches!(ended[0].cause, Cause::CatchUp { .. }), "{ended:?}");
    process.end().await;

    sleep(Duration::from_mins(30)).await;
    let never = policies("schedule: {every: 1m, catch_up: none}");
    let mut process = Process::start(&jobs).await;
    process.look(&never, 2).await;
    assert!(process.missed("down") >= 30);
    assert_eq!(made(&jobs).len(), 2, "nothing is caught up");
    process.look(&never, 60).await;
    process.service.settled().await;
    assert_eq!(made(&jobs).len(), 3, "the next slot is as usual");
}

#[tokio::test(start_paused = true)]
async fn a_slot_of_a_busy_policy_is_skipped_queued_or_takes_its_place() {
    for (overlap, expected, skipped) in
        [("skip", &["0020", "0120"][..], 4), ("queue", &["0020", "0040"], 0), ("replace", &[], 0)]
    {
        let jobs = Jobs::new(&[("p", Deed::Takes(Duration::from_secs(50)))]);
        let mut process = Process::start(&jobs).await;
        let policies = policies(&format!("schedule: {{every: 20s, overlap: {overlap}}}"));
        process.look(&policies, 135).await;
        assert_eq!(made(&jobs), expected, "{overlap}");
        assert_eq!(process.missed("overlap"), skipped, "{overlap}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_policy_does_not_catch_up_on_its_pause() {
    let jobs = Jobs::new(&[("p", SHORT)]);
    let mut process = Process::start(&jobs).await;
    process.look(&policies("schedule: {every: 20s}\npaused: true"), 50).await;
    assert_eq!(process.missed("disabled"), 2);
    process.schedules.forget();
    process.look(&policies("schedule: {every: 20s}"), 30).await;
    process.service.settled().await;
    assert_eq!(made(&jobs), ["0100"]);
}

/// A kill at any moment, an agent a second later: each slot once.
#[tokio::test(start_paused = true)]
async fn no_slot_is_lost_or_doubled_across_a_kill() {
    let policies = policies("schedule: {every: 10s, overlap: queue}");
    for moment in (0..12_000).step_by(389) {
        let jobs = Jobs::new(&[("p", SHORT)]);
        let mut process = Process::start(&jobs).await;
        process.look(&policies, 8).await;
        let rest = async {
            process.look(&policies, 20).await;
        };
        drop(tokio::time::timeout(Duration::from_millis(moment), rest).await);
        process.end().await;
        sleep(Duration::from_secs(1)).await;
        let mut process = Process::start(&jobs).await;
        let now: Timestamp = jobs.clock.now();
        let left =
            41 - now.duration_since("2026-11-23T02:00:00Z".parse().expect("a time")).as_secs();
        process.look(&policies, u64::try_from(left).expect("time is left")).await;
        process.service.settled().await;
        assert_eq!(made(&jobs), ["0010", "0020", "0030", "0040"], "killed after {moment} ms");
    }
}

/// A clock that was years ahead and is set right: schedules go on, and a retry does not wait for
/// the year that never was.
#[tokio::test(start_paused = true)]
async fn a_clock_that_was_ahead_stops_nothing() {
    let jobs = Jobs::new(&[("p", SHORT)]);
    let policies = policies("schedule: {every: 20s}");
    let mut process = Process::start(&jobs).await;
    jobs.clock.shift(SignedDuration::from_hours(24 * 365 * 4));
    process.look(&policies, 45).await;
    jobs.clock.shift(SignedDuration::ZERO);
    process.look(&policies, 60).await;
    process.service.settled().await;
    let names: Vec<String> = jobs.world.made().into_iter().map(|made| made.0).collect();
    let now = names.iter().filter(|name| name.starts_with("p_2026")).count();
    assert!((2..=3).contains(&now), "{names:?}");
}

#[tokio::test(start_paused = true)]
async fn another_schedule_catches_nothing_up() {
    let jobs = Jobs::new(&[("p", SHORT)]);
    let mut process = Process::start(&jobs).await;
    process.look(&policies("schedule: {cron: \"0 1 * * *\"}"), 5).await;
    sleep(Duration::from_mins(30)).await;
    process.schedules.forget();
    // It would have been due five minutes ago.
    process.look(&policies("schedule: {cron: \"25 2 * * *\"}"), 5).await;
    assert!(jobs.world.made().is_empty());
    assert_eq!(process.missed("down"), 0);
}

/// A policy whose run failed and waits for its next try gets its new slots all the same.
#[tokio::test(start_paused = true)]
async fn a_new_slot_takes_the_place_of_a_retry() {
    let jobs = Jobs::new(&[("p", Deed::Fails(1, ErrorKind::Failed))]);
    let mut process = Process::start(&jobs).await;
    process.look(&policies("schedule: {every: 20s}"), 65).await;
    // The retry would be a minute after the first failure.
    let slots: Vec<u32> = jobs.world.tries.lock().unwrap().values().copied().collect();
    assert_eq!(slots, [1, 1, 1], "each slot had its run");
    assert_eq!(process.missed("overlap"), 0);
}
