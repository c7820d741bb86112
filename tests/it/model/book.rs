//! What lies in the repository, as its innermost store saw it come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use jiff::Timestamp;
use milvus_backup_agent::manifest::{
    Attempt, Doubt, FileList, LeaseRecord, Manifest, ManifestOutcome, Pin, RestoreLedger,
    Tombstone, decode, suspicion,
};
use milvus_backup_agent::model::{Clock, ObjectKey};
use milvus_backup_agent::storage::MemoryStore;

use super::clock::{JobClock, TrueClock};
use super::milvus::Past;
use super::op::Work;

/// One piece of work of one agent.
pub(super) type JobId = usize;

/// Paths of segment files, below Milvus's root.
pub(super) type Files = BTreeSet<String>;

/// The folder of the only cluster.
pub(super) const CLUSTER: &str = "c1";

/// One backup's folder.
#[derive(Debug, Default)]
pub(super) struct Folder {
    pub(super) attempt: Option<Attempt>,
    pub(super) manifest: Option<Manifest>,
    pub(super) tombstone: Option<Buried>,
    /// The plan's files and when it was saved.
    pub(super) plan: Option<(Files, u64)>,
    /// The pin and when it was put.
    pub(super) pin: Option<(Pin, u64)>,
    pub(super) doubt: Option<Doubt>,
    /// The run of the attempt has made the backup.
    pub(super) made: bool,
}

/// A tombstone and how it came.
#[derive(Debug)]
pub(super) struct Buried {
    pub(super) tombstone: Tombstone,
    pub(super) number: u64,
    pub(super) by: JobId,
}

impl Folder {
    /// The manifest, if it counts.
    pub(super) fn committed(&self) -> Option<&Manifest> {
        let attempt = self.attempt.as_ref()?;
        self.manifest.as_ref().filter(|manifest| manifest.run == attempt.run)
    }

    /// The same, unless it is hidden.
    pub(super) fn listed(&self) -> Option<&Manifest> {
        self.committed().filter(|_| self.tombstone.is_none())
    }

    pub(super) fn is_complete(&self) -> bool {
        self.listed().is_some_and(|manifest| manifest.outcome == ManifestOutcome::Complete)
    }

    pub(super) fn pin_of(&self) -> Option<&Pin> {
        self.pin.as_ref().map(|(pin, _)| pin)
    }

    /// Whether something is in doubt of it.
    pub(super) fn is_suspect(&self) -> bool {
        let doubt = self.doubt.as_ref();
        let why = self.listed().and_then(|manifest| suspicion(manifest, doubt, self.pin_of()));
        why.is_some()
    }

    /// Whether it counts for retention.
    pub(super) fn is_good(&self) -> bool {
        self.is_complete() && !self.is_suspect()
    }

    pub(super) fn is_pinned(&self) -> bool {
        self.pin.as_ref().is_some_and(|(pin, _)| pin.ended.is_none())
    }

    /// Whether it is hidden, and was pinned before.
    pub(super) fn is_hidden_pinned(&self) -> bool {
        let buried = self.tombstone.as_ref().map(|buried| buried.number);
        let pinned = self.pin.as_ref().filter(|(pin, _)| pin.ended.is_none());
        buried.zip(pinned).is_some_and(|(buried, (_, pinned))| *pinned < buried)
    }

    pub(super) fn is_unfinished(&self) -> bool {
        self.attempt.is_some() && self.manifest.is_none() && self.tombstone.is_none()
    }

    /// Whether `delete` finds it.
    pub(super) fn is_removable(&self) -> bool {
        self.attempt.is_some() || self.manifest.is_some()
    }

    pub(super) fn is_damaged(&self) -> bool {
        self.manifest.is_some() && self.committed().is_none() && self.tombstone.is_none()
    }
}

/// The heartbeats of a lease.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) by: JobId,
    pub(super) last: Timestamp,
    /// It never stood still for long enough to be taken for dead.
    pub(super) steady: bool,
}

/// A restore and when it said what it reads.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) ledger: RestoreLedger,
    pub(super) number: u64,
}

/// What is known of a job.
#[derive(Debug)]
pub(super) struct JobFacts {
    pub(super) agent: usize,
    pub(super) work: Work,
    pub(super) clock: JobClock,
    /// The change of Milvus's data that came last before it.
    pub(super) since: u64,
    /// The last write before it.
    pub(super) began: u64,
    /// When it took the lease of a sweep.
    pub(super) sweep: Option<u64>,
    /// The runs of it that were listed.
    pub(super) listed: usize,
}

/// Everything.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) clock: TrueClock,
    /// Counts the writes.
    pub(super) number: u64,
    pub(super) folders: BTreeMap<String, Folder>,
    pub(super) lists: BTreeMap<String, Files>,
    pub(super) segments: BTreeMap<String, Timestamp>,
    pub(super) leases: BTreeMap<String, Life>,
    pub(super) readers: BTreeMap<String, Reader>,
    pub(super) jobs: Vec<JobFacts>,
    /// Every backup that was hidden: when, by whom, and its policy.
    pub(super) hidden: Vec<(u64, JobId, String)>,
    pub(super) storage: MemoryStore,
    pub(super) past: Arc<Mutex<Past>>,
    /// Segment files that were deleted.
    pub(super) swept: u64,
    /// What broke a rule.
    pub(super) wrong: Vec<String>,
    /// Every write in words, if someone wants them.
    pub(super) trace: Option<Vec<String>>,
}

impl Book {
    /// Notes an object that was written.
    pub(super) fn put(&mut self, by: JobId, key: &ObjectKey, body: &Bytes) {
        self.write(by, "puts", key);
        let Some((folder, rest)) = split(key) else { return };
        match (folder, rest) {
            ("_segments", path) => self.put_segment(path, body),
            ("_lists", file) => {
                let digest = file.trim_end_matches(".jsonl.zst").to_owned();
                match FileList::decode(body, &digest) {
                    Ok(list) => drop(self.lists.insert(digest, paths(&list))),
                    Err(error) => self.wrong(format!("the list {digest} was put, and {error}")),
                }
            }
            ("_leases", path) => self.put_lease(by, path, body),
            ("_restores", file) => {
                let id = file.trim_end_matches(".json").to_owned();
                let ledger = document("ledger", body);
                let number = self.readers.get(&id).map_or(self.number, |reader| reader.number);
                self.readers.insert(id, Reader { ledger, number });
            }
            (name, "attempt.json") => {
                let (attempt, folder): (Attempt, _) =
                    (document("attempt", body), self.folder(name));
                folder.made &= folder.attempt.as_ref().is_some_and(|old| old.run == attempt.run);
                folder.attempt = Some(attempt);
            }
            (name, "plan.jsonl.zst") => {
                let files = paths(&FileList::decode_plan(body).expect("a plan"));
                let number = self.number;
                self.folder(name).plan = Some((files, number));
            }
            (name, "tombstone.json") => {
                let (tombstone, number) = (document("tombstone", body), self.number);
                let was_good = self.folder(name).is_good();
                self.folder(name).tombstone = Some(Buried { tombstone, number, by });
                self.may_hide(by, name, was_good);
            }
            (name, "pin.json") => {
                let number = self.number;
                self.folder(name).pin = Some((document("pin", body), number));
            }
            (name, "doubt.json") => self.folder(name).doubt = Some(document("doubt", body)),
            (name, "manifest.json") => {
                let folder = self.folder(name);
                folder.manifest = Some(document("manifest", body));
                folder.made |= folder.committed().is_some();
                self.committed(by, name);
            }
            _ => {}
        }
    }

    /// Notes an object that was deleted.
    pub(super) fn deleted(&mut self, by: JobId, key: &ObjectKey) {
        self.write(by, "deletes", key);
        let Some((folder, rest)) = split(key) else { return };
        match (folder, rest) {
            ("_segments", path) if self.segments.contains_key(path) => {
                self.may_delete_segment(by, path);
                self.segments.remove(path);
                self.swept += 1;
            }
            ("_lists", file) => {
                let digest = file.trim_end_matches(".jsonl.zst");
                self.may_delete_list(digest);
                self.lists.remove(digest);
            }
            ("_leases", path) => {
                let name = path.split('/').next().expect("a path has a part");
                self.may_delete_lease(by, name);
                self.leases.remove(name);
            }
            ("_restores", file) => {
                self.readers.remove(file.trim_end_matches(".json"));
            }
            (name, "attempt.json") if self.folder(name).attempt.is_some() => {
                self.may_delete_attempt(by, name);
                self.folder(name).attempt = None;
            }
            (name, "plan.jsonl.zst") => self.folder(name).plan = None,
            (name, "pin.json") => self.folder(name).pin = None,
            (name, "doubt.json") => self.folder(name).doubt = None,
            (name, "tombstone.json") if self.folder(name).tombstone.is_some() => {
                self.may_lift(by, name);
                self.folder(name).tombstone = None;
            }
            (name, "manifest.json") if self.folder(name).manifest.is_some() => {
                self.may_delete_manifest(by, name);
                self.folder(name).manifest = None;
            }
            _ => {}
        }
    }

    pub(super) fn wrong(&mut self, what: String) {
        self.wrong.push(what);
    }

    pub(super) fn folder(&mut self, name: &str) -> &mut Folder {
        if !self.folders.contains_key(name) {
            self.folders.insert(name.to_owned(), Folder::default());
        }
        self.folders.get_mut(name).expect("it is there now")
    }

    /// Whether nobody may take the holder of a lease for dead.
    pub(super) fn is_alive(&self, lease: &str) -> bool {
        let now = self.clock.now();
        self.leases.get(lease).is_some_and(|life| life.steady && !is_long(life.last, now))
    }

    fn put_segment(&mut self, path: &str, body: &Bytes) {
        let was = super::milvus::Milvus::file(&self.storage, &self.past, path);
        if was.as_ref() != Some(body) {
            self.wrong(format!("{path} was put with other content than Milvus's"));
        }
        let now = self.clock.now();
        self.segments.insert(path.to_owned(), now);
    }

    fn put_lease(&mut self, by: JobId, path: &str, body: &Bytes) {
        let (name, _) = path.split_once('/').expect("a lease has a number");
        let record: LeaseRecord = document("lease", body);
        if name == "sweep" && record.heartbeat == 0 && !record.released {
            self.jobs[by].sweep = Some(self.number);
        }
        let now = self.clock.now();
        let fresh = Life { by, last: now, steady: true };
        let life = self.leases.entry(name.to_owned()).or_insert(fresh);
        if life.by != by {
            *life = Life { by, last: now, steady: true };
        }
        life.steady &= !is_long(life.last, now) && !record.released;
        life.last = now;
    }

    fn write(&mut self, by: JobId, does: &str, key: &ObjectKey) {
        self.number += 1;
        if let Some(trace) = &mut self.trace {
            let JobFacts { agent, work, .. } = &self.jobs[by];
            let now = self.clock.now();
            trace.push(format!("  {now} agent {agent}, {work:?} ({by}) {does} {key}"));
        }
    }
}

/// What an observer takes for death: three heartbeats.
fn is_long(since: Timestamp, now: Timestamp) -> bool {
    now.duration_since(since).as_secs() >= 30
}

/// The folder of the cluster that a key lies in, and the rest.
fn split(key: &ObjectKey) -> Option<(&str, &str)> {
    let (cluster, rest) = key.as_str().split_once('/')?;
    rest.split_once('/').filter(|_| cluster == CLUSTER)
}

fn paths(list: &FileList) -> Files {
    list.files().map(|(id, _)| id.tail()).collect()
}

fn document<T: serde::de::DeserializeOwned>(what: &'static str, body: &Bytes) -> T {
    decode(what, body).unwrap_or_else(|error| panic!("what is written can be read: {error}"))
}
