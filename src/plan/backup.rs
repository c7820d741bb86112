//! Inventory and what the repository has → what is copied, and what the manifest will say.

use std::collections::{BTreeSet, HashMap};

use crate::manifest::{
    CollectionContent, CollectionOutcome, CollectionRecord, EncodedList, FileEntry, FileId,
    FileList, LogKind, SegmentFiles,
};
use crate::model::{Namespace, SegmentTraits};

use super::{CollectionInventory, Known, PlanError, select_files};

/// One file to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyItem {
    /// Its identity, which names source and destination.
    pub id: FileId,
    /// Its length in bytes, as it was listed.
    pub size: u64,
    /// Its fingerprint, as it was listed.
    pub source: String,
    /// What lists say of it, if the copy that there is was found damaged.
    pub mends: Option<Box<FileEntry>>,
}

#[derive(Debug, Clone)]
struct PlannedSegment {
    ids: (i64, i64, i64),
    rows: i64,
    traits: SegmentTraits,
    reused: Vec<(LogKind, FileEntry)>,
    copied: Vec<CopyItem>,
}

/// What a run will do for one collection.
#[derive(Debug, Clone)]
pub struct CollectionPlan {
    record: CollectionRecord,
    segments: Vec<PlannedSegment>,
}

/// What a run will do.
#[derive(Debug, Clone, Default)]
pub struct BackupPlan {
    /// The collections that can be copied.
    pub collections: Vec<CollectionPlan>,
    /// The collections that failed before any byte was copied.
    pub failed: Vec<CollectionRecord>,
}

/// Plans one collection.
pub fn plan_collection(
    inventory: CollectionInventory,
    known: &Known,
) -> Result<CollectionPlan, PlanError> {
    let selected = select_files(&inventory)?;
    let segments = selected
        .into_iter()
        .map(|(info, files)| {
            let mut planned = PlannedSegment {
                ids: (info.collection, info.partition, info.id),
                rows: info.rows,
                traits: info.traits,
                reused: Vec::new(),
                copied: Vec::new(),
            };
            for file in files {
                match known.reusable(&file) {
                    Some(entry) => planned.reused.push((file.id.kind, entry.clone())),
                    None => planned.copied.push(CopyItem {
                        id: file.id,
                        size: file.size,
                        mends: known.mends(&file).cloned().map(Box::new),
                        source: file.source,
                    }),
                }
            }
            planned
        })
        .collect();
    let description = inventory.description;
    let record = CollectionRecord {
        database: inventory.namespace.database,
        name: inventory.namespace.collection,
        id: description.id,
        outcome: CollectionOutcome::Complete,
        error: None,
        content: Some(CollectionContent {
            schema: description.schema,
            shards: description.shards,
            consistency_level: description.consistency_level,
            num_partitions: description.num_partitions,
            properties: description.properties,
            aliases: description.aliases,
            origin: description.origin,
            partitions: inventory.partitions,
            indexes: inventory.indexes,
            load: inventory.load,
            boundary: Some(inventory.boundary),
            deletes_complete: inventory.deletes_complete,
            list: String::new(),
            segments: 0,
            files: 0,
            rows: 0,
            bytes: 0,
        }),
    };
    Ok(CollectionPlan { record, segments })
}

impl CollectionPlan {
    /// What has to be copied.
    pub fn copies(&self) -> impl Iterator<Item = &CopyItem> {
        self.segments.iter().flat_map(|segment| &segment.copied)
    }

    /// What is already there: sizes.
    pub fn reused(&self) -> impl Iterator<Item = u64> {
        self.segments.iter().flat_map(|segment| &segment.reused).map(|(_, entry)| entry.size)
    }

    /// Takes reused files that are gone to those to copy. `present`: what lies in the
    /// collection's folders now, with sizes. What the plan refers to stays the same.
    pub fn relist(&mut self, present: &HashMap<FileId, u64>) {
        for segment in &mut self.segments {
            let (collection, partition, number) = segment.ids;
            let id = |kind, log| FileId { collection, partition, segment: number, kind, log };
            let there = |(kind, entry): &(LogKind, FileEntry)| {
                present.get(&id(*kind, entry.log)) == Some(&entry.size)
            };
            let (kept, gone) = std::mem::take(&mut segment.reused).into_iter().partition(there);
            segment.reused = kept;
            let gone: Vec<(LogKind, FileEntry)> = gone;
            segment.copied.extend(gone.into_iter().map(|(kind, entry)| CopyItem {
                id: id(kind, entry.log),
                size: entry.size,
                source: entry.source,
                mends: None,
            }));
        }
    }

    /// Stored rows.
    pub fn rows(&self) -> u64 {
        self.segments.iter().map(|segment| segment.rows.unsigned_abs()).sum()
    }

    /// The manifest's view before anything is copied.
    pub fn record(&self) -> &CollectionRecord {
        &self.record
    }

    /// All files that the run is about to refer to; those to copy have no checksum yet.
    fn references(&self) -> impl Iterator<Item = SegmentFiles> {
        self.segments.iter().map(|segment| {
            let copied = segment.copied.iter().map(|item| {
                let entry = FileEntry {
                    log: item.id.log,
                    size: item.size,
                    source: item.source.clone(),
                    copy: String::new(),
                    crc: String::new(),
                };
                (item.id.kind, entry)
            });
            let entries = segment.reused.iter().cloned().chain(copied);
            SegmentFiles::new(segment.ids, segment.rows, entries)
                .with_traits(segment.traits.clone())
        })
    }

    /// The final record and list, once every copy has an entry; `failures` names the files
    /// that could not be copied, any of which costs the collection.
    pub fn finish(
        self,
        copied: &HashMap<FileId, FileEntry>,
        failures: &HashMap<FileId, String>,
    ) -> (CollectionRecord, Option<(FileList, EncodedList)>) {
        let mut record = self.record;
        let failed = self
            .segments
            .iter()
            .flat_map(|segment| &segment.copied)
            .find(|item| !copied.contains_key(&item.id));
        if let Some(item) = failed {
            let reason = failures.get(&item.id).map_or("was not copied", String::as_str);
            record.outcome = CollectionOutcome::Failed;
            record.error = Some(format!("{}: {reason}", item.id.tail()));
            record.content = None;
            return (record, None);
        }
        let lines = self.segments.into_iter().map(|segment| {
            let fresh = segment.copied.iter().map(|item| (item.id.kind, copied[&item.id].clone()));
            SegmentFiles::new(segment.ids, segment.rows, segment.reused.into_iter().chain(fresh))
                .with_traits(segment.traits)
        });
        let list = FileList::new(lines.collect());
        let encoded = list.encode();
        if let Some(content) = &mut record.content {
            content.list.clone_from(&encoded.digest);
            content.segments = list.segments().len() as u64;
            content.files = list.files().count() as u64;
            content.rows = list.segments().iter().map(|line| line.rows.unsigned_abs()).sum();
            content.bytes = list.segments().iter().map(SegmentFiles::bytes).sum();
        }
        (record, Some((list, encoded)))
    }
}

impl BackupPlan {
    /// Everything to copy, in the order of the collections.
    pub fn copies(&self) -> impl Iterator<Item = &CopyItem> {
        self.collections.iter().flat_map(CollectionPlan::copies)
    }

    /// Takes out the collections that any of these files belongs to; their names.
    pub fn take_out(&mut self, files: &BTreeSet<FileId>) -> Vec<Namespace> {
        let affected: BTreeSet<i64> = files.iter().map(|id| id.collection).collect();
        let (out, stay) = std::mem::take(&mut self.collections)
            .into_iter()
            .partition::<Vec<_>, _>(|planned| affected.contains(&planned.record.id));
        self.collections = stay;
        out.iter().map(|planned| planned.record.namespace()).collect()
    }

    /// Bytes to copy.
    pub fn copy_bytes(&self) -> u64 {
        self.copies().map(|item| item.size).sum()
    }

    /// Files and bytes that need no copy.
    pub fn reused(&self) -> (u64, u64) {
        let sizes = self.collections.iter().flat_map(CollectionPlan::reused);
        sizes.fold((0, 0), |(files, bytes), size| (files + 1, bytes + size))
    }

    /// The saved plan: everything the run is about to refer to.
    pub fn references(&self) -> FileList {
        FileList::new(self.collections.iter().flat_map(CollectionPlan::references).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};
    use std::time::Duration;

    use super::{CollectionPlan, plan_collection};
    use crate::manifest::{
        Boundary, CollectionOutcome, DeletesComplete, FileEntry, FileId, FileList, LogKind,
    };
    use crate::model::{
        CollectionDescription, CollectionOrigin, LoadState, Namespace, Partition, SegmentInfo,
        SegmentTraits,
    };
    use crate::plan::{CollectionInventory, Known, PlanError, SourceFile};

    fn insert(segment: i64, field: i64, log: i64) -> SourceFile {
        let kind = LogKind::Insert { field };
        let id = FileId { collection: 1, partition: 2, segment, kind, log };
        SourceFile { id, size: 10, source: "s".to_owned() }
    }

    fn inventory(files: Vec<SourceFile>) -> CollectionInventory {
        CollectionInventory {
            namespace: Namespace::new("default", "films"),
            description: CollectionDescription {
                id: 1,
                name: "films".to_owned(),
                schema: vec![1, 2, 3],
                shards: 1,
                consistency_level: 2,
                num_partitions: 1,
                properties: Vec::new(),
                aliases: Vec::new(),
                origin: CollectionOrigin::default(),
            },
            partitions: vec![Partition { id: 2, name: "_default".to_owned() }],
            indexes: Vec::new(),
            load: LoadState::NotLoaded,
            boundary: Boundary::before(7000 << 18, Duration::from_secs(1)),
            deletes_complete: DeletesComplete::Yes,
            segments: vec![SegmentInfo {
                id: 3,
                collection: 1,
                partition: 2,
                rows: 5,
                sorted: false,
                traits: SegmentTraits::default(),
            }],
            fields: vec![0, 1, 100],
            optional: Vec::new(),
            logs: BTreeMap::new(),
            files,
        }
    }

    fn plan(files: Vec<SourceFile>) -> Result<CollectionPlan, PlanError> {
        plan_collection(inventory(files), &Known::default())
    }

    fn whole() -> Vec<SourceFile> {
        vec![insert(3, 0, 7), insert(3, 1, 8), insert(3, 100, 9)]
    }

    #[test]
    fn files_of_other_segments_stay_out() {
        let mut files = whole();
        files.push(insert(4, 0, 10));
        assert_eq!(plan(files).unwrap().copies().count(), 3);
    }

    #[test]
    fn a_misaligned_segment_is_named() {
        let mut files = whole();
        files.push(insert(3, 100, 10));
        let error = plan(files).unwrap_err();
        let expected = PlanError::Misaligned { segment: 3, field: 0, found: 1, expected: 2 };
        assert_eq!(error, expected);
        assert_eq!(
            plan(whole()[..2].to_vec()).unwrap_err(),
            PlanError::Misaligned { segment: 3, field: 100, found: 0, expected: 1 }
        );
        assert_eq!(plan(Vec::new()).unwrap_err(), PlanError::NoFiles { segment: 3, rows: 5 });
    }

    #[test]
    fn a_segment_in_an_unknown_partition_is_named() {
        let mut seen = inventory(whole());
        seen.partitions.clear();
        let error = plan_collection(seen, &Known::default()).unwrap_err();
        assert_eq!(error, PlanError::UnknownPartition { segment: 3, partition: 2 });
    }

    #[test]
    fn one_missing_file_costs_the_collection_and_says_which() {
        let plan = plan(whole()).unwrap();
        let failed: FileId = plan.copies().last().unwrap().id;
        let copied = plan.copies().filter(|item| item.id != failed).map(|item| {
            let entry = FileEntry {
                log: item.id.log,
                size: item.size,
                source: item.source.clone(),
                copy: String::new(),
                crc: "0".repeat(16),
            };
            (item.id, entry)
        });
        let copied: HashMap<_, _> = copied.collect();
        let failures = HashMap::from([(failed, "vanished".to_owned())]);
        let (record, list) = plan.finish(&copied, &failures);
        assert!(list.is_none() && record.content.is_none());
        assert_eq!(record.outcome, CollectionOutcome::Failed);
        assert_eq!(record.error.as_deref(), Some("insert_log/1/2/3/100/9: vanished"));
    }

    #[test]
    fn the_saved_plan_names_every_file_reused_or_not() {
        let mut first = plan(whole()).unwrap();
        let copied: HashMap<_, _> = first
            .copies()
            .map(|item| {
                let (copy, crc) = (String::new(), "0".repeat(16));
                let entry =
                    FileEntry { log: item.id.log, size: 10, source: "s".to_owned(), copy, crc };
                (item.id, entry)
            })
            .collect();
        first.segments[0].copied.truncate(2);
        let (_, list) = first.finish(&copied, &HashMap::new());
        let (list, _) = list.unwrap();
        let listing = list.files().map(|(id, entry)| (id, entry.size, None));
        let known = Known::new(&list, listing.collect::<Vec<_>>());
        let second = plan_collection(inventory(whole()), &known).unwrap();
        assert_eq!((second.copies().count(), second.reused().count()), (1, 2));
        let references = |plan: &CollectionPlan| FileList::new(plan.references().collect());
        let named = |plan: &CollectionPlan| -> Vec<FileId> {
            references(plan).files().map(|(id, _)| id).collect()
        };
        let before = named(&second);
        assert_eq!(before.len(), 3);

        let mut second = second;
        let there = || list.files().map(|(id, entry)| (id, entry.size));
        second.relist(&there().collect());
        assert_eq!((second.copies().count(), second.reused().count()), (1, 2));
        second.relist(&there().skip(1).collect());
        assert_eq!((second.copies().count(), second.reused().count()), (2, 1));
        assert_eq!(named(&second), before, "the saved plan still names everything");
    }
}
