//! What we ask of Milvus: one narrow trait, a gRPC adapter and a fake.
//!
//! [`MilvusApi`] holds only what a backup and a restore need, in the words of Milvus.
//! [`GrpcMilvus`] speaks our own small description of its API (`proto/milvus`; names and
//! numbers are facts of the [milvus-proto] repository). Every call has a deadline, is
//! retried only where repeating it is harmless, and turns Milvus's status into a
//! [`MilvusErrorKind`] that callers branch on.
//!
//! Garbage collection is not a matter of that API: [`GcControl`] is a trait of its own, with
//! an adapter for the management address ([`HttpManagement`]) and a wrapper that tells of it in
//! metrics ([`MeteredGc`]).
//!
//! Versions: 2.2.16 and 2.3.5 are run live in the tests. Older and newer servers are refused by
//! [`MilvusVersion::support`] until their turn comes.
//!
//! [milvus-proto]: https://github.com/milvus-io/milvus-proto

mod api;
mod error;
mod gc;
mod grpc;
mod management;
mod metered_gc;
mod types;
mod version;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use api::MilvusApi;
pub use error::{MilvusError, MilvusErrorKind, MilvusResult};
pub use gc::{GcControl, GcTicket};
pub use grpc::GrpcMilvus;
pub use management::HttpManagement;
pub use metered_gc::MeteredGc;
pub use types::{CollectionSpec, ImportRequest, ImportState, ImportTask};
pub use version::{MilvusVersion, ServerLine, Support};

pub use crate::model::{
    CollectionDescription, FlushAnswer, IndexDescription, KeyValue, LoadState, Partition,
    SegmentInfo, SegmentTraits,
};
