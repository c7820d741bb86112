//! Runs the copies of a plan, several at once.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt, stream};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::manifest::{FileEntry, FileId};
use crate::model::ObjectKey;
use crate::plan::CopyItem;
use crate::storage::{ObjectStore, StoreError};

use super::mending::Mending;
use super::method::{Copied, Copy, CopyFault};
use super::progress::Flight;
use super::retrying::pause;
use super::room::Room;
use super::{Checkpoint, Fence, Progress, ServerSide, SpaceGuard, SpaceRefused, Throttle};

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
    /// Those of them that Milvus has deleted since they were listed.
    pub vanished: BTreeSet<FileId>,
    /// Files and bytes that were written.
    pub written: (u64, u64),
    /// Those of them whose bytes passed the agent.
    pub streamed: (u64, u64),
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
    /// Copies at once, at most.
    pub concurrency: usize,
    /// How often a copy is tried again that failed for a moment.
    pub retries: u32,
    /// Keeps all copies together below a rate.
    pub throttle: Arc<Throttle>,
    /// Lets the server copy where it can.
    pub server_side: Arc<ServerSide>,
    /// Holds copies back that are not in time.
    pub fence: Fence,
    /// Keeps the disk from filling.
    pub space: Arc<SpaceGuard>,
    /// Told of every file that lies in the repository.
    pub checkpoint: Arc<Checkpoint>,
    /// Told of every file.
    pub progress: Arc<Progress>,
    /// Stops the copying.
    pub cancel: CancellationToken,
}

type Ended = (CopyItem, ObjectKey, ObjectKey, Result<Copied, CopyFault>);

impl Copier {
    /// Copies all items and adds to `report`; `place` gives the source and destination key of
    /// each.
    pub async fn run(
        &self,
        items: Vec<CopyItem>,
        place: impl Fn(&FileId) -> (ObjectKey, ObjectKey) + Send + Sync,
        report: &mut CopyReport,
    ) -> Result<(), TransferError> {
        let (place, room) = (&place, &(Room::new(self.concurrency), Mending::default()));
        let mut copies = stream::iter(items)
            .map(|item| {
                async move {
                    let (from, to) = place(&item.id);
                    let copied = self.copy(&item, (&from, &to), room).await?;
                    Ok((item, from, to, copied))
                }
                .boxed()
            })
            .buffer_unordered(self.concurrency);
        let mut flushing = FuturesUnordered::new();
        loop {
            if flushing.is_empty() && self.checkpoint.is_due() {
                flushing.push(self.checkpoint.try_flush());
            }
            let next = tokio::select! {
                () = self.cancel.cancelled() => return Err(TransferError::Cancelled),
                Some(()) = flushing.next() => continue,
                next = copies.next() => next,
            };
            match next {
                Some(ended) => self.count(report, ended?)?,
                None => break,
            }
        }
        while flushing.next().await.is_some() {}
        Ok(())
    }

    /// Reads and writes one file, again and again while the failure may pass.
    async fn copy(
        &self,
        item: &CopyItem,
        (from, to): (&ObjectKey, &ObjectKey),
        (room, mending): &(Room, Mending),
    ) -> Result<Result<Copied, CopyFault>, TransferError> {
        let (source, destination) = (&*self.source, &*self.destination);
        let (throttle, server_side, fence) = (&self.throttle, &*self.server_side, &self.fence);
        let mut tries = 0;
        loop {
            let flight = &Flight::begin(&self.progress);
            let copy =
                Copy { source, destination, item, from, to, throttle, server_side, fence, flight };
            let place = room.enter().await;
            let copied = match self.space.before(&*self.destination, item.size).await {
                Err(error) => Err(CopyFault::Destination(error)),
                Ok(Err(refused)) => return Err(TransferError::Space(refused)),
                Ok(Ok(())) => match (copy.run().await, &item.mends) {
                    (Err(fault), Some(listed)) if fault.is_damage() => {
                        mending.mend(&copy, listed).await
                    }
                    (copied, _) => copied,
                },
            };
            tries += 1;
            match &copied {
                Err(fault) if fault.is_transient() => {
                    place.too_much();
                    if tries > self.retries {
                        return Ok(copied);
                    }
                    tracing::debug!(file = %from, tries, ?fault, "a copy is tried again");
                }
                Ok(_) => {
                    place.succeeded();
                    return Ok(copied);
                }
                Err(_) => return Ok(copied),
            }
            drop(place);
            sleep(pause(tries)).await;
        }
    }

    fn count(
        &self,
        report: &mut CopyReport,
        (item, from, to, copied): Ended,
    ) -> Result<(), TransferError> {
        self.progress.advance(item.size);
        let (total, entry) = match copied {
            Ok(Copied::Written(entry)) => {
                if !entry.crc.is_empty() {
                    report.streamed.0 += 1;
                    report.streamed.1 += item.size;
                }
                (&mut report.written, entry)
            }
            Ok(Copied::Adopted(entry)) => (&mut report.adopted, entry),
            Err(CopyFault::Destination(error)) => return Err(TransferError::Destination(error)),
            Err(CopyFault::Conflict) => {
                return Err(TransferError::Conflict {
                    source_file: format!("{}/{from}", self.source),
                    destination: format!("{}/{to}", self.destination),
                });
            }
            Err(fault) if fault.is_vanished() => {
                tracing::info!(file = %from, "a file has vanished");
                report.failures.insert(item.id, fault.to_string());
                report.vanished.insert(item.id);
                return Ok(());
            }
            Err(fault) => {
                let reason = fault.to_string();
                tracing::warn!(file = %from, %reason, "a file could not be read");
                report.failures.insert(item.id, reason);
                return Ok(());
            }
        };
        total.0 += 1;
        total.1 += item.size;
        self.checkpoint.note(item.id, &entry);
        report.entries.insert(item.id, entry);
        Ok(())
    }
}
