//! From milvus-backup's documents to a manifest and its lists.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::super::placement::ALL_PARTITIONS;
use super::TreeDocument;
use super::format::{
    BackupInfo, CollectionInfo, DatabaseInfo, IndexInfo, Level, PartitionInfo, SegmentInfo,
};
use super::segments::{Groups, files, is_schema_only, take_segments, without_files};
use super::time::{Times, times};
use crate::manifest::{
    CollectionContent, CollectionOutcome, CollectionRecord, DeletesComplete, DocumentError,
    FileList, Manifest, ManifestOutcome, Placement, SegmentFiles, encode_rbac,
};
use crate::model::{
    BackupName, ClusterName, CollectionOrigin, DatabaseDescription, IndexDescription, KeyPrefix,
    KeyValue, Layout, LoadState, Partition, Rbac,
};
use crate::schema::JsonPair;

/// What a tree is called where it cannot be used.
const WHAT: &str = "tree of milvus-backup";

/// The database of what names none.
const DEFAULT: &str = "default";

/// A tree as it was found.
#[derive(Debug, Clone)]
pub struct TreeSource {
    /// The cluster whose folder it is in.
    pub cluster: ClusterName,
    /// The name of its own folder.
    pub name: BackupName,
    /// Its `binlogs/`.
    pub binlogs: KeyPrefix,
    /// Those of its documents that are there: [`TreeDocument::Full`], or else all others.
    pub documents: BTreeMap<TreeDocument, Vec<u8>>,
    /// When it was written, by the store's clock: for trees that tell no time themselves.
    pub modified: Timestamp,
}

/// A tree as this agent sees a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// What it holds.
    pub manifest: Manifest,
    /// Its lists of files by their digests.
    pub lists: BTreeMap<String, FileList>,
    /// Where its files lie.
    pub placement: Placement,
    /// Its users, roles and grants, if it has them.
    pub rbac: Option<Rbac>,
}

/// Reads a tree. Nothing in it is trusted: whatever does not fit together is told.
pub fn read_tree(source: &TreeSource) -> Result<Tree, DocumentError> {
    let info = info(source)?;
    refuse_format(&info.format)?;
    if info.name.is_empty() && info.collection_backups.is_empty() {
        return Err(damaged("it tells of no backup"));
    }
    let Times { created_at, completed_at } = times(&info, &source.name, source.modified);
    let databases: BTreeSet<String> = info
        .database_backups
        .iter()
        .map(|database| &database.db_name)
        .chain(info.collection_backups.iter().map(|collection| &collection.db_name))
        .map(|name| database_name(name))
        .collect();
    let described = info.database_backups.iter().filter(|found| !found.db_name.is_empty());
    let schema_only = is_schema_only(&info);
    let rbac: Option<Rbac> = info.rbac_meta.map(Into::into);
    let mut tree = Tree {
        manifest: Manifest {
            version: Manifest::VERSION,
            name: source.name.clone(),
            cluster: source.cluster.clone(),
            cluster_id: String::new(),
            policy: String::new(),
            run: info.id.clone(),
            layout: Layout::Standalone,
            created_at,
            completed_at,
            outcome: ManifestOutcome::Complete,
            agent: "milvus-backup".to_owned(),
            milvus_version: info.milvus_version.clone(),
            databases: databases.into_iter().collect(),
            database_descriptions: described.map(description).collect(),
            collections: Vec::new(),
            selection: Vec::new(),
            suspect: None,
            rbac: rbac.as_ref().map(|rbac| encode_rbac(rbac).record),
        },
        lists: BTreeMap::new(),
        placement: Placement::own(source.binlogs.clone()),
        rbac,
    };
    let groups = collections(&mut tree, info.collection_backups, schema_only)?;
    tree.manifest.collections.sort_by_key(CollectionRecord::namespace);
    tree.placement = Placement::Own { binlogs: source.binlogs.clone(), groups };
    Ok(tree)
}

/// Puts them into the tree, and says where their files lie.
fn collections(
    tree: &mut Tree,
    infos: Vec<CollectionInfo>,
    schema_only: bool,
) -> Result<Groups, DocumentError> {
    let mut groups = Groups::new();
    // Milvus 2.2 writes deletes late, and milvus-backup does not wait for them.
    let late = tree.manifest.milvus_version.trim_start_matches('v').starts_with("2.2.");
    let mut has_rows = false;
    for mut collection in infos {
        let left_out = if schema_only { take_segments(&mut collection) } else { 0 };
        let name = format!("{}.{}", database_name(&collection.db_name), collection.collection_name);
        let (mut record, list) = record(collection, &mut groups)
            .map_err(|why| damaged(format!("collection {name}: {why}")))?;
        if let Some(content) = record.content.as_mut().filter(|_| late) {
            content.deletes_complete = DeletesComplete::Unknown;
        }
        if tree.manifest.collections.iter().any(|other| other.namespace() == record.namespace()) {
            return Err(damaged(format!("collection {name} is in it twice")));
        }
        if left_out > 0 {
            let told = record.error.take().into_iter().chain([without_rows(left_out)]);
            record.error = Some(told.collect::<Vec<_>>().join("; "));
        }
        let mut segments = list.segments().iter();
        has_rows |= segments.any(|segment| segment.rows > 0 && !segment.insert.is_empty());
        if record.content.is_some() {
            tree.lists.insert(list.digest(), list);
        } else {
            tree.manifest.outcome = ManifestOutcome::Partial;
        }
        tree.manifest.collections.push(record);
    }
    let lost = tree.manifest.collections.iter().find(|record| record.content.is_none());
    if let Some(record) = lost.filter(|_| !has_rows) {
        let why = record.error.clone().unwrap_or_default();
        return Err(damaged(format!(
            "none of its rows has a file, as where `minio.rootPath` was wrong: {}: {why}",
            record.namespace()
        )));
    }
    Ok(groups)
}

fn refuse_format(format: &str) -> Result<(), DocumentError> {
    match format {
        "" => Ok(()),
        "snapshot" => Err(DocumentError::Unsupported {
            what: WHAT,
            why: "its format is `snapshot`, which only Milvus 3.0 restores by itself",
        }),
        unknown => Err(damaged(format!("nobody knows its format `{unknown}`"))),
    }
}

fn damaged(why: impl std::fmt::Display) -> DocumentError {
    DocumentError::damaged(WHAT, why)
}

/// `full_meta.json` alone, or the other four put together.
fn info(source: &TreeSource) -> Result<BackupInfo, DocumentError> {
    if source.documents.contains_key(&TreeDocument::Full) {
        return document(source, TreeDocument::Full);
    }
    let mut backup: BackupInfo = document(source, TreeDocument::Backup)?;
    if has_l0(&backup.milvus_version) {
        let lacking = "full_meta.json is not there, which alone tells all deletes of a Milvus \
                       since 2.4: its run did not end";
        return Err(damaged(lacking));
    }
    let collections: Level<CollectionInfo> = document(source, TreeDocument::Collection)?;
    let partitions: Level<PartitionInfo> = document(source, TreeDocument::Partition)?;
    let segments: Level<SegmentInfo> = document(source, TreeDocument::Segment)?;
    let mut of_partition: BTreeMap<(i64, i64), Vec<SegmentInfo>> = BTreeMap::new();
    for segment in segments.infos {
        let of = (segment.collection_id, segment.partition_id);
        of_partition.entry(of).or_default().push(segment);
    }
    let mut of_collection: BTreeMap<i64, Vec<PartitionInfo>> = BTreeMap::new();
    for mut partition in partitions.infos {
        let of = (partition.collection_id, partition.partition_id);
        partition.segment_backups = of_partition.remove(&of).unwrap_or_default();
        of_collection.entry(partition.collection_id).or_default().push(partition);
    }
    backup.collection_backups = collections.infos;
    for collection in &mut backup.collection_backups {
        collection.partition_backups =
            of_collection.remove(&collection.collection_id).unwrap_or_default();
    }
    if let Some((collection, partition)) = of_partition.keys().next() {
        return Err(damaged(format!(
            "segment_meta.json has segments of partition {partition} of collection {collection}, \
             which partition_meta.json does not have"
        )));
    }
    if let Some(collection) = of_collection.keys().next() {
        return Err(damaged(format!(
            "partition_meta.json has partitions of collection {collection}, which \
             collection_meta.json does not have"
        )));
    }
    Ok(backup)
}

/// Whether a Milvus of this version may have deletes that only `full_meta.json` tells.
fn has_l0(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (2, 4),
        _ => false,
    }
}

fn document<T: DeserializeOwned>(
    source: &TreeSource,
    document: TreeDocument,
) -> Result<T, DocumentError> {
    let Some(bytes) = source.documents.get(&document) else {
        return Err(damaged(format!("it has neither full_meta.json nor {document}.json")));
    };
    // A list of values would do for a struct, too.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(damaged(format!("{document}.json: it is no object")));
    }
    serde_json::from_slice(bytes).map_err(|error| damaged(format!("{document}.json: {error}")))
}

fn database_name(name: &str) -> String {
    if name.is_empty() { DEFAULT.to_owned() } else { name.to_owned() }
}

fn description(database: &DatabaseInfo) -> DatabaseDescription {
    DatabaseDescription {
        name: database.db_name.clone(),
        id: database.db_id,
        properties: pairs(&database.properties),
    }
}

fn record(
    mut info: CollectionInfo,
    groups: &mut Groups,
) -> Result<(CollectionRecord, FileList), String> {
    let id = info.collection_id;
    if id == 0 || info.collection_name.is_empty() {
        return Err("it has no id or no name".to_owned());
    }
    let (partitions, segments) = partitions(&info, groups)?;
    let list = FileList::new(segments);
    let load = load(&info);
    let mut schema = info.schema.take().ok_or_else(|| "it has no schema".to_owned())?;
    if schema.name.is_empty() {
        schema.name.clone_from(&info.collection_name);
    }
    let without_default = schema.lost_defaults();
    let told = if info.properties.is_empty() { &schema.properties } else { &info.properties };
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let content = CollectionContent {
        properties: pairs(told),
        schema: schema.raw().map_err(|error| error.to_string())?,
        shards: info.shards_num,
        consistency_level: info.consistency_level,
        num_partitions: i64::try_from(partitions.len()).unwrap_or(i64::MAX),
        aliases: info.aliases,
        origin: CollectionOrigin {
            database_id: info.db_id,
            created_timestamp: info.created_timestamp,
            virtual_channels: info.virtual_channel_names,
            physical_channels: info.physical_channel_names,
        },
        partitions,
        indexes: info.index_infos.into_iter().map(index).collect(),
        load,
        deletes_complete: DeletesComplete::Yes,
        // Its files are restored as they are, which is what milvus-backup does.
        boundary: None,
        list: list.digest(),
        segments: count(list.segments().len()),
        files: count(list.files().count()),
        rows: list.segments().iter().map(|segment| segment.rows.unsigned_abs()).sum(),
        bytes: list.segments().iter().map(SegmentFiles::bytes).sum(),
    };
    let (outcome, error, content) = if let Some(lost) = without_files(list.segments()) {
        (CollectionOutcome::Failed, Some(lost), None)
    } else {
        let told = (!without_default.is_empty()).then(|| lost_defaults(&without_default));
        (CollectionOutcome::Complete, told, Some(content))
    };
    let database = database_name(&info.db_name);
    let record =
        CollectionRecord { database, name: info.collection_name, id, outcome, error, content };
    Ok((record, list))
}

fn lost_defaults(fields: &[String]) -> String {
    let fields = fields.join("`, `");
    format!("milvus-backup lost the default value of `{fields}` when it wrote the tree")
}

fn without_rows(rows: u64) -> String {
    format!("milvus-backup took its schema alone (`--meta_only`) and none of its {rows} rows")
}

/// The partitions of a collection, and all its segments.
fn partitions(
    info: &CollectionInfo,
    groups: &mut Groups,
) -> Result<(Vec<Partition>, Vec<SegmentFiles>), String> {
    let (mut partitions, mut segments) = (Vec::new(), Vec::new());
    for partition in &info.partition_backups {
        let (id, name) = (partition.partition_id, partition.partition_name.clone());
        if name.is_empty() {
            return Err(format!("partition {id} has no name"));
        }
        for segment in &partition.segment_backups {
            segments.push(files((info.collection_id, id), segment, groups)?);
        }
        partitions.push(Partition { id, name });
    }
    for segment in &info.l0_segments {
        segments.push(files((info.collection_id, ALL_PARTITIONS), segment, groups)?);
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = segments.iter().find(|segment| !seen.insert(segment.segment)) {
        return Err(format!("segment {} is in it twice", twice.segment));
    }
    Ok((partitions, segments))
}

/// How many replicas there were nobody tells.
fn load(info: &CollectionInfo) -> LoadState {
    let all = LoadState::Loaded { replicas: 1 };
    match info.load_state.as_str() {
        "Loaded" => all,
        "Loading" => {
            let loaded = info.partition_backups.iter().filter(|one| one.load_state == "Loaded");
            let partitions: Vec<String> =
                loaded.map(|partition| partition.partition_name.clone()).collect();
            let some = !partitions.is_empty() && partitions.len() < info.partition_backups.len();
            if some { LoadState::Partitions { replicas: 1, partitions } } else { all }
        }
        _ => LoadState::NotLoaded,
    }
}

fn index(info: IndexInfo) -> IndexDescription {
    const TYPE: &str = "index_type";
    let mut params = info.params;
    if !info.index_type.is_empty() {
        params.entry(TYPE.to_owned()).or_insert(info.index_type);
    }
    let pair = |(key, value)| KeyValue { key, value };
    IndexDescription {
        field: info.field_name,
        name: info.index_name,
        params: params.into_iter().map(pair).collect(),
        id: info.index_id,
    }
}

fn pairs(pairs: &[JsonPair]) -> Vec<KeyValue> {
    let pair = |pair: &JsonPair| KeyValue { key: pair.key.clone(), value: pair.value.clone() };
    pairs.iter().map(pair).collect()
}
