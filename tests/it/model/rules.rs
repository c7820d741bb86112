//! What may be deleted, and what a backup must be when it comes to be.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use milvus_backup_agent::binlog::testing::note;
use milvus_backup_agent::manifest::{Manifest, suspicion};
use milvus_backup_agent::model::Clock;

use super::book::{Book, Files, Folder, JobId};
use super::milvus::{Keys, Milvus};
use super::op::Work;
use super::policies::min_keep;

pub(super) const DELETE_GRACE: SignedDuration = SignedDuration::from_hours(48);
pub(super) const ORPHAN_GRACE: SignedDuration = SignedDuration::from_hours(24);
pub(super) const FAILED_TTL: SignedDuration = SignedDuration::from_hours(72);

impl Book {
    /// A manifest was put: if it makes a backup, the backup is whole and of one moment.
    pub(super) fn committed(&mut self, by: JobId, name: &str) {
        let Some(manifest) = self.folders[name].listed().cloned() else { return };
        self.jobs[by].listed += 1;
        if let Err(why) = self.is_whole(&manifest) {
            self.wrong(format!("{name} was committed, and {why}"));
            return;
        }
        let since = self.jobs[by].since;
        for (collection, rows) in self.rows(&manifest) {
            if !self.past.lock().expect("no panic").held(collection, &rows, since) {
                self.wrong(format!(
                    "{name} has rows {rows:?} of collection {collection}, which never held just these while the run was at work"
                ));
            }
        }
    }

    /// Whether every file of every list of a backup is there.
    pub(super) fn is_whole(&self, manifest: &Manifest) -> Result<(), String> {
        for (_, content) in manifest.contents() {
            let list = self.lists.get(&content.list);
            let list = list.ok_or_else(|| format!("its list {} is gone", content.list))?;
            if let Some(gone) = list.iter().find(|path| !self.segments.contains_key(*path)) {
                return Err(format!("its file {gone} is gone"));
            }
        }
        Ok(())
    }

    /// The rows that a restore brings back, by collection, read from Milvus's own files.
    pub(super) fn rows(&self, manifest: &Manifest) -> BTreeMap<i64, Keys> {
        let contents = manifest.contents();
        let rows = contents.map(|(record, content)| {
            let end = content.boundary.expect("a backup of ours has one").timestamp;
            (record.id, self.rows_of(&self.lists[&content.list], end))
        });
        rows.collect()
    }

    fn rows_of(&self, files: &Files, end: u64) -> Keys {
        let (mut rows, mut deletes) = (Vec::new(), Vec::new());
        for path in files {
            let parts: Vec<&str> = path.split('/').collect();
            // All fields have the same rows.
            let (into, what) = match parts[..] {
                ["insert_log", _, _, _, "100", _] => (&mut rows, "rows"),
                ["delta_log", ..] => (&mut deletes, "deletes"),
                _ => continue,
            };
            let body = Milvus::file(&self.storage, &self.past, path).expect("it was Milvus's");
            let log = note(&body).expect("it is a log of the fake");
            for row in log[what].as_array().expect("a log has rows") {
                let key = row["key"].as_str().expect("a key").to_owned();
                let ts = row["ts"].as_u64().expect("a time");
                if ts <= end {
                    into.push((parts[3].to_owned(), key, ts));
                }
            }
        }
        rows.retain(|(segment, key, ts)| {
            !deletes.iter().any(|(of, gone, at)| of == segment && gone == key && at > ts)
        });
        rows.into_iter().map(|(_, key, _)| key).collect()
    }

    pub(super) fn may_delete_segment(&mut self, by: JobId, path: &str) {
        let sweep = self.jobs[by].sweep.unwrap_or(0);
        let mut wrong = Vec::new();
        for (name, folder) in &self.folders {
            if folder.committed().is_some_and(|manifest| self.names(manifest, path)) {
                wrong.push(format!("{path} was deleted, which {name} needs"));
            }
            let planned = folder.plan.as_ref();
            let planned = planned.is_some_and(|(files, at)| *at < sweep && files.contains(path));
            if planned && folder.is_unfinished() {
                wrong.push(format!("{path} was deleted, which is in the plan of {name}"));
            }
        }
        if self.clock.now().duration_since(self.segments[path]) < ORPHAN_GRACE {
            wrong.push(format!("{path} was deleted, and is young"));
        }
        self.wrong.extend(wrong);
    }

    fn names(&self, manifest: &Manifest, path: &str) -> bool {
        let mut lists =
            manifest.contents().filter_map(|(_, content)| self.lists.get(&content.list));
        lists.any(|list| list.contains(path))
    }

    pub(super) fn may_delete_list(&mut self, digest: &str) {
        let needs = |folder: &Folder| {
            folder.committed().is_some_and(|m| m.contents().any(|(_, c)| c.list == digest))
        };
        let needed = self.folders.iter().find(|(_, folder)| needs(folder));
        if let Some((name, _)) = needed {
            let what = format!("the list {digest} was deleted, which {name} needs");
            self.wrong(what);
        }
    }

    pub(super) fn may_delete_lease(&mut self, by: JobId, name: &str) {
        let own = self.leases.get(name).is_none_or(|life| life.by == by);
        if !own && self.is_alive(name) && !["prune", "sweep"].contains(&name) {
            self.wrong(format!("the lease {name} was deleted, and its holder is at work"));
        }
    }

    /// A tombstone was put: what rules do not keep went, and enough good ones are left.
    pub(super) fn may_hide(&mut self, by: JobId, name: &str, was_good: bool) {
        let folder = &self.folders[name];
        let Some(manifest) = folder.committed() else { return };
        let policy = manifest.policy.clone();
        let by_rules = folder.tombstone.as_ref().is_some_and(|one| one.tombstone.policy.is_some());
        let job = &self.jobs[by];
        let mut wrong = Vec::new();
        if by_rules {
            let left = self.folders.values().filter(|other| {
                other.is_good() && other.listed().is_some_and(|one| one.policy == policy)
            });
            let others = self
                .hidden
                .iter()
                .filter(|(number, who, of)| *number > job.began && *who != by && *of == policy);
            let counted = left.count() + others.count();
            if was_good && counted < min_keep(&policy) {
                wrong.push(format!("{name} was hidden, and {counted} of `{policy}` are left"));
            }
            let doubtful = suspicion(manifest, folder.doubt.as_ref(), folder.pin_of()).is_some();
            if doubtful {
                wrong.push(format!("{name} was hidden, which is suspect"));
            }
        }
        self.wrong.extend(wrong);
        self.hidden.push((self.number, by, policy));
    }

    pub(super) fn may_delete_manifest(&mut self, by: JobId, name: &str) {
        let folder = &self.folders[name];
        let Some(buried) = &folder.tombstone else {
            return self.wrong(format!("the manifest of {name} went without a tombstone"));
        };
        let job = &self.jobs[by];
        let at_once = matches!(job.work, Work::Remove(_));
        let due = buried.tombstone.at + DELETE_GRACE;
        let mut wrong = Vec::new();
        if !at_once && job.clock.latest() < due && folder.committed().is_some() {
            wrong.push(format!("the manifest of {name} went in its grace, which ends at {due}"));
        }
        if folder.is_hidden_pinned() && folder.committed().is_some() {
            wrong.push(format!("the manifest of {name} went, which is pinned"));
        }
        for (id, reader) in &self.readers {
            let told = reader.ledger.backup.as_str() == name && reader.number < buried.number;
            if told && self.is_alive(&reader.ledger.lease) {
                wrong.push(format!("the manifest of {name} went, which restore {id} reads"));
            }
        }
        self.wrong.extend(wrong);
    }

    pub(super) fn may_delete_attempt(&mut self, by: JobId, name: &str) {
        let folder = &self.folders[name];
        let Some(buried) = &folder.tombstone else {
            return self.wrong(format!("the attempt of {name} went without a tombstone"));
        };
        let attempt = folder.attempt.as_ref().expect("the caller has looked");
        let mut wrong = Vec::new();
        if folder.manifest.is_some() {
            wrong.push(format!("the attempt of {name} went before its manifest"));
        }
        if attempt.end.is_none() && !folder.made && self.is_alive(&attempt.lease) {
            wrong.push(format!("the attempt of {name} went, and its run is at work"));
        }
        let began = attempt.end.as_ref().map_or(attempt.started_at, |end| end.at);
        let pruned = buried.by == by && matches!(self.jobs[by].work, Work::Prune | Work::Force);
        if pruned && self.jobs[by].clock.latest() < began + FAILED_TTL {
            wrong.push(format!("the attempt of {name} went before its time"));
        }
        self.wrong.extend(wrong);
    }

    /// A tombstone goes.
    pub(super) fn may_lift(&mut self, by: JobId, name: &str) {
        let folder = &self.folders[name];
        let back = folder.committed().cloned();
        // A deletion that is refused in the end takes its own back.
        let own = folder.tombstone.as_ref().is_some_and(|buried| buried.by == by);
        if folder.manifest.is_none() && folder.attempt.is_some() && !own {
            self.wrong(format!("the tombstone of {name} went, and its attempt is there"));
        }
        if matches!(self.jobs[by].work, Work::Undelete(_)) && folder_is_empty(self, name) {
            self.wrong(format!("{name} was brought back, and nothing of it is there"));
        }
        if let Some(Err(why)) = back.map(|manifest| self.is_whole(&manifest)) {
            self.wrong(format!("{name} was brought back, and {why}"));
        }
    }
}

fn folder_is_empty(book: &Book, name: &str) -> bool {
    book.folders[name].manifest.is_none()
}
