//! One collection of the fake.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use crate::milvus::{CollectionSpec, MilvusError, MilvusErrorKind, MilvusResult};
use crate::model::{IndexDescription, LoadState, PrimaryKeys, SegmentInfo, SegmentTraits};
use crate::schema::SchemaSummary;

use super::logs::{File, Place, Row};

#[derive(Debug)]
pub(super) struct Collection {
    pub(super) id: i64,
    /// Its namespace is where it was made, not where it is.
    pub(super) spec: CollectionSpec,
    pub(super) partitions: Vec<PartitionState>,
    pub(super) indexes: Vec<IndexDescription>,
    pub(super) load: LoadState,
    /// How many listings of its segments find them compacted.
    pub(super) compactions: usize,
}

#[derive(Debug)]
pub(super) struct PartitionState {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) growing: Content,
    pub(super) segments: Vec<Segment>,
}

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) id: i64,
    pub(super) content: Content,
    /// Deletes that no delta log holds yet.
    unwritten: Vec<Row>,
    /// When its files were last written.
    written: Instant,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    pub(super) rows: Vec<Row>,
    pub(super) deletes: Vec<Row>,
}

impl Content {
    pub(super) fn visible(&self) -> Vec<Row> {
        let deleted = |row: &Row| {
            self.deletes.iter().any(|delete| delete.key == row.key && delete.ts > row.ts)
        };
        self.rows.iter().filter(|row| !deleted(row)).cloned().collect()
    }

    fn delete(&mut self, deletes: &[Row]) -> Vec<Row> {
        let has = |delete: &&Row| self.rows.iter().any(|row| row.key == delete.key);
        let hits: Vec<Row> = deletes.iter().filter(has).cloned().collect();
        self.deletes.extend(hits.iter().cloned());
        hits
    }
}

impl PartitionState {
    pub(super) fn new(id: i64, name: impl Into<String>) -> Self {
        Self { id, name: name.into(), growing: Content::default(), segments: Vec::new() }
    }

    pub(super) fn delete(&mut self, deletes: &[Row]) {
        self.growing.delete(deletes);
        for segment in &mut self.segments {
            let hits = segment.content.delete(deletes);
            segment.unwritten.extend(hits);
        }
    }

    pub(super) fn visible_keys(&self) -> BTreeSet<String> {
        self.visible().map(|row| row.key).collect()
    }

    fn visible(&self) -> impl Iterator<Item = Row> {
        let sealed = self.segments.iter().map(|segment| &segment.content);
        sealed.chain([&self.growing]).flat_map(Content::visible)
    }
}

impl Collection {
    /// Field ids of its files.
    pub(super) fn fields(&self) -> Vec<i64> {
        let schema = SchemaSummary::parse(&self.spec.schema);
        schema.expect("create_collection read it").stored_field_ids()
    }

    fn key_field(&self) -> Option<i64> {
        let schema = SchemaSummary::parse(&self.spec.schema).expect("create_collection read it");
        schema.fields.into_iter().find(|field| field.primary_key).map(|field| field.id)
    }

    pub(super) fn partition(&mut self, name: &str) -> Option<&mut PartitionState> {
        self.partitions.iter_mut().find(|partition| partition.name == name)
    }

    pub(super) fn segments(&self) -> Vec<SegmentInfo> {
        let of = |partition: &PartitionState| {
            let (collection, partition_id) = (self.id, partition.id);
            let info = move |segment: &Segment| SegmentInfo {
                id: segment.id,
                collection,
                partition: partition_id,
                rows: i64::try_from(segment.content.rows.len()).expect("tests have few rows"),
                sorted: false,
                traits: SegmentTraits::default(),
            };
            partition.segments.iter().map(info).collect::<Vec<_>>()
        };
        self.partitions.iter().flat_map(of).collect()
    }

    /// The keys of all rows that a query sees, one for each row.
    pub(super) fn queried(&mut self) -> MilvusResult<Vec<String>> {
        let is_loaded = |name: &String| match &self.load {
            LoadState::NotLoaded => false,
            LoadState::Loaded { .. } => true,
            LoadState::Partitions { partitions, .. } => partitions.contains(name),
        };
        if self.load == LoadState::NotLoaded {
            let kind = MilvusErrorKind::Other;
            return Err(MilvusError::new("query", kind, "collection not loaded"));
        }
        let loaded = self.partitions.iter().filter(|partition| is_loaded(&partition.name));
        Ok(loaded.flat_map(PartitionState::visible).map(|row| row.key).collect())
    }

    /// Which of these keys a query sees.
    pub(super) fn find(&mut self, keys: &PrimaryKeys) -> MilvusResult<PrimaryKeys> {
        let there: BTreeSet<String> = self.queried()?.into_iter().collect();
        let has = |key: &str| there.contains(key);
        Ok(match keys {
            PrimaryKeys::Int64(keys) => {
                let found: BTreeSet<i64> =
                    keys.iter().copied().filter(|key| has(&key.to_string())).collect();
                PrimaryKeys::Int64(found.into_iter().collect())
            }
            PrimaryKeys::Text(keys) => {
                let found: BTreeSet<&String> = keys.iter().filter(|key| has(key)).collect();
                PrimaryKeys::Text(found.into_iter().cloned().collect())
            }
        })
    }

    /// Adds a flushed segment and returns its files.
    pub(super) fn add_segment(
        &mut self,
        partition: &str,
        content: Content,
        next_id: &mut dyn FnMut() -> i64,
    ) -> Vec<File> {
        let (collection, fields, key_field) = (self.id, self.fields(), self.key_field());
        let Some(partition) = self.partition(partition) else {
            return Vec::new();
        };
        let place = Place { collection, partition: partition.id, segment: next_id() };
        let mut files: Vec<File> = fields
            .into_iter()
            .map(|field| {
                place.insert_log(field, next_id(), &content.rows, key_field == Some(field))
            })
            .collect();
        if !content.deletes.is_empty() {
            files.push(place.delta_log(next_id(), &content.deletes));
        }
        let (id, written) = (place.segment, Instant::now());
        partition.segments.push(Segment { id, content, unwritten: Vec::new(), written });
        files
    }

    /// Delta logs of deletes that hit flushed segments; with a period, of those segments that
    /// were written so long ago.
    pub(super) fn write_deletes(
        &mut self,
        period: Option<Duration>,
        next_id: &mut dyn FnMut() -> i64,
    ) -> Vec<File> {
        let mut files = Vec::new();
        for partition in &mut self.partitions {
            for segment in &mut partition.segments {
                if period.is_some_and(|period| segment.written.elapsed() < period) {
                    continue;
                }
                let deletes = std::mem::take(&mut segment.unwritten);
                if !deletes.is_empty() {
                    segment.written = Instant::now();
                    let (collection, partition) = (self.id, partition.id);
                    let place = Place { collection, partition, segment: segment.id };
                    files.push(place.delta_log(next_id(), &deletes));
                }
            }
        }
        files
    }
}
