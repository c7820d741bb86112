//! A lease is lost as soon as its holder can know it, and what is there then is left alone.

use std::sync::Arc;
use std::time::Duration;

use milvus_backup_agent::catalog::{Cluster, Lease, Liveness, PRUNE, Repository, observe};
use milvus_backup_agent::manifest::{LeaseRecord, decode, encode};
use milvus_backup_agent::model::{ErrorKind, ObjectKey};
use milvus_backup_agent::storage::testing::FaultyStore;
use milvus_backup_agent::storage::{ObjectStore, ObjectStoreExt, PutMode, StoreErrorKind, StoreOp};
use tokio::time::{Instant, advance, sleep};

use crate::support::{Lab, Process, Stop};

/// A lease, and the repository below the holder's own view of it.
struct Held {
    lab: Lab,
    view: Arc<FaultyStore>,
    lease: Lease,
}

fn key() -> ObjectKey {
    ObjectKey::new("c1/_leases/run-x/1.json").expect("a key")
}

impl Held {
    async fn new() -> Self {
        let lab = Lab::new();
        let view = lab.faulty();
        let store: Arc<dyn ObjectStore> = Arc::<FaultyStore>::clone(&view);
        let cluster: Cluster = Repository::unopened(store).cluster(&lab.context().cluster);
        let lease = Lease::take(&cluster, "run-x").await.expect("it is free");
        Self { lab, view, lease }
    }

    async fn record(&self) -> LeaseRecord {
        let bytes = self.lab.repository.get_bytes(&key()).await.expect("a lease");
        decode("lease", &bytes).expect("a record")
    }

    fn is_lost(&self) -> bool {
        self.lease.lost().is_cancelled()
    }
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_lives_keeps_it() {
    let held = Held::new().await;
    sleep(Duration::from_secs(125)).await;
    assert_eq!(held.record().await.heartbeat, 12);
    assert!(!held.is_lost());
    held.lease.check().await.expect("it is ours");
}

#[tokio::test(start_paused = true)]
async fn a_holder_whose_lease_was_removed_or_taken_knows_at_the_next_beat() {
    for how in ["removed", "replaced", "taken over"] {
        let held = Held::new().await;
        let ours = encode(&held.record().await).into();
        let mut theirs = held.record().await;
        theirs.token = "theirs".to_owned();
        let repository = &held.lab.repository;
        let put = async |number: u32| {
            let key = ObjectKey::new(format!("c1/_leases/run-x/{number}.json")).expect("a key");
            let body = encode(&theirs).into();
            repository.put(&key, body, PutMode::Overwrite).await.expect("it is put");
        };
        let expected = match how {
            "removed" => {
                repository.delete(&[key()]).await.expect("it is deleted");
                None
            }
            "replaced" => {
                put(1).await;
                Some(encode(&theirs).into())
            }
            _ => {
                put(2).await;
                Some(ours)
            }
        };
        sleep(Duration::from_secs(11)).await;
        assert!(held.is_lost(), "{how}");
        assert_eq!(held.lease.check().await.expect_err("lost").kind(), ErrorKind::Locked);
        let left = held.lab.repository.find_bytes(&key()).await.expect("it is read");
        assert_eq!(left, expected, "{how}: it was written again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_for_a_while_costs_no_lease_and_for_longer_it_does() {
    // After 10 s without an answer there is a try every 2.5 s, and the last one before 25 s.
    for (beats, lost) in [(5, false), (6, true)] {
        let held = Held::new().await;
        held.view.fail(StoreOp::Put, "_leases", StoreErrorKind::Transient, beats);
        sleep(Duration::from_secs(45)).await;
        assert_eq!(held.is_lost(), lost, "{beats} beats failed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_stood_still_does_not_beat_again() {
    let held = Held::new().await;
    sleep(Duration::from_secs(15)).await;
    // As if the process, or the machine, were stopped.
    advance(Duration::from_secs(40)).await;
    sleep(Duration::from_secs(1)).await;
    assert!(held.is_lost());
    assert_eq!(held.record().await.heartbeat, 1, "others may have found it dead");
}

#[tokio::test(start_paused = true)]
async fn what_only_a_holder_may_do_waits_for_a_late_heartbeat_and_for_no_lost_one() {
    for (beats, done) in [(3, true), (99, false)] {
        let held = Held::new().await;
        held.view.fail(StoreOp::Put, "_leases", StoreErrorKind::Transient, beats);
        sleep(Duration::from_secs(16)).await;
        let other = ObjectKey::new("c1/other").expect("a key");
        held.lab.repository.put(&other, "x".into(), PutMode::IfAbsent).await.expect("it is put");
        let begun = Instant::now();
        let deleted = held.lease.delete(std::slice::from_ref(&other)).await;
        let there = held.lab.repository.find_bytes(&other).await.expect("it is read").is_some();
        assert_eq!((deleted.is_ok(), there), (done, !done), "{deleted:?}");
        // The heartbeats of 10, 12.5 and 15 s fail, that of 17.5 s does not; it is seen at 18 s.
        let waited = begun.elapsed().as_secs();
        assert_eq!(waited, if done { 2 } else { 9 }, "{beats} beats failed");
        if let Err(error) = deleted {
            assert_eq!(error.kind(), ErrorKind::Locked);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_given_back_after_what_its_holder_began() {
    let lab = Lab::new();
    let process = Process::halted_before(10, Stop::OneCall);
    let cluster = Repository::unopened(process.store(Arc::new(lab.repository.clone())))
        .cluster(&lab.context().cluster);
    let lease = Lease::acquire(&cluster, PRUNE).await.expect("it is free");
    let other = ObjectKey::new("c1/other").expect("a key");
    lab.repository.put(&other, "x".into(), PutMode::IfAbsent).await.expect("it is put");
    while process.calls() < 8 {
        lease.check().await.expect("it is ours");
    }
    // Dropped when its deletion is on the way: a list and a look at the lease come first.
    let work = async {
        let deletion = lease.delete(std::slice::from_ref(&other));
        assert!(tokio::time::timeout(Duration::from_secs(1), deletion).await.is_err());
        lease.release().await;
        lab.repository.find_bytes(&other).await.expect("it is read")
    };
    let (left, ()) = process.amid(work, sleep(Duration::from_secs(5))).await;
    assert_eq!(left, None, "the lease was given back before");
}

#[tokio::test(start_paused = true)]
async fn those_who_watch_look_at_the_highest_number_of_any_lease() {
    let lab = Lab::new();
    let repository = Repository::unopened(Arc::new(lab.repository.clone()));
    let cluster = repository.cluster(&lab.context().cluster);
    let dead = Lease::acquire(&cluster, "restore-x").await.expect("it is free");
    drop(dead);
    assert_eq!(observe(&cluster, "restore-x").await.expect("it is watched"), Liveness::Dead);
    let heir = Lease::acquire(&cluster, "restore-x").await.expect("its holder is dead");
    assert_eq!(observe(&cluster, "restore-x").await.expect("it is watched"), Liveness::Alive);
    heir.release().await;
    assert_eq!(observe(&cluster, "restore-x").await.expect("it is watched"), Liveness::Dead);
}
