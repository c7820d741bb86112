//! Garbage collection is paused while a backup runs, and goes on however it ends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use milvus_backup_agent::job::run_backup;
use milvus_backup_agent::milvus::testing::FakeMilvus;
use milvus_backup_agent::milvus::{
    GcControl, GcTarget, GcTicket, MilvusError, MilvusErrorKind, MilvusResult,
};
use milvus_backup_agent::model::ErrorKind;
use milvus_backup_agent::storage::{StoreErrorKind, StoreOp};
use tokio::time::{Instant, sleep};

use crate::support::{Lab, Process, namespace, request};

/// A server that numbers its pauses, and what it was asked.
#[derive(Debug, Default)]
struct Fake {
    /// How long an answer takes.
    latency: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    pauses: Vec<Instant>,
    targets: Vec<GcTarget>,
    open: Vec<GcTicket>,
    failures: Vec<MilvusErrorKind>,
    under_way: bool,
}

impl Fake {
    fn failing(failures: &[MilvusErrorKind]) -> Arc<Self> {
        let fake = Self::default();
        failures.clone_into(&mut fake.state().failures);
        Arc::new(fake)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    fn pauses(&self) -> usize {
        self.state().pauses.len()
    }

    async fn answer(&self) -> MilvusResult<()> {
        assert!(!std::mem::replace(&mut self.state().under_way, true), "two calls at once");
        sleep(self.latency).await;
        self.state().under_way = false;
        let failure = self.state().failures.pop();
        failure.map_or(Ok(()), |kind| Err(MilvusError::new("pause", kind, "scripted")))
    }
}

#[async_trait]
impl GcControl for Fake {
    async fn pause(&self, target: GcTarget, lease: Duration) -> MilvusResult<GcTicket> {
        assert_eq!(lease, Duration::from_mins(15));
        self.answer().await?;
        let mut state = self.state();
        state.pauses.push(Instant::now());
        state.targets.push(target);
        let ticket = GcTicket(Some(state.pauses.len().to_string()));
        state.open.push(ticket.clone());
        Ok(ticket)
    }

    async fn resume(&self, ticket: &GcTicket) -> MilvusResult<()> {
        self.answer().await?;
        let mut state = self.state();
        let open = state.open.iter().position(|open| open == ticket).expect("an open ticket");
        state.open.remove(open);
        Ok(())
    }
}

async fn lab() -> Lab {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    lab
}

fn assert_resumed(fake: &Fake) {
    assert_eq!(fake.state().open, Vec::new(), "Milvus is left paused");
}

#[tokio::test(start_paused = true)]
async fn a_pause_lasts_as_long_as_its_backup() {
    let (lab, fake) = (lab().await, Arc::new(Fake::default()));
    let mut context = lab.context();
    context.gc = Some(Arc::<Fake>::clone(&fake));
    run_backup(&context, request("b")).await.expect("a backup");
    assert_eq!(fake.pauses(), 1);
    assert_resumed(&fake);
}

/// The backup hangs, is renewed for an hour, and is cancelled; every ticket is given back.
#[tokio::test(start_paused = true)]
async fn a_pause_is_renewed_and_every_ticket_given_back() {
    for latency in [0, 5] {
        let lab = lab().await;
        let fake = Arc::new(Fake { latency: Duration::from_secs(latency), ..Fake::default() });
        let mut context = lab.context();
        context.gc = Some(Arc::<Fake>::clone(&fake));
        context.source = Some(Process::killed_after(2).store(Arc::clone(&lab.source)));
        let cancel = context.cancel.clone();
        let stop = async {
            sleep(Duration::from_mins(61)).await;
            cancel.cancel();
        };
        let (ended, ()) = tokio::join!(run_backup(&context, request("b")), stop);
        assert_eq!(ended.expect_err("it was stopped").kind(), ErrorKind::Cancelled);
        assert!((12..=13).contains(&fake.pauses()), "{} pauses", fake.pauses());
        assert_resumed(&fake);
        sleep(Duration::from_hours(1)).await;
        assert!(fake.pauses() <= 13, "it was paused again");
    }
}

/// Stopped while the answer to the first pause, or to a renewal, is on its way.
#[tokio::test(start_paused = true)]
async fn a_pause_that_is_answered_late_is_ended_too() {
    for after in [Duration::from_secs(2), Duration::from_secs(5 * 60 + 4)] {
        let lab = lab().await;
        let fake = Arc::new(Fake { latency: Duration::from_secs(3), ..Fake::default() });
        let mut context = lab.context();
        context.gc = Some(Arc::<Fake>::clone(&fake));
        context.source = Some(Process::killed_after(2).store(Arc::clone(&lab.source)));
        let cancel = context.cancel.clone();
        let stop = async {
            sleep(after).await;
            cancel.cancel();
        };
        let (ended, ()) = tokio::join!(run_backup(&context, request("b")), stop);
        assert!(ended.is_err());
        assert!(fake.pauses() >= 1);
        assert_resumed(&fake);
    }
}

#[tokio::test(start_paused = true)]
async fn a_backup_that_fails_or_is_dropped_ends_its_pause() {
    let (lab, fake) = (lab().await, Arc::new(Fake::default()));
    let store = lab.faulty();
    store.fail(StoreOp::Put, "/_segments/", StoreErrorKind::Full, 1);
    let mut context = lab.context_over(store);
    context.gc = Some(Arc::<Fake>::clone(&fake));
    assert!(run_backup(&context, request("failed")).await.is_err());
    assert_eq!(fake.pauses(), 1);
    assert_resumed(&fake);

    let mut context = lab.context();
    context.gc = Some(Arc::<Fake>::clone(&fake));
    let dropped = run_backup(&context, request("dropped"));
    assert!(tokio::time::timeout(Duration::from_millis(300), dropped).await.is_err());
    assert_eq!(fake.pauses(), 2);
    sleep(Duration::from_secs(1)).await;
    assert_resumed(&fake);
}

/// A 2.6.8 with two collections.
async fn later_lab() -> Lab {
    let mut lab = Lab::new();
    let milvus = FakeMilvus::new(Arc::clone(&lab.source)).with_version("v2.6.8");
    lab.milvus = Arc::new(milvus);
    lab.fill("films", 0..5).await;
    lab.fill("notes", 0..5).await;
    lab
}

#[tokio::test(start_paused = true)]
async fn a_later_server_is_paused_for_each_collection() {
    let (lab, fake) = (later_lab().await, Arc::new(Fake::default()));
    let mut context = lab.context();
    context.gc = Some(Arc::<Fake>::clone(&fake));
    run_backup(&context, request("b")).await.expect("a backup");
    let of = |name| GcTarget::Collection(lab.milvus.collection_id(&namespace(name)));
    let targets = fake.state().targets.clone();
    assert!(targets.len() == 2 && targets.contains(&of("films")) && targets.contains(&of("notes")));
    assert_resumed(&fake);
}

/// Waiting for it at each of 300 collections would take an hour.
#[tokio::test(start_paused = true)]
async fn a_later_server_that_does_not_answer_is_asked_once() {
    let (lab, fake) = (later_lab().await, Fake::failing(&[MilvusErrorKind::Unreachable]));
    let mut context = lab.context();
    context.gc = Some(Arc::<Fake>::clone(&fake));
    run_backup(&context, request("b")).await.expect("a backup");
    assert_eq!((fake.pauses(), fake.state().failures.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_pause_is_backed_up_all_the_same() {
    for kind in
        [MilvusErrorKind::Unimplemented, MilvusErrorKind::Unreachable, MilvusErrorKind::Other]
    {
        let (lab, fake) = (lab().await, Fake::failing(&[kind]));
        let mut context = lab.context();
        context.gc = Some(Arc::<Fake>::clone(&fake));
        run_backup(&context, request("b")).await.expect("a backup");
        assert_eq!(fake.pauses(), 0);
        assert_resumed(&fake);
    }
}

#[tokio::test(start_paused = true)]
async fn a_resume_that_fails_is_tried_again() {
    let (lab, fake) = (lab().await, Arc::new(Fake::default()));
    let mut context = lab.context();
    context.gc = Some(Arc::<Fake>::clone(&fake));
    let fail = async {
        sleep(Duration::from_millis(300)).await;
        fake.state().failures = vec![MilvusErrorKind::Unreachable; 2];
    };
    let (ended, ()) = tokio::join!(run_backup(&context, request("b")), fail);
    ended.expect("a backup");
    assert_resumed(&fake);
}
