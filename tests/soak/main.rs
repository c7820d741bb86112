//! `make soak`: what `it` does a few times, many times, and what needs the machine for
//! itself. Run with `--test-threads 1`, so that the times mean something.

mod attempts;
mod garbage;
#[expect(dead_code, unused_imports, reason = "the tests of `it` need the rest")]
#[path = "../it/lab/mod.rs"]
mod lab;
mod memory;
mod messages;
#[path = "../it/model/mod.rs"]
mod model;
#[expect(unused_imports, reason = "the tests of `it` need the rest")]
#[path = "../it/steps/mod.rs"]
mod steps;
mod streaming;
mod sweep;

use lab::{Agent, Bucket, LabServer, milvus, say};

#[test]
fn nothing_that_is_needed_is_lost_in_100_000_histories() {
    model::play_histories(100_000);
}

#[test]
fn a_constant_set_of_keys_is_whole_in_many_backups() {
    steps::back_up_under_upserts(&milvus(), "upserts", 6, 3000);
}

#[tokio::test]
async fn many_segments_are_restored_eight_times_faster_than_one_by_one() {
    let speed = steps::race(&milvus(), "speed", 24, 1000).await;
    let times = speed.one_by_one.as_secs_f64() / speed.ours.as_secs_f64();
    say(&format!(
        "24 segments of 1000 rows: restored in {:.1} s, one by one in {:.1} s: {times:.1} times",
        speed.ours.as_secs_f64(),
        speed.one_by_one.as_secs_f64()
    ));
    assert!(times >= 8.0, "only {times:.1} times faster");
}

#[test]
fn a_backup_is_killed_at_12_moments() {
    steps::kill_backups(&milvus(), "kill_backup", 12);
}

#[tokio::test]
async fn a_restore_is_killed_at_12_moments() {
    steps::kill_restores(&milvus(), "kill_restore", 12).await;
}

#[tokio::test]
async fn a_drill_is_killed_at_12_moments() {
    steps::kill_drills(&milvus(), "kill_drill", 12).await;
}

#[test]
fn a_backup_to_s3_is_killed_at_12_moments_and_goes_on() {
    let server = LabServer::on(Bucket::new("milvus", "files"), "s3", &[]);
    steps::resume_backups(&server, "far_resumed", 12, |name| {
        let backups = Bucket::new("backups", format!("resumed_{name}"));
        Agent::over(&server, "resumed", backups.under_another_key())
    });
}

#[test]
fn ten_slots_are_followed_through_the_loss_of_milvus() {
    steps::follow_schedule("scheduled", (4, 2, 4));
}

#[test]
fn an_agent_is_killed_at_20_moments() {
    steps::kill_agents(&milvus(), "agent_killed", 20, 7);
}

#[test]
fn three_backups_of_ten_remain() {
    steps::retain(&milvus(), "retained", (20, 10));
}

#[test]
fn two_agents_share_ten_slots() {
    let server = LabServer::on(Bucket::new("milvus", "files"), "s3-shared", &[]);
    steps::share_slots(&server, "shared_slots", Bucket::new("backups", "shared_slots"), 3);
}

#[test]
fn fifty_runs_hang() {
    steps::hang(&milvus(), "agent_hung", 25);
}
