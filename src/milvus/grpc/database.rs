//! Databases: how they are made and dropped.

use crate::milvus::{MilvusErrorKind, MilvusResult};
use crate::model::KeyValue;

use super::api::DEFAULT_DATABASE;
use super::call::{Ask, Kind, rpc};
use super::client::GrpcMilvus;
use super::convert::pairs;
use super::proto::{common, milvus};

impl GrpcMilvus {
    pub(super) async fn make_database(
        &self,
        database: &str,
        properties: &[KeyValue],
    ) -> MilvusResult<()> {
        let message = milvus::CreateDatabaseRequest {
            db_name: database.to_owned(),
            properties: pairs(properties),
        };
        let operation = format!("create database {database}");
        let ask = Ask { kind: Kind::Once, operation, database: DEFAULT_DATABASE, message };
        let made: MilvusResult<common::Status> = self.call(ask, rpc!(create_database)).await;
        made.map(drop)
    }

    pub(super) async fn remove_database(&self, database: &str) -> MilvusResult<()> {
        let message = milvus::DropDatabaseRequest { db_name: database.to_owned() };
        let operation = format!("drop database {database}");
        let ask = Ask { kind: Kind::Idempotent, operation, database: DEFAULT_DATABASE, message };
        let dropped: MilvusResult<common::Status> = self.call(ask, rpc!(drop_database)).await;
        match dropped {
            Err(error) if error.kind() == MilvusErrorKind::NotFound => Ok(()),
            dropped => dropped.map(drop),
        }
    }
}
