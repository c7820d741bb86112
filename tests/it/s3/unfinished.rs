//! What a killed process leaves of a file that it was writing.

use std::sync::Arc;

use hyper::Method;
use jiff::{SignedDuration, Timestamp};
use milvus_backup_agent::job::{Prune, PruneReport, StagingRoot, run_backup, run_prune};
use milvus_backup_agent::model::{Clock, KeyPrefix, SystemClock};
use milvus_backup_agent::storage::{ObjectStore, S3Store};

use super::faulty_server::{Fault, FaultyServer};
use super::limits::{SMALL, open, settings};
use crate::lab::moto;
use crate::support::{Lab, request};

/// A cluster `c1` with a backup in this folder of bucket `two`.
async fn cluster(address: &str, folder: &str) -> (Lab, Arc<S3Store>) {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    let repository = open(&settings(address, "two", folder), SMALL).await;
    let context = lab.context_over(Arc::<S3Store>::clone(&repository));
    run_backup(&context, request("a")).await.expect("a backup");
    (lab, repository)
}

async fn prune(world: &(Lab, Arc<S3Store>), prune: Prune) -> PruneReport {
    prune_with(world, None, prune).await
}

async fn prune_with(
    (lab, repository): &(Lab, Arc<S3Store>),
    staging: Option<&StagingRoot>,
    prune: Prune,
) -> PruneReport {
    let context = lab.context_over(Arc::<S3Store>::clone(repository));
    let report = run_prune(&context, staging, prune).await.expect("a prune");
    assert_eq!(report.errors, [""; 0]);
    report
}

fn told(report: &PruneReport) -> Vec<&str> {
    let rows = report.verdicts.iter().filter(|row| row.name == "unfinished uploads");
    rows.flat_map(|row| &row.reasons).map(String::as_str).collect()
}

/// What moto knows of unfinished uploads under a prefix.
async fn left(prefix: &str) -> usize {
    let answer = moto::ask("GET", &format!("/two?uploads&prefix={prefix}")).await;
    answer.matches("<UploadId>").count()
}

#[tokio::test]
async fn a_prune_aborts_what_is_below_its_cluster_and_nothing_else() {
    let world = cluster(moto::address(), "unended/ours").await;
    let others = ["unended/ours/c10/x", "unended/ours2/c1/x", "unended/other"];
    for key in ["unended/ours/c1/_segments/x", "unended/ours/c1/y"].iter().chain(&others) {
        moto::ask("POST", &format!("/two/{key}?uploads")).await;
    }
    // moto says of all that they were begun in 2010.
    let early: Timestamp = "2009-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(world.1.unfinished(&KeyPrefix::root(), early).await.unwrap(), []);
    assert_eq!(world.1.unfinished(&KeyPrefix::root(), SystemClock.now()).await.unwrap().len(), 3);

    let planned = prune(&world, Prune::Plan).await;
    assert_eq!(told(&planned), ["parts of 2 files, begun 24h ago or earlier"]);
    assert_eq!(left("unended/").await, 5);
    assert_eq!(told(&prune(&world, Prune::Apply).await).len(), 1);
    assert_eq!(left("unended/ours/c1/").await, 0);
    assert_eq!(left("unended/").await, others.len());
    assert_eq!(told(&prune(&world, Prune::Apply).await), [""; 0]);
}

#[tokio::test]
async fn a_prune_aborts_what_a_killed_restore_was_staging() {
    let world = cluster(moto::address(), "staged/ours").await;
    let store = open(&settings(moto::address(), "two", "staged/milvus/_mba_staging"), SMALL).await;
    let staging = StagingRoot { store, shared: true };
    for key in ["_mba_staging/restore-1/1/insert_log/1/2/3/0/7", "insert_log/1/2/3/0/7"] {
        moto::ask("POST", &format!("/two/staged/milvus/{key}?uploads")).await;
    }
    let report = prune_with(&world, Some(&staging), Prune::Apply).await;
    let row = report.verdicts.iter().find(|row| row.name == "unfinished uploads in staging");
    assert_eq!(row.unwrap().reasons, ["parts of 1 file, begun 24h ago or earlier"]);
    assert_eq!(left("staged/milvus/_mba_staging").await, 0);
    assert_eq!(left("staged/milvus/insert_log").await, 1, "that one is Milvus's own");
}

#[tokio::test]
async fn young_uploads_and_those_elsewhere_are_left_whatever_a_server_lists() {
    let server = FaultyServer::start().await;
    let world = cluster(&server.address, "young").await;
    let hours_ago = |hours| SystemClock.now() - SignedDuration::from_hours(hours);
    let upload = |key: &str, id: &str, begun: Timestamp| {
        format!(
            "<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>{begun:.0}</Initiated>\
             </Upload>"
        )
    };
    let page = |next: &str, uploads: &[String]| {
        let next = format!("<IsTruncated>{}</IsTruncated>{next}", !next.is_empty());
        let uploads = uploads.concat();
        let page =
            format!("<ListMultipartUploadsResult>{next}{uploads}</ListMultipartUploadsResult>");
        Fault::Answer(200, page.leak())
    };
    let uploads = [
        upload("young/c1/x", "old", hours_ago(25)),
        upload("young/c1/x", "young", hours_ago(23)),
        upload("elsewhere/c1/x", "elsewhere", hours_ago(25)),
    ];
    let next =
        "<NextKeyMarker>young/c1/x</NextKeyMarker><NextUploadIdMarker>n</NextUploadIdMarker>";
    server.fail(Method::GET, "uploads", 1, page(next, &uploads));
    let uploads = [upload("young/c1/y", "second", hours_ago(25))];
    server.fail(Method::GET, "upload-id-marker=n", 1, page("", &uploads));

    server.fail(Method::DELETE, "uploadId=", 2, Fault::Answer(204, ""));

    let report = prune(&world, Prune::Apply).await;
    assert_eq!(told(&report), ["parts of 2 files, begun 24h ago or earlier"]);
    let aborted = |id: &str| server.count(&Method::DELETE, &format!("uploadId={id}"));
    assert_eq!(["old", "second", "young", "elsewhere"].map(aborted), [1, 1, 0, 0]);
}

/// s3s-fs does not know the request.
#[tokio::test]
async fn a_server_that_does_not_list_uploads_is_pruned_all_the_same() {
    const DENIED: &str = "<Error><Code>AccessDenied</Code><Message>not you</Message></Error>";
    let server = FaultyServer::start().await;
    let world = cluster(&server.address, "unlisted").await;
    assert_eq!(told(&prune(&world, Prune::Apply).await), [""; 0]);
    server.fail(Method::GET, "uploads", 1, Fault::Answer(403, DENIED));
    assert_eq!(told(&prune(&world, Prune::Apply).await), [""; 0]);
    assert_eq!(server.count(&Method::GET, "uploads"), 2);
}
