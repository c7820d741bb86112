//! Uploads that nobody has ended: what a killed process leaves.

use aws_sdk_s3::types::MultipartUpload;
use jiff::Timestamp;

use crate::model::{KeyPrefix, ObjectKey};
use crate::storage::{StoreErrorKind, StoreOp, StoreResult, UnfinishedWrite};

use super::bucket::{Bucket, timestamp};
use super::errors::failed;

/// The uploads under a prefix that were begun before a moment.
pub(super) async fn list(
    bucket: &Bucket,
    under: &KeyPrefix,
    before: Timestamp,
) -> StoreResult<Vec<UnfinishedWrite>> {
    let prefix = format!("{}{under}", bucket.prefix);
    let mut found = Vec::new();
    let mut after: Option<(String, Option<String>)> = None;
    loop {
        let (key, id) = after.clone().unzip();
        let request = bucket
            .client
            .list_multipart_uploads()
            .bucket(&bucket.name)
            .prefix(&prefix)
            .set_key_marker(key)
            .set_upload_id_marker(id.flatten());
        let answer = request.send().await;
        let page = answer.map_err(|error| failed(StoreOp::List, bucket.place(&prefix), &error))?;
        let uploads = page.uploads().iter();
        found.extend(uploads.filter_map(|upload| read(bucket, under, before, upload)));
        let next = page.next_key_marker().filter(|_| page.is_truncated().unwrap_or_default());
        let id = page.next_upload_id_marker().filter(|id| !id.is_empty()).map(str::to_owned);
        let next = next.map(|key| (key.to_owned(), id));
        // A list that does not get on would never end.
        if next.is_none() || next == after {
            return Ok(found);
        }
        after = next;
    }
}

/// Servers are not trusted to keep to the prefix. An upload of unknown age is left alone.
fn read(
    bucket: &Bucket,
    under: &KeyPrefix,
    before: Timestamp,
    upload: &MultipartUpload,
) -> Option<UnfinishedWrite> {
    let key = ObjectKey::new(upload.key()?.strip_prefix(bucket.prefix.as_str())?).ok()?;
    under.strip(&key)?;
    let begun = timestamp(Some(upload.initiated()?));
    (begun < before).then_some(UnfinishedWrite { key, id: upload.upload_id()?.to_owned() })
}

/// Takes its parts away. One that has ended meanwhile is none of this call's business.
pub(super) async fn abort(bucket: &Bucket, upload: &UnfinishedWrite) -> StoreResult<()> {
    let request = bucket.client.abort_multipart_upload().bucket(&bucket.name);
    let request = request.key(bucket.full(&upload.key)).upload_id(&upload.id);
    match request.send().await {
        Ok(_) => Ok(()),
        Err(error) => match bucket.failed(StoreOp::Delete, &upload.key, &error) {
            error if error.kind() == StoreErrorKind::NotFound => Ok(()),
            error => Err(error),
        },
    }
}
