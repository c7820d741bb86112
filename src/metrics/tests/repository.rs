//! What the repository holds, and what Milvus holds back.

use crate::metrics::{GcScope, Metrics, RepositoryClass, VerifyFacts, VerifyLevel};
use crate::model::{BackupState, RunOutcome};

use super::look::{at, catalog, one_backup, policy, run, value};

#[test]
fn backups_are_counted_by_what_they_are() {
    let metrics = Metrics::default();
    metrics.set_policies(&[policy("p")]);
    let mut facts = catalog(3000, "p", one_backup(2000));
    facts.policies.insert(String::new(), one_backup(1500));
    facts.policies.insert("removed".to_owned(), one_backup(1000));
    facts.bytes.insert(RepositoryClass::Referenced, 77);
    (facts.free_bytes, facts.min_free_bytes) = (Some(5), Some(3));
    facts.policies.get_mut("p").unwrap().damaged = 1;
    metrics.catalog(facts.clone());
    for (series, expected) in [
        (r#"backups{policy="p",state="complete"}"#, Some(1)),
        (r#"backups{policy="p",state="damaged"}"#, Some(0)),
        (r#"backups{policy="",state="complete"}"#, Some(1)),
        (r#"backups{policy="removed",state="complete"}"#, None),
        (r#"oldest_restorable_timestamp_seconds{policy="p"}"#, Some(1990)),
        (r#"newest_restorable_timestamp_seconds{policy="p"}"#, Some(1990)),
        (r#"last_success_timestamp_seconds{kind="backup",policy=""}"#, Some(1500)),
        (r#"last_backup_rows{policy="p"}"#, Some(1000)),
        (r#"last_backup_uploaded_bytes{policy="p"}"#, None),
        (r#"repository_bytes{class="referenced"}"#, Some(77)),
        (r#"repository_bytes{class="unreferenced"}"#, None),
        ("repository_free_bytes", Some(5)),
        ("repository_min_free_bytes", Some(3)),
        (r#"damaged_backups{policy="p"}"#, Some(1)),
        (r#"damaged_backups{policy=""}"#, Some(0)),
        ("catalog_refresh_timestamp_seconds", Some(3000)),
    ] {
        assert_eq!(value(&metrics, series), expected, "{series}");
    }

    metrics.set_policies(&[policy("p"), policy("removed")]);
    let back = r#"last_success_timestamp_seconds{kind="backup",policy="removed"}"#;
    assert_eq!(value(&metrics, back), Some(1000), "a policy that comes back has its backups");

    facts.policies.remove("");
    facts.policies.get_mut("p").unwrap().states = [(BackupState::Tombstoned, 1)].into();
    (facts.free_bytes, facts.min_free_bytes) = (None, None);
    metrics.catalog(facts);
    for (series, expected) in [
        (r#"backups{policy="",state="complete"}"#, Some(0)),
        (r#"backups{policy="p",state="complete"}"#, Some(0)),
        (r#"backups{policy="p",state="tombstoned"}"#, Some(1)),
        ("repository_free_bytes", None),
        ("repository_min_free_bytes", None),
    ] {
        assert_eq!(value(&metrics, series), expected, "{series}");
    }
}

/// Beside another agent, whose backups this one only finds.
#[test]
fn what_a_backup_had_to_copy_is_told_by_the_agent_that_made_it() {
    let metrics = Metrics::default();
    metrics.set_policies(&[policy("p")]);
    let copied = || {
        ["uploaded", "reused"]
            .map(|what| value(&metrics, &format!(r#"last_backup_{what}_bytes{{policy="p"}}"#)))
    };
    let success = r#"last_success_timestamp_seconds{kind="backup",policy="p"}"#;
    metrics.run_ended(&run("p", RunOutcome::Complete, 2001));
    for (read_at, committed, told) in [
        (2000, 1000, [Some(96), Some(4000)]),
        (2002, 2000, [Some(96), Some(4000)]),
        (2003, 2000, [Some(96), Some(4000)]),
        (3010, 3000, [None, None]),
    ] {
        metrics.catalog(catalog(read_at, "p", one_backup(committed)));
        assert_eq!(copied(), told, "read at {read_at}");
    }
    metrics.run_ended(&run("p", RunOutcome::Skipped, 3011));
    assert_eq!((value(&metrics, success), copied()), (Some(3000), [None, None]));
    metrics.run_ended(&run("p", RunOutcome::Complete, 4000));
    assert_eq!(copied(), [Some(96), Some(4000)]);
}

#[test]
fn a_pause_lasts_from_the_first_backup_to_the_last() {
    let metrics = Metrics::default();
    let seen = || {
        ["gc_pause_active", "gc_pause_started_timestamp_seconds"]
            .map(|gauge| value(&metrics, &format!(r#"{gauge}{{scope="cluster"}}"#)))
    };
    assert_eq!(seen(), [None, None]);
    metrics.gc_paused(GcScope::Cluster, at(10));
    metrics.gc_paused(GcScope::Cluster, at(20));
    assert_eq!(seen(), [Some(1), Some(10)]);
    metrics.gc_resumed(GcScope::Cluster);
    assert_eq!(seen(), [Some(1), Some(10)]);
    metrics.gc_resumed(GcScope::Cluster);
    assert_eq!(seen(), [Some(0), None]);
}

#[test]
fn only_a_good_verification_is_the_last_one() {
    let metrics = Metrics::default();
    metrics.set_policies(&[policy("p")]);
    let objects =
        |result: &str| value(&metrics, &format!(r#"verify_objects_total{{result="{result}"}}"#));
    let last = || value(&metrics, r#"last_verified_timestamp_seconds{level="content",policy="p"}"#);
    assert_eq!((objects("checksum"), last()), (Some(0), None));
    let found = VerifyFacts { level: VerifyLevel::Content, good: 5, missing: 1, damaged: 2 };
    metrics.verified("p", found, at(10));
    assert_eq!(["ok", "missing", "size", "checksum"].map(objects), [5, 1, 0, 2].map(Some));
    assert_eq!(last(), None, "it found damage");
    metrics.verified("p", VerifyFacts { missing: 0, damaged: 0, ..found }, at(20));
    assert_eq!((objects("ok"), last()), (Some(10), Some(20)));
}
