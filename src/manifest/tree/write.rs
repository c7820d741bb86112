//! From a manifest and its lists to milvus-backup's documents.

use std::collections::BTreeMap;

use super::super::placement::ALL_PARTITIONS;
use super::super::rbac::StoredRbac;
use super::TreeDocument;
use super::format::{
    BackupInfo, Binlog, CollectionInfo, DatabaseInfo, FieldBinlog, IndexInfo, Level, PartitionInfo,
    SegmentInfo,
};
use super::text::go_json;
use crate::manifest::{
    CollectionContent, CollectionRecord, FileEntry, FileId, FileList, LogKind, Manifest,
    SegmentFiles,
};
use crate::model::{IndexDescription, KeyValue, LoadState, Rbac};
use crate::schema::{JsonPair, JsonSchema, SchemaError};

/// milvus-backup's five documents, each as the bytes of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeDocuments {
    /// `backup_meta.json`.
    pub backup: Vec<u8>,
    /// `collection_meta.json`.
    pub collection: Vec<u8>,
    /// `partition_meta.json`.
    pub partition: Vec<u8>,
    /// `segment_meta.json`.
    pub segment: Vec<u8>,
    /// `full_meta.json`.
    pub full: Vec<u8>,
}

impl TreeDocuments {
    /// The bytes of one of them.
    pub fn bytes(&self, document: TreeDocument) -> &[u8] {
        match document {
            TreeDocument::Backup => &self.backup,
            TreeDocument::Collection => &self.collection,
            TreeDocument::Partition => &self.partition,
            TreeDocument::Segment => &self.segment,
            TreeDocument::Full => &self.full,
        }
    }
}

/// The documents of a backup, the last of them with users and roles where it has any. Its lists
/// go by their digests, and all of them must be there;
/// `milvus_root` is what the keys of Milvus's own storage begin with.
pub fn tree_documents(
    (manifest, rbac): (&Manifest, Option<&Rbac>),
    lists: &BTreeMap<String, FileList>,
    milvus_root: &str,
) -> Result<TreeDocuments, SchemaError> {
    let collections = manifest
        .contents()
        .map(|(record, content)| {
            let list = lists.get(&content.list).expect("callers have every list of the manifest");
            collection(&manifest.run, (record, content), list.segments(), milvus_root)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let backup = BackupInfo {
        id: manifest.run.clone(),
        name: manifest.name.to_string(),
        size: collections.iter().map(|collection| collection.size).sum(),
        milvus_version: as_milvus_says(&manifest.milvus_version),
        ..BackupInfo::default()
    };
    let segments: Vec<SegmentInfo> = collections
        .iter()
        .flat_map(|collection| &collection.partition_backups)
        .flat_map(|partition| partition.segment_backups.iter().cloned())
        .collect();
    let without_segments = collections.iter().map(|collection| CollectionInfo {
        partition_backups: collection.partition_backups.iter().map(bare).collect(),
        l0_segments: Vec::new(),
        ..collection.clone()
    });
    let without_segments: Vec<CollectionInfo> = without_segments.collect();
    let partitions =
        without_segments.iter().flat_map(|collection| collection.partition_backups.clone());
    Ok(TreeDocuments {
        backup: go_json(&backup),
        partition: go_json(&Level { infos: partitions.collect() }),
        segment: go_json(&Level { infos: segments }),
        collection: go_json(&Level { infos: without_segments }),
        full: go_json(&BackupInfo {
            collection_backups: collections,
            rbac_meta: rbac.map(StoredRbac::of),
            database_backups: databases(manifest),
            ..backup
        }),
    })
}

/// A version with the `v` that Milvus has before it, and that our manifests leave out.
fn as_milvus_says(version: &str) -> String {
    let bare = version.starts_with(|first: char| first.is_ascii_digit());
    if bare { format!("v{version}") } else { version.to_owned() }
}

/// A partition without its segments.
fn bare(partition: &PartitionInfo) -> PartitionInfo {
    PartitionInfo { segment_backups: Vec::new(), ..partition.clone() }
}

/// Every database: as the server described it, else by the id that its collections tell.
fn databases(manifest: &Manifest) -> Vec<DatabaseInfo> {
    let id_of = |name: &str| {
        let mut known = manifest.contents().filter(|(record, _)| record.database == name);
        known.next().map_or(0, |(_, content)| content.origin.database_id)
    };
    let database = |name: &String| {
        let described = manifest.database_descriptions.iter().find(|found| found.name == *name);
        DatabaseInfo {
            db_name: name.clone(),
            db_id: described.map_or_else(|| id_of(name), |found| found.id),
            properties: described.map(|found| pairs(&found.properties)).unwrap_or_default(),
        }
    };
    manifest.databases.iter().map(database).collect()
}

fn collection(
    run: &str,
    (record, content): (&CollectionRecord, &CollectionContent),
    files: &[SegmentFiles],
    milvus_root: &str,
) -> Result<CollectionInfo, SchemaError> {
    let segments = |of: i64| -> Vec<SegmentInfo> {
        let of_partition = files.iter().filter(|segment| segment.partition == of);
        of_partition.map(|files| segment(files, milvus_root)).collect()
    };
    let partitions = content.partitions.iter().map(|partition| {
        let segment_backups = segments(partition.id);
        PartitionInfo {
            partition_id: partition.id,
            partition_name: partition.name.clone(),
            collection_id: record.id,
            size: segment_backups.iter().map(|segment| segment.size).sum(),
            segment_backups,
            load_state: partition_load(&content.load, &partition.name).to_owned(),
        }
    });
    let partition_backups: Vec<PartitionInfo> = partitions.collect();
    let l0_segments = segments(ALL_PARTITIONS);
    let sizes = partition_backups.iter().map(|partition| partition.size);
    let origin = content.origin.clone();
    Ok(CollectionInfo {
        id: run.to_owned(),
        collection_id: record.id,
        db_name: record.database.clone(),
        collection_name: record.name.clone(),
        schema: Some(JsonSchema::of(&content.schema)?),
        shards_num: content.shards,
        consistency_level: content.consistency_level,
        // Never the boundary: see the essay.
        backup_timestamp: 0,
        size: sizes.chain(l0_segments.iter().map(|segment| segment.size)).sum(),
        has_index: !content.indexes.is_empty(),
        index_infos: content.indexes.iter().map(index).collect(),
        load_state: match content.load {
            LoadState::NotLoaded => "NotLoad",
            LoadState::Loaded { .. } => "Loaded",
            LoadState::Partitions { .. } => "Loading",
        }
        .to_owned(),
        backup_physical_timestamp: content
            .boundary
            .map_or(0, |boundary| boundary.physical_ms() / 1000),
        properties: pairs(&content.properties),
        db_id: origin.database_id,
        created_timestamp: origin.created_timestamp,
        virtual_channel_names: origin.virtual_channels,
        physical_channel_names: origin.physical_channels,
        aliases: content.aliases.clone(),
        partition_backups,
        l0_segments,
    })
}

fn partition_load(load: &LoadState, partition: &str) -> &'static str {
    let loaded = match load {
        LoadState::NotLoaded => false,
        LoadState::Loaded { .. } => true,
        LoadState::Partitions { partitions, .. } => partitions.iter().any(|name| name == partition),
    };
    if loaded { "Loaded" } else { "NotLoad" }
}

fn segment(files: &SegmentFiles, milvus_root: &str) -> SegmentInfo {
    let log = |kind: LogKind, entry: &FileEntry| {
        let (collection, partition, segment) = (files.collection, files.partition, files.segment);
        let tail = FileId { collection, partition, segment, kind, log: entry.log }.tail();
        let log_path = match milvus_root.trim_end_matches('/') {
            "" => tail,
            root => format!("{root}/{tail}"),
        };
        Binlog { log_path, log_size: entry.size, log_id: entry.log }
    };
    let binlogs = files.insert.iter().map(|field| {
        let kind = LogKind::Insert { field: field.field };
        let binlogs = field.files.iter().map(|entry| log(kind, entry)).collect();
        FieldBinlog { field_id: field.field, binlogs }
    });
    let deltas = files.delta.iter().map(|entry| log(LogKind::Delta, entry)).collect();
    SegmentInfo {
        segment_id: files.segment,
        collection_id: files.collection,
        partition_id: files.partition,
        num_of_rows: files.rows,
        binlogs: binlogs.collect(),
        // One entry even where there are none, as milvus-backup writes it.
        deltalogs: vec![FieldBinlog { field_id: 0, binlogs: deltas }],
        size: files.bytes(),
        group_id: if files.partition == ALL_PARTITIONS { 0 } else { files.segment },
        is_l0: files.traits.l0,
        v_channel: files.traits.channel.clone(),
        storage_version: files.traits.storage_version,
    }
}

fn index(index: &IndexDescription) -> IndexInfo {
    let params = index.params.iter().map(|pair| (pair.key.clone(), pair.value.clone()));
    let params: BTreeMap<String, String> = params.collect();
    IndexInfo {
        field_name: index.field.clone(),
        index_name: index.name.clone(),
        index_type: params.get("index_type").cloned().unwrap_or_default(),
        params,
        index_id: index.id,
    }
}

fn pairs(pairs: &[KeyValue]) -> Vec<JsonPair> {
    let pair = |pair: &KeyValue| JsonPair { key: pair.key.clone(), value: pair.value.clone() };
    pairs.iter().map(pair).collect()
}
