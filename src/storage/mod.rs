//! Where bytes live: one narrow trait, its adapters and its fakes.
//!
//! [`ObjectStore`] is what an object storage service offers and no more; [`LocalStore`]
//! keeps a folder to the same contract, [`S3Store`] speaks to such a service and
//! [`MemoryStore`] is the reference.
//! [`MeteredStore`] wraps any of them and counts what it is asked.
//! `testing::conformance` holds every store to the contract, `testing::FaultyStore`
//! makes any of them fail on a script.
//!
//! # Contract
//!
//! - A put is all or nothing: no reader ever sees part of an object.
//! - `IfAbsent` lets exactly one of any number of racing writers win.
//! - [`ObjectStore::put`] is durable when it returns. What [`ObjectStore::put_stream`],
//!   [`ObjectStore::copy_from`] and [`ObjectStore::delete`] did is durable after the next
//!   [`ObjectStore::sync`]. So is what they, or a put, found in their way: a process that
//!   takes over the object of a dead one can rely on it.
//! - A list is in key order and sees every write that ended before it began.
//! - Deleting what is absent succeeds.
//! - A folder is there while an object lies under it. A store may refuse `a/b` beside `a`.
//! - Dropping a future cancels the call; nothing half-written stays visible.
//! - A call with a [`Deadline`] is not begun too late, also if its process stood still a moment
//!   ago: [`StoreErrorKind::Expired`]. Decorators pass the deadline on, so that the last to
//!   look at the clock is the store itself.

mod deadline;
mod error;
mod local;
mod memory;
mod metered;
mod open;
mod probe;
mod s3;
mod store;
mod suspended;
mod types;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use deadline::{Deadline, Deadlines};
pub use error::{StoreError, StoreErrorKind, StoreOp, StoreResult};
pub use local::LocalStore;
pub use memory::MemoryStore;
pub use metered::MeteredStore;
pub use open::{Access, FirstLook, open_folder, open_s3};
pub use probe::probe_conditional_put;
pub use s3::{S3Limits, S3Store};
pub use store::{ObjectStore, ObjectStoreExt};
pub use suspended::suspended;
pub use types::{
    ByteStream, CopySource, DeleteReport, ObjectMeta, ObjectStream, PutMode, S3Object, S3Reach,
    Space, UnfinishedWrite,
};
