//! The calls that servers since 2.4 have beside those of 2.3.

use crate::milvus::{MilvusError, MilvusErrorKind, MilvusResult};
use crate::model::{ClusterFlush, DatabaseDescription, KeyValue, Namespace};

use super::call::{Ask, Kind, rpc};
use super::client::GrpcMilvus;
use super::convert::{self, pairs};
use super::proto::{common, milvus};

impl GrpcMilvus {
    pub(super) async fn flush_cluster(&self, database: &str) -> MilvusResult<ClusterFlush> {
        let operation = "flush all collections".to_owned();
        let message = milvus::FlushAllRequest {};
        let ask = Ask { kind: Kind::Flush, operation: operation.clone(), database, message };
        let answer: milvus::FlushAllResponse = self.call(ask, rpc!(flush_all)).await?;
        convert::cluster_flush(&answer).ok_or_else(|| {
            let message = "Milvus did not tell where each channel ends";
            MilvusError::new(operation, MilvusErrorKind::Unimplemented, message)
        })
    }

    pub(super) async fn is_cluster_flushed(
        &self,
        database: &str,
        flush: &ClusterFlush,
    ) -> MilvusResult<bool> {
        let flush_all_tss = flush.ticks.clone().into_iter().collect();
        let message = milvus::GetFlushAllStateRequest { flush_all_tss };
        let operation = "ask for the flush of all collections".to_owned();
        let ask = Ask { kind: Kind::Read, operation, database, message };
        let answer: milvus::GetFlushAllStateResponse =
            self.call(ask, rpc!(get_flush_all_state)).await?;
        Ok(answer.flushed)
    }

    pub(super) async fn database(&self, database: &str) -> MilvusResult<DatabaseDescription> {
        let message = milvus::DescribeDatabaseRequest { db_name: database.to_owned() };
        let operation = format!("describe database {database}");
        let ask = Ask { kind: Kind::Read, operation, database, message };
        self.call(ask, rpc!(describe_database)).await.map(convert::database)
    }

    pub(super) async fn add_one_field(
        &self,
        namespace: &Namespace,
        field: &[u8],
    ) -> MilvusResult<()> {
        let message = milvus::AddCollectionFieldRequest {
            db_name: namespace.database.clone(),
            collection_name: namespace.collection.clone(),
            schema: field.to_vec(),
        };
        let operation = format!("add a field to {namespace}");
        let ask = Ask { kind: Kind::Once, operation, database: &namespace.database, message };
        let added: MilvusResult<common::Status> = self.call(ask, rpc!(add_collection_field)).await;
        added.map(drop)
    }

    pub(super) async fn set_properties(
        &self,
        namespace: &Namespace,
        properties: &[KeyValue],
    ) -> MilvusResult<()> {
        let message = milvus::AlterCollectionRequest {
            db_name: namespace.database.clone(),
            collection_name: namespace.collection.clone(),
            properties: pairs(properties),
        };
        let operation = format!("set properties of {namespace}");
        let ask = Ask { kind: Kind::Idempotent, operation, database: &namespace.database, message };
        let altered: MilvusResult<common::Status> = self.call(ask, rpc!(alter_collection)).await;
        altered.map(drop)
    }
}
