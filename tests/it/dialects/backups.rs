//! Backups of servers that were never run.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use milvus_backup_agent::manifest::Manifest;

use super::cluster::{V2_4, V2_5, V2_6, Version};
use super::golden::{assert_golden, stable};
use super::grpc::own_flush;
use super::sample::REPLACED;
use super::world::{FLUSHED_AT, Script, World};

async fn golden(name: &str, version: Version) -> (World, Manifest) {
    let world = World::new(version, Script::default()).await;
    let (report, manifest) = world.backup().await;
    // Deletes alone are no rows, and what is dropped is not there.
    assert_eq!(report.rows, 19);
    assert_golden(name, &stable(&world.source.record.by_subject(), &manifest));
    let films = manifest.contents().find(|(record, _)| record.name == "films").unwrap().1;
    assert_eq!(films.segments, 6);
    let told = &manifest.database_descriptions;
    let shop = told.iter().find(|database| database.name == "shop").unwrap();
    assert_eq!(shop.properties[0].key, "database.replica.number");
    (world, manifest)
}

#[tokio::test]
async fn a_backup_of_2_4_lists_files_and_takes_l0_segments() {
    let (world, manifest) = golden("2.4-backup", V2_4).await;
    for (record, content) in manifest.contents() {
        assert_eq!(content.boundary.unwrap().flush, own_flush(record.id), "{}", record.name);
    }
    let kept = world.kept().await;
    assert!(kept.contains(&"delta_log/449/-1/1004/6".to_owned()));
    assert!(kept.contains(&REPLACED.to_owned()), "nobody says that it was replaced");
}

#[tokio::test]
async fn a_backup_of_2_5_takes_the_files_that_milvus_names() {
    let (world, _) = golden("2.5-backup", V2_5).await;
    assert!(!world.kept().await.contains(&REPLACED.to_owned()));
}

#[tokio::test]
async fn a_backup_of_2_6_flushes_once_and_pauses_each_collection() {
    let (world, manifest) = golden("2.6-backup", V2_6).await;
    assert!(!world.kept().await.contains(&REPLACED.to_owned()));
    for (record, content) in manifest.contents() {
        // `films` ends at the earlier one of its two channels' ticks.
        assert_eq!(content.boundary.unwrap().flush, FLUSHED_AT, "{}", record.name);
    }
}

#[tokio::test]
async fn a_server_that_names_no_files_has_them_listed() {
    let version = Version { tag: "v2.5.3", names_files: false, ..V2_5 };
    let world = World::new(version, Script::default()).await;
    world.backup().await;
    assert!(world.kept().await.contains(&REPLACED.to_owned()));
    // The two collections may ask at the same moment, and nothing asks after an answer.
    let asked = world.source.record.count("rest POST segments/describe");
    assert!((1..=2).contains(&asked), "{asked}");
}

#[tokio::test]
async fn a_flush_of_everything_that_does_not_say_where_it_ends_is_not_trusted() {
    let script = Script { tells_no_ticks: true, ..Script::default() };
    let world = World::new(V2_6, script).await;
    world.backup().await;
    let record = &world.source.record;
    assert_eq!((record.count("grpc FlushAll"), record.count("grpc Flush ")), (1, 2));
    assert_eq!(record.count("grpc GetFlushAllState"), 0);
}

/// A sorted segment lacks the rows that were deleted between the flush and the sorting.
#[tokio::test]
async fn a_collection_that_was_rewritten_since_the_flush_of_everything_has_its_own() {
    let script = Script { sorts_at_once: true, ..Script::default() };
    let world = World::new(V2_6, script).await;
    world.backup().await;
    let record = &world.source.record;
    assert_eq!((record.count("grpc FlushAll"), record.count("grpc Flush ")), (1, 1));
    assert_eq!(record.count("grpc Flush dbname=default collection_name=notes"), 1);
}
