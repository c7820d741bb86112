//! Aliases that may be new, dangling or in use.

use crate::milvus::{MilvusErrorKind, MilvusResult};
use crate::model::Namespace;

use super::call::{Ask, Kind, rpc};
use super::client::GrpcMilvus;
use super::proto::{common, milvus};

impl GrpcMilvus {
    /// On 2.2.16 and 2.3.5 `CreateAlias` refuses a dangling alias and `AlterAlias` a new one; each does
    /// what the other does not, and both may be repeated.
    pub(super) async fn point_alias(&self, namespace: &Namespace, alias: &str) -> MilvusResult<()> {
        let (kind, database) = (Kind::Idempotent, namespace.database.as_str());
        let operation = format!("point alias {alias} at {namespace}");
        let message = milvus::AlterAliasRequest {
            db_name: namespace.database.clone(),
            collection_name: namespace.collection.clone(),
            alias: alias.to_owned(),
        };
        let ask = Ask { kind, operation: operation.clone(), database, message };
        let altered: MilvusResult<common::Status> = self.call(ask, rpc!(alter_alias)).await;
        match altered {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == MilvusErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let message = milvus::CreateAliasRequest {
            db_name: namespace.database.clone(),
            collection_name: namespace.collection.clone(),
            alias: alias.to_owned(),
        };
        let ask = Ask { kind, operation, database, message };
        let created: MilvusResult<common::Status> = self.call(ask, rpc!(create_alias)).await;
        created.map(|_| ())
    }
}
