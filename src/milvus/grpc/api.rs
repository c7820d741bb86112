//! The calls of [`MilvusApi`].

use async_trait::async_trait;

use crate::milvus::{
    CollectionSpec, ImportJob, ImportRequest, ImportState, ImportTask, JobRequest, MilvusApi,
    MilvusError, MilvusErrorKind, MilvusResult, MilvusVersion,
};
use crate::model::Namespace;
use crate::model::{
    ClusterFlush, CollectionDescription, DatabaseDescription, FlushAnswer, IndexDescription,
    KeyValue, LoadState, Partition, Rbac, SegmentInfo, SegmentLogs,
};

use super::call::{Ask, Kind, rpc};
use super::client::GrpcMilvus;
use super::convert::{self, pair_of, pairs};
use super::proto::{common, milvus};

/// The database that every server has.
pub(super) const DEFAULT_DATABASE: &str = "default";

/// No database has this name, which Milvus would not take.
const NO_DATABASE: &str = "__mba-none";

/// `$kind $operation in $database: Message { .. }` as an [`Ask`].
fn ask<Q>(kind: Kind, operation: String, database: &str, message: Q) -> Ask<'_, Q> {
    Ask { kind, operation, database, message }
}

#[async_trait]
impl MilvusApi for GrpcMilvus {
    fn address(&self) -> &str {
        self.address_text()
    }

    async fn version(&self) -> MilvusResult<MilvusVersion> {
        let tag = match self.build_tag().await {
            Ok(tag) => MilvusVersion::parse(&tag),
            Err(error) if error.kind() == MilvusErrorKind::Unimplemented => {
                MilvusVersion::parse("")
            }
            Err(error) => return Err(error),
        };
        if tag.number.is_some() {
            return Ok(tag);
        }
        let message = milvus::GetVersionRequest {};
        let ask = ask(Kind::Read, "ask the version".to_owned(), DEFAULT_DATABASE, message);
        let answer: milvus::GetVersionResponse = self.call(ask, rpc!(get_version)).await?;
        Ok(MilvusVersion::parse(&answer.version))
    }

    async fn databases(&self) -> MilvusResult<Vec<String>> {
        let message = milvus::ListDatabasesRequest {};
        let ask = ask(Kind::Read, "list databases".to_owned(), DEFAULT_DATABASE, message);
        let answer: MilvusResult<milvus::ListDatabasesResponse> =
            self.call(ask, rpc!(list_databases)).await;
        match answer {
            Ok(answer) => Ok(convert::names(answer.db_names)),
            Err(error) if error.kind() == MilvusErrorKind::Unimplemented => {
                Ok(vec![DEFAULT_DATABASE.to_owned()])
            }
            Err(error) => Err(error),
        }
    }

    async fn collections(&self, database: &str) -> MilvusResult<Vec<String>> {
        let message = milvus::ShowCollectionsRequest { db_name: database.to_owned() };
        let ask = ask(Kind::Read, format!("list collections of {database}"), database, message);
        let answer: milvus::ShowCollectionsResponse =
            self.call(ask, rpc!(show_collections)).await?;
        Ok(convert::names(answer.collection_names))
    }

    async fn describe(&self, namespace: &Namespace) -> MilvusResult<CollectionDescription> {
        let message = milvus::DescribeCollectionRequest {
            db_name: namespace.database.clone(),
            collection_name: namespace.collection.clone(),
        };
        let ask = ask(Kind::Read, format!("describe {namespace}"), &namespace.database, message);
        self.call(ask, rpc!(describe_collection)).await.map(convert::description)
    }

    async fn partitions(&self, namespace: &Namespace) -> MilvusResult<Vec<Partition>> {
        let message = milvus::ShowPartitionsRequest {
            db_name: namespace.database.clone(),
            collection_name: namespace.collection.clone(),
        };
        let operation = format!("list partitions of {namespace}");
        let ask = ask(Kind::Read, operation, &namespace.database, message);
        self.call(ask, rpc!(show_partitions)).await.map(convert::partitions)
    }

    async fn indexes(&self, namespace: &Namespace) -> MilvusResult<Vec<IndexDescription>> {
        let message = milvus::DescribeIndexRequest {
            db_name: namespace.database.clone(),
            collection_name: namespace.collection.clone(),
        };
        let operation = format!("list indexes of {namespace}");
        let ask = ask(Kind::Read, operation, &namespace.database, message);
        let answer: MilvusResult<milvus::DescribeIndexResponse> =
            self.call(ask, rpc!(describe_index)).await;
        match answer {
            Ok(answer) => Ok(convert::indexes(answer)),
            // No index and no collection are both "not found".
            Err(error) if error.kind() == MilvusErrorKind::NotFound => {
                self.describe(namespace).await.map(|_| Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    async fn load_state(
        &self,
        namespace: &Namespace,
        partitions: &[Partition],
    ) -> MilvusResult<LoadState> {
        self.loaded_part(namespace, partitions).await
    }

    async fn flush(&self, namespace: &Namespace) -> MilvusResult<FlushAnswer> {
        let message = milvus::FlushRequest {
            db_name: namespace.database.clone(),
            collection_names: vec![namespace.collection.clone()],
        };
        let operation = format!("flush {namespace}");
        let ask = ask(Kind::Flush, operation.clone(), &namespace.database, message);
        let answer = self.call(ask, rpc!(flush)).await?;
        convert::flush(answer, &namespace.collection).ok_or_else(|| {
            let message = "Milvus did not answer about this collection";
            MilvusError::new(operation, MilvusErrorKind::Other, message)
        })
    }

    /// The interceptor looks at the metadata first, and then there is no such database (measured
    /// on 2.3.5).
    async fn may_flush(&self, namespace: &Namespace) -> MilvusResult<()> {
        let message = milvus::FlushRequest {
            db_name: NO_DATABASE.to_owned(),
            collection_names: vec![namespace.collection.clone()],
        };
        let operation = format!("ask whether {namespace} may be flushed");
        let ask = ask(Kind::Once, operation, &namespace.database, message);
        match self.call(ask, rpc!(flush)).await.map(|_: milvus::FlushResponse| ()) {
            Err(error) if error.kind() == MilvusErrorKind::NotFound => Ok(()),
            answer => answer,
        }
    }

    async fn is_flushed(&self, namespace: &Namespace, flush: &FlushAnswer) -> MilvusResult<bool> {
        let message = milvus::GetFlushStateRequest {
            segment_i_ds: flush.sealed.clone(),
            flush_ts: flush.flush_ts.unwrap_or(0),
            db_name: namespace.database.clone(),
            collection_name: namespace.collection.clone(),
        };
        let operation = format!("ask for the flush of {namespace}");
        let ask = ask(Kind::Read, operation, &namespace.database, message);
        let answer: milvus::GetFlushStateResponse = self.call(ask, rpc!(get_flush_state)).await?;
        Ok(answer.flushed)
    }

    async fn persistent_segments(&self, namespace: &Namespace) -> MilvusResult<Vec<SegmentInfo>> {
        let message = milvus::GetPersistentSegmentInfoRequest {
            db_name: namespace.database.clone(),
            collection_name: namespace.collection.clone(),
        };
        let operation = format!("list segments of {namespace}");
        let ask = ask(Kind::Read, operation, &namespace.database, message);
        self.call(ask, rpc!(get_persistent_segment_info)).await.map(convert::segments)
    }

    async fn flush_all(&self) -> MilvusResult<ClusterFlush> {
        self.flush_cluster(DEFAULT_DATABASE).await
    }

    async fn is_all_flushed(&self, flush: &ClusterFlush) -> MilvusResult<bool> {
        self.is_cluster_flushed(DEFAULT_DATABASE, flush).await
    }

    async fn segment_logs(
        &self,
        database: &str,
        collection: i64,
        segments: &[i64],
    ) -> MilvusResult<Vec<SegmentLogs>> {
        self.rest().segment_logs(database, collection, segments).await
    }

    async fn describe_database(&self, database: &str) -> MilvusResult<DatabaseDescription> {
        self.database(database).await
    }

    async fn create_database(&self, database: &str, properties: &[KeyValue]) -> MilvusResult<()> {
        self.make_database(database, properties).await
    }

    async fn drop_database(&self, database: &str) -> MilvusResult<()> {
        self.remove_database(database).await
    }

    async fn create_collection(&self, spec: &CollectionSpec) -> MilvusResult<()> {
        let namespace = &spec.namespace;
        let operation = format!("create {namespace}");
        match self.describe(namespace).await {
            Err(error) if error.kind() == MilvusErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(_) => {
                let message = "a collection or an alias of this name exists";
                return Err(MilvusError::new(operation, MilvusErrorKind::AlreadyExists, message));
            }
        }
        let message = milvus::CreateCollectionRequest {
            db_name: namespace.database.clone(),
            collection_name: namespace.collection.clone(),
            schema: spec.schema.clone(),
            shards_num: spec.shards,
            consistency_level: spec.consistency_level,
            properties: pairs(&spec.properties),
            num_partitions: spec.num_partitions.unwrap_or(0),
        };
        let ask = ask(Kind::Once, operation, &namespace.database, message);
        self.call(ask, rpc!(create_collection)).await.map(done)
    }

    async fn add_field(&self, namespace: &Namespace, field: &[u8]) -> MilvusResult<()> {
        self.add_one_field(namespace, field).await
    }

    async fn alter_properties(
        &self,
        namespace: &Namespace,
        properties: &[KeyValue],
    ) -> MilvusResult<()> {
        self.set_properties(namespace, properties).await
    }

    async fn create_partition(&self, namespace: &Namespace, partition: &str) -> MilvusResult<()> {
        let message = milvus::CreatePartitionRequest {
            db_name: namespace.database.clone(),
            collection_name: namespace.collection.clone(),
            partition_name: partition.to_owned(),
        };
        let operation = format!("create partition {partition} of {namespace}");
        let ask = ask(Kind::Once, operation, &namespace.database, message);
        self.call(ask, rpc!(create_partition)).await.map(done)
    }

    async fn create_index(
        &self,
        namespace: &Namespace,
        index: &IndexDescription,
    ) -> MilvusResult<()> {
        let message = milvus::CreateIndexRequest {
            db_name: namespace.database.clone(),
            collection_name: namespace.collection.clone(),
            field_name: index.field.clone(),
            extra_params: pairs(&index.params),
            index_name: index.name.clone(),
        };
        let operation = format!("create index {} of {namespace}", index.name);
        let ask = ask(Kind::Once, operation, &namespace.database, message);
        self.call(ask, rpc!(create_index)).await.map(done)
    }

    async fn import(&self, request: &ImportRequest) -> MilvusResult<ImportTask> {
        let namespace = &request.namespace;
        // 2.3.5 itself needs 52 s to find out that there is no such collection.
        self.describe(namespace).await?;
        let mut options = vec![pair_of("backup", &"true")];
        options.extend(request.end_ts.map(|end_ts| pair_of("end_ts", &end_ts)));
        let message = milvus::ImportRequest {
            collection_name: namespace.collection.clone(),
            partition_name: request.partition.clone(),
            files: vec![
                request.insert_folder.clone(),
                request.delta_folder.clone().unwrap_or_default(),
            ],
            options,
            db_name: namespace.database.clone(),
        };
        let operation = format!("import {} into {namespace}", request.insert_folder);
        let ask = ask(Kind::Once, operation.clone(), &namespace.database, message);
        let answer: milvus::ImportResponse = self.call(ask, rpc!(import)).await?;
        match answer.tasks.as_slice() {
            &[task] => Ok(ImportTask(task)),
            tasks => {
                let message =
                    format!("Milvus started {} tasks where one was asked for", tasks.len());
                Err(MilvusError::new(operation, MilvusErrorKind::Other, message))
            }
        }
    }

    /// An `end_ts` that is no number is refused next, before anything is looked for (measured on
    /// 2.3.5).
    async fn may_import(&self, namespace: &Namespace) -> MilvusResult<()> {
        let message = milvus::ImportRequest {
            collection_name: namespace.collection.clone(),
            partition_name: String::new(),
            files: Vec::new(),
            options: vec![pair_of("backup", &"true"), pair_of("end_ts", &"none")],
            db_name: namespace.database.clone(),
        };
        let operation = format!("ask whether to import into {namespace}");
        let ask = ask(Kind::Once, operation, &namespace.database, message);
        match self.call(ask, rpc!(import)).await.map(|_: milvus::ImportResponse| ()) {
            Err(error) if error.missing().is_none() => Ok(()),
            answer => answer,
        }
    }

    async fn import_state(&self, task: ImportTask) -> MilvusResult<ImportState> {
        let message = milvus::GetImportStateRequest { task: task.0 };
        let operation = format!("ask for import {}", task.0);
        let ask = ask(Kind::Read, operation, DEFAULT_DATABASE, message);
        let answer = self.call(ask, rpc!(get_import_state)).await?;
        Ok(convert::import_state(&answer))
    }

    async fn import_job(&self, request: &JobRequest) -> MilvusResult<ImportJob> {
        self.rest().import(request).await
    }

    async fn job_state(&self, job: &ImportJob) -> MilvusResult<ImportState> {
        self.rest().import_state(job).await
    }

    async fn load(&self, namespace: &Namespace, state: &LoadState) -> MilvusResult<()> {
        self.load_part(namespace, state).await
    }

    async fn load_percent(&self, namespace: &Namespace, state: &LoadState) -> MilvusResult<i64> {
        self.loaded_percent(namespace, state).await
    }

    async fn rename_collection(&self, from: &Namespace, to: &str) -> MilvusResult<()> {
        let message = milvus::RenameCollectionRequest {
            db_name: from.database.clone(),
            old_name: from.collection.clone(),
            new_name: to.to_owned(),
        };
        let ask = ask(Kind::Once, format!("rename {from} to {to}"), &from.database, message);
        self.call(ask, rpc!(rename_collection)).await.map(done)
    }

    async fn drop_collection(&self, namespace: &Namespace) -> MilvusResult<()> {
        let message = milvus::DropCollectionRequest {
            db_name: namespace.database.clone(),
            collection_name: namespace.collection.clone(),
        };
        let ask = ask(Kind::Idempotent, format!("drop {namespace}"), &namespace.database, message);
        match self.call(ask, rpc!(drop_collection)).await.map(done) {
            Err(error) if error.kind() == MilvusErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    async fn set_alias(&self, namespace: &Namespace, alias: &str) -> MilvusResult<()> {
        self.point_alias(namespace, alias).await
    }

    async fn rbac(&self) -> MilvusResult<Rbac> {
        self.back_up_rbac().await
    }

    async fn restore_rbac(&self, rbac: &Rbac) -> MilvusResult<()> {
        self.put_rbac_back(rbac).await
    }
}

impl GrpcMilvus {
    async fn build_tag(&self) -> MilvusResult<String> {
        let client_info = common::ClientInfo {
            sdk_type: env!("CARGO_PKG_NAME").to_owned(),
            sdk_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let message = milvus::ConnectRequest { client_info: Some(client_info) };
        let ask = ask(Kind::Read, "connect".to_owned(), DEFAULT_DATABASE, message);
        let answer: milvus::ConnectResponse = self.call(ask, rpc!(connect)).await?;
        Ok(answer.server_info.unwrap_or_default().build_tags)
    }
}

fn done(_: common::Status) {}
