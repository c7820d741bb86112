//! Looking up and reading one object.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream as SdkStream;
use futures::{StreamExt, stream};
use tokio::time::timeout;

use crate::model::ObjectKey;
use crate::storage::{
    ByteStream, ObjectMeta, ObjectStream, StoreError, StoreErrorKind, StoreOp, StoreResult,
};

use super::bucket::{Bucket, bare_etag, is_opaque, timestamp};
use super::errors::chain;

/// Size and fingerprint of one object.
pub(super) async fn head(bucket: &Bucket, key: &ObjectKey) -> StoreResult<ObjectMeta> {
    let request = bucket.client.head_object().bucket(&bucket.name).key(bucket.full(key));
    let found = request.send().await.map_err(|error| bucket.failed(StoreOp::Head, key, &error))?;
    Ok(ObjectMeta {
        key: key.clone(),
        size: size(bucket, StoreOp::Head, key, found.content_length())?,
        etag: found.e_tag().map(bare_etag),
        opaque: is_opaque(found.server_side_encryption(), found.sse_customer_algorithm()),
        modified: timestamp(found.last_modified()),
    })
}

/// Whether there is an object.
pub(super) async fn exists(bucket: &Bucket, key: &ObjectKey) -> StoreResult<bool> {
    match head(bucket, key).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == StoreErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// One object and its bytes.
pub(super) async fn get(bucket: &Bucket, key: &ObjectKey) -> StoreResult<ObjectStream> {
    let request = bucket.client.get_object().bucket(&bucket.name).key(bucket.full(key));
    let found = request.send().await.map_err(|error| bucket.failed(StoreOp::Get, key, &error))?;
    let meta = ObjectMeta {
        key: key.clone(),
        size: size(bucket, StoreOp::Get, key, found.content_length())?,
        etag: found.e_tag().map(bare_etag),
        opaque: is_opaque(found.server_side_encryption(), found.sse_customer_algorithm()),
        modified: timestamp(found.last_modified()),
    };
    let reading = Reading {
        body: found.body,
        left: meta.size,
        place: bucket.place(bucket.full(key)),
        patience: bucket.limits.patience,
    };
    Ok(ObjectStream { meta, body: reading.into_stream() })
}

fn size(bucket: &Bucket, op: StoreOp, key: &ObjectKey, length: Option<i64>) -> StoreResult<u64> {
    length.and_then(|length| u64::try_from(length).ok()).ok_or_else(|| {
        bucket.error(op, key, StoreErrorKind::Other, "the server does not tell its size")
    })
}

/// An object that is being read; its size was told with its first byte.
struct Reading {
    body: SdkStream,
    left: u64,
    place: String,
    patience: Duration,
}

impl Reading {
    fn into_stream(self) -> ByteStream {
        stream::try_unfold(self, |mut reading| async {
            let chunk = match timeout(reading.patience, reading.body.next()).await {
                Ok(Some(Ok(chunk))) => chunk,
                Ok(None) if reading.left == 0 => return Ok(None),
                Ok(None) => return Err(reading.broken("the answer ended early")),
                Ok(Some(Err(error))) => return Err(reading.broken(&chain(&error))),
                Err(_) => return Err(reading.broken("no byte came for too long")),
            };
            reading.left = reading
                .left
                .checked_sub(chunk.len() as u64)
                .ok_or_else(|| reading.broken("more bytes came than were told"))?;
            Ok(Some((chunk, reading)))
        })
        .boxed()
    }

    fn broken(&self, cause: &str) -> StoreError {
        let cause = format!("{cause}, with {} bytes to come", self.left);
        StoreError::new(StoreOp::Get, &self.place, StoreErrorKind::Transient, cause)
    }
}
