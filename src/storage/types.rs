//! The nouns of the store's methods.

use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;
use futures::stream::BoxStream;
use jiff::Timestamp;

use crate::model::ObjectKey;

use super::{StoreError, StoreResult};

/// What a listing or a head tells of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Its name.
    pub key: ObjectKey,
    /// Its length in bytes.
    pub size: u64,
    /// The store's fingerprint of the content, without quotes; `None` for a folder.
    pub etag: Option<String>,
    /// When it was last written, by the store's own clock.
    pub modified: Timestamp,
}

/// Bytes in order.
pub type ByteStream = BoxStream<'static, StoreResult<Bytes>>;

/// One object while it is read.
pub struct ObjectStream {
    /// What is being read.
    pub meta: ObjectMeta,
    /// Its bytes.
    pub body: ByteStream,
}

impl fmt::Debug for ObjectStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStream").field("meta", &self.meta).finish_non_exhaustive()
    }
}

/// How full the place of a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that can still be written without privileges.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

/// Whether a put may replace an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutMode {
    /// Replace what is there.
    Overwrite,
    /// Fail with `AlreadyExists` if anything is there.
    IfAbsent,
}

/// An object that another store of the same family can copy without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopySource {
    /// A file.
    File(PathBuf),
}

/// What a batch delete did.
#[derive(Debug, Default)]
pub struct DeleteReport {
    /// How many keys are gone now (absent ones count).
    pub deleted: usize,
    /// The keys that are still there, and why.
    pub failed: Vec<(ObjectKey, StoreError)>,
}
