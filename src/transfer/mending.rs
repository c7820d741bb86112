//! Writing a damaged file again.

use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::sync::Mutex;

use crate::manifest::FileEntry;
use crate::storage::{ObjectStream, PutMode};

use super::checksum::{Content, check_content, crc_of};
use super::method::{Copied, Copy, CopyFault};

/// The largest file that is written again: it is held in memory, one at a time.
const LARGEST: u64 = 256 << 20;

/// One after the other.
#[derive(Debug, Default)]
pub(super) struct Mending(Mutex<()>);

impl Mending {
    /// Replaces a file that was found damaged, in one step, by what the lists say was written
    /// there, if Milvus still has just that. So nobody ever finds it absent, and whoever does
    /// it late or twice writes the same. Anything else stays a conflict.
    pub(super) async fn mend(
        &self,
        copy: &Copy<'_>,
        listed: &FileEntry,
    ) -> Result<Copied, CopyFault> {
        if copy.item.size > LARGEST {
            return Err(CopyFault::Conflict);
        }
        let _alone = self.0.lock().await;
        let object = copy.open().await?;
        let meta = object.meta.clone();
        let bytes = whole(object).await?;
        let again =
            || ObjectStream { meta: meta.clone(), body: stream::iter([Ok(bytes.clone())]).boxed() };
        let same = check_content(again(), listed).await.map_err(CopyFault::Source)?;
        if same != Content::Same {
            return Err(CopyFault::Conflict);
        }
        let (_, crc) = crc_of(again()).await.map_err(CopyFault::Source)?;
        let put = copy.destination.put(copy.to, bytes, PutMode::Overwrite).await;
        let written = put.map_err(CopyFault::Destination)?;
        tracing::warn!(file = %copy.to, "a damaged file was written again, as its lists have it");
        Ok(Copied::Written(copy.entry(written.etag, crc)))
    }
}

async fn whole(object: ObjectStream) -> Result<Bytes, CopyFault> {
    let mut bytes = Vec::new();
    let mut body = object.body;
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(&chunk.map_err(CopyFault::Source)?);
    }
    Ok(bytes.into())
}
