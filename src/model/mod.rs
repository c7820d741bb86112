//! What the words mean: names, keys, ids, time, the kinds of failure and how they are shown.
//!
//! Nothing here performs I/O. Every type that has rules checks them when it is made, so
//! that code above never asks again.

mod backup_state;
mod byte_size;
mod clock;
mod diagnostic;
mod diagnostics;
mod error_kind;
mod guard;
mod inventory;
mod key;
mod layout;
mod letter;
mod masking;
mod names;
mod nearest;
mod plain;
mod primary_key;
mod rbac;
mod read_file;
mod run;
mod s3;
mod secret;
mod value;
mod words;
mod yaml;

pub use backup_state::BackupState;
pub use byte_size::ByteSize;
pub use clock::{Clock, ManualClock, SystemClock};
pub use diagnostic::{Diagnostic, Position, SourceLine};
pub use diagnostics::Diagnostics;
pub use error_kind::ErrorKind;
pub use guard::Guard;
pub use inventory::{
    ClusterFlush, CollectionDescription, CollectionOrigin, DatabaseDescription, FlushAnswer,
    IndexDescription, KeyValue, LoadState, Partition, SegmentInfo, SegmentLogs, SegmentTraits,
};
pub use key::{InvalidKey, KeyPrefix, ObjectKey};
pub use layout::Layout;
pub use letter::{Address, Letter};
pub use names::{BackupName, ClusterName, InvalidName, Namespace, PolicyName, RequestId};
pub use nearest::nearest;
pub use plain::plain;
pub use primary_key::{PrimaryKey, PrimaryKeys};
pub use rbac::{Grant, PrivilegeGroup, Rbac, RbacCounts, Role, User};
pub use read_file::{MAX_POLICY_BYTES, ReadFile};
pub use run::{RunKind, RunOutcome, RunStage};
pub use s3::{S3Checksums, S3Keys, S3Settings};
pub use secret::Secret;
pub use value::{Invalid, SWITCH, duration, word};
pub(crate) use words::words;
pub use yaml::{YamlDocument, YamlEntry, YamlNode, YamlValue};
