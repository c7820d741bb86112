//! What is in a cluster's folder → what goes, what stays, and why.
//!
//! Only what is certainly done with goes. What cannot be read, is newer than this agent, or
//! has a date in the future is left alone, with the reason.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::config::Retention;
use crate::manifest::{Attempt, FileList, Manifest, RestoreLedger, RestoreStep, Tombstone};
use crate::model::BackupName;

/// A document as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<T> {
    /// It is not there.
    Absent,
    /// It is this.
    Read(T),
    /// It is damaged.
    Unreadable(String),
    /// A newer agent wrote it.
    TooNew(String),
}

impl<T> Found<T> {
    /// What was read.
    pub fn read(&self) -> Option<&T> {
        match self {
            Self::Read(document) => Some(document),
            Self::Absent | Self::Unreadable(_) | Self::TooNew(_) => None,
        }
    }

    /// Why it cannot be read.
    pub fn problem(&self) -> Option<&str> {
        match self {
            Self::Unreadable(why) | Self::TooNew(why) => Some(why),
            Self::Absent | Self::Read(_) => None,
        }
    }

    /// Why only a newer agent can read it.
    pub fn too_new(&self) -> Option<&str> {
        match self {
            Self::TooNew(why) => Some(why),
            Self::Absent | Self::Read(_) | Self::Unreadable(_) => None,
        }
    }

    /// Whether there is something, readable or not.
    pub fn is_there(&self) -> bool {
        !matches!(self, Self::Absent)
    }
}

/// One backup folder.
#[derive(Debug, Clone)]
pub struct BackupFacts {
    /// The backup's name.
    pub name: BackupName,
    /// `attempt.json`.
    pub attempt: Found<Attempt>,
    /// `manifest.json`.
    pub manifest: Found<Manifest>,
    /// `tombstone.json`.
    pub tombstone: Found<Tombstone>,
    /// The saved plan.
    pub plan: Found<FileList>,
    /// Whether the run of an attempt without an end still beats.
    pub alive: bool,
    /// When that run was last heard of.
    pub heard: Option<Timestamp>,
    /// Live restores that read it.
    pub readers: Vec<String>,
}

impl BackupFacts {
    /// Whether a run has begun it and not said that it ended.
    pub fn is_unfinished(&self) -> bool {
        let begun = self.attempt.read().is_some_and(|attempt| attempt.end.is_none());
        begun && !self.manifest.is_there()
    }
}

/// One restore's ledger.
#[derive(Debug, Clone)]
pub struct RestoreFacts {
    /// The restore.
    pub id: String,
    /// Its ledger.
    pub ledger: Found<RestoreLedger>,
    /// Whether it still beats.
    pub alive: bool,
}

/// One folder of leases.
#[derive(Debug, Clone)]
pub struct LeaseFacts {
    /// Its name.
    pub name: String,
    /// Whether its holder beats.
    pub alive: bool,
}

/// One folder of staged files.
#[derive(Debug, Clone)]
pub struct StagingFacts {
    /// Its name.
    pub folder: String,
    /// What is known of its restore.
    pub owner: StagingOwner,
    /// When its youngest file was written.
    pub newest: Option<Timestamp>,
}

/// What is known of the restore that staged files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StagingOwner {
    /// It is at work.
    Alive,
    /// It is dead.
    Dead,
    /// This repository does not know it, but no other one stages here.
    Unknown,
    /// This repository does not know it, and another one may stage here too.
    Foreign,
}

/// Everything that prune looks at, but for the shared files.
#[derive(Debug, Clone, Default)]
pub struct PruneFacts {
    /// The backups.
    pub backups: Vec<BackupFacts>,
    /// The restores.
    pub restores: Vec<RestoreFacts>,
    /// The leases.
    pub leases: Vec<LeaseFacts>,
    /// The staging folders.
    pub staging: Vec<StagingFacts>,
}

/// What becomes of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is in use.
    Keep,
    /// It goes.
    Delete,
    /// It stays for now.
    Leave,
}

impl Verdict {
    /// The word in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Delete => "delete",
            Self::Leave => "leave",
        }
    }
}

/// What a verdict is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A backup or an attempt.
    Backup(BackupName),
    /// A restore's ledger.
    Restore(String),
    /// A lease whose name is used once.
    Lease(String),
    /// A folder of staged files.
    Staging(String),
}

/// A verdict and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What it is about.
    pub subject: Subject,
    /// What becomes of it.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
}

type Judged = (Verdict, String);

/// Judges everything. Nothing is left out.
pub fn plan_prune(facts: &PruneFacts, graces: &Retention, now: Timestamp) -> Vec<Judgement> {
    let of = |subject, (verdict, reason): Judged| Judgement { subject, verdict, reason };
    let mut all = Vec::new();
    for backup in &facts.backups {
        all.push(of(Subject::Backup(backup.name.clone()), judge_backup(backup, graces, now)));
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
    let needed = |name: &str| {
        let of_run = |backup: &&BackupFacts| {
            let named = backup.attempt.read().is_some_and(|attempt| attempt.lease == name);
            named && backup.is_unfinished() && !goes(&backup.name)
        };
        let of_restore = |restore: &&RestoreFacts| match &restore.ledger {
            Found::Read(ledger) => ledger.lease == name,
            Found::Unreadable(_) | Found::TooNew(_) => true,
            Found::Absent => false,
        };
        let run = facts.backups.iter().find(of_run).map(|backup| backup.name.to_string());
        run.or_else(|| facts.restores.iter().find(of_restore).map(|one| one.id.clone()))
    };
    let leases: Vec<Judgement> = facts
        .leases
        .iter()
        .map(|lease| of(Subject::Lease(lease.name.clone()), judge_lease(lease, &needed)))
        .collect();
    all.extend(restores);
    all.extend(leases);
    for staging in &facts.staging {
        let subject = Subject::Staging(staging.folder.clone());
        all.push(of(subject, judge_staging(staging, graces.orphan_grace, now)));
    }
    all
}

fn leave(reason: impl Into<String>) -> Judged {
    (Verdict::Leave, reason.into())
}

/// The verdict on one backup folder.
pub fn judge_backup(facts: &BackupFacts, graces: &Retention, now: Timestamp) -> Judged {
    let too_new = [
        facts.attempt.too_new(),
        facts.manifest.too_new(),
        facts.tombstone.too_new(),
        facts.plan.too_new(),
    ];
    if let Some(why) = too_new.into_iter().flatten().next() {
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
        return leave(format!("damaged: {why}; `delete` removes it"));
    }
    match (facts.attempt.read(), facts.manifest.read()) {
        (Some(attempt), Some(manifest)) if attempt.run == manifest.run => {
            (Verdict::Keep, format!("backup of {}", manifest.created_at))
        }
        (_, Some(_)) => leave("damaged: its manifest is of no attempt; `delete` removes it"),
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
        return leave(format!("deleted, but restore {reader} reads it"));
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

fn judge_lease(facts: &LeaseFacts, needed: &impl Fn(&str) -> Option<String>) -> Judged {
    let once = ["run-", "restore-", "heir-"].iter().any(|kind| facts.name.starts_with(kind));
    match needed(&facts.name) {
        _ if !once => leave("not a lease that this agent knows"),
        _ if facts.alive => (Verdict::Keep, "its holder is at work".to_owned()),
        Some(by) => (Verdict::Keep, format!("tells when {by} was last at work")),
        None => (Verdict::Delete, "its holder is gone".to_owned()),
    }
}

fn judge_staging(facts: &StagingFacts, grace: SignedDuration, now: Timestamp) -> Judged {
    if !facts.folder.starts_with("restore-") {
        return leave("not a folder of this agent's");
    }
    match facts.owner {
        StagingOwner::Alive => (Verdict::Keep, "its restore is at work".to_owned()),
        StagingOwner::Dead => (Verdict::Delete, "its restore was interrupted".to_owned()),
        StagingOwner::Foreign => {
            leave("no restore of this repository: another agent's, else remove the folder by hand")
        }
        StagingOwner::Unknown => match facts.newest.map(|newest| due(newest, grace, now)) {
            None | Some(Due::Now) => (Verdict::Delete, "it is of no restore".to_owned()),
            Some(Due::Future) => leave("it is of no restore, and from the future"),
            Some(Due::At(at)) => leave(format!("it is of no restore; goes after {at}")),
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
