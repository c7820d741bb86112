//! Which shared files some backup or run may need, and which are long known to be in none.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::iter::Peekable;

use jiff::{SignedDuration, Timestamp};

use crate::manifest::{FileId, Sighting};
use crate::model::Layout;

use super::BackupFacts;

/// Why a sweep may not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// Something is wrong, and someone has to look.
    Refused(String),
    /// Someone is at work; later it will do.
    Busy(String),
}

/// The files in saved plans, by collection. Of each only a hash is kept, since there may be
/// millions. Should two have the same, a file that nothing needs stays; none goes by that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Planned(BTreeMap<i64, HashSet<u64>>);

impl Planned {
    /// Adds a file.
    pub fn add(&mut self, id: &FileId) {
        self.0.entry(id.collection).or_default().insert(hash(id));
    }

    /// Whether a plan has the file.
    pub fn has(&self, id: &FileId) -> bool {
        self.0.get(&id.collection).is_some_and(|files| files.contains(&hash(id)))
    }
}

fn hash(id: &FileId) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// What backups and runs refer to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// The lists of committed backups that share files, by collection.
    pub lists: BTreeMap<i64, BTreeSet<String>>,
    /// The lists of standalone ones: they are needed, and the shared files that they name are
    /// not.
    pub own_lists: BTreeSet<String>,
    /// The files in saved plans.
    pub planned: Planned,
    /// A run that may be about to commit lists which nothing names yet.
    pub writer: Option<String>,
}

impl References {
    /// Whether a committed backup names a list.
    pub fn names_list(&self, digest: &str) -> bool {
        let shared = self.lists.values().any(|digests| digests.contains(digest));
        shared || self.own_lists.contains(digest)
    }
}

/// Everything that is referred to. Backups that are hidden count: they can come back. So do
/// plans of dead runs, until the attempt is gone: a run that was suspended may wake.
pub fn references(backups: &[BackupFacts], planned: Planned) -> Result<References, Obstacle> {
    let mut found = References { planned, ..References::default() };
    for backup in backups {
        let refused = |why: &str| {
            let remedy = "put the file back, or `delete` the backup with --now";
            Err(Obstacle::Refused(format!(
                "what backup `{}` refers to cannot be told ({why}): {remedy}",
                backup.name
            )))
        };
        let unknown_run = if backup.manifest.is_there() { None } else { backup.attempt.problem() };
        let problem = backup.manifest.problem().or(backup.plan.problem()).or(unknown_run);
        if let Some(why) = problem {
            return refused(why);
        }
        if let Some(manifest) = backup.manifest.read() {
            for (record, content) in manifest.contents() {
                let lists = match manifest.layout {
                    Layout::Incremental => found.lists.entry(record.id).or_default(),
                    Layout::Standalone => &mut found.own_lists,
                };
                lists.insert(content.list.clone());
            }
        }
        if backup.is_unfinished() {
            if backup.alive && !backup.plan.is_there() {
                let busy = format!("the run of `{}` is planning what it needs", backup.name);
                return Err(Obstacle::Busy(busy));
            }
            found.writer = Some(backup.name.to_string());
        }
    }
    Ok(found)
}

/// Carries first sightings from one sweep to the next.
///
/// Old and new ones come in [`Sighting::order`], so both can be streams. A file that was
/// written again since its first sighting begins anew.
#[derive(Debug)]
pub struct Sieve<I: Iterator<Item = Sighting>> {
    old: Peekable<I>,
    now: Timestamp,
}

impl<I: Iterator<Item = Sighting>> Sieve<I> {
    /// `now`: the store's clock.
    pub fn new(old: I, now: Timestamp) -> Self {
        Self { old: old.peekable(), now }
    }

    /// The sighting of a file that nothing refers to, as it is to be kept.
    pub fn see(&mut self, path: String, size: u64, modified: Timestamp) -> Sighting {
        let order = Sighting::order(&path);
        while self.old.next_if(|old| Sighting::order(&old.path) < order).is_some() {}
        let known = self.old.next_if(|old| old.path == path);
        let first_seen = match known {
            Some(old) if old.first_seen <= self.now => old.first_seen.max(modified).min(self.now),
            Some(_) | None => self.now,
        };
        Sighting { path, first_seen, size }
    }
}

/// Whether a file goes: an earlier sweep saw it, at least `grace` ago.
pub fn is_due(sighting: &Sighting, grace: SignedDuration, now: Timestamp) -> bool {
    sighting.first_seen < now && now.duration_since(sighting.first_seen) >= grace
}
