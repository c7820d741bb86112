//! Every key that the agent reads or writes.

use std::fmt;

use crate::model::{BackupName, ClusterName, KeyPrefix, Layout, ObjectKey, PolicyName, RequestId};

use super::{FileId, Placement, TreeDocument};

/// `_single_agent.json`, at the root: present where agents cannot share the repository.
pub const SINGLE_AGENT_MARK: &str = "_single_agent.json";

/// `_repository.json`, at the root.
pub const REPOSITORY_MARK: &str = "_repository.json";

/// The keys of one cluster.
#[derive(Debug, Clone)]
pub struct ClusterLayout {
    root: KeyPrefix,
}

impl ClusterLayout {
    /// Everything of a cluster lies under its name.
    pub fn new(cluster: &ClusterName) -> Self {
        Self { root: KeyPrefix::root().join(cluster) }
    }

    /// The cluster's folder; backups are the folders in it that do not start with `_`.
    pub fn root(&self) -> &KeyPrefix {
        &self.root
    }

    /// `_cluster.json`.
    pub fn mark(&self) -> ObjectKey {
        self.root.key("_cluster.json")
    }

    /// `_segments/`, below which Milvus's own path tails follow.
    pub fn segments(&self) -> KeyPrefix {
        self.root.join("_segments")
    }

    /// The segment file that a key names, if it is one that backups share.
    pub fn shared_file(&self, key: &str) -> Option<FileId> {
        key.strip_prefix(self.segments().as_str()).and_then(FileId::parse)
    }

    /// Where files that backups share lie.
    pub fn shared(&self) -> Placement {
        Placement::Shared(self.segments())
    }

    /// Where the files of a backup lie.
    pub fn placement(&self, name: &BackupName, layout: Layout) -> Placement {
        match layout {
            Layout::Incremental => self.shared(),
            Layout::Standalone => Placement::own(self.backup(name).binlogs()),
        }
    }

    /// A list by the digest of its content.
    pub fn list(&self, digest: &str) -> ObjectKey {
        self.root.join("_lists").key(format_args!("{digest}.jsonl.zst"))
    }

    /// All lists.
    pub fn lists(&self) -> KeyPrefix {
        self.root.join("_lists")
    }

    /// The digest that names a list, if this is one.
    pub fn digest_of<'k>(&self, list: &'k ObjectKey) -> Option<&'k str> {
        let digest =
            list.as_str().strip_prefix(self.lists().as_str())?.strip_suffix(".jsonl.zst")?;
        (!digest.contains('/')).then_some(digest)
    }

    /// What sweeps saw to be in no backup.
    pub fn sightings(&self) -> ObjectKey {
        self.root.key("_sweep.jsonl.zst")
    }

    /// The rules that the last prune of a policy went by.
    pub fn retention(&self, policy: &PolicyName) -> ObjectKey {
        self.root.join("_retention").key(format_args!("{policy}.json"))
    }

    /// All ledgers of drills.
    pub fn drills(&self) -> KeyPrefix {
        self.root.join("_drills")
    }

    /// One drill's ledger.
    pub fn drill(&self, id: &str) -> ObjectKey {
        self.drills().key(format_args!("{id}.json"))
    }

    /// What is known of how well backups come back, by policy.
    pub fn proofs(&self) -> KeyPrefix {
        self.root.join("_proofs")
    }

    /// How drills of a policy's backups ended.
    pub fn drill_proof(&self, policy: &PolicyName) -> ObjectKey {
        self.proofs().join(policy).key("drill.json")
    }

    /// When the files of a policy's backups were read again.
    pub fn reading_proof(&self, policy: &PolicyName) -> ObjectKey {
        self.proofs().join(policy).key("verify.json")
    }

    /// All leases.
    pub fn leases(&self) -> KeyPrefix {
        self.root.join("_leases")
    }

    /// The tokens of one lease.
    pub fn lease(&self, name: &str) -> KeyPrefix {
        self.leases().join(name)
    }

    /// All restore ledgers.
    pub fn restores(&self) -> KeyPrefix {
        self.root.join("_restores")
    }

    /// One restore's ledger.
    pub fn restore(&self, id: &str) -> ObjectKey {
        self.restores().key(format_args!("{id}.json"))
    }

    /// All requests that came as messages.
    pub fn requests(&self) -> KeyPrefix {
        self.root.join("_requests")
    }

    /// One of them.
    pub fn request(&self, id: &RequestId) -> ObjectKey {
        self.requests().key(format_args!("{id}.json"))
    }

    /// Whether this is a request, and not what someone else has put there.
    pub fn is_request(&self, key: &ObjectKey) -> bool {
        let name = key.as_str().strip_prefix(self.requests().as_str());
        let id = name.and_then(|name| name.strip_suffix(".json"));
        id.is_some_and(|id| RequestId::new(id).is_ok())
    }

    /// Local staging that Milvus can read.
    pub fn staging(&self) -> KeyPrefix {
        self.root.join("_staging")
    }

    /// The keys of one backup.
    pub fn backup(&self, name: &BackupName) -> BackupLayout {
        BackupLayout::in_folder(&self.root, name)
    }
}

/// The keys of one backup.
#[derive(Debug, Clone)]
pub struct BackupLayout {
    root: KeyPrefix,
}

impl BackupLayout {
    /// A backup in any folder, also one that is no cluster's.
    pub fn in_folder(folder: &KeyPrefix, name: &BackupName) -> Self {
        Self { root: folder.join(name) }
    }

    /// The backup's folder.
    pub fn folder(&self) -> &KeyPrefix {
        &self.root
    }

    /// Reserves the name before anything else is written.
    pub fn attempt(&self) -> ObjectKey {
        self.root.key("attempt.json")
    }

    /// The files that a run is about to refer to.
    pub fn plan(&self) -> ObjectKey {
        self.root.key("plan.jsonl.zst")
    }

    /// What a run of this layout has copied so far, each file of it durable. A name for each:
    /// a file that is in one place is not in the other.
    pub fn checkpoint(&self, layout: Layout) -> ObjectKey {
        match layout {
            Layout::Incremental => self.root.key("checkpoint.jsonl.zst"),
            Layout::Standalone => self.root.key("checkpoint_own.jsonl.zst"),
        }
    }

    /// What only a run needs that is at work.
    pub fn of_run(&self) -> Vec<ObjectKey> {
        let checkpoints = Layout::ALL.iter().map(|layout| self.checkpoint(*layout));
        [self.plan()].into_iter().chain(checkpoints).collect()
    }

    /// Segment files of its own.
    pub fn binlogs(&self) -> KeyPrefix {
        self.root.join("binlogs")
    }

    /// Users with the hashes of their passwords, roles and grants.
    pub fn rbac(&self) -> ObjectKey {
        self.root.key("rbac.json")
    }

    /// The documents that milvus-backup reads.
    pub fn metas(&self) -> KeyPrefix {
        self.root.join("meta")
    }

    /// One of them.
    pub fn meta(&self, document: TreeDocument) -> ObjectKey {
        self.metas().key(format_args!("{document}.json"))
    }

    /// Makes the backup exist.
    pub fn manifest(&self) -> ObjectKey {
        self.root.key("manifest.json")
    }

    /// Says that something is wrong with the backup.
    pub fn doubt(&self) -> ObjectKey {
        self.root.key("doubt.json")
    }

    /// Keeps the backup.
    pub fn pin(&self) -> ObjectKey {
        self.root.key("pin.json")
    }

    /// Hides the backup.
    pub fn tombstone(&self) -> ObjectKey {
        self.root.key("tombstone.json")
    }
}

impl fmt::Display for BackupLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.root, f)
    }
}

#[cfg(test)]
mod tests {
    use super::ClusterLayout;
    use crate::manifest::{FileId, LogKind, TreeDocument};
    use crate::model::{BackupName, ClusterName, Layout, PolicyName, RequestId};

    #[test]
    fn keys_are_the_ones_that_the_format_fixes() {
        let layout = ClusterLayout::new(&ClusterName::new("m1").unwrap());
        let file = FileId {
            collection: 1,
            partition: 2,
            segment: 3,
            kind: LogKind::Insert { field: 100 },
            log: 7,
        };
        let backup = layout.backup(&BackupName::new("b").unwrap());
        let policy = PolicyName::new("nightly").unwrap();
        let request = RequestId::new("load:42+1").unwrap();
        let [inserts, deltas] = layout.shared().collection_folders(1);
        for (key, fixed) in [
            (layout.mark().to_string(), "m1/_cluster.json"),
            (layout.shared().key(&file).to_string(), "m1/_segments/insert_log/1/2/3/100/7"),
            (inserts.to_string(), "m1/_segments/insert_log/1/"),
            (deltas.to_string(), "m1/_segments/delta_log/1/"),
            (layout.list("ab").to_string(), "m1/_lists/ab.jsonl.zst"),
            (layout.lease("run-x").key("1.json").to_string(), "m1/_leases/run-x/1.json"),
            (layout.restore("x").to_string(), "m1/_restores/x.json"),
            (layout.retention(&policy).to_string(), "m1/_retention/nightly.json"),
            (layout.drill("x").to_string(), "m1/_drills/x.json"),
            (layout.drill_proof(&policy).to_string(), "m1/_proofs/nightly/drill.json"),
            (layout.reading_proof(&policy).to_string(), "m1/_proofs/nightly/verify.json"),
            (layout.request(&request).to_string(), "m1/_requests/load:42+1.json"),
            (layout.sightings().to_string(), "m1/_sweep.jsonl.zst"),
            (layout.staging().to_string(), "m1/_staging/"),
            (backup.attempt().to_string(), "m1/b/attempt.json"),
            (backup.plan().to_string(), "m1/b/plan.jsonl.zst"),
            (backup.rbac().to_string(), "m1/b/rbac.json"),
            (backup.meta(TreeDocument::Full).to_string(), "m1/b/meta/full_meta.json"),
            (backup.meta(TreeDocument::Backup).to_string(), "m1/b/meta/backup_meta.json"),
            (backup.checkpoint(Layout::Incremental).to_string(), "m1/b/checkpoint.jsonl.zst"),
            (backup.checkpoint(Layout::Standalone).to_string(), "m1/b/checkpoint_own.jsonl.zst"),
            (backup.manifest().to_string(), "m1/b/manifest.json"),
            (backup.doubt().to_string(), "m1/b/doubt.json"),
            (backup.pin().to_string(), "m1/b/pin.json"),
            (backup.tombstone().to_string(), "m1/b/tombstone.json"),
        ] {
            assert_eq!(key, fixed);
        }
    }
}
