//! Copying within the server.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::model::ObjectKey;
use crate::storage::{
    CopySource, ObjectMeta, S3Object, StoreError, StoreErrorKind, StoreOp, StoreResult,
};

use super::bucket::{Bucket, is_opaque, within};
use super::errors::failed;
use super::reading::exists;
use super::server_date::ServerDate;
use super::upload::Upload;

/// A stretch of the source.
#[derive(Debug, Clone)]
pub(super) struct Range {
    /// Bucket and key, as the header wants them.
    pub(super) source: String,
    /// The source's fingerprint, with its quotes: all stretches are of one object.
    pub(super) etag: Option<String>,
    pub(super) first: u64,
    pub(super) last: u64,
}

/// Copies an object of the same server if the key is absent.
pub(super) async fn copy(
    bucket: &Arc<Bucket>,
    source: &CopySource,
    to: &ObjectKey,
) -> StoreResult<ObjectMeta> {
    let object = match source {
        CopySource::S3(object) if object.reach == bucket.reach => object,
        CopySource::S3(_) | CopySource::File(_) => {
            let cause = "the source is not on this server, or not for these credentials";
            return Err(bucket.error(StoreOp::Copy, to, StoreErrorKind::Unsupported, cause));
        }
    };
    let (found, taken) = tokio::join!(look_up(bucket, object), exists(bucket, to));
    let (size, etag) = found?;
    if taken? {
        return Err(there_already(bucket, to));
    }
    let copied = if size <= bucket.limits.single_copy_bytes {
        at_once(bucket, object, etag, size, to).await
    } else {
        in_parts(bucket, object, etag, size, to).await
    };
    match copied {
        // The condition on the source or, on AWS, the one on the destination.
        Err(error)
            if error.kind() == StoreErrorKind::AlreadyExists && !exists(bucket, to).await? =>
        {
            let cause = "the source was replaced while it was copied";
            Err(bucket.error(StoreOp::Copy, to, StoreErrorKind::Transient, cause))
        }
        other => other,
    }
}

/// The size and the quoted fingerprint of the source.
async fn look_up(bucket: &Bucket, source: &S3Object) -> StoreResult<(u64, Option<String>)> {
    let place = || format!("s3://{}/{}", source.bucket, source.key);
    let request = bucket.client.head_object().bucket(&source.bucket).key(&source.key);
    let found = request.send().await.map_err(|error| failed(StoreOp::Copy, place(), &error))?;
    let size = found.content_length().and_then(|length| u64::try_from(length).ok());
    let size = size.ok_or_else(|| {
        let cause = "the server does not tell its size";
        StoreError::new(StoreOp::Copy, place(), StoreErrorKind::Other, cause)
    })?;
    Ok((size, found.e_tag().filter(|etag| !etag.is_empty()).map(str::to_owned)))
}

async fn at_once(
    bucket: &Bucket,
    source: &S3Object,
    etag: Option<String>,
    size: u64,
    to: &ObjectKey,
) -> StoreResult<ObjectMeta> {
    let date = ServerDate::default();
    let request = bucket
        .client
        .copy_object()
        .bucket(&bucket.name)
        .key(bucket.full(to))
        .copy_source(header(source))
        .set_copy_source_if_match(etag)
        // Other servers ignore it, or refuse what they do not know.
        .set_if_none_match(bucket.is_aws.then(|| "*".to_owned()))
        .customize()
        .config_override(within(bucket.limits.time_to_copy(size)))
        .interceptor(date.clone());
    let answer = request.send().await;
    let answer = answer.map_err(|error| bucket.failed(StoreOp::Copy, to, &error))?;
    let result = answer.copy_object_result();
    let etag = bucket.etag(StoreOp::Copy, to, result.and_then(|result| result.e_tag()))?;
    let opaque = is_opaque(answer.server_side_encryption(), answer.sse_customer_algorithm());
    Ok(Bucket::written(to, size, (etag, opaque), date.get()))
}

async fn in_parts(
    bucket: &Arc<Bucket>,
    source: &S3Object,
    etag: Option<String>,
    size: u64,
    to: &ObjectKey,
) -> StoreResult<ObjectMeta> {
    let mut upload = Upload::begin(bucket, StoreOp::Copy, to).await?;
    let part_bytes = bucket.limits.copy_part_of(size);
    let mut copied = Ok(size);
    let mut first = 0;
    while first < size && copied.is_ok() {
        let last = (first + part_bytes).min(size) - 1;
        match upload.room().await {
            Ok(()) => {
                let (source, etag) = (header(source), etag.clone());
                upload.copy(Range { source, etag, first, last });
            }
            Err(error) => copied = Err(error),
        }
        first = last + 1;
    }
    if copied.is_ok() {
        copied = upload.drain().await.map(|()| size);
    }
    upload.end(copied).await
}

fn there_already(bucket: &Bucket, to: &ObjectKey) -> StoreError {
    let cause = "there is an object of this name";
    bucket.error(StoreOp::Copy, to, StoreErrorKind::AlreadyExists, cause)
}

/// Bucket and key for `x-amz-copy-source`, where everything but letters, digits, `-_.~` and
/// `/` is escaped.
fn header(source: &S3Object) -> String {
    let mut header = format!("{}/", source.bucket);
    for byte in source.key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            header.push(char::from(byte));
        } else {
            write!(header, "%{byte:02X}").expect("a String takes any text");
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::header;
    use crate::storage::{S3Object, S3Reach};

    #[test]
    fn a_key_is_escaped_in_a_header() {
        let reach = S3Reach { endpoint: None, access_key_id: None };
        let object = S3Object { reach, bucket: "b".into(), key: "a b/ü+%2F?.log".into() };
        assert_eq!(header(&object), "b/a%20b/%C3%BC%2B%252F%3F.log");
    }
}
