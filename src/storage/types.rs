//! The nouns of the store's methods.

use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;
use futures::stream::BoxStream;
use jiff::Timestamp;

use crate::model::{ObjectKey, Secret};

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
    /// The store says that the fingerprint is no digest of the content, though it may look like
    /// one. A list never says so.
    pub opaque: bool,
    /// When it was last written, by the store's own clock. Head, get and list agree; what a
    /// write answers may be off by a second or two.
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
    /// An object of an S3 server.
    S3(S3Object),
}

/// An object of an S3 server, and who may read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Object {
    /// The server and the identity that reads there. A copy is made within the server only if
    /// the destination's are the same.
    pub reach: S3Reach,
    /// The bucket.
    pub bucket: String,
    /// The whole key in the bucket.
    pub key: String,
}

/// A server, and as whom the agent speaks to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Reach {
    /// The address; none for AWS.
    pub endpoint: Option<String>,
    /// The fixed access key; none where the identity comes from around the process.
    pub access_key_id: Option<Secret<String>>,
}

/// A write that has not ended: nothing of it is visible, but the store keeps what came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedWrite {
    /// What it would become.
    pub key: ObjectKey,
    /// The store's name for it.
    pub id: String,
}

/// What a batch delete did.
#[derive(Debug, Default)]
pub struct DeleteReport {
    /// How many keys are gone now (absent ones count).
    pub deleted: usize,
    /// The keys that are still there, and why.
    pub failed: Vec<(ObjectKey, StoreError)>,
}
