//! Where the segment files of one backup lie.

use std::collections::BTreeMap;

use crate::model::{KeyPrefix, ObjectKey};

use super::{FileId, LogKind};

/// Milvus's kinds of log, by the names of their folders.
const KINDS: [&str; 2] = ["insert_log", "delta_log"];

/// The partition of L0 segments that hold deletes of all partitions; they have no group.
pub(super) const ALL_PARTITIONS: i64 = -1;

/// From the identity of a segment file to its key, and back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// In the cluster's `_segments/`, below which Milvus's own paths follow.
    Shared(KeyPrefix),
    /// In the backup's own `binlogs/`, as milvus-backup lays them out: with a folder for each
    /// group of segments.
    Own {
        /// `<backup>/binlogs/`.
        binlogs: KeyPrefix,
        /// The groups of segments, by partition and segment, that are not the segment's own id;
        /// 0 is no folder at all. Only milvus-backup before v0.4.4 made any.
        groups: BTreeMap<(i64, i64), i64>,
    },
}

impl Placement {
    /// A tree in which each segment is its own group.
    pub fn own(binlogs: KeyPrefix) -> Self {
        Self::Own { binlogs, groups: BTreeMap::new() }
    }

    /// Where a segment file lies.
    pub fn key(&self, file: &FileId) -> ObjectKey {
        let FileId { collection, partition, segment, kind, log } = file;
        let Self::Own { .. } = self else { return self.root().key(file.tail()) };
        let folder = match kind {
            LogKind::Insert { .. } => "insert_log",
            LogKind::Delta => "delta_log",
        };
        let folder = self.root().join(folder).join(collection).join(partition);
        let folder = match self.group(*partition, *segment) {
            Some(group) => folder.join(group).join(segment),
            None => folder.join(segment),
        };
        match kind {
            LogKind::Insert { field } => folder.join(field).key(log),
            LogKind::Delta => folder.key(log),
        }
    }

    /// The reverse of [`Self::key`]; `None` for anything that is not where a segment file lies.
    pub fn parse(&self, key: &ObjectKey) -> Option<FileId> {
        let tail = self.root().strip(key)?;
        let Self::Own { .. } = self else { return FileId::parse(tail) };
        let parts: Vec<&str> = tail.split('/').collect();
        let grouped = match *parts.first()? {
            "insert_log" => parts.len() == 7,
            "delta_log" => parts.len() == 6,
            _ => return None,
        };
        let mut plain = parts;
        if grouped {
            plain.remove(3);
        }
        let file = FileId::parse(&plain.join("/"))?;
        (self.key(&file) == *key).then_some(file)
    }

    /// The two folders that hold all files of a collection.
    pub fn collection_folders(&self, collection: i64) -> [KeyPrefix; 2] {
        KINDS.map(|kind| self.root().join(kind).join(collection))
    }

    /// Those of a partition.
    pub fn partition_folders(&self, collection: i64, partition: i64) -> [KeyPrefix; 2] {
        self.collection_folders(collection).map(|folder| folder.join(partition))
    }

    /// Those of a segment, or of its group.
    pub fn segment_folders(
        &self,
        (collection, partition, segment): (i64, i64, i64),
    ) -> [KeyPrefix; 2] {
        let group = match self {
            Self::Shared(_) => None,
            Self::Own { .. } => self.group(partition, segment),
        };
        let folder = group.unwrap_or(segment);
        self.partition_folders(collection, partition).map(|partition| partition.join(folder))
    }

    /// Whether a folder lies between partition and segment.
    pub fn has_groups(&self) -> bool {
        matches!(self, Self::Own { .. })
    }

    /// Whether that folder may hold more than one segment.
    pub fn has_shared_groups(&self) -> bool {
        matches!(self, Self::Own { groups, .. } if groups.values().any(|group| *group != 0))
    }

    fn root(&self) -> &KeyPrefix {
        match self {
            Self::Shared(root) | Self::Own { binlogs: root, .. } => root,
        }
    }

    /// The folder between partition and segment, where there is one.
    fn group(&self, partition: i64, segment: i64) -> Option<i64> {
        let Self::Own { groups, .. } = self else { return None };
        let group = groups.get(&(partition, segment)).copied().unwrap_or(segment);
        (partition != ALL_PARTITIONS && group != 0).then_some(group)
    }
}

#[cfg(test)]
mod tests {
    use super::Placement;
    use crate::manifest::{FileId, LogKind};
    use crate::model::{KeyPrefix, ObjectKey};

    fn file(partition: i64, segment: i64, kind: LogKind) -> FileId {
        FileId { collection: 1, partition, segment, kind, log: 7 }
    }

    fn placements() -> [Placement; 2] {
        let own = Placement::Own {
            binlogs: KeyPrefix::new("c/b/binlogs").unwrap(),
            groups: [((2, 4), 0), ((2, 5), 9)].into(),
        };
        [Placement::Shared(KeyPrefix::new("c/_segments").unwrap()), own]
    }

    #[test]
    fn every_file_has_its_place_and_is_found_by_it() {
        let insert = LogKind::Insert { field: 100 };
        let [shared, own] = placements();
        for (file, in_shared, in_own) in [
            (file(2, 3, insert), "insert_log/1/2/3/100/7", "insert_log/1/2/3/3/100/7"),
            (file(2, 4, insert), "insert_log/1/2/4/100/7", "insert_log/1/2/4/100/7"),
            (file(2, 5, insert), "insert_log/1/2/5/100/7", "insert_log/1/2/9/5/100/7"),
            (file(2, 3, LogKind::Delta), "delta_log/1/2/3/7", "delta_log/1/2/3/3/7"),
            (file(-1, 6, LogKind::Delta), "delta_log/1/-1/6/7", "delta_log/1/-1/6/7"),
        ] {
            for (placement, prefix, tail) in
                [(&shared, "c/_segments", in_shared), (&own, "c/b/binlogs", in_own)]
            {
                let key = placement.key(&file);
                assert_eq!(key.as_str(), format!("{prefix}/{tail}"));
                assert_eq!(placement.parse(&key), Some(file), "{key}");
            }
        }
    }

    #[test]
    fn what_lies_elsewhere_is_no_segment_file() {
        let [shared, own] = placements();
        for (placement, key) in [
            (&shared, "c/_segments/insert_log/1/2/3/3/100/7"),
            (&shared, "c/b/binlogs/insert_log/1/2/3/3/100/7"),
            (&own, "c/_segments/insert_log/1/2/3/100/7"),
            (&own, "c/b/binlogs/insert_log/1/2/3/100/7"),
            (&own, "c/b/binlogs/insert_log/1/2/8/3/100/7"),
            (&own, "c/b/binlogs/stats_log/1/2/3/3/100/7"),
        ] {
            assert_eq!(placement.parse(&ObjectKey::new(key).unwrap()), None, "{key}");
        }
    }
}
