//! The calls of [`MilvusApi`].

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::milvus::{
    CollectionSpec, ImportJob, ImportRequest, ImportState, ImportTask, JobRequest, MilvusApi,
    MilvusError, MilvusErrorKind, MilvusResult, MilvusVersion,
};
use crate::model::Namespace;
use crate::model::{
    ClusterFlush, CollectionDescription, CollectionOrigin, DatabaseDescription, FlushAnswer,
    IndexDescription, KeyValue, LoadState, Partition, PrimaryKeys, Rbac, SegmentInfo, SegmentLogs,
};

use crate::schema::{SchemaSummary, rename_and_strip};

use super::cluster::{Outcome, Task};
use super::collection::{Collection, PartitionState};
use super::fake::{FakeMilvus, absent};
use super::script::{ImportScript, MilvusCall};

fn error(kind: MilvusErrorKind, message: &str) -> MilvusError {
    MilvusError::new("fake Milvus", kind, message)
}

/// What 2.3.5 answers to the calls of later servers.
fn too_old() -> MilvusError {
    error(MilvusErrorKind::Unimplemented, "the server has no such call")
}

impl FakeMilvus {
    fn enter(&self, call: MilvusCall) -> MilvusResult<()> {
        self.script().enter(call)
    }

    /// Reads or changes a collection by name or alias.
    pub(super) fn with<T>(
        &self,
        namespace: &Namespace,
        body: impl FnOnce(&mut Collection) -> T,
    ) -> MilvusResult<T> {
        self.cluster().find(namespace).map(body).ok_or_else(|| absent(namespace))
    }

    /// Writes the deletes that are due.
    async fn sync(&self, namespace: &Namespace) -> MilvusResult<()> {
        let files = self.cluster().sync(namespace);
        self.write(files.ok_or_else(|| absent(namespace))?).await
    }
}

#[async_trait]
impl MilvusApi for FakeMilvus {
    fn address(&self) -> &'static str {
        "http://fake:19530"
    }

    async fn version(&self) -> MilvusResult<MilvusVersion> {
        self.enter(MilvusCall::Version)?;
        Ok(self.version.clone())
    }

    async fn databases(&self) -> MilvusResult<Vec<String>> {
        self.enter(MilvusCall::Databases)?;
        Ok(self.cluster().databases.keys().cloned().collect())
    }

    async fn collections(&self, database: &str) -> MilvusResult<Vec<String>> {
        self.enter(MilvusCall::Collections)?;
        let cluster = self.cluster();
        let found = cluster.databases.get(database);
        let found = found.ok_or_else(|| error(MilvusErrorKind::NotFound, "database not found"))?;
        Ok(found.keys().cloned().collect())
    }

    async fn describe(&self, namespace: &Namespace) -> MilvusResult<CollectionDescription> {
        self.enter(MilvusCall::Describe)?;
        let mut described = self.with(namespace, |collection| CollectionDescription {
            id: collection.id,
            name: SchemaSummary::parse(&collection.spec.schema)
                .map_or_else(|_| namespace.collection.clone(), |schema| schema.name),
            schema: collection.spec.schema.clone(),
            shards: collection.spec.shards,
            consistency_level: collection.spec.consistency_level,
            num_partitions: i64::try_from(collection.partitions.len()).unwrap_or(i64::MAX),
            properties: collection.spec.properties.clone(),
            aliases: Vec::new(),
            origin: CollectionOrigin::default(),
        })?;
        let cluster = self.cluster();
        let own = cluster.aliases.iter().filter(|(_, id)| **id == described.id);
        described.aliases = own.map(|(alias, _)| alias.collection.clone()).collect();
        Ok(described)
    }

    async fn partitions(&self, namespace: &Namespace) -> MilvusResult<Vec<Partition>> {
        self.enter(MilvusCall::Partitions)?;
        let partition =
            |found: &PartitionState| Partition { id: found.id, name: found.name.clone() };
        self.with(namespace, |collection| collection.partitions.iter().map(partition).collect())
    }

    async fn indexes(&self, namespace: &Namespace) -> MilvusResult<Vec<IndexDescription>> {
        self.enter(MilvusCall::Indexes)?;
        self.with(namespace, |collection| collection.indexes.clone())
    }

    async fn load_state(
        &self,
        namespace: &Namespace,
        _partitions: &[Partition],
    ) -> MilvusResult<LoadState> {
        self.enter(MilvusCall::LoadState)?;
        self.with(namespace, |collection| collection.load.clone())
    }

    async fn flush(&self, namespace: &Namespace) -> MilvusResult<FlushAnswer> {
        self.enter(MilvusCall::Flush)?;
        if !self.flush_takes.is_zero() {
            tokio::time::sleep(self.flush_takes).await;
        }
        let flushed = self.cluster().flush(namespace);
        let (answer, files) = flushed.ok_or_else(|| absent(namespace))?;
        self.write(files).await?;
        Ok(answer)
    }

    async fn is_flushed(&self, namespace: &Namespace, _flush: &FlushAnswer) -> MilvusResult<bool> {
        self.enter(MilvusCall::IsFlushed)?;
        self.with(namespace, |_| true)
    }

    async fn persistent_segments(&self, namespace: &Namespace) -> MilvusResult<Vec<SegmentInfo>> {
        self.enter(MilvusCall::PersistentSegments)?;
        let compact = self.with(namespace, |collection| {
            let left = collection.compactions;
            collection.compactions = left.saturating_sub(1);
            left > 0
        })?;
        if compact {
            self.compact(namespace).await?;
        }
        self.sync(namespace).await?;
        self.with(namespace, |collection| {
            let mut segments = collection.segments();
            segments.sort_unstable_by_key(|segment| segment.id);
            segments
        })
    }

    async fn flush_all(&self) -> MilvusResult<ClusterFlush> {
        Err(too_old())
    }

    async fn is_all_flushed(&self, _flush: &ClusterFlush) -> MilvusResult<bool> {
        Err(too_old())
    }

    async fn segment_logs(
        &self,
        _database: &str,
        _collection: i64,
        _segments: &[i64],
    ) -> MilvusResult<Vec<SegmentLogs>> {
        Err(too_old())
    }

    async fn describe_database(&self, _database: &str) -> MilvusResult<DatabaseDescription> {
        Err(too_old())
    }

    async fn create_database(&self, database: &str, _properties: &[KeyValue]) -> MilvusResult<()> {
        self.enter(MilvusCall::CreateDatabase)?;
        let mut cluster = self.cluster();
        if cluster.databases.contains_key(database) {
            return Err(error(MilvusErrorKind::AlreadyExists, "database already exist"));
        }
        cluster.databases.insert(database.to_owned(), BTreeMap::new());
        Ok(())
    }

    async fn drop_database(&self, database: &str) -> MilvusResult<()> {
        self.enter(MilvusCall::DropDatabase)?;
        self.cluster().drop_database(database)
    }

    async fn create_collection(&self, spec: &CollectionSpec) -> MilvusResult<()> {
        self.enter(MilvusCall::CreateCollection)?;
        let schema = SchemaSummary::parse(&spec.schema)
            .map_err(|cause| error(MilvusErrorKind::Other, &cause.to_string()))?;
        if schema.name != spec.namespace.collection || schema.fields.iter().any(|f| f.dynamic) {
            let message = "the schema has another name, or a dynamic field";
            return Err(error(MilvusErrorKind::Other, message));
        }
        let mut cluster = self.cluster();
        if !cluster.databases.contains_key(&spec.namespace.database) {
            return Err(error(MilvusErrorKind::NotFound, "database not found"));
        }
        if cluster.name_is_taken(&spec.namespace) {
            return Err(error(MilvusErrorKind::AlreadyExists, "collection already exists"));
        }
        cluster.create(spec.clone());
        Ok(())
    }

    async fn add_field(&self, _namespace: &Namespace, _field: &[u8]) -> MilvusResult<()> {
        Err(too_old())
    }

    async fn alter_properties(
        &self,
        _namespace: &Namespace,
        _properties: &[KeyValue],
    ) -> MilvusResult<()> {
        Err(too_old())
    }

    async fn create_partition(&self, namespace: &Namespace, partition: &str) -> MilvusResult<()> {
        self.enter(MilvusCall::CreatePartition)?;
        if self.with(namespace, |collection| collection.partition(partition).is_none())? {
            self.add_partition(namespace, partition);
        }
        Ok(())
    }

    async fn create_index(
        &self,
        namespace: &Namespace,
        index: &IndexDescription,
    ) -> MilvusResult<()> {
        self.enter(MilvusCall::CreateIndex)?;
        self.with(namespace, |collection| {
            match collection.indexes.iter().find(|found| found.field == index.field) {
                Some(found) if found == index => Ok(()),
                Some(_) => Err(error(MilvusErrorKind::Other, "the field has another index")),
                None => {
                    collection.indexes.push(index.clone());
                    collection
                        .indexes
                        .sort_by(|a, b| (&a.field, &a.name).cmp(&(&b.field, &b.name)));
                    Ok(())
                }
            }
        })?
    }

    async fn import(&self, request: &ImportRequest) -> MilvusResult<ImportTask> {
        self.enter(MilvusCall::Import)?;
        let has_partition = self.with(&request.namespace, |collection| {
            collection.partition(&request.partition).is_some()
        })?;
        if !has_partition {
            return Err(error(MilvusErrorKind::NotFound, "partition not found"));
        }
        let scripted = self.script().imports.pop_front();
        let task = match scripted {
            Some(ImportScript::Hang) => Task::Hanging,
            Some(ImportScript::Fail(reason)) => Task::Started(Outcome::Fail(reason)),
            Some(ImportScript::Unseen) => Task::Started(Outcome::unseen(request)),
            None => Task::Started(self.read(request).await?),
        };
        let mut cluster = self.cluster();
        let id = cluster.next_id();
        cluster.tasks.insert(id, task);
        Ok(ImportTask(id))
    }

    async fn import_state(&self, task: ImportTask) -> MilvusResult<ImportState> {
        self.enter(MilvusCall::ImportState)?;
        let (state, files) = {
            let mut cluster = self.cluster();
            let found = cluster.tasks.remove(&task.0);
            let found = found.ok_or_else(|| error(MilvusErrorKind::NotFound, "key not found"))?;
            let (next, files) = cluster.advance(found);
            let state = next.state();
            cluster.tasks.insert(task.0, next);
            (state, files)
        };
        self.write(files).await?;
        Ok(state)
    }

    async fn import_job(&self, _request: &JobRequest) -> MilvusResult<ImportJob> {
        Err(too_old())
    }

    async fn job_state(&self, _job: &ImportJob) -> MilvusResult<ImportState> {
        Err(too_old())
    }

    async fn load(&self, namespace: &Namespace, state: &LoadState) -> MilvusResult<()> {
        self.enter(MilvusCall::Load)?;
        self.with(namespace, |collection| collection.load = state.clone())?;
        let spoils = self.script().spoils(&namespace.collection);
        self.with(namespace, |collection| spoils.iter().for_each(|spoil| spoil.of(collection)))
    }

    async fn load_percent(&self, namespace: &Namespace, _state: &LoadState) -> MilvusResult<i64> {
        self.enter(MilvusCall::LoadPercent)?;
        self.with(namespace, |_| 100)
    }

    async fn count_rows(&self, namespace: &Namespace) -> MilvusResult<u64> {
        self.enter(MilvusCall::CountRows)?;
        let mut keys = self.with(namespace, Collection::queried)??;
        if !self.version.counts_rows() {
            // What answers no `count(*)` is asked for its keys.
            keys.sort_unstable();
            keys.dedup();
        }
        Ok(keys.len() as u64)
    }

    async fn find_keys(
        &self,
        namespace: &Namespace,
        _key_field: &str,
        keys: &PrimaryKeys,
    ) -> MilvusResult<PrimaryKeys> {
        self.enter(MilvusCall::FindKeys)?;
        self.with(namespace, |collection| collection.find(keys))?
    }

    async fn rename_collection(&self, from: &Namespace, to: &str) -> MilvusResult<()> {
        self.enter(MilvusCall::RenameCollection)?;
        let mut cluster = self.cluster();
        if cluster.name_is_taken(&Namespace::new(&from.database, to)) {
            return Err(error(MilvusErrorKind::AlreadyExists, "duplicated new collection name"));
        }
        let database = cluster.databases.get_mut(&from.database);
        let database = database.ok_or_else(|| absent(from))?;
        let mut collection = database.remove(&from.collection).ok_or_else(|| absent(from))?;
        collection.spec.schema =
            rename_and_strip(&collection.spec.schema, to).expect("create_collection read it");
        database.insert(to.to_owned(), collection);
        Ok(())
    }

    async fn drop_collection(&self, namespace: &Namespace) -> MilvusResult<()> {
        self.enter(MilvusCall::DropCollection)?;
        let mut cluster = self.cluster();
        let database = cluster.databases.get_mut(&namespace.database);
        let dropped = database.and_then(|found| found.remove(&namespace.collection));
        if dropped.is_none() && cluster.aliases.contains_key(namespace) {
            return Err(error(MilvusErrorKind::Other, "cannot drop the collection via alias"));
        }
        Ok(())
    }

    async fn set_alias(&self, namespace: &Namespace, alias: &str) -> MilvusResult<()> {
        self.enter(MilvusCall::SetAlias)?;
        let id = self.with(namespace, |collection| collection.id)?;
        let alias = Namespace::new(&namespace.database, alias);
        let mut cluster = self.cluster();
        if cluster.name_is_taken(&alias) && !cluster.aliases.contains_key(&alias) {
            let message = "alias and collection name conflict";
            return Err(error(MilvusErrorKind::AlreadyExists, message));
        }
        cluster.aliases.insert(alias, id);
        Ok(())
    }

    async fn rbac(&self) -> MilvusResult<Rbac> {
        self.enter(MilvusCall::Rbac)?;
        self.tell_rbac()
    }

    async fn restore_rbac(&self, rbac: &Rbac) -> MilvusResult<()> {
        self.enter(MilvusCall::RestoreRbac)?;
        self.take_rbac(rbac)
    }
}
