//! What is in memory, and getting it there.

use std::slice;

use crate::milvus::{MilvusError, MilvusErrorKind, MilvusResult};
use crate::model::Namespace;
use crate::model::{LoadState, Partition};

use super::call::{Ask, Kind, rpc};
use super::client::GrpcMilvus;
use super::proto::common::{self, LoadState as Answered};
use super::proto::milvus;

impl GrpcMilvus {
    /// 2.3.5 says "loaded" of a collection of which one partition is loaded, so it is asked
    /// again with all partitions ("loaded" only if all are), and one by one if not.
    pub(super) async fn loaded_part(
        &self,
        namespace: &Namespace,
        partitions: &[Partition],
    ) -> MilvusResult<LoadState> {
        match self.memory(namespace, &[]).await? {
            Answered::NotExist => {
                let operation = format!("ask what of {namespace} is loaded");
                let message = "collection not found";
                return Err(MilvusError::new(operation, MilvusErrorKind::NotFound, message));
            }
            Answered::NotLoad => return Ok(LoadState::NotLoaded),
            Answered::Loading | Answered::Loaded => {}
        }
        let replicas = self.replicas(namespace).await?;
        let names: Vec<String> = partitions.iter().map(|found| found.name.clone()).collect();
        if names.len() < 2 || is_loaded(self.memory(namespace, &names).await?) {
            return Ok(LoadState::Loaded { replicas });
        }
        let mut loaded = Vec::new();
        for name in names {
            if is_loaded(self.memory(namespace, slice::from_ref(&name)).await?) {
                loaded.push(name);
            }
        }
        Ok(if loaded.is_empty() {
            LoadState::NotLoaded
        } else if loaded.len() == partitions.len() {
            LoadState::Loaded { replicas }
        } else {
            LoadState::Partitions { replicas, partitions: loaded }
        })
    }

    async fn memory(&self, namespace: &Namespace, partitions: &[String]) -> MilvusResult<Answered> {
        let ask = Ask {
            kind: Kind::Read,
            operation: format!("ask what of {namespace} is loaded"),
            database: &namespace.database,
            message: milvus::GetLoadStateRequest {
                collection_name: namespace.collection.clone(),
                partition_names: partitions.to_vec(),
                db_name: namespace.database.clone(),
            },
        };
        let answer: milvus::GetLoadStateResponse = self.call(ask, rpc!(get_load_state)).await?;
        Ok(answer.state())
    }

    /// At least 1: a collection that is just being released has none any more.
    async fn replicas(&self, namespace: &Namespace) -> MilvusResult<i32> {
        let ask = Ask {
            kind: Kind::Read,
            operation: format!("count replicas of {namespace}"),
            database: &namespace.database,
            message: milvus::GetReplicasRequest {
                collection_name: namespace.collection.clone(),
                db_name: namespace.database.clone(),
            },
        };
        let answer: MilvusResult<milvus::GetReplicasResponse> =
            self.call(ask, rpc!(get_replicas)).await;
        match answer {
            Ok(answer) => Ok(i32::try_from(answer.replicas.len()).unwrap_or(i32::MAX).max(1)),
            Err(error) if error.kind() == MilvusErrorKind::NotFound => Ok(1),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn load_part(
        &self,
        namespace: &Namespace,
        state: &LoadState,
    ) -> MilvusResult<()> {
        let operation = format!("load {namespace}");
        let (kind, database) = (Kind::Idempotent, namespace.database.as_str());
        let _: common::Status = match state {
            LoadState::NotLoaded => return Ok(()),
            LoadState::Loaded { replicas } => {
                let message = milvus::LoadCollectionRequest {
                    db_name: namespace.database.clone(),
                    collection_name: namespace.collection.clone(),
                    replica_number: *replicas,
                };
                let ask = Ask { kind, operation, database, message };
                self.call(ask, rpc!(load_collection)).await?
            }
            LoadState::Partitions { replicas, partitions } => {
                let message = milvus::LoadPartitionsRequest {
                    db_name: namespace.database.clone(),
                    collection_name: namespace.collection.clone(),
                    partition_names: partitions.clone(),
                    replica_number: *replicas,
                };
                let ask = Ask { kind, operation, database, message };
                self.call(ask, rpc!(load_partitions)).await?
            }
        };
        Ok(())
    }

    pub(super) async fn loaded_percent(
        &self,
        namespace: &Namespace,
        state: &LoadState,
    ) -> MilvusResult<i64> {
        let partition_names = match state {
            LoadState::NotLoaded => return Ok(100),
            LoadState::Loaded { .. } => Vec::new(),
            LoadState::Partitions { partitions, .. } => partitions.clone(),
        };
        let ask = Ask {
            kind: Kind::Read,
            operation: format!("ask how much of {namespace} is loaded"),
            database: &namespace.database,
            message: milvus::GetLoadingProgressRequest {
                collection_name: namespace.collection.clone(),
                partition_names,
                db_name: namespace.database.clone(),
            },
        };
        let answer: milvus::GetLoadingProgressResponse =
            self.call(ask, rpc!(get_loading_progress)).await?;
        Ok(answer.progress)
    }
}

/// What is being loaded was asked for, and will be asked for again after a restore.
fn is_loaded(state: Answered) -> bool {
    match state {
        Answered::Loading | Answered::Loaded => true,
        Answered::NotExist | Answered::NotLoad => false,
    }
}
