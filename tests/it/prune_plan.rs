//! The verdicts of prune and the references of a sweep, as tables.

use jiff::{SignedDuration, Timestamp};
use milvus_backup_agent::config::Retention;
use milvus_backup_agent::manifest::{
    Attempt, AttemptEnd, DrillLedger, FileId, LogKind, Manifest, ManifestOutcome, RestoreItem,
    RestoreLedger, RestoreStep, Sighting, Tombstone,
};
use milvus_backup_agent::model::{ClusterName, Layout};
use milvus_backup_agent::plan::{
    BackupFacts, DrillFacts, Found, LeaseFacts, Obstacle, Planned, PruneFacts, RestoreFacts,
    RetentionPlan, Sieve, StagingFacts, StagingOwner, Subject, Verdict, is_due, judge_backup,
    plan_prune, references,
};

use crate::support::{backup_name, namespace};

const GRACES: Retention = Retention {
    delete_grace: SignedDuration::from_hours(48),
    orphan_grace: SignedDuration::from_hours(24),
    failed_ttl: SignedDuration::from_hours(72),
    max_delete_percent: 50,
};

/// Hours before or after "now".
fn at(hours: i64) -> Timestamp {
    let now: Timestamp = "2026-11-23T00:00:00Z".parse().expect("a time");
    now + SignedDuration::from_hours(hours)
}

fn attempt(started: i64, ended: Option<i64>) -> Found<Attempt> {
    Found::Read(Attempt {
        version: 1,
        name: backup_name("b"),
        run: "1".to_owned(),
        lease: "run-1".to_owned(),
        policy: String::new(),
        trigger: "cli".to_owned(),
        host: "h".to_owned(),
        started_at: at(started),
        agent: "a".to_owned(),
        job: None,
        end: ended.map(|hours| AttemptEnd {
            at: at(hours),
            outcome: "failed".to_owned(),
            error: "boom".to_owned(),
        }),
    })
}

fn manifest(run: &str) -> Found<Manifest> {
    Found::Read(Manifest {
        version: 1,
        name: backup_name("b"),
        cluster: ClusterName::new("c").expect("a name"),
        cluster_id: "i".to_owned(),
        policy: String::new(),
        run: run.to_owned(),
        layout: Layout::Incremental,
        created_at: at(-100),
        completed_at: at(-100),
        outcome: ManifestOutcome::Complete,
        agent: "a".to_owned(),
        milvus_version: "2.3.5".to_owned(),
        databases: Vec::new(),
        database_descriptions: Vec::new(),
        collections: Vec::new(),
        selection: Vec::new(),
        suspect: None,
        rbac: None,
    })
}

fn tombstone(hours: i64) -> Found<Tombstone> {
    Found::Read(Tombstone { version: 1, at: at(hours), reason: "old".to_owned(), policy: None })
}

fn facts() -> BackupFacts {
    BackupFacts {
        name: backup_name("b"),
        attempt: attempt(-100, None),
        manifest: manifest("1"),
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

fn cut<T>() -> Found<T> {
    Found::Unreadable("cut off".to_owned())
}

fn newer<T>() -> Found<T> {
    Found::TooNew("version 2".to_owned())
}

#[test]
fn only_what_is_certainly_done_with_goes() {
    use Verdict::{Delete, Keep, Leave};
    let none = || BackupFacts { manifest: Found::Absent, ..facts() };
    let hidden = |hours| BackupFacts { tombstone: tombstone(hours), ..facts() };
    let hidden_attempt = |hours| BackupFacts { tombstone: tombstone(hours), ..none() };
    for (what, facts, verdict, reason) in vec![
        ("a backup", facts(), Keep, "backup of"),
        ("of another run", BackupFacts { manifest: manifest("2"), ..facts() }, Leave, "damaged"),
        ("no attempt", BackupFacts { attempt: Found::Absent, ..facts() }, Leave, "damaged"),
        (
            "a copy",
            BackupFacts { name: backup_name("b_copy"), ..facts() },
            Leave,
            "a copy of backup `b`",
        ),
        ("cut manifest", BackupFacts { manifest: cut(), ..facts() }, Leave, "`delete b --now`"),
        ("cut attempt", BackupFacts { attempt: cut(), ..none() }, Leave, "damaged"),
        ("newer manifest", BackupFacts { manifest: newer(), ..facts() }, Leave, "newer"),
        ("newer, hidden", BackupFacts { manifest: newer(), ..hidden(-99) }, Leave, "newer"),
        ("newer tombstone", BackupFacts { tombstone: newer(), ..facts() }, Leave, "newer"),
        ("cut tombstone", BackupFacts { tombstone: cut(), ..facts() }, Leave, "--now"),
        ("nothing", BackupFacts { attempt: Found::Absent, ..none() }, Leave, "not known"),
        (
            "another's tree",
            BackupFacts { attempt: Found::Absent, tree: true, ..none() },
            Leave,
            "a tree of milvus-backup: not ours",
        ),
        ("live", BackupFacts { alive: true, ..none() }, Keep, "at work"),
        ("dead", none(), Delete, "interrupted"),
        ("dead lately", BackupFacts { heard: Some(at(-71)), ..none() }, Leave, "goes after"),
        ("dead long", BackupFacts { heard: Some(at(-72)), ..none() }, Delete, "interrupted"),
        ("ended", BackupFacts { attempt: attempt(-100, Some(-72)), ..none() }, Delete, "boom"),
        ("ended now", BackupFacts { attempt: attempt(-100, Some(-71)), ..none() }, Leave, "boom"),
        ("from the future", BackupFacts { attempt: attempt(1, None), ..none() }, Leave, "clocks"),
        ("hidden", hidden(-47), Leave, "`undelete`"),
        ("hidden long", hidden(-48), Delete, "old"),
        ("hidden in the future", hidden(1), Leave, "clocks"),
        ("hidden damage", BackupFacts { manifest: cut(), ..hidden(-48) }, Delete, "old"),
        (
            "hidden and read",
            BackupFacts { readers: vec!["restore r".to_owned()], ..hidden(-48) },
            Leave,
            "restore r",
        ),
        ("hidden attempt", hidden_attempt(0), Delete, "nothing can be brought back"),
        ("hidden run", BackupFacts { alive: true, ..hidden_attempt(-99) }, Leave, "at work"),
        ("half deleted", BackupFacts { attempt: Found::Absent, ..hidden_attempt(1) }, Delete, ""),
    ] {
        let (judged, why) = judge_backup(&facts, &GRACES, at(0));
        assert!(judged == verdict && why.contains(reason), "{what}: {judged:?}, {why}");
    }
}

fn ledger(backup: &str, step: RestoreStep) -> Found<RestoreLedger> {
    Found::Read(RestoreLedger {
        version: 1,
        id: "r".to_owned(),
        backup: backup_name(backup),
        target: "http://m".to_owned(),
        lease: "restore-r".to_owned(),
        started_at: at(-1),
        staging: Vec::new(),
        items: vec![RestoreItem {
            from: namespace("films"),
            to: namespace("films"),
            restoring: namespace("films__restoring_r"),
            step,
            aliases: Vec::new(),
            made: None,
            replaces: None,
            rows: None,
        }],
    })
}

fn verdict_on(facts: &PruneFacts, subject: &Subject) -> (Verdict, String) {
    let all = plan_prune(facts, &RetentionPlan::default(), (&GRACES, at(0)));
    let found = all.into_iter().find(|one| one.subject == *subject).expect("a verdict");
    (found.verdict, found.reasons.join("; "))
}

#[test]
fn ledgers_are_told_and_never_deleted() {
    let subject = Subject::Restore("r".to_owned());
    for (ledger, alive, verdict, words) in [
        (ledger("b", RestoreStep::Filling), true, Verdict::Keep, "at work"),
        (ledger("b", RestoreStep::Filling), false, Verdict::Leave, "films__restoring_r"),
        (ledger("b", RestoreStep::Filling), false, Verdict::Leave, "run it again"),
        (ledger("gone", RestoreStep::Swapping), false, Verdict::Leave, "by hand"),
        (ledger("b", RestoreStep::Done), false, Verdict::Leave, "nothing half-filled"),
        (cut(), false, Verdict::Leave, "cut off"),
        (newer(), false, Verdict::Leave, "version 2"),
    ] {
        let restores = vec![RestoreFacts { id: "r".to_owned(), ledger, alive }];
        let facts = PruneFacts { backups: vec![facts()], restores, ..PruneFacts::default() };
        let (judged, why) = verdict_on(&facts, &subject);
        assert!(judged == verdict && why.contains(words), "{judged:?}, {why}");
    }
}

#[test]
fn leases_of_the_dead_go_when_nothing_needs_them() {
    let dead = |started| BackupFacts {
        manifest: Found::Absent,
        attempt: attempt(started, None),
        ..facts()
    };
    for (name, alive, backup, verdict) in [
        ("run-1", true, facts(), Verdict::Keep),
        ("run-1", false, facts(), Verdict::Delete),
        ("run-1", false, dead(-1), Verdict::Keep),
        ("run-1", false, dead(-100), Verdict::Delete),
        ("run-2", false, dead(-1), Verdict::Delete),
        ("restore-r", false, facts(), Verdict::Keep),
        ("restore-s", false, facts(), Verdict::Delete),
        ("other", false, facts(), Verdict::Leave),
    ] {
        let ledger = ledger("b", RestoreStep::Filling);
        let facts = PruneFacts {
            backups: vec![backup],
            restores: vec![RestoreFacts { id: "r".to_owned(), ledger, alive: false }],
            leases: vec![LeaseFacts { name: name.to_owned(), alive }],
            ..PruneFacts::default()
        };
        let (judged, why) = verdict_on(&facts, &Subject::Lease(name.to_owned()));
        assert_eq!(judged, verdict, "{name}: {why}");
    }
}

fn drill() -> Found<DrillLedger> {
    Found::Read(DrillLedger {
        version: 1,
        id: "0123abcd".to_owned(),
        backup: backup_name("b"),
        of: ClusterName::new("c1").expect("a name"),
        target: "http://m".to_owned(),
        lease: "drill-0123abcd".to_owned(),
        reading: "drill-b-1".to_owned(),
        started_at: at(-1),
        staging: Vec::new(),
        databases: Vec::new(),
        collections: vec![namespace("films__drill_0123abcd")],
        emptied: false,
    })
}

#[test]
fn what_a_dead_drill_left_goes_where_it_can_be_reached() {
    use Verdict::{Delete, Keep, Leave};
    for (ledger, alive, here, verdict, words) in [
        (drill(), true, true, Keep, "at work"),
        (drill(), false, true, Delete, "its collection, `…__drill_0123abcd`"),
        (drill(), false, false, Leave, "that Milvus's agent"),
        (Found::Unreadable("cut off".to_owned()), false, false, Leave, "cut off"),
        (Found::TooNew("version 2".to_owned()), false, false, Leave, "version 2"),
        (Found::Absent, false, false, Keep, "ended meanwhile"),
    ] {
        let drills = vec![DrillFacts { id: "0123abcd".to_owned(), ledger, alive, here }];
        let lease = |name: &str| LeaseFacts { name: name.to_owned(), alive };
        let leases = vec![lease("drill-0123abcd"), lease("drill-b-1"), lease("drill-other")];
        let facts = PruneFacts { drills, leases, ..PruneFacts::default() };
        let (judged, why) = verdict_on(&facts, &Subject::Drill("0123abcd".to_owned()));
        assert!(judged == verdict && why.contains(words), "{judged:?}, {why}");
        // Without them, nobody could tell whether it is at work.
        for name in ["drill-0123abcd", "drill-b-1"] {
            let (of_lease, why) = verdict_on(&facts, &Subject::Lease(name.to_owned()));
            let goes = !alive && (verdict == Delete || words == "ended meanwhile");
            assert_eq!(of_lease == Delete, goes, "{name}: {why}");
        }
    }
}

#[test]
fn staging_goes_when_its_restore_is_known_to_be_dead() {
    use StagingOwner::{Alive, Dead, Foreign, Unknown};
    for (folder, owner, newest, verdict) in [
        ("restore-r", Alive, -100, Verdict::Keep),
        ("restore-r", Dead, 0, Verdict::Delete),
        ("restore-r", Foreign, -100, Verdict::Leave),
        ("restore-r", Unknown, -24, Verdict::Delete),
        ("restore-r", Unknown, -23, Verdict::Leave),
        ("restore-r", Unknown, 1, Verdict::Leave),
        ("drill-r", Alive, -100, Verdict::Keep),
        ("drill-r", Dead, 0, Verdict::Delete),
        ("drill-r", Unknown, -23, Verdict::Leave),
        ("drills", Dead, -100, Verdict::Leave),
        ("other", Dead, -100, Verdict::Leave),
    ] {
        let folder = folder.to_owned();
        let staging = StagingFacts { folder: folder.clone(), owner, newest: Some(at(newest)) };
        let facts = PruneFacts { staging: vec![staging], ..PruneFacts::default() };
        let (judged, why) = verdict_on(&facts, &Subject::Staging(folder.clone()));
        assert_eq!(judged, verdict, "{folder} {owner:?} {newest}: {why}");
    }
}

fn file(log: i64) -> FileId {
    FileId { collection: 1, partition: 2, segment: 3, kind: LogKind::Delta, log }
}

#[test]
fn a_sweep_needs_to_know_everything_that_is_referred_to() {
    let run = || BackupFacts { manifest: Found::Absent, ..facts() };
    for (what, facts, refused) in [
        ("cut manifest", BackupFacts { manifest: cut(), ..facts() }, true),
        ("newer manifest", BackupFacts { manifest: newer(), ..facts() }, true),
        (
            "hidden, cut",
            BackupFacts { manifest: cut(), tombstone: tombstone(-99), ..facts() },
            true,
        ),
        ("cut plan", BackupFacts { plan: cut(), ..run() }, true),
        ("cut attempt", BackupFacts { attempt: cut(), ..run() }, true),
        ("newer attempt", BackupFacts { attempt: newer(), ..run() }, true),
        ("live, no plan", BackupFacts { alive: true, ..run() }, false),
    ] {
        let obstacle = references(&[self::facts(), facts], Planned::default()).unwrap_err();
        assert_eq!(matches!(obstacle, Obstacle::Refused(_)), refused, "{what}: {obstacle:?}");
    }
    let plan = Found::Read(());
    for (what, facts, writes) in [
        ("a backup", facts(), false),
        ("cut attempt of a backup", BackupFacts { attempt: cut(), ..facts() }, false),
        ("dead, no plan", run(), true),
        ("live", BackupFacts { alive: true, plan: plan.clone(), ..run() }, true),
        ("dead", BackupFacts { plan: plan.clone(), ..run() }, true),
        ("committed", BackupFacts { plan: plan.clone(), ..facts() }, false),
        ("ended", BackupFacts { attempt: attempt(-9, Some(-8)), plan, ..run() }, false),
    ] {
        let mut planned = Planned::default();
        planned.add(&file(7));
        let found = references(&[facts], planned);
        let found = found.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert_eq!(found.writer.is_some(), writes, "{what}");
        assert!(found.planned.has(&file(7)) && !found.planned.has(&file(8)), "{what}");
    }
}

#[test]
fn a_file_goes_when_two_looks_a_grace_apart_found_it_in_no_backup() {
    let seen = |collection: i64, hours| Sighting {
        path: format!("_segments/delta_log/{collection}/1/1/1"),
        first_seen: at(hours),
        size: 1,
    };
    let old = [seen(9, -24), seen(10, -24), seen(11, -24), seen(12, -23), seen(13, 5)];
    let mut sieve = Sieve::new(old.into_iter(), at(0));
    for (collection, modified, first_seen, due) in [
        (8, -100, 0, false),
        (10, -100, -24, true),
        (11, -1, -1, false),
        (12, -100, -23, false),
        (13, -100, 0, false),
        (14, 5, 0, false),
    ] {
        let found = sieve.see(seen(collection, 0).path, 1, at(modified));
        assert_eq!(found.first_seen, at(first_seen), "{collection}");
        assert_eq!(is_due(&found, GRACES.orphan_grace, at(0)), due, "{collection}");
    }
    assert!(!is_due(&seen(1, 0), SignedDuration::ZERO, at(0)), "one look is not enough");
    assert!(is_due(&seen(1, -1), SignedDuration::ZERO, at(0)));
}
