//! Everything that README.md says of metrics, shown by a scrape and understood by Prometheus, and
//! what a new process knows from the repository alone.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use assert_cmd::cargo::cargo_bin_cmd;
use jiff::Timestamp;
use milvus_backup_agent::catalog::{Lease, PRUNE, Repository};
use milvus_backup_agent::job::{
    Prune, Removal, Sizes, run_backup, run_delete, run_overview, run_prune, run_restore,
};
use milvus_backup_agent::metrics::{
    BackupFigures, CatalogFacts, Check, CodeClass, Direction, DrillFacts, FAMILIES, GcCall,
    GcScope, LeaseScope, Metrics, MissReason, PolicyCatalog, PolicyFacts, PruneFacts, PruneFailure,
    ReadingFacts, RepositoryClass, RunFacts, RunProgress, Side, StorageCall, TriggerSource,
    VerifyFacts, VerifyLevel,
};
use milvus_backup_agent::model::{BackupState, Guard, RunKind, RunOutcome, RunStage};

use crate::support::{Lab, backup_name, request, restore_of};

pub(crate) const POLICY: &str = "nightly \"2 %\" \\ ünïcode";

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a moment")
}

/// What every agent tells that made a backup of its one policy, and pruned.
pub(crate) fn running() -> Metrics {
    let metrics = Metrics::default();
    metrics.cluster("shop");
    let policy = PolicyFacts {
        name: POLICY.to_owned(),
        created_at: at(1),
        max_age: Some(Duration::from_hours(26)),
        interval: Some(Duration::from_hours(24)),
        min_keep: Some(1),
    };
    metrics.set_policies(&[policy]);
    metrics.next_run(POLICY, Some(at(90_000)));
    metrics.trigger(POLICY, TriggerSource::Cron);
    metrics.run_ended(&backup());
    let prune = RunFacts { kind: RunKind::Prune, stages: Vec::new(), backup: None, ..backup() };
    metrics.run_ended(&prune);
    metrics.catalog(catalog());
    metrics.storage_request(Side::Source, StorageCall::Get, CodeClass::Success);
    metrics.preflight("milvus", Check::Passed);
    metrics
}

/// One of everything that can be recorded.
pub(crate) fn populated() -> Metrics {
    let metrics = running();
    metrics.schedule_missed(POLICY, MissReason::Down, 2);
    metrics.run_started(POLICY, RunKind::Backup, at(3000));
    let progress = RunProgress { done_bytes: 1, expected_bytes: Some(2), moved_at: at(3001) };
    metrics.run_progressed(POLICY, RunKind::Backup, progress);
    metrics.transferred(Direction::Read, 10);
    metrics.broker_configured();
    metrics.lease_taken(LeaseScope::Run);
    metrics.lease_taken_over();
    metrics.gc_paused(GcScope::Cluster, at(3000));
    metrics.gc_failed(GcCall::Renew);
    for level in [VerifyLevel::Size, VerifyLevel::Content] {
        let found = VerifyFacts { level, good: 7, missing: 0, damaged: 0 };
        metrics.verified(POLICY, found, at(3002));
    }
    let drills = DrillFacts {
        next_run: Some(at(91_000)),
        max_age: Some(Duration::from_hours(800)),
        since: Some(at(1)),
        last_success: Some((at(3003), Duration::from_millis(1500))),
    };
    metrics.drills(POLICY, &drills);
    let readings = ReadingFacts {
        next_run: Some(at(92_000)),
        max_age: Some(Duration::from_hours(720)),
        read_since: Some(at(1)),
    };
    metrics.readings(POLICY, &readings);
    let pruned = PruneFacts {
        deleted_backups: 1,
        deleted_bytes: 2,
        failures: vec![PruneFailure::NotAuthorised],
        refused: vec![Guard::MassDelete],
    };
    metrics.pruned(POLICY, &pruned);
    metrics.config_reload(Check::Failed);
    metrics
}

fn backup() -> RunFacts {
    RunFacts {
        policy: POLICY.to_owned(),
        kind: RunKind::Backup,
        outcome: RunOutcome::Complete,
        started_at: at(1000),
        ended_at: at(2000),
        stages: vec![(RunStage::Copy, Duration::from_millis(1500))],
        backup: Some(BackupFigures {
            uploaded_bytes: Some(1),
            reused_bytes: Some(2),
            collections_skipped: Some(3),
            ..BackupFigures::default()
        }),
    }
}

fn catalog() -> CatalogFacts {
    let found = PolicyCatalog {
        last_success: Some(at(2000)),
        last_completion: Some((at(2000), RunOutcome::Complete)),
        states: [(BackupState::Complete, 1)].into(),
        oldest_restorable: Some(at(1000)),
        newest_restorable: Some(at(1000)),
        pinned: 1,
        damaged: 1,
        newest_complete: Some(BackupFigures::default()),
    };
    CatalogFacts {
        read_at: at(2500),
        policies: [(POLICY.to_owned(), found)].into(),
        bytes: [(RepositoryClass::Referenced, 3)].into(),
        free_bytes: Some(4),
        min_free_bytes: Some(3),
    }
}

/// A process that was told nothing but what the repository holds knows when the last backup was.
#[tokio::test(start_paused = true)]
async fn the_repository_tells_what_a_new_process_shows() {
    let lab = Lab::new();
    lab.fill("books", 0..4).await;
    let shown = async |sizes| {
        let facts = run_overview(&lab.context(), sizes).await.expect("the catalog is read");
        let metrics = Metrics::default();
        metrics.catalog(facts.clone());
        (facts, metrics.render())
    };
    let (facts, text) = shown(Sizes::Unique).await;
    assert!(facts.policies.is_empty(), "there is no repository yet: {facts:?}");
    assert!(!text.contains("last_success"), "{text}");

    let metrics = Metrics::default();
    let context = lab.context().metered(&metrics);
    run_backup(&context, request("b")).await.expect("a backup is made");
    let mut copy = restore_of("b");
    copy.request.suffix = Some("_copy".to_owned());
    let staging = lab.staging().metered(&metrics);
    run_restore(&context, &staging, &copy).await.expect("it is restored");
    let asked = metrics.render();
    for side in ["source", "repository", "staging"] {
        assert!(asked.contains(&format!("side=\"{side}\"")), "nothing asked of {side}: {asked}");
    }
    let (facts, text) = shown(Sizes::Unique).await;
    let found = &facts.policies[""];
    let ended = found.last_success.expect("it is complete");
    assert_eq!(found.last_completion, Some((ended, RunOutcome::Complete)));
    assert_eq!(found.newest_restorable, found.oldest_restorable);
    let figures = found.newest_complete.expect("it is complete");
    assert_eq!((figures.rows, figures.collections, figures.collections_failed), (4, 1, 0));
    assert_eq!(facts.bytes[&RepositoryClass::Referenced], figures.logical_bytes);
    let series = "milvus_backup_last_success_timestamp_seconds{kind=\"backup\",policy=\"\"}";
    assert!(text.contains(&format!("{series} {}\n", ended.as_second())), "{text}");

    run_delete(&lab.context(), &backup_name("b"), Removal::Hide).await.expect("it is hidden");
    let (facts, _) = shown(Sizes::Unique).await;
    let found = &facts.policies[""];
    assert_eq!((found.last_success, found.newest_restorable), (None, None), "it is hidden");
    assert_eq!(facts.bytes[&RepositoryClass::Referenced], 0);
    assert_eq!(facts.bytes[&RepositoryClass::Tombstoned], figures.logical_bytes);
    assert!(shown(Sizes::Known).await.0.bytes.is_empty());
}

/// A lease is told of while it is held, by whatever workflow, and a dead holder's is counted.
#[tokio::test(start_paused = true)]
async fn leases_are_told_of_while_they_are_held() {
    let lab = Lab::new();
    lab.fill("books", 0..4).await;
    let metrics = Metrics::default();
    let scopes = ["run", "restore", "prune", "sweep"];
    let line =
        |scope: &str, held| format!("milvus_backup_lease_held{{scope=\"{scope}\"}} {held}\n");
    let takeovers = |count| format!("\nmilvus_backup_lease_takeovers_total {count}\n");
    let nothing = |takeovers: String| {
        let text = metrics.render();
        let none = scopes.iter().all(|scope| text.contains(&line(scope, 0)));
        assert!(none && text.contains(&takeovers), "{text}");
    };
    nothing(takeovers(0));
    let mut seen = std::collections::BTreeSet::new();
    let context = lab.context().metered(&metrics);
    let staging = lab.staging().metered(&metrics);
    let mut copy = restore_of("b");
    copy.request.suffix = Some("_copy".to_owned());
    let work = async {
        run_backup(&context, request("b")).await.expect("a backup is made");
        run_restore(&context, &staging, &copy).await.expect("it is restored");
        run_delete(&context, &backup_name("b"), Removal::Now).await.expect("it is deleted");
        run_prune(&context, None, Prune::Apply).await.expect("it prunes");
    };
    let mut work = std::pin::pin!(work);
    // Between any two steps of the work.
    std::future::poll_fn(|task| {
        let step = work.as_mut().poll(task);
        let text = metrics.render();
        seen.extend(scopes.iter().filter(|scope| text.contains(&line(scope, 1))).copied());
        step
    })
    .await;
    assert_eq!(seen, scopes.into());
    nothing(takeovers(0));

    let repository = Repository::unopened(std::sync::Arc::clone(&context.repository));
    let cluster = repository.cluster(&context.cluster);
    drop(Lease::acquire(&cluster, PRUNE).await.expect("it is free"));
    run_prune(&context, None, Prune::Apply).await.expect("it takes the lease over");
    nothing(takeovers(1));
}

/// Those who run no agent see that a backup failed, too.
#[test]
fn a_command_leaves_a_file_for_the_textfile_collector() {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let file = folder.path().join("milvus.prom");
    let milvus_files = folder.path().join("milvus");
    let policies = folder.path().join("policies");
    std::fs::create_dir(&milvus_files).expect("a folder is made");
    std::fs::create_dir(&policies).expect("a folder is made");
    let ended = |arguments: &[&str]| {
        let mut command = cargo_bin_cmd!("milvus-backup-agent");
        command.args(arguments).env("MBA__MILVUS__ADDRESS", "http://127.0.0.1:1");
        command.env("MBA__MILVUS__CLUSTER", "c").env("MBA__METRICS__TEXTFILE", &file);
        command.env("MBA__MILVUS__STORAGE__LOCAL__PATH", &milvus_files);
        command.env("MBA__STATE", folder.path().join("state")).env("MBA__POLICIES", &policies);
        command.env("MBA__REPOSITORY__LOCAL__PATH", folder.path().join("repository"));
        command.output().expect("the program runs").status.code()
    };
    assert_eq!(ended(&["backup", "--plan"]), Some(13));
    assert!(!file.exists(), "a plan is no run");
    assert_eq!(ended(&["backup"]), Some(13));
    let text = std::fs::read_to_string(&file).expect("a file");
    for line in [
        r#"runs_total{kind="backup",outcome="failed",policy=""} 1"#,
        r#"last_run_outcome{kind="backup",outcome="failed",policy=""} 1"#,
        r#"last_success_timestamp_seconds{kind="backup",policy=""} 0"#,
        "repository_free_bytes ",
        r#"cluster_info{cluster="c"} 1"#,
    ] {
        assert!(text.contains(&format!("\nmilvus_backup_{line}")), "no {line} in\n{text}");
    }
    assert!(!text.contains("\nprocess_"), "the exporter has these itself");
    accepted_by_promtool(&text);

    // A policy that is wrong is told of, and so is what there is of the others.
    std::fs::write(policies.join("b.yaml"), "retention: {keep_all: true}\n").expect("a policy");
    assert_eq!(ended(&["backup", "--policy", "a"]), Some(2));
    let text = std::fs::read_to_string(&file).expect("a file");
    let failed = r#"milvus_backup_last_run_outcome{kind="backup",outcome="failed",policy="a"} 1"#;
    assert!(text.contains(failed), "{text}");
    assert!(text.contains("\nmilvus_backup_repository_free_bytes "), "it was not read: {text}");
    assert_eq!(ended(&["verify", "x"]), Some(10));
    let text = std::fs::read_to_string(&file).expect("a file");
    let other = r#"milvus_backup_last_success_timestamp_seconds{kind="backup",policy="b"} 0"#;
    assert!(text.contains(other), "{text}");
}

/// A family that is documented and never shown is a promise that nobody keeps.
#[test]
fn every_family_is_shown_with_its_help_and_type() {
    let text = populated().render();
    for family in FAMILIES {
        let name = family.name();
        for line in
            [format!("# HELP {name} {}\n", family.help), format!("# TYPE {name} {}\n", family.kind)]
        {
            assert!(text.contains(&line), "no `{line}` in\n{text}");
        }
        let labels = |line: &str| family.labels.iter().all(|label| line.contains(label));
        let shown = text.lines().any(|line| line.starts_with(&name) && labels(line));
        assert!(shown, "{name} has no series with {:?}", family.labels);
    }
    assert!(text.contains("process_resident_memory_bytes"), "the process is not shown");
}

#[test]
fn prometheus_has_nothing_to_say_against_it() {
    for metrics in [Metrics::default(), populated()] {
        accepted_by_promtool(&metrics.render());
    }
}

fn accepted_by_promtool(text: &str) {
    let mut promtool = Command::new(promtool())
        .args(["check", "metrics", "--extended"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    let mut input = promtool.stdin.take().expect("its input is ours");
    input.write_all(text.as_bytes()).expect("promtool reads");
    drop(input);
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}\n{text}");
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.contains("milvus_backup_build_info"), "it read nothing: {table}");
}

pub(crate) fn promtool() -> PathBuf {
    let setup = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/lab/setup.sh");
    let found = Command::new(setup).arg("promtool").stderr(Stdio::inherit()).output();
    let found = found.expect("the lab's script runs");
    assert!(found.status.success(), "promtool cannot be had");
    String::from_utf8(found.stdout).expect("a path is text").trim().into()
}
