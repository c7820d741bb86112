//! The verdicts.

use jiff::{SignedDuration, Timestamp};

use crate::config::Retention;
use crate::manifest::{Attempt, RestoreStep, Tombstone};
use crate::model::BackupName;
use crate::plan::RetentionPlan;

use super::{
    BackupFacts, DrillFacts, Found, Judgement, LeaseFacts, PruneFacts, RestoreFacts, StagingFacts,
    StagingOwner, Subject, Verdict,
};

type Judged = (Verdict, String);

/// Judges everything. Nothing is left out. Of backups that are there, retention has the word.
pub fn plan_prune(
    facts: &PruneFacts,
    retention: &RetentionPlan,
    (graces, now): (&Retention, Timestamp),
) -> Vec<Judgement> {
    let of = |subject, (verdict, reason): Judged| {
        let reasons = vec![reason];
        Judgement { subject, verdict, reasons }
    };
    let mut all = Vec::new();
    for backup in &facts.backups {
        let subject = Subject::Backup(backup.name.clone());
        all.push(match retention.verdicts.get(&backup.name) {
            Some((verdict, reasons)) => {
                Judgement { subject, verdict: *verdict, reasons: reasons.clone() }
            }
            None => of(subject, judge_backup(backup, graces, now)),
        });
    }
    let goes = |name: &BackupName| {
        let of_name = |one: &&Judgement| one.subject == Subject::Backup(name.clone());
        all.iter().find(of_name).is_none_or(|one| one.verdict == Verdict::Delete)
    };
    let restores: Vec<Judgement> = facts
        .restores
        .iter()
        .map(|restore| of(Subject::Restore(restore.id.clone()), judge_restore(restore, &goes)))
        .collect();
    let drills: Vec<Judgement> = facts
        .drills
        .iter()
        .map(|drill| of(Subject::Drill(drill.id.clone()), judge_drill(drill)))
        .collect();
    let stays = |id: &str| {
        let of_id = |one: &&Judgement| one.subject == Subject::Drill(id.to_owned());
        drills.iter().find(of_id).is_some_and(|one| one.verdict != Verdict::Delete)
    };
    let needed = |name: &str| needed_by(facts, name, (&goes, &stays));
    let leases: Vec<Judgement> = facts
        .leases
        .iter()
        .map(|lease| of(Subject::Lease(lease.name.clone()), judge_lease(lease, &needed)))
        .collect();
    all.extend(restores);
    all.extend(drills);
    all.extend(leases);
    for staging in &facts.staging {
        let subject = Subject::Staging(staging.folder.clone());
        all.push(of(subject, judge_staging(staging, graces.orphan_grace, now)));
    }
    all
}

/// Who is known to be dead by a lease, and is not gone for good.
fn needed_by(
    facts: &PruneFacts,
    name: &str,
    (goes, stays): (&impl Fn(&BackupName) -> bool, &impl Fn(&str) -> bool),
) -> Option<String> {
    let of_run = |backup: &&BackupFacts| {
        let named = backup.attempt.read().is_some_and(|attempt| attempt.lease == name);
        named && backup.is_unfinished() && !goes(&backup.name)
    };
    let of_restore = |restore: &&RestoreFacts| match &restore.ledger {
        Found::Read(ledger) => ledger.lease == name,
        Found::Unreadable(_) | Found::TooNew(_) => true,
        Found::Absent => false,
    };
    let of_drill = |drill: &&DrillFacts| match &drill.ledger {
        Found::Read(ledger) => ledger.lease == name || ledger.reading == name,
        Found::Unreadable(_) | Found::TooNew(_) => true,
        Found::Absent => false,
    };
    let run = facts.backups.iter().find(of_run).map(|backup| backup.name.to_string());
    let restore = || facts.restores.iter().find(of_restore).map(|one| one.id.clone());
    let mut drills = facts.drills.iter().filter(|drill| stays(&drill.id));
    run.or_else(restore).or_else(|| drills.find(of_drill).map(|one| one.id.clone()))
}

fn leave(reason: impl Into<String>) -> Judged {
    (Verdict::Leave, reason.into())
}

/// The verdict on one backup folder.
pub fn judge_backup(facts: &BackupFacts, graces: &Retention, now: Timestamp) -> Judged {
    if let Some(why) = facts.too_new() {
        return leave(format!("a newer agent wrote it: {why}"));
    }
    match &facts.tombstone {
        Found::Absent => {}
        Found::Read(tombstone) => return judge_deleted(facts, tombstone, graces, now),
        Found::Unreadable(why) | Found::TooNew(why) => {
            return leave(format!("deleted, nobody can tell when ({why}); delete it with --now"));
        }
    }
    if let Some(why) = facts.manifest.problem().or(facts.attempt.problem()) {
        return leave(format!("damaged: {why}; `delete {} --now` removes it", facts.name));
    }
    match (facts.attempt.read(), facts.manifest.read()) {
        (_, Some(manifest)) if manifest.name != facts.name => leave(format!(
            "damaged: it is a copy of backup `{}`; rename the folder back, or `delete` it",
            manifest.name
        )),
        (Some(attempt), Some(manifest)) if attempt.run == manifest.run => {
            (Verdict::Keep, format!("backup of {}", manifest.created_at))
        }
        (_, Some(_)) => leave("damaged: its manifest is of no attempt; `delete` removes it"),
        (None, None) if facts.tree => leave("a tree of milvus-backup: not ours"),
        (None, None) => leave("no attempt and no manifest: not known what this is"),
        (Some(attempt), None) => judge_attempt(facts, attempt, graces.failed_ttl, now),
    }
}

fn judge_deleted(
    facts: &BackupFacts,
    tombstone: &Tombstone,
    graces: &Retention,
    now: Timestamp,
) -> Judged {
    if facts.is_unfinished() && facts.alive {
        return leave("deleted, but its run is at work");
    }
    if let Some(reader) = facts.readers.first() {
        return leave(format!("deleted, but {reader} reads it"));
    }
    if facts.pin.read().is_some_and(|pin| pin.holds(now)) && facts.manifest.is_there() {
        return leave("deleted and pinned: `undelete` brings it back, `unpin` lets it go");
    }
    if !facts.manifest.is_there() {
        return (Verdict::Delete, format!("{}; nothing can be brought back", tombstone.reason));
    }
    match due(tombstone.at, graces.delete_grace, now) {
        Due::Now => (Verdict::Delete, format!("{} at {}", tombstone.reason, tombstone.at)),
        Due::Future => leave(future(tombstone.at)),
        Due::At(at) => leave(format!("{}; goes after {at}, `undelete` works", tombstone.reason)),
    }
}

fn judge_attempt(
    facts: &BackupFacts,
    attempt: &Attempt,
    ttl: SignedDuration,
    now: Timestamp,
) -> Judged {
    if attempt.end.is_none() && facts.alive {
        return (Verdict::Keep, "its run is at work".to_owned());
    }
    let (at, how) = match &attempt.end {
        Some(end) => (end.at, format!("{}: {}", end.outcome, end.error)),
        None => (attempt.started_at.max(facts.heard.unwrap_or(Timestamp::MIN)), {
            "interrupted".to_owned()
        }),
    };
    match due(at, ttl, now) {
        Due::Now => (Verdict::Delete, format!("no backup since {at} ({how})")),
        Due::Future => leave(future(at)),
        Due::At(at) => leave(format!("no backup ({how}); goes after {at}")),
    }
}

fn judge_restore(facts: &RestoreFacts, is_gone: &impl Fn(&BackupName) -> bool) -> Judged {
    let ledger = match &facts.ledger {
        Found::Absent => return (Verdict::Keep, "it ended meanwhile".to_owned()),
        Found::Read(ledger) => ledger,
        Found::Unreadable(why) | Found::TooNew(why) => return leave(why.clone()),
    };
    let what = format!("restore of `{}` into {}", ledger.backup, ledger.target);
    if facts.alive {
        return (Verdict::Keep, format!("{what} is at work"));
    }
    let open = ledger.items.iter().filter(|item| item.step != RestoreStep::Done);
    let left: Vec<String> = open.map(|item| format!("`{}`", item.restoring)).collect();
    let left = match left.len() {
        0 => "nothing half-filled".to_owned(),
        _ => format!("perhaps {} in Milvus", left.join(", ")),
    };
    let remedy = if is_gone(&ledger.backup) {
        format!(
            "its backup is deleted: drop that by hand, then remove `_restores/{}.json`",
            facts.id
        )
    } else {
        "run it again, which cleans up".to_owned()
    };
    leave(format!("{what} was interrupted and left {left}; {remedy}"))
}

fn judge_drill(facts: &DrillFacts) -> Judged {
    let ledger = match &facts.ledger {
        Found::Absent => return (Verdict::Keep, "it ended meanwhile".to_owned()),
        Found::Read(ledger) => ledger,
        Found::Unreadable(why) | Found::TooNew(why) => return leave(why.clone()),
    };
    let what = format!("drill of `{}` into {}", ledger.backup, ledger.target);
    if facts.alive {
        return (Verdict::Keep, format!("{what} is at work"));
    }
    if !facts.here {
        return leave(format!(
            "{what} was interrupted: `prune --apply` of that Milvus's agent drops what it left; if \
             that was this cluster's address before it moved, `cluster adopt NAME --reason R` once \
             more lets it be done here"
        ));
    }
    let made = match ledger.collections.len() {
        1 => "its collection".to_owned(),
        count => format!("its {count} collections"),
    };
    let made = format!("{made}, `…__drill_{}`, as far as they are left in Milvus", facts.id);
    (Verdict::Delete, format!("{what} was interrupted; with it go {made}"))
}

fn judge_lease(facts: &LeaseFacts, needed: &impl Fn(&str) -> Option<String>) -> Judged {
    let once = ["run-", "restore-", "heir-", "verify-", "export-", "drill-"]
        .iter()
        .any(|kind| facts.name.starts_with(kind));
    match needed(&facts.name) {
        _ if !once => leave("not a lease that this agent knows"),
        _ if facts.alive => (Verdict::Keep, "its holder is at work".to_owned()),
        Some(by) => (Verdict::Keep, format!("tells when {by} was last at work")),
        None => (Verdict::Delete, "its holder is gone".to_owned()),
    }
}

fn judge_staging(facts: &StagingFacts, grace: SignedDuration, now: Timestamp) -> Judged {
    let what = match facts.folder.split_once('-') {
        Some(("restore", _)) => "restore",
        Some(("drill", _)) => "drill",
        _ => return leave("not a folder of this agent's"),
    };
    match facts.owner {
        StagingOwner::Alive => (Verdict::Keep, format!("its {what} is at work")),
        StagingOwner::Dead => (Verdict::Delete, format!("its {what} was interrupted")),
        StagingOwner::Foreign => leave(format!(
            "no {what} of this repository: another agent's, else remove the folder by hand"
        )),
        StagingOwner::Unknown => match facts.newest.map(|newest| due(newest, grace, now)) {
            None | Some(Due::Now) => (Verdict::Delete, format!("it is of no {what}")),
            Some(Due::Future) => leave(format!("it is of no {what}, and from the future")),
            Some(Due::At(at)) => leave(format!("it is of no {what}; goes after {at}")),
        },
    }
}

enum Due {
    Now,
    At(Timestamp),
    Future,
}

fn due(since: Timestamp, grace: SignedDuration, now: Timestamp) -> Due {
    if since > now {
        Due::Future
    } else if now.duration_since(since) >= grace {
        Due::Now
    } else {
        Due::At(goes_at(since, grace))
    }
}

/// When a grace that began at `since` is over.
pub fn goes_at(since: Timestamp, grace: SignedDuration) -> Timestamp {
    since.checked_add(grace).unwrap_or(Timestamp::MAX)
}

fn future(at: Timestamp) -> String {
    format!("its date {at} is in the future: check the clocks")
}
