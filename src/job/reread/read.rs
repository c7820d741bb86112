//! Reading files again.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt, TryStreamExt};

use super::gather::Wanted;
use super::survey::{Survey, Wrong};
use super::unread::{Found, found};
use crate::catalog::CatalogResult;
use crate::job::{JobContext, JobResult};
use crate::model::ObjectKey;
use crate::storage::{ObjectStream, StoreErrorKind};
use crate::transfer::{Content, check_content};

/// What was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) unchecked: u64,
}

/// What became of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PartRead {
    /// Nothing is wrong with its files.
    pub(super) is_good: bool,
    /// All of them could be read, or are damaged.
    pub(super) is_whole: bool,
}

/// Reads the files of a part. What is wrong is in the findings of the survey.
pub(super) async fn read_part(
    context: &JobContext,
    survey: &mut Survey,
    (wanted, read): (Vec<Wanted>, &mut Read),
) -> JobResult<PartRead> {
    let mut part = PartRead { is_good: true, is_whole: true };
    let mut wanted = wanted.into_iter();
    let mut reads = FuturesUnordered::new();
    loop {
        let free = context.concurrency.saturating_sub(reads.len());
        for one in wanted.by_ref().take(free) {
            let (place, id) = one.whose;
            let key = survey.places[place].placement.key(&id);
            let read: BoxFuture<'_, _> =
                async move { (found(context, || read_one(context, &key, &one)).await, one) }
                    .boxed();
            reads.push(read);
        }
        let Some((found, Wanted { whose, entry })) = reads.next().await else { return Ok(part) };
        context.progress.advance(entry.size);
        let wrong = match found {
            Found::Unread(error) => {
                survey.unread.note(error)?;
                part.is_whole = false;
                continue;
            }
            // The sizes of the survey had it right, or it has gone since.
            Found::Whole(None) => Wrong::Missing,
            Found::Whole(Some(found)) => {
                (read.files, read.bytes) = (read.files + 1, read.bytes + entry.size);
                survey.unread.was_read();
                match found {
                    Content::Same => continue,
                    Content::Unchecked => {
                        read.unchecked += 1;
                        continue;
                    }
                    Content::Other(why) => Wrong::Content(why),
                }
            }
            Found::Damaged(why) => {
                read.files += 1;
                Wrong::Content(why)
            }
        };
        part.is_good = false;
        // A size that is wrong is told as that.
        survey.findings.files.entry(whose).or_insert(wrong);
    }
}

/// How the content of a file compares; `None` if it is not there.
async fn read_one(
    context: &JobContext,
    key: &ObjectKey,
    Wanted { entry, .. }: &Wanted,
) -> CatalogResult<Option<Content>> {
    let read = async {
        let ObjectStream { meta, body } = context.repository.get(key).await?;
        let progress = Arc::clone(&context.progress);
        let moved = body.inspect_ok(move |_| progress.touch());
        let body = context.throttle.slow(moved.boxed());
        check_content(ObjectStream { meta, body }, entry).await
    };
    match read.await {
        Err(error) if error.kind() == StoreErrorKind::NotFound => Ok(None),
        read => Ok(Some(read?)),
    }
}
