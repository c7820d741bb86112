//! A lease is lost as soon as its holder can know it, and what is there then is left alone.

use std::sync::Arc;
use std::time::Duration;

use milvus_backup_agent::catalog::{Cluster, Lease, Repository};
use milvus_backup_agent::manifest::{LeaseRecord, decode, encode};
use milvus_backup_agent::model::{ErrorKind, ObjectKey};
use milvus_backup_agent::storage::testing::FaultyStore;
use milvus_backup_agent::storage::{ObjectStore, ObjectStoreExt, PutMode, StoreErrorKind, StoreOp};
use tokio::time::{advance, sleep};

use crate::support::Lab;

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
async fn a_holder_whose_lease_was_removed_or_replaced_knows_at_the_next_beat() {
    for by_another in [false, true] {
        let held = Held::new().await;
        let mut theirs = held.record().await;
        theirs.token = "theirs".to_owned();
        if by_another {
            let body = encode(&theirs).into();
            held.lab.repository.put(&key(), body, PutMode::Overwrite).await.expect("it is put");
        } else {
            held.lab.repository.delete(&[key()]).await.expect("it is deleted");
        }
        sleep(Duration::from_secs(11)).await;
        assert!(held.is_lost(), "by another: {by_another}");
        assert_eq!(held.lease.check().await.expect_err("lost").kind(), ErrorKind::Locked);
        let left = held.lab.repository.find_bytes(&key()).await.expect("it is read");
        assert_eq!(left, by_another.then(|| encode(&theirs).into()), "it was written again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_for_a_while_costs_no_lease_and_for_longer_it_does() {
    for (beats, lost) in [(2, false), (3, true)] {
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
