//! Objects and folders under a prefix, page by page.

use std::sync::Arc;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use crate::model::{KeyPrefix, ObjectKey};
use crate::storage::{ObjectMeta, StoreError, StoreErrorKind, StoreOp, StoreResult};

use super::bucket::{Bucket, bare_etag, timestamp};
use super::errors::failed;

/// Every object under a prefix, in key order.
pub(super) fn list(
    bucket: Arc<Bucket>,
    under: &KeyPrefix,
) -> BoxStream<'static, StoreResult<ObjectMeta>> {
    let pages = Pages::new(bucket, under, Depth::Objects);
    stream::try_unfold(pages, |mut pages| async {
        let page = pages.next().await?;
        Ok(page.map(|page| (stream::iter(objects(&pages.bucket, &page)), pages)))
    })
    .try_flatten()
    .boxed()
}

/// What has no key here is left out: names with empty segments, such as folder markers.
fn objects(bucket: &Bucket, page: &ListObjectsV2Output) -> Vec<StoreResult<ObjectMeta>> {
    let meta = |object: &aws_sdk_s3::types::Object| {
        let key = object.key()?.strip_prefix(bucket.prefix.as_str())?;
        let key = ObjectKey::new(key).ok()?;
        let Some(size) = object.size().and_then(|size| u64::try_from(size).ok()) else {
            let cause = "the server does not tell its size";
            return Some(Err(bucket.error(StoreOp::List, &key, StoreErrorKind::Other, cause)));
        };
        let etag = object.e_tag().map(bare_etag);
        let modified = timestamp(object.last_modified());
        Some(Ok(ObjectMeta { key, size, etag, opaque: false, modified }))
    };
    page.contents().iter().filter_map(meta).collect()
}

/// The names of the folders right under a prefix, sorted.
pub(super) async fn list_folders(
    bucket: Arc<Bucket>,
    under: &KeyPrefix,
) -> StoreResult<Vec<String>> {
    let mut pages = Pages::new(bucket, under, Depth::Folders);
    let mut names = Vec::new();
    while let Some(page) = pages.next().await? {
        let folders = page.common_prefixes().iter().filter_map(|folder| folder.prefix());
        let name = |folder: &str| {
            let name = folder.strip_prefix(&pages.prefix)?.strip_suffix('/')?;
            ObjectKey::new(name).ok().map(|_| name.to_owned())
        };
        names.extend(folders.filter_map(name));
    }
    // In key order `a.b/` comes before `a/`.
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// Asks for one page of one object, to see whether the bucket can be used.
pub(super) async fn look(bucket: &Bucket) -> StoreResult<()> {
    let request = bucket.client.list_objects_v2().bucket(&bucket.name).max_keys(1);
    let looked = request.prefix(bucket.prefix.as_str()).send().await;
    looked.map(drop).map_err(|error| failed(StoreOp::Open, bucket.place(&bucket.prefix), &error))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// Everything below.
    Objects,
    /// Only one level.
    Folders,
}

/// Where a list goes on.
#[derive(Debug)]
enum Next {
    Start,
    Token(String),
    /// After this key: for servers that cut a list off and give no token.
    After(String),
    End,
}

/// The pages of a list.
struct Pages {
    bucket: Arc<Bucket>,
    prefix: String,
    depth: Depth,
    next: Next,
    /// The last key or folder of the page before.
    last: String,
}

impl Pages {
    fn new(bucket: Arc<Bucket>, under: &KeyPrefix, depth: Depth) -> Self {
        let prefix = format!("{}{under}", bucket.prefix);
        Self { bucket, prefix, depth, next: Next::Start, last: String::new() }
    }

    async fn next(&mut self) -> StoreResult<Option<ListObjectsV2Output>> {
        let request = self
            .bucket
            .client
            .list_objects_v2()
            .bucket(&self.bucket.name)
            .prefix(&self.prefix)
            .max_keys(self.bucket.limits.list_page)
            .set_delimiter((self.depth == Depth::Folders).then(|| "/".to_owned()));
        let request = match &self.next {
            Next::Start => request,
            Next::Token(token) => request.continuation_token(token),
            Next::After(key) => request.start_after(key),
            Next::End => return Ok(None),
        };
        let place = || self.bucket.place(&self.prefix);
        let page = request.send().await.map_err(|error| failed(StoreOp::List, place(), &error))?;
        self.next = self.after(&page)?;
        Ok(Some(page))
    }

    /// Where the list goes on after this page. A list that does not get on would never end.
    fn after(&mut self, page: &ListObjectsV2Output) -> StoreResult<Next> {
        if !page.is_truncated().unwrap_or_default() {
            return Ok(Next::End);
        }
        let object = page.contents().last().and_then(|object| object.key());
        let folder = page.common_prefixes().last().and_then(|folder| folder.prefix());
        let token = page.next_continuation_token().filter(|token| !token.is_empty());
        match object.max(folder) {
            Some(last) if last > self.last.as_str() => last.clone_into(&mut self.last),
            // Some servers send a page without an entry before the last one.
            None if token.is_some() => {}
            _ => {
                let cause = "the server sends the same page again and again";
                let place = self.bucket.place(&self.prefix);
                return Err(StoreError::new(StoreOp::List, place, StoreErrorKind::Other, cause));
            }
        }
        Ok(match token {
            Some(token) => Next::Token(token.to_owned()),
            // Past everything in the folder, if it is one.
            None if self.last.ends_with('/') => Next::After(format!("{}\u{10ffff}", self.last)),
            None => Next::After(self.last.clone()),
        })
    }
}
