//! Backups as facts, by what distinguishes them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use milvus_backup_agent::config;
use milvus_backup_agent::manifest::{
    Attempt, CollectionOutcome, CollectionRecord, Doubt, Manifest, ManifestOutcome, Pin,
};
use milvus_backup_agent::model::{ClusterName, Guard, Layout, PolicyName};
use milvus_backup_agent::plan::{
    BackupFacts, Found, PolicyRules, RetentionPlan, RetentionTerms, Verdict, plan_retention,
};
use milvus_backup_agent::policy::{PolicySet, Retention};

use crate::support::backup_name;

pub(super) const NOW: &str = "2026-11-23T12:00:00Z";

pub(super) fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// A backup of `nightly` that was begun then.
pub(super) fn backup(at: Timestamp) -> BackupFacts {
    let name = backup_name(&format!("nightly_{}", at.strftime("%Y%m%d_%H%M%S")));
    let run = format!("run of {at}");
    let attempt = Attempt {
        version: 1,
        name: name.clone(),
        run: run.clone(),
        lease: format!("run-{run}"),
        policy: "nightly".to_owned(),
        trigger: "schedule".to_owned(),
        host: "h".to_owned(),
        started_at: at,
        agent: "a".to_owned(),
        job: None,
        end: None,
    };
    let manifest = Manifest {
        version: 1,
        name: name.clone(),
        cluster: ClusterName::new("c").expect("a name"),
        cluster_id: "i".to_owned(),
        policy: "nightly".to_owned(),
        run,
        layout: Layout::Incremental,
        created_at: at,
        completed_at: at,
        outcome: ManifestOutcome::Complete,
        agent: "a".to_owned(),
        milvus_version: "2.3.5".to_owned(),
        databases: Vec::new(),
        database_descriptions: Vec::new(),
        collections: Vec::new(),
        selection: vec!["*.*".to_owned()],
        suspect: None,
        rbac: None,
    };
    BackupFacts {
        name,
        attempt: Found::Read(attempt),
        manifest: Found::Read(manifest),
        tombstone: Found::Absent,
        pin: Found::Absent,
        doubt: Found::Absent,
        plan: Found::Absent,
        alive: false,
        heard: None,
        readers: Vec::new(),
        tree: false,
    }
}

/// One with something about its manifest changed.
pub(super) fn but(mut backup: BackupFacts, change: impl FnOnce(&mut Manifest)) -> BackupFacts {
    if let Found::Read(manifest) = &mut backup.manifest {
        change(manifest);
    }
    backup
}

/// A collection that is in a backup.
pub(super) fn collection(name: &str) -> CollectionRecord {
    let golden = include_bytes!("../../fixtures/format/v1/manifest.json");
    let golden: Manifest = serde_json::from_slice(golden).expect("the golden manifest");
    let content = golden.contents().next().map(|(_, content)| content.clone());
    CollectionRecord {
        database: "default".to_owned(),
        name: name.to_owned(),
        id: 1,
        outcome: CollectionOutcome::Complete,
        error: None,
        content,
    }
}

pub(super) fn pin(until: Option<&str>) -> Found<Pin> {
    Found::Read(Pin {
        version: 1,
        at: time("2026-01-01T00:00:00Z"),
        by: "h".to_owned(),
        reason: "audit".to_owned(),
        until: until.map(time),
        ended: None,
    })
}

pub(super) fn doubt() -> Found<Doubt> {
    Found::Read(Doubt {
        version: 1,
        at: time(NOW),
        by: "h".to_owned(),
        reason: "1 file is damaged".to_owned(),
        files: Vec::new(),
    })
}

/// The rules of a policy in YAML.
pub(super) fn retention(rules: &str) -> Retention {
    let yaml = format!("retention: {{{rules}}}\n");
    let file = ("/nightly.yaml".into(), Ok(yaml.into_bytes()));
    let cluster = ClusterName::new("c").expect("a name");
    let set = PolicySet::parse(&[file], &cluster).unwrap_or_else(|error| panic!("{error}"));
    set.get("nightly").expect("the policy").retention
}

/// The policy `nightly`, of which nothing was noted so far.
pub(super) fn policy(rules: &str) -> PolicyRules {
    PolicyRules {
        name: PolicyName::new("nightly").expect("a name"),
        retention: retention(rules),
        selection: vec!["*.*".to_owned()],
        zone: TimeZone::UTC,
        max_age: None,
        mark: Found::Absent,
    }
}

pub(super) const GRACES: config::Retention = config::Retention {
    delete_grace: SignedDuration::from_hours(48),
    orphan_grace: SignedDuration::from_hours(24),
    failed_ttl: SignedDuration::from_hours(72),
    max_delete_percent: 50,
};

/// A plan, past every guard in `allow`.
pub(super) fn plan(
    backups: &[BackupFacts],
    policy: &PolicyRules,
    (allow, now): (&[Guard], &str),
) -> RetentionPlan {
    let allow: BTreeSet<Guard> = allow.iter().copied().collect();
    let terms = RetentionTerms {
        graces: &GRACES,
        allow: &allow,
        all_policies: false,
        host: "h",
        now: time(now),
    };
    plan_retention(backups, std::slice::from_ref(policy), &terms)
}

/// What stays, with its reasons, past every guard.
pub(super) fn kept(backups: &[BackupFacts], policy: &PolicyRules) -> BTreeMap<String, String> {
    let plan = plan(backups, policy, (Guard::ALL, NOW));
    assert_eq!(plan.verdicts.len(), backups.len(), "every backup has a verdict");
    assert!(plan.verdicts.values().all(|(_, reasons)| !reasons.is_empty()), "and a reason");
    let kept = plan.verdicts.into_iter().filter(|(_, (verdict, _))| *verdict == Verdict::Keep);
    kept.map(|(name, (_, reasons))| (name.to_string(), reasons.join("; "))).collect()
}
