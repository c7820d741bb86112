//! A store that does not keep its word about conditional puts belongs to one agent alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use milvus_backup_agent::job::{
    JobContext, Prune, Removal, RunOutcome, run_backup, run_check, run_delete, run_prune,
    run_restore, run_undelete, run_verify,
};
use milvus_backup_agent::manifest::{SingleAgentMark, decode, encode};
use milvus_backup_agent::model::{ClusterName, ErrorKind, ObjectKey};
use milvus_backup_agent::plan::VerifyDepth;
use milvus_backup_agent::storage::testing::FaultyStore;
use milvus_backup_agent::storage::{ObjectStore, ObjectStoreExt, PutMode};

use crate::support::{Lab, assert_sound, backup_name, keys, leases, request, restore_of, snapshot};

const MARK: &str = "_single_agent.json";

fn mark_key() -> ObjectKey {
    ObjectKey::new(MARK).expect("a key")
}

/// A Milvus and a repository that overwrites whatever it is told to keep.
async fn lying() -> (Lab, Arc<FaultyStore>) {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    let store = lab.faulty();
    store.lie_about_conditions();
    (lab, store)
}

async fn mark(lab: &Lab) -> Option<SingleAgentMark> {
    let found = lab.repository.find_bytes(&mark_key()).await.expect("it is read");
    found.map(|found| decode("mark", &found).expect("a mark"))
}

/// The line of `check` on the repository.
async fn check(context: &JobContext) -> (bool, String) {
    let report = run_check(context, None, &[]).await;
    let line = report.checks.into_iter().find(|line| line.check == "repository");
    line.map(|line| (line.ok, line.detail)).expect("the repository is looked at")
}

#[tokio::test(start_paused = true)]
async fn a_store_that_keeps_conditions_is_not_marked() {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    lab.backup("b").await;
    assert_eq!(mark(&lab).await, None);
    assert_eq!(
        check(&lab.context()).await,
        (true, "memory: writable, conditional put works".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lies_is_marked_by_the_first_backup_and_serves_its_agent() {
    let (lab, store) = lying().await;
    let context = lab.context_over(Arc::<FaultyStore>::clone(&store));
    let (ok, detail) = check(&context).await;
    assert!(ok && detail.contains("one agent may use it"), "{detail}");
    assert_eq!(mark(&lab).await, None, "a check only looks");
    run_backup(&context, request("a")).await.expect("a backup");
    let found = mark(&lab).await.expect("a mark");
    lab.later();
    assert_eq!(run_backup(&context, request("b")).await.unwrap().files_reused, 5);
    assert_eq!(mark(&lab).await, Some(found), "it is put once");
    run_delete(&context, &backup_name("a"), Removal::Now).await.expect("it goes");
    run_prune(&context, None, Prune::Apply).await.expect("a prune");
    assert_sound(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn the_agent_of_another_machine_is_refused_and_writes_nothing() {
    let (lab, store) = lying().await;
    let context = lab.context_over(Arc::<FaultyStore>::clone(&store));
    for name in ["a", "deleted"] {
        run_backup(&context, request(name)).await.expect("a backup");
        lab.later();
    }
    run_delete(&context, &backup_name("deleted"), Removal::Hide).await.expect("it is hidden");
    let mut theirs = mark(&lab).await.expect("a mark");
    (theirs.machine, theirs.host) = ("another".to_owned(), "db2".to_owned());
    let body: Bytes = encode(&theirs).into();
    lab.repository.put(&mark_key(), body, PutMode::Overwrite).await.unwrap();

    let before: BTreeMap<String, Bytes> = snapshot(&lab.repository).await;
    let name = backup_name("a");
    let mut aside = restore_of("a");
    aside.request.suffix = Some("_copy".to_owned());
    let of_new_cluster =
        JobContext { cluster: ClusterName::new("c2").expect("a name"), ..context.clone() };
    let refused = [
        run_backup(&of_new_cluster, request("c")).await.map(drop),
        run_backup(&context, request("c")).await.map(drop),
        run_delete(&context, &name, Removal::Hide).await.map(drop),
        run_delete(&context, &name, Removal::Now).await.map(drop),
        run_undelete(&context, &backup_name("deleted")).await.map(drop),
        run_prune(&context, None, Prune::Apply).await.map(drop),
        run_restore(&context, &lab.staging(), &aside).await.map(drop),
    ];
    for (number, refused) in refused.into_iter().enumerate() {
        let error = refused.expect_err("only db2 may");
        assert_eq!(error.kind(), ErrorKind::Refused, "{number}: {}", error.chain());
        assert!(error.chain().contains("only the agent on db2"), "{number}: {}", error.chain());
        assert!(error.remedy().unwrap().contains("delete that file"), "{number}");
    }
    let (ok, detail) = check(&context).await;
    assert!(!ok && detail.contains("only the agent on db2"), "{detail}");
    assert_eq!(snapshot(&lab.repository).await, before);
    assert_eq!(keys(&lab.staging).await, [""; 0]);

    lab.repository.delete(&[mark_key()]).await.unwrap();
    assert_eq!(run_backup(&context, request("c")).await.unwrap().outcome, RunOutcome::Complete);
}

#[tokio::test(start_paused = true)]
async fn who_only_verifies_takes_no_repository_for_himself() {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    lab.backup("a").await;
    let store = lab.faulty();
    store.lie_about_conditions();
    let context = lab.context_over(store);
    let done = run_verify(&context, None, &backup_name("a"), VerifyDepth::Size).await;
    assert_eq!(done.expect("it is read").outcome, RunOutcome::Complete);
    assert_eq!(mark(&lab).await, None);
    assert_eq!(leases(&lab).await, [""; 0]);
}
