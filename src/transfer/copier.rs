//! Runs the copies of a plan, several at once.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt, stream};
use tokio_util::sync::CancellationToken;

use crate::manifest::{FileEntry, FileId};
use crate::model::ObjectKey;
use crate::plan::CopyItem;
use crate::storage::{ObjectStore, StoreError};

use super::method::{Copied, copy_one};
use super::{Progress, SpaceGuard, SpaceRefused};

/// Why copying ended early.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// Someone asked to stop.
    #[error("stopped while copying")]
    Cancelled,
    /// The repository cannot take more.
    #[error("the repository cannot be written")]
    Destination(#[source] StoreError),
    /// The free space went below what is kept free.
    #[error("not enough free space")]
    Space(#[source] SpaceRefused),
    /// Two different contents claim one name.
    #[error(
        "`{destination}` already holds other content than `{source_file}`; neither was touched"
    )]
    Conflict {
        /// The file in Milvus's storage.
        source_file: String,
        /// The file in the repository.
        destination: String,
    },
}

/// What was copied and what was not.
#[derive(Debug, Default)]
pub struct CopyReport {
    /// Every file that lies in the repository now.
    pub entries: HashMap<FileId, FileEntry>,
    /// Files that could not be read, and why.
    pub failures: HashMap<FileId, String>,
    /// Files and bytes that were written.
    pub written: (u64, u64),
    /// Files and bytes that an earlier, unfinished run had left.
    pub adopted: (u64, u64),
}

/// Where from, where to, and how hard.
#[derive(Debug, Clone)]
pub struct Copier {
    /// Milvus's storage.
    pub source: Arc<dyn ObjectStore>,
    /// The repository.
    pub destination: Arc<dyn ObjectStore>,
    /// Copies at once.
    pub concurrency: usize,
    /// Keeps the disk from filling.
    pub space: Arc<SpaceGuard>,
    /// Told of every file.
    pub progress: Arc<Progress>,
    /// Stops the copying.
    pub cancel: CancellationToken,
}

impl Copier {
    /// Copies all items; `place` gives the source and destination key of each.
    pub async fn run(
        &self,
        items: Vec<CopyItem>,
        place: impl Fn(&FileId) -> (ObjectKey, ObjectKey) + Send + Sync,
    ) -> Result<CopyReport, TransferError> {
        let place = &place;
        let mut copies = stream::iter(items)
            .map(|item| async move {
                let (from, to) = place(&item.id);
                let room = self.space.before(&*self.destination, item.size).await;
                let copied = match room {
                    Err(error) => Copied::DestinationFailed(error),
                    Ok(Err(refused)) => return Err(TransferError::Space(refused)),
                    Ok(Ok(())) => {
                        copy_one(&*self.source, &*self.destination, &item, (&from, &to)).await
                    }
                };
                Ok((item, from, to, copied))
            })
            .buffer_unordered(self.concurrency);
        let mut report = CopyReport::default();
        loop {
            let next = self.cancel.run_until_cancelled(copies.next()).await;
            match next.ok_or(TransferError::Cancelled)? {
                None => return Ok(report),
                Some(done) => self.count(&mut report, done?)?,
            }
        }
    }

    fn count(
        &self,
        report: &mut CopyReport,
        (item, from, to, copied): (CopyItem, ObjectKey, ObjectKey, Copied),
    ) -> Result<(), TransferError> {
        self.progress.advance(item.size);
        let total = match copied {
            Copied::Written(entry) => {
                report.entries.insert(item.id, entry);
                &mut report.written
            }
            Copied::Adopted(entry) => {
                report.entries.insert(item.id, entry);
                &mut report.adopted
            }
            Copied::SourceFailed(reason) => {
                tracing::warn!(file = %from, %reason, "a file could not be read");
                report.failures.insert(item.id, reason);
                return Ok(());
            }
            Copied::DestinationFailed(error) => return Err(TransferError::Destination(error)),
            Copied::Conflict => {
                return Err(TransferError::Conflict {
                    source_file: format!("{}/{from}", self.source),
                    destination: format!("{}/{to}", self.destination),
                });
            }
        };
        total.0 += 1;
        total.1 += item.size;
        Ok(())
    }
}
