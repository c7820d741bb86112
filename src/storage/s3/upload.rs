//! An object that arrives in parts, of which nothing is left if it does not.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use aws_sdk_s3::primitives::ByteStream as SdkStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

use crate::model::ObjectKey;
use crate::storage::{ObjectMeta, StoreError, StoreErrorKind, StoreOp, StoreResult};

use super::bucket::{Bucket, is_opaque, within};
use super::copying::Range;
use super::reading::exists;
use super::server_date::ServerDate;

/// Dropped before its end, it aborts itself on a task of the store's own.
#[derive(Debug)]
pub(super) struct Upload {
    target: Target,
    /// Parts on their way, each with its number.
    sending: JoinSet<StoreResult<CompletedPart>>,
    sent: Vec<CompletedPart>,
    next_number: i32,
    open: bool,
}

/// What a part needs to know.
#[derive(Debug, Clone)]
struct Target {
    bucket: Arc<Bucket>,
    op: StoreOp,
    key: ObjectKey,
    id: String,
}

impl Upload {
    pub(super) async fn begin(
        bucket: &Arc<Bucket>,
        op: StoreOp,
        key: &ObjectKey,
    ) -> StoreResult<Self> {
        let algorithm = bucket.checksum.clone().filter(|_| op == StoreOp::Put);
        let whole =
            (algorithm == Some(ChecksumAlgorithm::Crc64Nvme)).then_some(ChecksumType::FullObject);
        let request = bucket
            .client
            .create_multipart_upload()
            .bucket(&bucket.name)
            .key(bucket.full(key))
            .set_checksum_algorithm(algorithm)
            .set_checksum_type(whole);
        let begun = request.send().await.map_err(|error| bucket.failed(op, key, &error))?;
        let id = begun.upload_id().filter(|id| !id.is_empty()).ok_or_else(|| {
            bucket.error(op, key, StoreErrorKind::Other, "the server names no upload")
        })?;
        let (bucket, key, id) = (Arc::clone(bucket), key.clone(), id.to_owned());
        let target = Target { bucket, op, key, id };
        let (sending, sent) = (JoinSet::new(), Vec::new());
        Ok(Self { target, sending, sent, next_number: 1, open: true })
    }

    pub(super) fn bucket(&self) -> &Arc<Bucket> {
        &self.target.bucket
    }

    /// Waits until another part may be on its way.
    pub(super) async fn room(&mut self) -> StoreResult<()> {
        while self.sending.len() >= self.target.bucket.limits.parts_in_flight.max(1) {
            self.one_is_there().await?;
        }
        while let Some(done) = self.sending.try_join_next() {
            self.sent.push(done.map_err(|error| self.target.lost(&error))??);
        }
        Ok(())
    }

    /// Waits until every part is there.
    pub(super) async fn drain(&mut self) -> StoreResult<()> {
        while !self.sending.is_empty() {
            self.one_is_there().await?;
        }
        Ok(())
    }

    async fn one_is_there(&mut self) -> StoreResult<()> {
        if let Some(done) = self.sending.join_next().await {
            self.sent.push(done.map_err(|error| self.target.lost(&error))??);
        }
        Ok(())
    }

    /// Sends the next part; `held` is the memory that it takes.
    pub(super) fn send(&mut self, part: Bytes, held: OwnedSemaphorePermit) {
        let (target, number) = (self.target.clone(), self.number());
        self.sending.spawn(async move {
            let part = target.send(number, part).await;
            drop(held);
            part
        });
    }

    /// Lets the server copy the next part.
    pub(super) fn copy(&mut self, range: Range) {
        let (target, number) = (self.target.clone(), self.number());
        self.sending.spawn(async move { target.copy(number, range).await });
    }

    fn number(&mut self) -> i32 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }

    /// Makes the object of `size` bytes visible, or lets nothing of it be left.
    pub(super) async fn end(mut self, size: StoreResult<u64>) -> StoreResult<ObjectMeta> {
        let ended = match size {
            Ok(size) => self.complete(size).await,
            Err(error) => Err(error),
        };
        match ended {
            Ok(meta) => {
                self.open = false;
                Ok(meta)
            }
            Err(error) => {
                if let Some(abort) = self.abort() {
                    // The task goes on if this call is dropped here.
                    if abort.await.is_err() {
                        tracing::warn!(key = %self.target.key, "an abort was cut short");
                    }
                }
                Err(error)
            }
        }
    }

    async fn complete(&mut self, size: u64) -> StoreResult<ObjectMeta> {
        let mut parts = std::mem::take(&mut self.sent);
        parts.sort_unstable_by_key(CompletedPart::part_number);
        let (target, bucket) = (&self.target, &self.target.bucket);
        let without = &bucket.completes_without_condition;
        let conditional = !without.load(Ordering::Relaxed);
        let completed = match target.complete(parts.clone(), size, conditional).await {
            Err(error) if conditional && error.kind() == StoreErrorKind::Unsupported => {
                without.store(true, Ordering::Relaxed);
                if exists(bucket, &target.key).await? {
                    return Err(target.there_already());
                }
                target.complete(parts, size, false).await
            }
            other => other,
        };
        match completed {
            // The upload is gone: an earlier attempt of this request has completed it.
            Err(error) if error.kind() == StoreErrorKind::NotFound => {
                let there = exists(bucket, &target.key).await?;
                Err(if there { target.there_already() } else { error })
            }
            other => other,
        }
    }

    fn abort(&mut self) -> Option<tokio::task::JoinHandle<()>> {
        if !std::mem::take(&mut self.open) {
            return None;
        }
        let runtime = Handle::try_current().ok()?;
        let (target, mut sending) = (self.target.clone(), std::mem::take(&mut self.sending));
        let cleaning = target.bucket.cleaning.clone();
        Some(cleaning.spawn_on(
            async move {
                // A part that arrives after the abort would stay.
                sending.shutdown().await;
                target.abort().await;
            },
            &runtime,
        ))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        drop(self.abort());
    }
}

impl Target {
    async fn send(&self, number: i32, part: Bytes) -> StoreResult<CompletedPart> {
        let (bucket, size) = (&self.bucket, part.len() as u64);
        let request = bucket
            .client
            .upload_part()
            .bucket(&bucket.name)
            .key(bucket.full(&self.key))
            .upload_id(&self.id)
            .part_number(number)
            .set_checksum_algorithm(bucket.checksum.clone())
            .body(SdkStream::from(part))
            .customize()
            .config_override(within(bucket.limits.time_to_send(size)));
        let answer = request.send().await.map_err(|error| self.failed(&error))?;
        let etag = bucket.etag(self.op, &self.key, answer.e_tag())?;
        let part = CompletedPart::builder().part_number(number).e_tag(etag);
        Ok(part.set_checksum_crc64_nvme(answer.checksum_crc64_nvme).build())
    }

    async fn copy(&self, number: i32, range: Range) -> StoreResult<CompletedPart> {
        let bucket = &self.bucket;
        let request = bucket
            .client
            .upload_part_copy()
            .bucket(&bucket.name)
            .key(bucket.full(&self.key))
            .upload_id(&self.id)
            .part_number(number)
            .copy_source(range.source)
            .copy_source_range(format!("bytes={}-{}", range.first, range.last))
            .set_copy_source_if_match(range.etag)
            .customize()
            .config_override(within(bucket.limits.time_to_copy(range.last - range.first)));
        let answer = request.send().await.map_err(|error| self.failed(&error))?;
        let result = answer.copy_part_result();
        let etag = bucket.etag(self.op, &self.key, result.and_then(|result| result.e_tag()))?;
        Ok(CompletedPart::builder().part_number(number).e_tag(etag).build())
    }

    async fn complete(
        &self,
        parts: Vec<CompletedPart>,
        size: u64,
        conditional: bool,
    ) -> StoreResult<ObjectMeta> {
        let (bucket, date) = (&self.bucket, ServerDate::default());
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = bucket
            .client
            .complete_multipart_upload()
            .bucket(&bucket.name)
            .key(bucket.full(&self.key))
            .upload_id(&self.id)
            .multipart_upload(parts)
            .set_if_none_match(conditional.then(|| "*".to_owned()))
            .customize()
            .config_override(within(bucket.limits.time_to_copy(size)))
            .interceptor(date.clone());
        let answer = request.send().await.map_err(|error| self.failed(&error))?;
        let etag = bucket.etag(self.op, &self.key, answer.e_tag())?;
        let opaque = is_opaque(answer.server_side_encryption(), None);
        Ok(Bucket::written(&self.key, size, (etag, opaque), date.get()))
    }

    async fn abort(&self) {
        let bucket = &self.bucket;
        let request = bucket.client.abort_multipart_upload().bucket(&bucket.name);
        let request = request.key(bucket.full(&self.key)).upload_id(&self.id);
        if let Err(error) = request.send().await {
            let error = self.failed(&error);
            if error.kind() != StoreErrorKind::NotFound {
                tracing::warn!(
                    key = %self.key,
                    upload = %self.id,
                    cause = %super::errors::chain(&error),
                    "the parts of an upload are left on the server"
                );
            }
        }
    }

    fn failed<E>(
        &self,
        error: &aws_sdk_s3::error::SdkError<E, aws_sdk_s3::config::http::HttpResponse>,
    ) -> StoreError
    where
        E: aws_sdk_s3::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.bucket.failed(self.op, &self.key, error)
    }

    fn there_already(&self) -> StoreError {
        let cause = "there is an object of this name";
        self.bucket.error(self.op, &self.key, StoreErrorKind::AlreadyExists, cause)
    }

    fn lost(&self, error: &tokio::task::JoinError) -> StoreError {
        self.bucket.error(self.op, &self.key, StoreErrorKind::Other, error.to_string())
    }
}
