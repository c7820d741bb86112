//! Holding Milvus's garbage collection back.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use super::MilvusResult;

/// What a server that numbers its pauses gave for one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GcTicket(pub Option<String>);

/// Garbage collection of a whole Milvus.
#[async_trait]
pub trait GcControl: Debug + Send + Sync + 'static {
    /// Keeps every file of Milvus for so long from now on; then the pause ends by itself.
    /// [`super::MilvusErrorKind::Unimplemented`] where the server cannot do it.
    async fn pause(&self, lease: Duration) -> MilvusResult<GcTicket>;

    /// Ends a pause; one that has ended is fine.
    async fn resume(&self, ticket: &GcTicket) -> MilvusResult<()>;
}
