//! What the words mean: names, keys, ids, time and the kinds of failure.
//!
//! Nothing here performs I/O. Every type that has rules checks them when it is made, so
//! that code above never asks again.

mod clock;
mod error_kind;
mod inventory;
mod key;
mod names;

pub use clock::{Clock, ManualClock, SystemClock};
pub use error_kind::ErrorKind;
pub use inventory::{
    CollectionDescription, FlushAnswer, IndexDescription, KeyValue, LoadState, Partition, SegmentInfo,
};
pub use key::{InvalidKey, KeyPrefix, ObjectKey};
pub use names::{BackupName, ClusterName, InvalidName, Namespace};
