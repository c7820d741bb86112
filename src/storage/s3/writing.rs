//! Writing one object, by one request or by parts.

use aws_sdk_s3::primitives::ByteStream as SdkStream;
use bytes::Bytes;
use std::sync::Arc;

use crate::model::ObjectKey;
use crate::storage::{
    ByteStream, ObjectMeta, PutMode, StoreError, StoreErrorKind, StoreOp, StoreResult,
};

use super::bucket::{Bucket, is_opaque, within};
use super::filling::{Filling, WrongLength};
use super::reading::exists;
use super::server_date::ServerDate;
use super::upload::Upload;

/// Writes a whole object.
pub(super) async fn put(
    bucket: &Bucket,
    key: &ObjectKey,
    body: Bytes,
    mode: PutMode,
) -> StoreResult<ObjectMeta> {
    let size = body.len() as u64;
    let date = ServerDate::default();
    let request = bucket
        .client
        .put_object()
        .bucket(&bucket.name)
        .key(bucket.full(key))
        .set_if_none_match((mode == PutMode::IfAbsent).then(|| "*".to_owned()))
        .set_checksum_algorithm(bucket.checksum.clone())
        .body(SdkStream::from(body))
        .customize()
        .config_override(within(bucket.limits.time_to_send(size)))
        .interceptor(date.clone());
    let answer = request.send().await;
    let answer = answer.map_err(|error| bucket.failed(StoreOp::Put, key, &error))?;
    let etag = bucket.etag(StoreOp::Put, key, answer.e_tag())?;
    let opaque = is_opaque(answer.server_side_encryption(), answer.sse_customer_algorithm());
    Ok(Bucket::written(key, size, (etag, opaque), date.get()))
}

/// Writes an object of `size` bytes as they come.
pub(super) async fn put_stream(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    size: u64,
    body: ByteStream,
) -> StoreResult<ObjectMeta> {
    let mut filling = Filling::new(body, size);
    let wrong = |wrong: WrongLength| {
        bucket.error(StoreOp::Put, key, StoreErrorKind::Other, wrong.to_string())
    };
    if size <= bucket.limits.single_put_bytes {
        let _held = bucket.hold(size).await;
        let body = filling.piece(size).await?.map_err(wrong)?;
        filling.end().await?.map_err(wrong)?;
        return put(bucket, key, body, PutMode::IfAbsent).await;
    }
    // Before gigabytes are sent in vain.
    if exists(bucket, key).await? {
        return Err(there_already(bucket, key));
    }
    let mut upload = Upload::begin(bucket, StoreOp::Put, key).await?;
    let sent = send_parts(&mut upload, &mut filling, size, wrong).await;
    upload.end(sent.map(|()| size)).await
}

async fn send_parts(
    upload: &mut Upload,
    filling: &mut Filling,
    size: u64,
    wrong: impl Fn(WrongLength) -> StoreError + Copy,
) -> StoreResult<()> {
    let bucket = Arc::clone(upload.bucket());
    let part_bytes = bucket.limits.part_of(size);
    let mut left = size;
    while left > 0 {
        let bytes = left.min(part_bytes);
        upload.room().await?;
        let held = bucket.hold(bytes).await;
        let part = filling.piece(bytes).await?.map_err(wrong)?;
        left -= bytes;
        if left == 0 {
            filling.end().await?.map_err(wrong)?;
        }
        upload.send(part, held);
    }
    upload.drain().await
}

/// The error of a key that is taken.
pub(super) fn there_already(bucket: &Bucket, key: &ObjectKey) -> StoreError {
    let cause = "there is an object of this name";
    bucket.error(StoreOp::Put, key, StoreErrorKind::AlreadyExists, cause)
}
