//! One file: copied by the server; else read, summed and written as a stream; or compared,
//! where it already lies.

use std::fmt;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};

use crate::manifest::FileEntry;
use crate::model::ObjectKey;
use crate::plan::CopyItem;
use crate::storage::{ObjectMeta, ObjectStore, ObjectStream, StoreError, StoreErrorKind, StoreOp};

use super::checksum::{RunningCrc, crc_of, is_plain};
use super::progress::Flight;
use super::{Fence, ServerSide, Throttle};

/// How one file came to lie in the repository.
#[derive(Debug)]
pub(super) enum Copied {
    /// It was written.
    Written(FileEntry),
    /// It lay there already, with the same content.
    Adopted(FileEntry),
}

/// Why a file was not copied.
#[derive(Debug)]
pub(super) enum CopyFault {
    /// Milvus's side failed.
    Source(StoreError),
    /// Milvus's file is not the one that was listed.
    Changed(String),
    /// The repository's side failed.
    Destination(StoreError),
    /// The repository has other content under this name.
    Conflict,
}

impl CopyFault {
    /// Whether the same may work a little later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Source(error) | Self::Destination(error) => {
                error.kind() == StoreErrorKind::Transient
            }
            Self::Changed(_) | Self::Conflict => false,
        }
    }

    /// Whether our copy is another one, or cannot be read.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Conflict => true,
            Self::Destination(error) => {
                error.op() == StoreOp::Get && error.kind() == StoreErrorKind::Other
            }
            Self::Source(_) | Self::Changed(_) => false,
        }
    }

    /// Whether Milvus has deleted the file since it was listed.
    pub(super) fn is_vanished(&self) -> bool {
        matches!(self, Self::Source(error) if error.kind() == StoreErrorKind::NotFound)
    }
}

impl fmt::Display for CopyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) | Self::Destination(error) => f.write_str(&chain(error)),
            Self::Changed(how) => f.write_str(how),
            Self::Conflict => f.write_str("other content has its name"),
        }
    }
}

/// An error with its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

/// One file of a plan, from where and to where.
#[derive(Debug)]
pub(super) struct Copy<'a> {
    pub(super) source: &'a dyn ObjectStore,
    pub(super) destination: &'a dyn ObjectStore,
    pub(super) item: &'a CopyItem,
    pub(super) from: &'a ObjectKey,
    pub(super) to: &'a ObjectKey,
    pub(super) throttle: &'a Arc<Throttle>,
    pub(super) server_side: &'a ServerSide,
    pub(super) fence: &'a Fence,
    pub(super) flight: &'a Arc<Flight>,
}

impl Copy<'_> {
    /// Copies the file if it is absent, compares it if it is not. The stream can be read only
    /// once, so whoever tries again reads and writes again.
    pub(super) async fn run(&self) -> Result<Copied, CopyFault> {
        let (from, to) = ((self.source, self.from), (self.destination, self.to));
        self.fence.pass().await;
        match self.server_side.copy(from, to).await {
            Some(Ok(meta)) => self.check(meta).await,
            Some(Err(error)) if error.kind() == StoreErrorKind::AlreadyExists => {
                self.compare_etags().await
            }
            Some(Err(error)) => Err(CopyFault::Destination(error)),
            None => self.stream().await,
        }
    }

    /// Compares what the server has copied with what was listed.
    async fn check(&self, copy: ObjectMeta) -> Result<Copied, CopyFault> {
        if copy.size != self.item.size {
            return Err(self.resized(copy.size));
        }
        let etag = copy.etag.unwrap_or_default();
        let comparable = is_plain(&etag) && is_plain(&self.item.source);
        if !copy.opaque && (!comparable || etag == self.item.source) {
            return Ok(Copied::Written(self.entry(Some(etag), String::new())));
        }
        self.server_side.distrust();
        match self.compare().await? {
            Copied::Written(entry) | Copied::Adopted(entry) => Ok(Copied::Written(entry)),
        }
    }

    /// Compares two objects of one server, by their bytes if need be.
    async fn compare_etags(&self) -> Result<Copied, CopyFault> {
        let ours = self.destination.head(self.to).await.map_err(CopyFault::Destination)?;
        let source = &self.item.source;
        let equal = ours.size == self.item.size && ours.etag.as_ref() == Some(source);
        // What was found damaged may well have the fingerprint of what it was.
        if equal && is_plain(source) && !ours.opaque && self.item.mends.is_none() {
            return Ok(Copied::Adopted(self.entry(ours.etag, String::new())));
        }
        self.compare().await
    }

    async fn stream(&self) -> Result<Copied, CopyFault> {
        let object = self.open().await?;
        let (body, crc) = RunningCrc::tee(object.body);
        let stream = ObjectStream { meta: object.meta, body: self.fence.hold(body) };
        match self.destination.put_stream(self.to, self.item.size, stream).await {
            Ok(meta) => Ok(Copied::Written(self.entry(meta.etag, crc.hex()))),
            Err(error) if error.kind() == StoreErrorKind::AlreadyExists => self.compare().await,
            Err(error) if error.op() == StoreOp::Get => Err(CopyFault::Source(error)),
            Err(error) => Err(CopyFault::Destination(error)),
        }
    }

    pub(super) async fn open(&self) -> Result<ObjectStream, CopyFault> {
        let object = self.source.get(self.from).await.map_err(CopyFault::Source)?;
        if object.meta.size == self.item.size {
            let flight = Arc::clone(self.flight);
            let body = self.throttle.slow(object.body);
            let body = body.inspect_ok(move |chunk| flight.moved(chunk.len())).boxed();
            return Ok(ObjectStream { meta: object.meta, body });
        }
        Err(self.resized(object.meta.size))
    }

    fn resized(&self, size: u64) -> CopyFault {
        CopyFault::Changed(format!(
            "it has {size} bytes now and had {} when it was listed",
            self.item.size
        ))
    }

    async fn compare(&self) -> Result<Copied, CopyFault> {
        let theirs = crc_of(self.open().await?).await.map_err(CopyFault::Source)?;
        let ours = self.destination.get(self.to).await.map_err(CopyFault::Destination)?;
        let etag = ours.meta.etag.clone();
        let ours = crc_of(ours).await.map_err(CopyFault::Destination)?;
        if ours == theirs {
            Ok(Copied::Adopted(self.entry(etag, theirs.1)))
        } else {
            Err(CopyFault::Conflict)
        }
    }

    pub(super) fn entry(&self, etag: Option<String>, crc: String) -> FileEntry {
        let item = self.item;
        let copy = etag.filter(|etag| *etag != item.source).unwrap_or_default();
        FileEntry { log: item.id.log, size: item.size, source: item.source.clone(), copy, crc }
    }
}
