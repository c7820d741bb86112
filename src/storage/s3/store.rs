//! The store: what each call does is in the files beside this one.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::types::ChecksumAlgorithm;
use bytes::Bytes;
use futures::stream::BoxStream;
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::model::{KeyPrefix, ObjectKey, S3Settings};
use crate::storage::{
    CopySource, Deadline, DeleteReport, ObjectMeta, ObjectStore, ObjectStream, PutMode, S3Object,
    S3Reach, Space, StoreOp, StoreResult, UnfinishedWrite,
};

use super::bucket::Bucket;
use super::{S3Limits, client, copying, deleting, listing, reading, unfinished, writing};

/// How long [`ObjectStore::settle`] waits for a server that does not answer.
const SETTLING: Duration = Duration::from_secs(15);

/// Objects under a prefix of a bucket. The module's essay says how it keeps the contract.
#[derive(Debug)]
pub struct S3Store {
    bucket: Arc<Bucket>,
    place: String,
}

impl S3Store {
    /// Looks at once whether the bucket is there and may be listed.
    pub async fn open(settings: &S3Settings, limits: S3Limits) -> StoreResult<Self> {
        let store = Self::connect(settings, limits).await?;
        listing::look(&store.bucket).await?;
        Ok(store)
    }

    /// Asks the server nothing before the first call.
    pub async fn connect(settings: &S3Settings, limits: S3Limits) -> StoreResult<Self> {
        let client = client::connect(settings, &limits).await?;
        let units = usize::try_from(Bucket::memory_units(&limits)).unwrap_or(usize::MAX >> 4);
        let checksum = client::sends_checksums(settings).then_some(ChecksumAlgorithm::Crc64Nvme);
        let cleaning = TaskTracker::new();
        cleaning.close();
        let bucket = Bucket {
            client,
            name: settings.bucket.clone(),
            prefix: settings.prefix.clone(),
            reach: S3Reach {
                endpoint: settings.endpoint.as_ref().map(ToString::to_string),
                access_key_id: settings.keys.as_ref().map(|keys| keys.access_key_id.clone()),
            },
            is_aws: settings.is_aws(),
            limits,
            checksum,
            memory: Arc::new(Semaphore::new(units)),
            cleaning,
            deletes_singly: AtomicBool::new(false),
            completes_without_condition: AtomicBool::new(false),
        };
        Ok(Self { bucket: Arc::new(bucket), place: settings.place() })
    }
}

impl fmt::Display for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

#[async_trait]
impl ObjectStore for S3Store {
    fn list(&self, under: &KeyPrefix) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        listing::list(Arc::clone(&self.bucket), under)
    }

    async fn list_folders(&self, under: &KeyPrefix) -> StoreResult<Vec<String>> {
        listing::list_folders(Arc::clone(&self.bucket), under).await
    }

    async fn head(&self, key: &ObjectKey) -> StoreResult<ObjectMeta> {
        reading::head(&self.bucket, key).await
    }

    async fn get(&self, key: &ObjectKey) -> StoreResult<ObjectStream> {
        reading::get(&self.bucket, key).await
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> StoreResult<ObjectMeta> {
        writing::put(&self.bucket, key, body, mode).await
    }

    async fn put_stream(
        &self,
        key: &ObjectKey,
        size: u64,
        body: ObjectStream,
    ) -> StoreResult<ObjectMeta> {
        writing::put_stream(&self.bucket, key, size, body.body).await
    }

    async fn copy_from(&self, source: &CopySource, to: &ObjectKey) -> StoreResult<ObjectMeta> {
        copying::copy(&self.bucket, source, to).await
    }

    async fn delete(&self, keys: &[ObjectKey]) -> StoreResult<DeleteReport> {
        deleting::delete(&self.bucket, keys, None).await
    }

    async fn delete_before(
        &self,
        keys: &[ObjectKey],
        deadline: Deadline,
    ) -> StoreResult<DeleteReport> {
        let work = deleting::delete(&self.bucket, keys, Some(deadline));
        deadline.keep(StoreOp::Delete, self, work).await
    }

    async fn sync(&self) -> StoreResult<()> {
        Ok(())
    }

    async fn space(&self) -> StoreResult<Option<Space>> {
        Ok(None)
    }

    fn copy_source(&self, key: &ObjectKey) -> Option<CopySource> {
        let (reach, bucket) = (self.bucket.reach.clone(), self.bucket.name.clone());
        Some(CopySource::S3(S3Object { reach, bucket, key: self.bucket.full(key) }))
    }

    async fn unfinished(
        &self,
        under: &KeyPrefix,
        before: Timestamp,
    ) -> StoreResult<Vec<UnfinishedWrite>> {
        unfinished::list(&self.bucket, under, before).await
    }

    async fn abort(&self, write: &UnfinishedWrite) -> StoreResult<()> {
        unfinished::abort(&self.bucket, write).await
    }

    async fn settle(&self) {
        if timeout(SETTLING, self.bucket.cleaning.wait()).await.is_err() {
            tracing::warn!(store = %self, "parts of dropped uploads may be left on the server");
        }
    }
}
