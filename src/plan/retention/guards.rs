//! What stands in the way, and how to get past it.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::policy::{PolicyRules, RetentionTerms};
use crate::manifest::RetentionMark;
use crate::model::{BackupName, Guard, PolicyName};
use crate::plan::{BackupFacts, goes_at};

/// How long what was made under other rules stays.
const CHANGE_GRACE: SignedDuration = SignedDuration::from_hours(24);

/// How far ahead of this machine's clock a backup's may be.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(10);

/// So many may always go at once.
const FEW: usize = 2;

/// A guard that refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The policy whose backups it keeps.
    pub policy: String,
    /// Which.
    pub guard: Guard,
    /// What it saw, and the way out.
    pub message: String,
}

/// A backup of the policy, as guards see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) name: &'a BackupName,
    /// When its run began.
    pub(super) at: Timestamp,
    /// When it was committed.
    pub(super) ended: Timestamp,
    pub(super) good: bool,
}

/// What some guard has to say of one policy: what it saw, and what it holds back of `going`.
pub(super) fn objections(
    (policy, mark): (&PolicyRules, &RetentionMark),
    everything: &[BackupFacts],
    (backups, going): (&[Seen<'_>], &BTreeSet<BackupName>),
    terms: &RetentionTerms<'_>,
) -> Vec<(Guard, String, BTreeSet<BackupName>)> {
    if going.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut object = |guard: Guard, message: Option<String>| {
        found.extend(message.map(|message| (guard, message, going.clone())));
    };
    object(Guard::CatalogIncomplete, unreadable(everything));
    object(Guard::StaleSource, stale(policy, backups, terms.now));
    object(Guard::Clock, future(backups, terms.now));
    let (older, message) = changed((policy, mark), (backups, going), terms.now);
    let left = if terms.allow.contains(&Guard::PolicyChanged) {
        going.len()
    } else {
        going.len() - older.len()
    };
    object(Guard::MassDelete, mass((left, backups.len()), terms));
    found.extend(message.map(|message| (Guard::PolicyChanged, message, older)));
    found
}

fn unreadable(everything: &[BackupFacts]) -> Option<String> {
    let cut = |backup: &BackupFacts| {
        let cut = backup.manifest.problem().or(backup.attempt.problem());
        let cut = cut.or(backup.tombstone.problem()).or(backup.pin.problem());
        cut.or(backup.doubt.problem()).map(str::to_owned)
    };
    everything.iter().find_map(|backup| {
        let name = &backup.name;
        let (why, remedy) = match backup.too_new() {
            Some(why) => (why.to_owned(), "prune with the newer agent that wrote it".to_owned()),
            None => (cut(backup)?, format!("put the file back, or `delete {name} --now`")),
        };
        Some(format!(
            "backup `{name}` cannot be read ({why}), so nobody knows whose it is: {remedy}"
        ))
    })
}

fn stale(policy: &PolicyRules, backups: &[Seen<'_>], now: Timestamp) -> Option<String> {
    let max_age = policy.max_age?;
    let remedy = "mend the backups first";
    match backups.iter().filter(|one| one.good).max_by_key(|one| one.ended) {
        None => Some(format!("there is no good backup: {remedy}")),
        Some(newest) if now.duration_since(newest.ended) > max_age => Some(format!(
            "the newest good backup is of {}, older than the max_age of {max_age:#}: {remedy}",
            newest.ended
        )),
        Some(_) => None,
    }
}

pub(super) fn future(backups: &[Seen<'_>], now: Timestamp) -> Option<String> {
    let newest = backups.iter().max_by_key(|one| one.at)?;
    (newest.at.duration_since(now) > CLOCK_TOLERANCE).then(|| {
        format!(
            "backup `{}` is of {}, in the future: check the clocks; if they are right, delete it",
            newest.name, newest.at
        )
    })
}

fn mass((going, all): (usize, usize), terms: &RetentionTerms<'_>) -> Option<String> {
    let most = usize::from(terms.graces.max_delete_percent);
    // Two may go of any number: one prune that was missed is no disaster.
    (going > FEW && going * 100 > all * most).then(|| {
        format!(
            "{going} of {all} backups would go, more than {most} % (retention.max_delete): read the \
             verdicts"
        )
    })
}

/// Those of `going` that were made under other rules, as long as the grace lasts.
fn changed(
    (policy, mark): (&PolicyRules, &RetentionMark),
    (backups, going): (&[Seen<'_>], &BTreeSet<BackupName>),
    now: Timestamp,
) -> (BTreeSet<BackupName>, Option<String>) {
    let until = goes_at(mark.since, CHANGE_GRACE);
    let over = mark.since <= now && until <= now;
    if mark.settled || over {
        return (BTreeSet::new(), None);
    }
    let older = backups.iter().filter(|one| one.at < mark.since && going.contains(one.name));
    let older: BTreeSet<BackupName> = older.map(|one| one.name.clone()).collect();
    let before = policy.mark.read().filter(|before| before.rules != mark.rules);
    let before = before.map(|before| format!(", were `{}`", before.rules)).unwrap_or_default();
    let message = (!older.is_empty()).then(|| {
        format!(
            "its rules or collections are new since {} (seen on {}{before}): what was made before stays until \
             {until}; two agents with different files would see that again and again",
            mark.since, mark.by
        )
    });
    (older, message)
}

impl Refusal {
    /// A guard that nobody has overridden.
    pub(super) fn new(policy: &PolicyName, guard: Guard, message: &str) -> Self {
        let message = format!(
            "policy `{policy}`: {message}; `prune --policy {policy} --apply --allow {guard}` goes on all the same"
        );
        Self { policy: policy.to_string(), guard, message }
    }
}
