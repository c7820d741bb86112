//! Holding Milvus's garbage collection back.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use super::MilvusResult;

/// What a server that numbers its pauses gave for one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GcTicket(pub Option<String>);

/// Of what garbage collection is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GcTarget {
    /// Of everything.
    Cluster,
    /// Of one collection, by its id (2.6.8 and later).
    Collection(i64),
}

/// Garbage collection of a Milvus.
#[async_trait]
pub trait GcControl: Debug + Send + Sync + 'static {
    /// Keeps every file of the target for so long from now on; then the pause ends by itself.
    /// [`super::MilvusErrorKind::Unimplemented`] where the server cannot do it.
    async fn pause(&self, target: GcTarget, lease: Duration) -> MilvusResult<GcTicket>;

    /// Ends a pause; one that has ended is fine.
    async fn resume(&self, ticket: &GcTicket) -> MilvusResult<()>;
}
