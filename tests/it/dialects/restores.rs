//! Restores into servers that were never run.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use std::collections::BTreeMap;

use milvus_backup_agent::job::{RestoreReport, RunOutcome};

use super::cluster::{Collection, V2_4, V2_5, V2_6, Version};
use super::golden::{assert_golden, stable};
use super::world::{Script, World};

/// Ids of all fields by name, without the dynamic one, which a source does not list.
fn ids(collection: &Collection) -> BTreeMap<String, i64> {
    let schema = &collection.schema;
    let nested = schema.struct_array_fields.iter().flat_map(|array| &array.fields);
    let fields = schema.fields.iter().chain(nested).filter(|field| !field.is_dynamic);
    fields.map(|field| (field.name.clone(), field.field_id)).collect()
}

async fn golden(name: &str, version: Version) {
    let world = World::new(version, Script::default()).await;
    let (_, manifest) = world.backup().await;
    let target = world.target(version, Script::default());
    let report = world.restore(&target).await;
    assert_eq!(report.outcome, RunOutcome::Complete, "{report:?}");
    let rows = report.collections.iter().map(|restored| restored.rows_imported).sum::<u64>();
    assert_eq!(rows, 19);
    assert_golden(name, &stable(&target.record.in_order(), &manifest));
    let films = ("shop".to_owned(), "films".to_owned());
    let (source, target) = (world.source.cluster(), target.cluster());
    let (from, to) = (&source.collections[&films], &target.collections[&films]);
    assert_eq!(ids(from), ids(to), "the files are named by these ids");
    let properties = to.properties.iter().map(|(key, value)| format!("{key}={value}"));
    let properties: Vec<String> = properties.collect();
    assert!(!properties.contains(&"disable_func_runtime_check=true".to_owned()), "{properties:?}");
    assert_eq!(source.databases["shop"], target.databases["shop"]);
}

#[tokio::test]
async fn a_restore_into_2_4_imports_rows_and_then_deletes_one_segment_a_job() {
    golden("2.4-restore", V2_4).await;
}

#[tokio::test]
async fn a_restore_into_2_5_ends_at_the_boundary() {
    golden("2.5-restore", V2_5).await;
}

#[tokio::test]
async fn a_restore_into_2_6_has_the_field_ids_of_its_files() {
    golden("2.6-restore", V2_6).await;
}

#[tokio::test]
async fn a_drill_into_later_servers_fills_and_compares_and_leaves_nothing() {
    for version in [V2_4, V2_5, V2_6] {
        let world = World::new(version, Script::default()).await;
        world.backup().await;
        let target = world.target(version, Script::default());
        let report = world.drill(&target).await;
        // Of what is loaded this server cannot tell the rows.
        assert_eq!(report.collections.len(), 2, "{report:?}");
        for one in &report.collections {
            let uncounted = one.error.as_ref().is_some_and(|it| it.starts_with("count the rows"));
            let good = uncounted || one.outcome == RunOutcome::Complete;
            assert!(good && one.problems.is_empty(), "{version:?}: {report:?}");
        }
        let cluster = target.cluster();
        assert!(cluster.collections.is_empty(), "{version:?}");
        let databases: Vec<&String> = cluster.databases.keys().collect();
        assert_eq!(databases, ["default"], "{version:?}");
    }
}

async fn failed(script: Script) -> RestoreReport {
    let world = World::new(V2_5, Script::default()).await;
    world.backup().await;
    let target = world.target(V2_5, script);
    let report = world.restore(&target).await;
    assert_eq!(report.outcome, RunOutcome::Failed, "{report:?}");
    assert!(target.cluster().collections.is_empty(), "something half-filled is left");
    report
}

fn error(report: &RestoreReport) -> &str {
    report.collections[0].error.as_deref().unwrap()
}

#[tokio::test]
async fn a_job_that_the_server_does_not_know_is_not_waited_for() {
    let report = failed(Script { forgets_jobs: true, ..Script::default() }).await;
    assert!(error(&report).contains("does not exist"), "{}", error(&report));
}

#[tokio::test]
async fn a_job_that_fails_says_why() {
    let report = failed(Script { job_failure: Some("no such field"), ..Script::default() }).await;
    assert!(error(&report).contains("failed: no such field"), "{}", error(&report));
}

#[tokio::test]
async fn a_server_that_does_not_see_the_staging_folder_is_found_out() {
    let report = failed(Script { sees_nothing: true, ..Script::default() }).await;
    assert!(error(&report).contains("none of 7 rows came"), "{}", error(&report));
    assert!(error(&report).contains("repository.staging"), "{}", error(&report));
}

/// A server that is told the boundary leaves such rows out; without one, rows cannot be missing.
#[tokio::test]
async fn a_job_may_bring_nothing_where_all_its_rows_lie_beyond_the_boundary() {
    for (version, outcome) in [(V2_5, RunOutcome::Complete), (V2_4, RunOutcome::Partial)] {
        let world = World::new(version, Script::default()).await;
        world.backup().await;
        let target = world.target(version, Script { late: Some(1003), ..Script::default() });
        let report = world.restore(&target).await;
        assert_eq!(report.outcome, outcome, "{report:?}");
        let films = report.collections.iter().find(|restored| restored.from == "shop.films");
        let films = films.unwrap();
        match &films.error {
            None => assert_eq!((films.rows_stored, films.rows_imported), (12, 8)),
            Some(error) => assert!(error.contains("none of 4 rows came"), "{error}"),
        }
    }
}

#[tokio::test]
async fn an_older_server_refuses_segments_that_it_cannot_read() {
    let world = World::new(V2_4, Script::default()).await;
    world.backup().await;
    let report = world.restore_into_2_3().await;
    let films = report.collections.iter().find(|restored| restored.from == "shop.films");
    let refused = films.unwrap().error.as_deref().unwrap();
    assert!(refused.contains("2.3.5 cannot read shop.films: segment 1004 is an L0"), "{refused}");
    assert!(refused.contains("no older than 2.4.17"), "{refused}");

    let world = World::new(V2_6, Script::default()).await;
    world.backup().await;
    let report = world.restore(&world.target(V2_5, Script::default())).await;
    let refused = report.collections.iter().find_map(|restored| restored.error.as_deref());
    assert!(refused.unwrap().contains("storage version 2"), "{report:?}");
}
