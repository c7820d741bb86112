//! One file: read, summed and written as a stream; or compared, where it already lies.

use crate::manifest::FileEntry;
use crate::model::ObjectKey;
use crate::plan::CopyItem;
use crate::storage::{ObjectStore, ObjectStream, StoreError, StoreErrorKind, StoreOp};

use super::checksum::{RunningCrc, crc_of};

/// How one file went.
#[derive(Debug)]
pub(super) enum Copied {
    /// It lies in the repository now.
    Written(FileEntry),
    /// It lay there already, with the same content.
    Adopted(FileEntry),
    /// Milvus's side failed.
    SourceFailed(String),
    /// The repository's side failed.
    DestinationFailed(StoreError),
    /// The repository has other content under this name.
    Conflict,
}

/// Copies one file if it is absent, compares it if it is not.
pub(super) async fn copy_one(
    source: &dyn ObjectStore,
    destination: &dyn ObjectStore,
    item: &CopyItem,
    (from, to): (&ObjectKey, &ObjectKey),
) -> Copied {
    let object = match open(source, item, from).await {
        Ok(object) => object,
        Err(reason) => return Copied::SourceFailed(reason),
    };
    let (body, crc) = RunningCrc::tee(object.body);
    let stream = ObjectStream { meta: object.meta, body };
    match destination.put_stream(to, item.size, stream).await {
        Ok(meta) => Copied::Written(entry(item, meta.etag, crc.hex())),
        Err(error) if error.kind() == StoreErrorKind::AlreadyExists => {
            compare(source, destination, item, (from, to)).await
        }
        Err(error) if error.op() == StoreOp::Get => Copied::SourceFailed(describe(&error)),
        Err(error) => Copied::DestinationFailed(error),
    }
}

async fn open(
    source: &dyn ObjectStore,
    item: &CopyItem,
    from: &ObjectKey,
) -> Result<ObjectStream, String> {
    let object = source.get(from).await.map_err(|error| describe(&error))?;
    if object.meta.size == item.size {
        Ok(object)
    } else {
        Err(format!(
            "it has {} bytes now and had {} when it was listed",
            object.meta.size, item.size
        ))
    }
}

async fn compare(
    source: &dyn ObjectStore,
    destination: &dyn ObjectStore,
    item: &CopyItem,
    (from, to): (&ObjectKey, &ObjectKey),
) -> Copied {
    let theirs = match open(source, item, from).await {
        Ok(object) => match crc_of(object).await {
            Ok(sum) => sum,
            Err(error) => return Copied::SourceFailed(describe(&error)),
        },
        Err(reason) => return Copied::SourceFailed(reason),
    };
    let ours = async {
        let object = destination.get(to).await?;
        let etag = object.meta.etag.clone();
        Ok((crc_of(object).await?, etag))
    };
    match ours.await {
        Ok((ours, etag)) if ours == theirs => Copied::Adopted(entry(item, etag, theirs.1)),
        Ok(_) => Copied::Conflict,
        Err(error) => Copied::DestinationFailed(error),
    }
}

fn entry(item: &CopyItem, etag: Option<String>, crc: String) -> FileEntry {
    let copy = etag.filter(|etag| *etag != item.source).unwrap_or_default();
    FileEntry { log: item.id.log, size: item.size, source: item.source.clone(), copy, crc }
}

/// An error with its causes on one line.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
