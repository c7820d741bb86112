//! What every call works with.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{ChecksumAlgorithm, ServerSideEncryption};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use crate::model::{KeyPrefix, ObjectKey};
use crate::storage::{ObjectMeta, S3Reach, StoreError, StoreErrorKind, StoreOp, StoreResult};

use super::S3Limits;
use super::errors::failed;

/// The unit in which memory is counted out.
const MEMORY_UNIT: u64 = 16 * 1024;

/// A prefix of a bucket, and the way there.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) client: Client,
    pub(super) name: String,
    pub(super) prefix: KeyPrefix,
    pub(super) reach: S3Reach,
    pub(super) is_aws: bool,
    pub(super) limits: S3Limits,
    /// The checksum that is sent with bytes.
    pub(super) checksum: Option<ChecksumAlgorithm>,
    /// What writes may hold, in units.
    pub(super) memory: Arc<Semaphore>,
    /// Aborts of uploads whose callers have gone.
    pub(super) cleaning: TaskTracker,
    /// The server has refused to delete in batches.
    pub(super) deletes_singly: AtomicBool,
    /// The server has refused a condition at the end of an upload.
    pub(super) completes_without_condition: AtomicBool,
}

impl Bucket {
    /// How many units of memory writes share.
    pub(super) fn memory_units(limits: &S3Limits) -> u32 {
        let bytes = limits.memory_bytes.max(limits.part_bytes).max(limits.single_put_bytes);
        u32::try_from(bytes.div_ceil(MEMORY_UNIT)).unwrap_or(u32::MAX >> 4).max(1)
    }

    /// Waits until `bytes` may be held, or as much as all writes may hold.
    pub(super) async fn hold(&self, bytes: u64) -> OwnedSemaphorePermit {
        let units = u32::try_from(bytes.div_ceil(MEMORY_UNIT)).unwrap_or(u32::MAX);
        let units = units.clamp(1, Self::memory_units(&self.limits));
        let memory = Arc::clone(&self.memory).acquire_many_owned(units).await;
        memory.expect("nobody closes the semaphore")
    }

    /// The whole key in the bucket.
    pub(super) fn full(&self, key: &ObjectKey) -> String {
        format!("{}{key}", self.prefix)
    }

    /// The place of `within`, a whole key or prefix of the bucket, for people.
    pub(super) fn place(&self, within: impl Display) -> String {
        format!("s3://{}/{within}", self.name)
    }

    /// The error of a call about `key`.
    pub(super) fn failed<E>(
        &self,
        op: StoreOp,
        key: &ObjectKey,
        error: &SdkError<E, HttpResponse>,
    ) -> StoreError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        failed(op, self.place(self.full(key)), error)
    }

    /// An error about `key` that the server did not report.
    pub(super) fn error(
        &self,
        op: StoreOp,
        key: &ObjectKey,
        kind: StoreErrorKind,
        cause: impl Into<String>,
    ) -> StoreError {
        StoreError::new(op, self.place(self.full(key)), kind, cause.into())
    }

    /// The fingerprint in an answer. One without is no success, whatever its status says.
    pub(super) fn etag(
        &self,
        op: StoreOp,
        key: &ObjectKey,
        etag: Option<&str>,
    ) -> StoreResult<String> {
        let etag = etag.map(bare_etag).filter(|etag| !etag.is_empty());
        etag.ok_or_else(|| {
            let cause = "the server reports success without an ETag, so it may have done nothing";
            self.error(op, key, StoreErrorKind::Other, cause)
        })
    }

    /// What is known of an object after a write.
    pub(super) fn written(
        key: &ObjectKey,
        size: u64,
        (etag, opaque): (String, bool),
        modified: Option<Timestamp>,
    ) -> ObjectMeta {
        let modified = modified.unwrap_or(Timestamp::UNIX_EPOCH);
        ObjectMeta { key: key.clone(), size, etag: Some(etag), opaque, modified }
    }
}

/// The settings of a call that may take `time` for each attempt.
pub(super) fn within(time: Duration) -> Builder {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(time).build();
    Builder::new().timeout_config(timeouts)
}

/// An `ETag` without its quotes.
pub(super) fn bare_etag(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

/// Whether an `ETag` is no MD5 whatever it looks like, as the object is encrypted under a key of
/// KMS or of a customer: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html>. What
/// is encrypted in a way that is not known here may be either.
pub(super) fn is_opaque(with: Option<&ServerSideEncryption>, customer: Option<&str>) -> bool {
    !matches!(with, None | Some(ServerSideEncryption::Aes256)) || customer.is_some()
}

/// Whole seconds, in which the headers and the listings of all servers agree.
pub(super) fn timestamp(time: Option<&DateTime>) -> Timestamp {
    time.and_then(|time| Timestamp::from_second(time.secs()).ok()).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::ServerSideEncryption;

    use super::is_opaque;

    #[test]
    fn an_etag_is_an_md5_unless_its_object_is_encrypted_under_a_key() {
        for (header, customer, opaque) in [
            (None, None, false),
            (Some("AES256"), None, false),
            (Some("aws:kms"), None, true),
            (Some("aws:kms:dsse"), None, true),
            (Some("something:new"), None, true),
            (None, Some("AES256"), true),
        ] {
            let with = header.map(ServerSideEncryption::from);
            assert_eq!(is_opaque(with.as_ref(), customer), opaque, "{header:?} {customer:?}");
        }
    }
}
