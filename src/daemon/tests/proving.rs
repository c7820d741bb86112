//! Slots of readings and drills, and what is told of them.

use jiff::Timestamp;

use super::lab::{Deed, Lab};
use crate::catalog::{drill_proof, put_drill_proof, put_reading_proof, reading_proof};
use crate::job::{Busy, Cause, JobRequest, RunOutcome};
use crate::manifest::{DrillEnd, DrillProof, ReadingProof};
use crate::model::{BackupName, ClusterName, KeyPrefix, PolicyName};
use crate::storage::{ObjectStore, ObjectStoreExt, PutMode};

/// Readings at 04:00, drills at 05:00.
const DAILY: &str = "verify: {schedule: 0 4 * * *, drill: 0 5 * * *}";

fn second(moment: &str) -> f64 {
    let moment: Timestamp = moment.parse().unwrap();
    #[expect(clippy::cast_precision_loss, reason = "seconds of these years are exact")]
    let second = moment.as_second() as f64;
    second
}

fn policy() -> PolicyName {
    PolicyName::new("p").unwrap()
}

#[tokio::test(start_paused = true)]
async fn slots_are_dealt_with_once_and_what_was_missed_is_made_up_for_once() {
    let lab = Lab::new().await;
    lab.backup("first").await;
    let agent = lab.start(DAILY).await;
    assert_eq!(agent.runs("verify", "complete"), Some(0.), "it counts from the start");
    assert_eq!(agent.runs("drill", "failed"), Some(0.));
    assert_eq!(
        agent.gauge("verify_next_run_timestamp_seconds"),
        Some(second("2026-11-23T04:00:00Z"))
    );
    assert_eq!(agent.gauge("drill_max_age_seconds"), Some(48. * 3600.));
    assert_eq!(agent.gauge("verify_max_age_seconds"), Some(32. * 24. * 3600.));
    lab.until("2026-11-23T03:59:50Z").await;
    assert_eq!(agent.runs("verify", "complete"), Some(0.));
    assert_eq!(*lab.driller.cleaned.lock().unwrap(), 1, "soon after the start");
    lab.until("2026-11-23T04:00:10Z").await;
    assert_eq!(agent.runs("verify", "complete"), Some(1.));
    assert_eq!(
        agent.gauge("verify_next_run_timestamp_seconds"),
        Some(second("2026-11-24T04:00:00Z"))
    );
    lab.backup("second").await;
    lab.until("2026-11-23T05:00:10Z").await;
    assert_eq!(lab.drills(), ["second"], "the newest");
    assert_eq!(agent.runs("drill", "complete"), Some(1.));
    agent.stop().await;

    let agent = lab.start(DAILY).await;
    lab.until("2026-11-23T05:30:00Z").await;
    assert_eq!(agent.runs("verify", "complete"), Some(0.), "that slot was dealt with");
    agent.stop().await;
    assert_eq!(lab.drills().len(), 1);

    // Down for two slots of each.
    lab.until("2026-11-25T12:00:00Z").await;
    let agent = lab.start(DAILY).await;
    lab.until("2026-11-25T13:00:00Z").await;
    assert_eq!(agent.runs("verify", "complete"), Some(1.));
    assert_eq!(lab.drills().len(), 2);
    agent.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_waits_for_a_backup_of_its_policy_and_no_backup_for_it() {
    let lab = Lab::new().await;
    lab.backup("first").await;
    *lab.driller.deed.lock().unwrap() = Deed::Hangs;
    let agent = lab.start(DAILY).await;
    let request = || JobRequest {
        policy: "p".to_owned(),
        cause: Cause::Request,
        backup: BackupName::new("p_1").unwrap(),
        requesters: Vec::new(),
    };
    lab.until("2026-11-23T03:59:00Z").await;
    lab.runner.submit(request(), Busy::Join).await.unwrap();
    lab.until("2026-11-23T04:40:00Z").await;
    assert_eq!(agent.runs("verify", "complete"), Some(0.), "a backup is at work");
    lab.end_backups();
    lab.until("2026-11-23T04:41:00Z").await;
    assert_eq!(agent.runs("verify", "complete"), Some(1.));
    lab.until("2026-11-23T05:01:00Z").await;
    let at_work = "run_in_progress{kind=\"drill\",policy=\"p\"}";
    assert_eq!(agent.value(at_work), Some(1.));
    lab.runner.submit(request(), Busy::Join).await.unwrap();
    lab.until("2026-11-23T05:02:00Z").await;
    assert_eq!(lab.runner.active().len(), 1, "it began at once");

    // Whoever stops the agent stops the drill, which is made up for.
    agent.stop().await;
    assert_eq!(lab.driller.made.lock().unwrap().1, 1, "it was told to stop");
    lab.end_backups();
    *lab.driller.deed.lock().unwrap() = Deed::Ends(RunOutcome::Complete);
    let agent = lab.start(DAILY).await;
    lab.until("2026-11-23T05:03:00Z").await;
    assert_eq!((lab.drills().len(), agent.runs("drill", "complete")), (2, Some(1.)));
    agent.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_failed_or_took_too_long_is_tried_at_the_next_slot() {
    let lab = Lab::new().await;
    lab.backup("first").await;
    let drills = "verify: {schedule: 0 * * * *, drill: 30 */4 * * *}";
    let agent = lab.start(&format!("timeout: 2h\n{drills}")).await;
    for (deed, hour, failed) in
        [(Deed::Breaks, 4, 1.), (Deed::Ends(RunOutcome::Failed), 8, 2.), (Deed::Hangs, 12, 3.)]
    {
        *lab.driller.deed.lock().unwrap() = deed;
        lab.until(&format!("2026-11-23T{hour:02}:45:00Z")).await;
        let so_far = if matches!(deed, Deed::Hangs) { failed - 1. } else { failed };
        assert_eq!(agent.runs("drill", "failed"), Some(so_far), "{deed:?}");
        lab.until(&format!("2026-11-23T{:02}:15:00Z", hour + 3)).await;
        assert_eq!(agent.runs("drill", "failed"), Some(failed), "{deed:?}");
        assert_eq!(lab.drills().len() * 4, hour, "{deed:?}");
    }
    assert_eq!(lab.driller.made.lock().unwrap().1, 1, "it was told to stop");
    // The first time is soon after the start.
    assert_eq!(*lab.driller.cleaned.lock().unwrap(), 3, "soon after each that broke off");
    // One of those at 13:00 and 14:00 was in the way of the drill that hung.
    assert_eq!(agent.runs("verify", "complete"), Some(12.), "they go on beside");
    agent.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_lets_slots_pass_and_a_reload_brings_others() {
    let lab = Lab::new().await;
    lab.backup("first").await;
    let agent = lab.start(&format!("paused: true\n{DAILY}")).await;
    lab.until("2026-11-23T12:00:00Z").await;
    assert_eq!(agent.gauge("verify_next_run_timestamp_seconds"), None);
    agent.worlds.replace(lab.world(Some(DAILY)));
    lab.until("2026-11-23T12:05:00Z").await;
    assert_eq!(agent.runs("verify", "complete"), Some(0.), "the pause was no accident");
    agent.worlds.replace(lab.world(Some("verify: {schedule: 30 * * * *}")));
    lab.until("2026-11-23T12:10:00Z").await;
    assert_eq!(agent.gauge("drill_since_timestamp_seconds"), None);
    let cluster = lab.opened().await.cluster(&ClusterName::new("c1").unwrap());
    let record = drill_proof(&cluster, &policy()).await.unwrap().unwrap();
    assert_eq!(record, DrillProof::none(), "nobody wants drills");
    lab.until("2026-11-23T12:30:10Z").await;
    assert_eq!(agent.runs("verify", "complete"), Some(1.));
    agent.worlds.replace(lab.world(None));
    lab.until("2026-11-23T15:00:00Z").await;
    assert_eq!((agent.runs("verify", "complete"), lab.drills().len()), (Some(1.), 0));
    agent.stop().await;
}

#[tokio::test(start_paused = true)]
async fn before_the_first_backup_there_is_nothing_to_do_and_that_is_no_failure() {
    let lab = Lab::new().await;
    let agent = lab.start("verify: {schedule: 0 * * * *, drill: 30 * * * *}").await;
    let since = agent.gauge("drill_since_timestamp_seconds");
    assert_eq!(since, Some(second("2026-11-23T02:00:00Z")));
    assert_eq!(agent.gauge("last_drill_success_timestamp_seconds"), Some(0.));
    lab.until("2026-11-23T04:10:00Z").await;
    for kind in ["verify", "drill"] {
        for outcome in ["complete", "failed", "skipped"] {
            assert_eq!(agent.runs(kind, outcome), Some(0.), "{kind} {outcome}");
        }
    }
    assert_eq!(agent.gauge("drill_since_timestamp_seconds"), since, "it does not move");
    lab.backup("first").await;
    lab.until("2026-11-23T05:10:00Z").await;
    assert_eq!(agent.runs("verify", "complete"), Some(1.));
    assert_eq!(lab.drills(), ["first"]);
    agent.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_process_tells_what_the_one_before_has_found() {
    let lab = Lab::new().await;
    lab.backup("first").await;
    let agent = lab.start(DAILY).await;
    let all = lab.repository.list_all(&KeyPrefix::root()).await.unwrap();
    let file = all.into_iter().find(|meta| meta.key.as_str().contains("/_segments/")).unwrap();
    lab.repository.put(&file.key, "x".into(), PutMode::Overwrite).await.unwrap();
    lab.until("2026-11-23T04:00:10Z").await;
    assert_eq!(agent.runs("verify", "failed"), Some(1.));
    assert_eq!(agent.value("verify_objects_total{result=\"size\"}"), Some(1.));
    let verified = "last_verified_timestamp_seconds{level=\"size\",policy=\"p\"}";
    assert_eq!(agent.value(verified), None);
    lab.until("2026-11-23T05:01:00Z").await;
    assert!(lab.drills().is_empty(), "it is suspect, and there is no other one");
    agent.stop().await;

    let cluster = lab.opened().await.cluster(&ClusterName::new("c1").unwrap());
    let mut record = drill_proof(&cluster, &policy()).await.unwrap().unwrap();
    assert!(record.since.unwrap().to_string().starts_with("2026-11-23T02:0"), "{record:?}");
    let at = "2026-11-23T04:30:00Z".parse().unwrap();
    let (backup, outcome) = ("first".to_owned(), RunOutcome::Partial);
    record.ended(DrillEnd { at, backup, outcome, rto_seconds: 2.5, detail: None }, true);
    put_drill_proof(&cluster, &policy(), &record).await.unwrap();
    let reading = reading_proof(&cluster, &policy()).await.unwrap().unwrap();
    assert_eq!(reading.last.unwrap().outcome, RunOutcome::Failed);

    let agent = lab.start(DAILY).await;
    let last = |kind: &str, outcome: &str| {
        let labels = format!("{{kind=\"{kind}\",outcome=\"{outcome}\",policy=\"p\"}}");
        agent.value(&format!("last_run_outcome{labels}"))
    };
    assert_eq!((last("verify", "failed"), last("verify", "complete")), (Some(1.), Some(0.)));
    assert_eq!(last("drill", "complete"), Some(1.));
    assert_eq!(agent.gauge("last_drill_rto_seconds"), Some(2.5));
    assert_eq!(
        agent.gauge("last_drill_success_timestamp_seconds"),
        Some(second("2026-11-23T04:30:00Z"))
    );
    let since = agent.gauge("verify_read_since_timestamp_seconds").unwrap();
    assert!(since >= second("2026-11-23T02:00:00Z") && since <= second("2026-11-23T04:00:00Z"));
    agent.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_clock_that_ran_ahead_has_written_is_not_told() {
    let lab = Lab::new().await;
    lab.backup("first").await;
    let cluster = lab.opened().await.cluster(&ClusterName::new("c1").unwrap());
    let at: Timestamp = "2031-01-01T00:00:00Z".parse().unwrap();
    let (backup, outcome) = ("first".to_owned(), RunOutcome::Complete);
    let mut record = DrillProof { since: Some(at), ..DrillProof::none() };
    let end = DrillEnd { at, backup, outcome, rto_seconds: 2.5, detail: None };
    record.ended(end, outcome == RunOutcome::Complete);
    put_drill_proof(&cluster, &policy(), &record).await.unwrap();
    let mut reading = ReadingProof::none();
    reading.since = Some(at);
    put_reading_proof(&cluster, &policy(), &reading).await.unwrap();

    let agent = lab.start(DAILY).await;
    let now = agent.gauge("drill_since_timestamp_seconds");
    assert!(now.is_some_and(|now| now < second("2026-11-23T02:01:00Z")), "{now:?}");
    assert_eq!(agent.gauge("last_drill_success_timestamp_seconds"), Some(0.));
    assert_eq!(agent.gauge("verify_read_since_timestamp_seconds"), now);
    lab.until("2026-11-23T03:00:00Z").await;
    assert_eq!(agent.gauge("verify_read_since_timestamp_seconds"), now, "it grows old");
    agent.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_drill_that_broke_off_or_hung_is_no_secret_of_one_process() {
    let lab = Lab::new().await;
    lab.backup("first").await;
    let cluster = lab.opened().await.cluster(&ClusterName::new("c1").unwrap());
    let text = format!("timeout: 2h\n{DAILY}");
    let agent = lab.start(&text).await;
    let last = async || drill_proof(&cluster, &policy()).await.unwrap().unwrap().last;
    for (deed, until, why) in [
        (Deed::Ends(RunOutcome::Complete), "2026-11-23T05:10:00Z", None),
        (Deed::Breaks, "2026-11-24T05:10:00Z", Some("no Milvus")),
        (Deed::Tidies, "2026-11-25T07:10:00Z", Some("longer than it may")),
    ] {
        *lab.driller.deed.lock().unwrap() = deed;
        lab.until(until).await;
        let end = last().await;
        let told = end.as_ref().map(|end| (end.outcome, end.backup.as_str()));
        assert_eq!(told, why.map(|_| (RunOutcome::Failed, "first")), "{deed:?}");
        let detail = end.and_then(|end| end.detail).unwrap_or_default();
        assert!(detail.contains(why.unwrap_or_default()), "{detail}");
    }
    assert_eq!(lab.driller.made.lock().unwrap().1, 1, "it could drop what it made");
    // Who stops the agent does not wait for that.
    lab.until("2026-11-26T07:00:30Z").await;
    let begun = lab.now();
    agent.stop().await;
    assert!(lab.now().duration_since(begun).as_secs() <= 21, "{}", lab.now());
    assert!(last().await.is_some_and(|end| end.at > begun), "it took too long all the same");
}
