//! What one reading of the catalog tells the status.

use std::sync::Arc;

use jiff::Timestamp;
use milvus_backup_agent::catalog::{BackupState, Repository, put_drill_proof};
use milvus_backup_agent::job::{Sizes, look_over, run_backup};
use milvus_backup_agent::manifest::{DrillEnd, DrillProof};
use milvus_backup_agent::milvus::MilvusApi;
use milvus_backup_agent::model::{PolicyName, RunOutcome};

use crate::support::{Lab, namespace, request};

#[tokio::test(start_paused = true)]
async fn a_reading_names_the_good_the_suspect_and_what_drills_have_shown() {
    let lab = Lab::new();
    let nightly = PolicyName::new("nightly").expect("a name");
    lab.fill("films", 0..5).await;
    lab.fill("books", 0..7).await;
    for name in ["first", "second"] {
        let mut wanted = request(name);
        wanted.policy = Some(nightly.clone());
        run_backup(&lab.context(), wanted).await.expect("a backup");
        lab.later();
        // The second one has lost most of its rows.
        drop(lab.milvus.drop_collection(&namespace("books")).await);
    }
    let context = lab.context();
    let cluster = Repository::unopened(Arc::clone(&context.repository)).cluster(&context.cluster);
    let mut proof = DrillProof::none();
    proof.ended(
        DrillEnd {
            at: Timestamp::UNIX_EPOCH,
            backup: "first".to_owned(),
            outcome: RunOutcome::Complete,
            rto_seconds: 12.5,
            detail: None,
        },
        true,
    );
    put_drill_proof(&cluster, &nightly, &proof).await.expect("it is written");

    let found = look_over(&context, Sizes::Known).await.expect("the catalog");
    let backups = &found.backups["nightly"];
    let good = backups.last_good.as_ref().expect("a good one");
    assert_eq!((good.name.as_str(), good.rows), ("first", 12));
    assert_eq!(backups.count(BackupState::Suspect), 1);
    let doubtful = &backups.doubtful[0];
    assert_eq!((doubtful.name.as_str(), doubtful.state), ("second", BackupState::Suspect));
    assert!(!doubtful.found_damaged, "it has few rows");
    assert!(doubtful.why.starts_with("it has 5 rows"), "{}", doubtful.why);
    let (oldest, newest) = backups.window.expect("both can be restored");
    assert!(oldest < newest, "{oldest} {newest}");
    let drill = backups.drill.as_ref().expect("one was made");
    let (_, backup, took) = drill.last_success.as_ref().expect("it was good");
    assert_eq!((backup.as_str(), took.as_secs_f64()), ("first", 12.5));
    assert_eq!(found.facts.policies["nightly"].last_success, Some(good.at), "metrics agree");
}
