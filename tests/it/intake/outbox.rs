//! What waits for the broker.

use std::time::Duration;

use milvus_backup_agent::job::{Busy, Journal};
use milvus_backup_agent::metrics::MessageResult;
use milvus_backup_agent::model::{Address, Letter};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::support::{Jobs, Lab, job_request};

use super::agent::{Agent, SHORT, asks_for, jobs};

/// A letter is written with the change that it tells, and stays until the broker has it.
#[tokio::test(start_paused = true)]
async fn letters_stay_in_the_outbox_until_they_are_delivered() {
    let state = TempDir::new().expect("a folder");
    let journal = Journal::open(state.path()).expect("it is opened");
    let letter = |number: u32| Letter {
        id: number.to_string(),
        to: Address::Topic { key: "backup.started".to_owned() },
        body: "{}".to_owned(),
    };
    journal.post(&[letter(1), letter(2)]).expect("it is written");
    journal.post(&[letter(3)]).expect("it is written");
    drop(journal);
    let journal = Journal::open(state.path()).expect("it is opened again");
    let outbox = journal.outbox(2).expect("it is read");
    assert_eq!((outbox.waiting, outbox.dropped), (3, 0));
    let ids: Vec<_> = outbox.first.iter().map(|posted| posted.letter.id.as_str()).collect();
    assert_eq!(ids, ["1", "2"]);
    journal.delivered(&[outbox.first[0].number, outbox.first[1].number]).expect("it is written");
    let outbox = journal.outbox(9).expect("it is read");
    assert_eq!((outbox.waiting, outbox.first[0].letter.id.as_str()), (1, "3"));
}

#[tokio::test(start_paused = true)]
async fn every_change_of_a_job_is_in_the_outbox_with_it() {
    let jobs = Jobs::new(&[("nightly", SHORT)]);
    let service = jobs.agent().await;
    service.runner.submit(job_request("nightly", 1), Busy::Join).await.expect("it is accepted");
    sleep(Duration::from_secs(2)).await;
    service.kill().await;
    let service = jobs.agent().await;
    service.settled().await;
    let letters = service.journal.outbox(99).expect("it is read").first;
    let told: Vec<&str> = letters
        .iter()
        .map(|posted| posted.letter.id.split([' ', '{']).nth(1).expect("a state"))
        .collect();
    assert_eq!(told, ["Running", "Queued", "Running", "Ended"]);
}

#[tokio::test(start_paused = true)]
async fn requests_are_known_for_two_days() {
    let (lab, jobs) = (Lab::new(), jobs());
    let agent = Agent::start(&jobs, lab.context()).await;
    assert_eq!(agent.take(&asks_for("nightly", "a")).await, MessageResult::Accepted.as_str());
    agent.service.settled().await;
    sleep(Duration::from_hours(47)).await;
    agent.intake.forget().await.expect("it is written");
    assert!(agent.known("a").is_some());
    sleep(Duration::from_hours(2)).await;
    agent.intake.forget().await.expect("it is written");
    assert_eq!(agent.known("a"), None);
}
