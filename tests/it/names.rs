//! Names of backups and clusters, and documents that cannot be read.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use std::sync::Arc;

use bytes::Bytes;
use milvus_backup_agent::catalog::{self, BackupState, ClusterIdentity, Repository};
use milvus_backup_agent::job::{
    BackupRequest, JobContext, JobResult, Sizes, VerifyReport, run_backup, run_list, run_restore,
    run_verify,
};
use milvus_backup_agent::model::{ClusterName, ErrorKind, ObjectKey};
use milvus_backup_agent::plan::VerifyDepth;
use milvus_backup_agent::storage::{ObjectStore, ObjectStoreExt, PutMode};

use crate::support::{
    Lab, assert_sound, assert_verifies, backup_name, leases, request, restore_of, state,
};

async fn lab() -> Lab {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    lab
}

/// A process of another cluster with the same repository.
fn other_cluster(lab: &Lab, name: &str) -> JobContext {
    JobContext { cluster: ClusterName::new(name).unwrap(), ..lab.context() }
}

fn moved(lab: &Lab) -> JobContext {
    let identity =
        ClusterIdentity { address: "http://moved:19530".to_owned(), storage: "memory".to_owned() };
    JobContext { identity, ..lab.context() }
}

async fn verify(
    context: &JobContext,
    cluster: Option<&str>,
    name: &str,
) -> JobResult<VerifyReport> {
    let cluster = cluster.map(|name| ClusterName::new(name).unwrap());
    run_verify(context, cluster.as_ref(), &backup_name(name), VerifyDepth::Content).await
}

async fn overwrite(lab: &Lab, key: &str, body: &str) {
    let body = Bytes::from(body.to_owned());
    lab.repository.put(&ObjectKey::new(key).unwrap(), body, PutMode::Overwrite).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_backup_keeps_its_name_and_a_failed_run_gives_its_up() {
    let lab = lab().await;
    lab.backup("b").await;
    lab.milvus.compact_before_listings(&crate::support::namespace("films"), 4);
    assert!(run_backup(&lab.context(), request("failed")).await.is_err());
    assert_eq!(state(&lab, "failed").await, Some(BackupState::Failed));
    let error = run_backup(&lab.context(), request("b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("complete"), "{error}");
    assert!(error.remedy().is_some());
    lab.backup("failed").await;
    assert!(leases(&lab).await.is_empty());
    assert_verifies(&lab, "b").await;
    assert_verifies(&lab, "failed").await;
}

#[tokio::test(start_paused = true)]
async fn two_runs_in_one_second_get_two_names() {
    let lab = lab().await;
    let (one, two) = (lab.context(), lab.context());
    let unnamed = || BackupRequest { name: None, ..request("x") };
    let (one, two) = tokio::join!(run_backup(&one, unnamed()), run_backup(&two, unnamed()));
    let mut names = [one.unwrap().name, two.unwrap().name];
    names.sort();
    assert_eq!(names, ["backup_20261123_020000", "backup_20261123_020000_2"]);
    assert_sound(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn of_two_runs_with_one_name_one_makes_the_backup() {
    let lab = lab().await;
    let (one, two) = (lab.context(), lab.context());
    let (one, two) = tokio::join!(run_backup(&one, request("b")), run_backup(&two, request("b")));
    let lost = [one, two].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].kind(), ErrorKind::Refused);
    assert_eq!(state(&lab, "b").await, Some(BackupState::Complete));
    assert!(leases(&lab).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_manifest_without_its_attempt_is_damaged() {
    let lab = lab().await;
    lab.backup("b").await;
    lab.repository.delete(&[ObjectKey::new("c1/b/attempt.json").unwrap()]).await.unwrap();
    assert_eq!(state(&lab, "b").await, Some(BackupState::Damaged));
    let report = verify(&lab.context(), None, "b").await.unwrap();
    assert_eq!(report.damaged, ["manifest.json stands without its attempt.json"]);
    let error = lab.restore(&restore_of("b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    let error = run_backup(&lab.context(), request("b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "the damaged backup's name is taken");
}

#[tokio::test(start_paused = true)]
async fn a_backup_that_cannot_be_read_is_listed_and_the_next_one_succeeds() {
    for (document, body) in [
        ("attempt.json", "{"),
        ("manifest.json", "{}"),
        ("manifest.json", r#"{"version":2}"#),
        ("attempt.json", r#"{"version":7}"#),
    ] {
        let lab = lab().await;
        lab.backup("b").await;
        overwrite(&lab, &format!("c1/b/{document}"), body).await;
        let rows = run_list(&lab.context(), Sizes::Unique).await.unwrap();
        assert_eq!(rows[0].state, BackupState::Damaged, "{document} {body}");
        let reason = rows[0].reasons.join(" ");
        assert!(reason.contains(document), "{reason}");
        if body.contains("version") {
            assert!(reason.contains("this agent reads up to 1"), "{reason}");
        }
        lab.backup("next").await;
        assert_verifies(&lab, "next").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_newer_repository_is_refused_with_both_numbers() {
    let lab = lab().await;
    lab.backup("b").await;
    overwrite(&lab, "_repository.json", r#"{"version":2}"#).await;
    for error in [
        run_backup(&lab.context(), request("next")).await.map(drop).unwrap_err(),
        run_list(&lab.context(), Sizes::Known).await.map(drop).unwrap_err(),
        lab.restore(&restore_of("b")).await.map(drop).unwrap_err(),
    ] {
        let chain = error.chain();
        assert!(chain.contains("version 2") && chain.contains("up to 1"), "{chain}");
        assert_eq!(error.kind(), ErrorKind::Refused);
    }
}

#[tokio::test(start_paused = true)]
async fn another_milvus_under_the_same_name_is_refused_until_it_is_adopted() {
    let lab = lab().await;
    lab.backup("b").await;
    let context = moved(&lab);
    let error = run_backup(&context, request("next")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let (old, new) = ("http://fake:19530", "http://moved:19530");
    assert!(error.to_string().contains(old) && error.to_string().contains(new), "{error}");
    assert!(error.remedy().is_some_and(|hint| hint.contains("cluster adopt")));
    assert_eq!(state(&lab, "next").await, None);
    verify(&context, None, "b").await.expect("what reads works from anywhere");

    let repository = Repository::open(Arc::clone(&context.repository)).await.unwrap();
    let reason = (&*context.clock, "moved to a new host");
    let mark = catalog::adopt(&repository, &context.cluster, &context.identity, reason).await;
    assert!(mark.unwrap().adopted[0].contains("moved to a new host"));
    run_backup(&context, request("next")).await.unwrap();
    let error = run_backup(&lab.context(), request("old")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "the old place is another Milvus now");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_two_clusters_have_needs_the_cluster() {
    let lab = lab().await;
    lab.backup("b").await;
    run_backup(&other_cluster(&lab, "c2"), request("b")).await.unwrap();
    let elsewhere = other_cluster(&lab, "c3");
    let error = verify(&elsewhere, None, "b").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(error.to_string(), "backup `b` exists in clusters c1, c2");
    assert_eq!(error.remedy(), Some("name one with --cluster"));
    let found = verify(&elsewhere, Some("c2"), "b").await.unwrap();
    assert!(found.damaged.is_empty() && found.files == 5);
    let rows = run_list(&other_cluster(&lab, "c2"), Sizes::Known).await.unwrap();
    let clusters: Vec<&str> = rows.iter().map(|row| row.cluster.as_str()).collect();
    assert_eq!(clusters, ["c2", "c1"], "the own cluster comes first");
}

#[tokio::test(start_paused = true)]
async fn names_that_are_not_there_are_not_found() {
    let lab = lab().await;
    let nowhere = verify(&lab.context(), None, "b").await.unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::NotFound);
    assert!(nowhere.to_string().starts_with("there is no repository"), "{nowhere}");
    lab.backup("b").await;
    for (cluster, name) in [(None, "x"), (Some("c1"), "x"), (Some("c9"), "b")] {
        let error = verify(&lab.context(), cluster, name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{cluster:?} {name}");
        let mut options = restore_of(name);
        options.cluster = cluster.map(|name| ClusterName::new(name).unwrap());
        let error = run_restore(&lab.context(), &lab.staging(), &options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{cluster:?} {name}");
    }
    let mark = ObjectKey::new("c1/_cluster.json").unwrap();
    assert!(lab.repository.get_bytes(&mark).await.is_ok());
}
