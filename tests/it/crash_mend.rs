//! A backup that dies while it mends a damaged file, or does it late.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use std::sync::Arc;

use bytes::Bytes;
use milvus_backup_agent::catalog::BackupState;
use milvus_backup_agent::job::{RunOutcome, run_backup, run_verify};
use milvus_backup_agent::model::ObjectKey;
use milvus_backup_agent::plan::VerifyDepth;
use milvus_backup_agent::storage::testing::FaultyStore;
use milvus_backup_agent::storage::{ObjectStore, ObjectStoreExt, PutMode};

use crate::support::{
    Lab, Process, Stop, assert_ends_clean, assert_verifies, backup_name, keys, leases, request,
    snapshot, state,
};

/// What the repository's store tells of its objects.
#[derive(Debug, Clone, Copy)]
enum Store {
    /// Fingerprints: that a file is another one shows in a list.
    Bucket,
    /// Nothing but sizes.
    Folder,
}

const STORES: [Store; 2] = [Store::Bucket, Store::Folder];

/// A file that is shared by two backups, as it was and as it is.
struct Damaged {
    lab: Lab,
    key: ObjectKey,
    was: Bytes,
    is: Bytes,
}

impl Damaged {
    /// Two backups, of which a verification of the newer has found one file damaged; after that
    /// `films` grew.
    async fn world(store: Store) -> Self {
        let lab = Lab::new();
        if matches!(store, Store::Folder) {
            lab.repository.omit_fingerprints();
        }
        lab.fill("films", 0..5).await;
        lab.fill("other.books", 0..4).await;
        lab.backup("oldest").await;
        lab.backup("first").await;
        let all = keys(&lab.repository).await;
        let file = all.iter().find(|key| key.contains("/_segments/insert_log/")).unwrap();
        let key = ObjectKey::new(file.clone()).unwrap();
        let was = lab.repository.get_bytes(&key).await.unwrap();
        let mut bytes = was.to_vec();
        bytes[0] ^= 1;
        let is = Bytes::from(bytes);
        lab.repository.put(&key, is.clone(), PutMode::Overwrite).await.unwrap();
        let depth = VerifyDepth::Content;
        let found = run_verify(&lab.context(), None, &backup_name("first"), depth).await.unwrap();
        assert_eq!(found.damaged.len(), 1);
        lab.fill("films", 5..9).await;
        Self { lab, key, was, is }
    }

    async fn is_whole(&self) -> bool {
        let found = self.lab.repository.get_bytes(&self.key).await.unwrap();
        assert!(found == self.was || found == self.is, "it is neither");
        found == self.was
    }

    /// Whoever counts as good is good; what was in doubt is, until somebody has looked.
    async fn assert_true(&self, why: &str) {
        assert_eq!(state(&self.lab, "first").await, Some(BackupState::Suspect), "{why}");
        match state(&self.lab, "second").await {
            Some(BackupState::Complete) => {
                assert!(self.is_whole().await, "{why}");
                assert_verifies(&self.lab, "second").await;
            }
            None | Some(BackupState::Running | BackupState::Failed) => {}
            other => panic!("{why}: the run is {other:?}"),
        }
    }

    /// The next run mends it, if that is still to do, and everything is good again.
    async fn assert_recovers(&self, why: &str) {
        let lab = &self.lab;
        self.assert_true(why).await;
        lab.later();
        let (source, left) = (snapshot(&*lab.source).await, leases(lab).await);
        let next = lab.backup("next").await;
        assert_eq!(next.files_copied + next.files_reused, 15, "{why}");
        assert!(self.is_whole().await, "{why}");
        assert_eq!(snapshot(&*lab.source).await, source, "{why}: Milvus's storage was changed");
        assert_eq!(leases(lab).await, left, "{why}: the next run left a lease");
        for name in ["next", "first", "oldest"] {
            assert_verifies(lab, name).await;
            assert_eq!(state(lab, name).await, Some(BackupState::Complete), "{why}: {name}");
        }
        assert_eq!(lab.backup("last").await.files_copied, 0, "{why}: nobody doubts it any more");
        assert_ends_clean(lab, why).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_mend_may_stop_after_any_write_of_its_run() {
    for kind in STORES {
        let whole = Damaged::world(kind).await;
        let store = whole.lab.faulty();
        let context = whole.lab.context_over(Arc::<FaultyStore>::clone(&store));
        let report = run_backup(&context, request("second")).await.unwrap();
        assert_eq!((report.outcome, report.files_copied), (RunOutcome::Complete, 6));
        let mut ended = [0, 0];
        for (power_cut, allowed) in
            [false, true].into_iter().flat_map(|cut| (0..=store.writes()).map(move |at| (cut, at)))
        {
            let world = Damaged::world(kind).await;
            let store = world.lab.faulty();
            store.stop_after_writes(allowed);
            let context = world.lab.context_over(Arc::<FaultyStore>::clone(&store));
            let run = run_backup(&context, request("second")).await;
            if power_cut {
                store.lose_unsynced().await.unwrap();
            }
            ended[usize::from(world.is_whole().await)] += usize::from(run.is_err());
            world.assert_recovers(&format!("{kind:?}, {allowed} writes, {power_cut}")).await;
        }
        assert!(ended.iter().all(|times| *times > 4), "before and after the mend: {ended:?}");
    }
}

/// The calls of a run that nobody kills.
async fn calls(kind: Store) -> usize {
    let (whole, world) = (Process::immortal(), Damaged::world(kind).await);
    run_backup(&whole.context(world.lab.context()), request("second")).await.unwrap();
    whole.calls()
}

#[tokio::test(start_paused = true)]
async fn a_mend_may_be_killed_at_any_call_of_its_run() {
    for kind in STORES {
        for calls in 0..=calls(kind).await {
            let world = Damaged::world(kind).await;
            let process = Process::killed_after(calls);
            let context = process.context(world.lab.context());
            process.run(run_backup(&context, request("second"))).await;
            world.assert_recovers(&format!("{kind:?}, {calls} calls")).await;
        }
    }
}

/// What it writes late is what is there already.
#[tokio::test(start_paused = true)]
async fn a_mend_that_sleeps_while_another_mends_and_verifies_changes_nothing() {
    for kind in STORES {
        for calls in 0..calls(kind).await {
            let world = Damaged::world(kind).await;
            let process = Process::halted_before(calls, Stop::Everything);
            let context = process.context(world.lab.context());
            let next = async {
                world.lab.later();
                world.lab.backup("next").await;
                assert_verifies(&world.lab, "first").await;
            };
            drop(process.amid(run_backup(&context, request("second")), next).await);
            assert!(world.is_whole().await, "{kind:?}, {calls}");
            for name in ["next", "first", "oldest"] {
                assert_verifies(&world.lab, name).await;
                assert_eq!(state(&world.lab, name).await, Some(BackupState::Complete), "{calls}");
            }
            if state(&world.lab, "second").await == Some(BackupState::Complete) {
                assert_verifies(&world.lab, "second").await;
            }
        }
    }
}
