//! Settings and sizes for tests.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use milvus_backup_agent::model::{KeyPrefix, ObjectKey, S3Checksums, S3Keys, S3Settings, Secret};
use milvus_backup_agent::storage::{
    ByteStream, ObjectMeta, ObjectStream, S3Limits, S3Store, StoreErrorKind, StoreResult,
};

/// Sizes at which a test's objects go through every path.
pub(super) const SMALL: S3Limits = S3Limits {
    retries: 3,
    first_backoff: Duration::from_millis(5),
    single_put_bytes: 64 * 1024,
    part_bytes: 256 * 1024,
    parts_in_flight: 3,
    memory_bytes: 1024 * 1024,
    single_copy_bytes: 512 * 1024,
    copy_part_bytes: 200 * 1024,
    list_page: 7,
    patience: Duration::from_secs(10),
};

/// The smallest parts that s3s takes.
pub(super) const PARTS: S3Limits = S3Limits {
    part_bytes: 5 * 1024 * 1024,
    memory_bytes: 16 * 1024 * 1024,
    single_copy_bytes: 6 * 1024 * 1024,
    copy_part_bytes: 5 * 1024 * 1024,
    ..SMALL
};

/// Three of them.
pub(super) const THREE_PARTS: usize = 11 * 1024 * 1024;

pub(super) fn settings(address: &str, bucket: &str, prefix: &str) -> S3Settings {
    S3Settings {
        endpoint: Some(address.parse().expect("an address")),
        region: Some("us-east-1".to_owned()),
        prefix: KeyPrefix::new(prefix).expect("a prefix"),
        keys: Some(keys("key")),
        path_style: true,
        checksums: S3Checksums::WhenRequired,
        ..S3Settings::new(bucket)
    }
}

pub(super) fn keys(id: &str) -> S3Keys {
    S3Keys {
        access_key_id: Secret::new(id.to_owned()),
        secret_access_key: Secret::new("secret".to_owned()),
    }
}

pub(super) async fn open(settings: &S3Settings, limits: S3Limits) -> Arc<S3Store> {
    Arc::new(S3Store::open(settings, limits).await.expect("the bucket is opened"))
}

pub(super) fn key(name: &str) -> ObjectKey {
    ObjectKey::new(name).expect("a valid key")
}

pub(super) fn kind<T>(result: StoreResult<T>) -> Option<StoreErrorKind> {
    result.err().map(|error| error.kind())
}

/// `size` bytes of which no two neighbouring parts are the same, in odd chunks.
pub(super) fn pattern(size: usize) -> Bytes {
    (0..size).map(|at| u8::try_from(at * 31 % 251).expect("below 251")).collect()
}

pub(super) fn stream_of(body: &Bytes) -> ObjectStream {
    let chunks: Vec<_> = body.chunks(40_001).map(|chunk| Ok(body.slice_ref(chunk))).collect();
    object(body.len() as u64, stream::iter(chunks).boxed())
}

pub(super) fn object(size: u64, body: ByteStream) -> ObjectStream {
    let (key, modified) = (key("source"), Timestamp::UNIX_EPOCH);
    ObjectStream { meta: ObjectMeta { key, size, etag: None, opaque: false, modified }, body }
}
