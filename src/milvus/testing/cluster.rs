//! The state of the fake, and what changes it. No I/O: files to write are returned.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::milvus::{CollectionSpec, ImportState, MilvusError, MilvusErrorKind, MilvusResult};
use crate::model::Namespace;
use crate::model::{FlushAnswer, LoadState, Rbac};
use crate::schema::SchemaSummary;

use super::collection::{Collection, Content, PartitionState};
use super::logs::{File, Place, Row};

/// Far from 0, as Milvus's ids are.
const FIRST_ID: i64 = 470_000_000_000_000_000;

/// 2026 in Milvus's hybrid time.
const FIRST_TS: u64 = 1_795_000_000_000 << 18;

/// Two seconds of hybrid time: more than the margin that a backup leaves before its flush.
const TICK: u64 = 2000 << 18;

#[derive(Debug)]
pub(super) struct Cluster {
    last_id: i64,
    now: u64,
    pub(super) databases: BTreeMap<String, BTreeMap<String, Collection>>,
    /// Collections by id: an alias outlives what it points at.
    pub(super) aliases: BTreeMap<Namespace, i64>,
    pub(super) tasks: BTreeMap<i64, Task>,
    /// None on a server that cannot tell.
    pub(super) rbac: Option<Rbac>,
    /// How often deletes of flushed rows are written, if not with each flush; then a flush has
    /// no timestamp either.
    pub(super) sync_period: Option<Duration>,
}

#[derive(Debug)]
pub(super) enum Task {
    /// Seen running once before it ends.
    Started(Outcome),
    Running(Outcome),
    Hanging,
    Completed(i64),
    Failed(String),
}

impl Task {
    pub(super) fn state(&self) -> ImportState {
        match self {
            Self::Started(_) | Self::Running(_) | Self::Hanging => {
                ImportState::Running { percent: 45 }
            }
            Self::Completed(rows) => ImportState::Completed { rows: *rows },
            Self::Failed(reason) => ImportState::Failed { reason: reason.clone() },
        }
    }
}

#[derive(Debug)]
pub(super) enum Outcome {
    Fail(String),
    Add { namespace: Namespace, partition: String, contents: Vec<Content> },
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            last_id: FIRST_ID,
            now: FIRST_TS,
            databases: BTreeMap::from([("default".to_owned(), BTreeMap::new())]),
            aliases: BTreeMap::new(),
            tasks: BTreeMap::new(),
            rbac: None,
            sync_period: None,
        }
    }
}

impl Cluster {
    pub(super) fn next_id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn tick(&mut self) -> u64 {
        self.now += TICK;
        self.now
    }

    /// By name or by alias.
    pub(super) fn find(&mut self, namespace: &Namespace) -> Option<&mut Collection> {
        let aliased = self.aliases.get(namespace).copied();
        let database = self.databases.get_mut(&namespace.database)?;
        if database.contains_key(&namespace.collection) {
            return database.get_mut(&namespace.collection);
        }
        database.values_mut().find(|collection| Some(collection.id) == aliased)
    }

    pub(super) fn name_is_taken(&self, name: &Namespace) -> bool {
        let database = self.databases.get(&name.database);
        let collection = database.is_some_and(|found| found.contains_key(&name.collection));
        collection || self.aliases.contains_key(name)
    }

    /// Panics on a schema that cannot be read: a test wrote it.
    pub(super) fn create(&mut self, spec: CollectionSpec) {
        SchemaSummary::parse(&spec.schema).expect("a schema");
        let id = self.next_id();
        let names = match spec.num_partitions {
            Some(count) => (0..count).map(|n| format!("_default_{n}")).collect(),
            None => vec!["_default".to_owned()],
        };
        let partitions =
            names.into_iter().map(|name| PartitionState::new(self.next_id(), name)).collect();
        let Namespace { database, collection } = spec.namespace.clone();
        let made = Collection {
            id,
            spec,
            partitions,
            indexes: Vec::new(),
            load: LoadState::NotLoaded,
            compactions: 0,
        };
        self.databases.entry(database).or_default().insert(collection, made);
    }

    /// As 2.3.5: what has a collection stays.
    pub(super) fn drop_database(&mut self, database: &str) -> MilvusResult<()> {
        if self.databases.get(database).is_some_and(|found| !found.is_empty()) {
            let message = "database not empty, must drop all collections before drop database";
            return Err(MilvusError::new("drop", MilvusErrorKind::Other, message));
        }
        self.databases.remove(database);
        Ok(())
    }

    pub(super) fn rows_now(&mut self, keys: impl IntoIterator<Item = String>) -> Vec<Row> {
        let ts = self.tick();
        keys.into_iter().map(|key| Row { key, ts }).collect()
    }

    /// Runs `change` with a source of ids.
    fn with_ids<T>(
        &mut self,
        namespace: &Namespace,
        change: impl FnOnce(&mut Collection, &mut dyn FnMut() -> i64) -> T,
    ) -> Option<T> {
        let mut last_id = self.last_id;
        let changed = self.find(namespace).map(|collection| {
            change(collection, &mut || {
                last_id += 1;
                last_id
            })
        });
        self.last_id = last_id;
        changed
    }

    pub(super) fn flush(&mut self, namespace: &Namespace) -> Option<(FlushAnswer, Vec<File>)> {
        let (flush_ts, period) = (self.tick(), self.sync_period);
        self.with_ids(namespace, |collection, next_id| {
            let flushed = ids(collection);
            let mut files = collection.write_deletes(period, next_id);
            for at in 0..collection.partitions.len() {
                let partition = &mut collection.partitions[at];
                let (name, content) =
                    (partition.name.clone(), std::mem::take(&mut partition.growing));
                if !content.rows.is_empty() {
                    files.extend(collection.add_segment(&name, content, next_id));
                }
            }
            let sealed = ids(collection).into_iter().filter(|id| !flushed.contains(id)).collect();
            let seal_time = i64::try_from((flush_ts >> 18) / 1000).expect("it is not that late");
            let flush_ts = period.is_none().then_some(flush_ts);
            (FlushAnswer { flush_ts, seal_time, sealed, flushed }, files)
        })
    }

    /// Delta logs that are due by now.
    pub(super) fn sync(&mut self, namespace: &Namespace) -> Option<Vec<File>> {
        match self.sync_period {
            None => Some(Vec::new()),
            period => {
                self.with_ids(namespace, |found, next_id| found.write_deletes(period, next_id))
            }
        }
    }

    /// Rewrites every partition's segments into one. Returns the new files and the old folders.
    pub(super) fn compact(&mut self, namespace: &Namespace) -> Option<(Vec<File>, Vec<Place>)> {
        self.with_ids(namespace, |collection, next_id| {
            let (mut files, mut old) = (Vec::new(), Vec::new());
            for at in 0..collection.partitions.len() {
                let partition = &mut collection.partitions[at];
                let (name, id) = (partition.name.clone(), partition.id);
                let segments = std::mem::take(&mut partition.segments);
                old.extend(segments.iter().map(|segment| Place {
                    collection: collection.id,
                    partition: id,
                    segment: segment.id,
                }));
                let rows = segments.iter().flat_map(|segment| segment.content.visible()).collect();
                let content = Content { rows, deletes: Vec::new() };
                if !content.rows.is_empty() {
                    files.extend(collection.add_segment(&name, content, next_id));
                }
            }
            (files, old)
        })
    }

    /// The next state of an import, and the files that it wrote.
    pub(super) fn advance(&mut self, task: Task) -> (Task, Vec<File>) {
        match task {
            Task::Started(outcome) => (Task::Running(outcome), Vec::new()),
            Task::Running(Outcome::Fail(reason)) => (Task::Failed(reason), Vec::new()),
            Task::Running(Outcome::Add { namespace, partition, contents }) => {
                match self.import(&namespace, &partition, contents) {
                    Some((rows, files)) => (Task::Completed(rows), files),
                    None => (Task::Failed("collection not found".to_owned()), Vec::new()),
                }
            }
            ended @ (Task::Hanging | Task::Completed(_) | Task::Failed(_)) => (ended, Vec::new()),
        }
    }

    /// Adds what an import read; the number of visible rows and the files.
    pub(super) fn import(
        &mut self,
        namespace: &Namespace,
        partition: &str,
        contents: Vec<Content>,
    ) -> Option<(i64, Vec<File>)> {
        let ts = self.tick();
        self.with_ids(namespace, |collection, next_id| {
            let (mut count, mut files) = (0, Vec::new());
            for content in contents {
                let rows: Vec<Row> =
                    content.visible().into_iter().map(|row| Row { ts, ..row }).collect();
                count += i64::try_from(rows.len()).expect("tests have few rows");
                if !rows.is_empty() {
                    let content = Content { rows, deletes: Vec::new() };
                    files.extend(collection.add_segment(partition, content, next_id));
                }
            }
            (count, files)
        })
    }
}

fn ids(collection: &Collection) -> Vec<i64> {
    collection.segments().iter().map(|segment| segment.id).collect()
}
