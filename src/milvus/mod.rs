//! What we ask of Milvus: one narrow trait, a gRPC adapter and a fake.
//!
//! [`MilvusApi`] holds only what a backup and a restore need, in the words of Milvus.
//! [`GrpcMilvus`] speaks our own small description of its API (`proto/milvus`; names and
//! numbers are facts of the [milvus-proto] repository). Every call has a deadline, is
//! retried only where repeating it is harmless, and turns Milvus's status into a
//! [`MilvusErrorKind`] that callers branch on.
//!
//! What servers since 2.4 can be asked besides is in [`Dialect`]; some of it goes over REST, on
//! the same address.
//!
//! Garbage collection is not a matter of that API: [`GcControl`] is a trait of its own, with
//! an adapter for the management address ([`HttpManagement`]) and a wrapper that tells of it in
//! metrics ([`MeteredGc`]).
//!
//! Versions: 2.2.16 and 2.3.5 are run live in the tests; 2.4, 2.5 and 2.6 are checked against
//! fakes that speak their API. [`MilvusVersion::support`] refuses the rest.
//!
//! [milvus-proto]: https://github.com/milvus-io/milvus-proto

mod api;
mod dialect;
mod error;
mod gc;
mod grpc;
mod http;
mod management;
mod metered_gc;
mod privilege;
mod rest;
mod types;
mod version;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use api::MilvusApi;
pub use dialect::{Dialect, FOLDERS_PER_JOB};
pub use error::{MilvusError, MilvusErrorKind, MilvusResult};
pub use gc::{GcControl, GcTarget, GcTicket};
pub use grpc::GrpcMilvus;
pub use management::HttpManagement;
pub use metered_gc::MeteredGc;
pub use privilege::MissingPrivilege;
pub use types::{
    CollectionSpec, ImportJob, ImportRequest, ImportState, ImportTask, JobContent, JobRequest,
    RowFolders,
};
pub use version::{MilvusVersion, ServerLine, Support};

pub use crate::model::{
    ClusterFlush, CollectionDescription, DatabaseDescription, FlushAnswer, IndexDescription,
    KeyValue, LoadState, Partition, SegmentInfo, SegmentLogs, SegmentTraits,
};
