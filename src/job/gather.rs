//! One collection as it is at its boundary.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::TryStreamExt;
use tokio::time::{Instant, sleep, sleep_until};

use crate::manifest::{Boundary, DeletesComplete, FileId};
use crate::milvus::{MilvusError, MilvusErrorKind};
use crate::model::{ErrorKind, FlushAnswer, KeyPrefix, Namespace, SegmentInfo};
use crate::plan::{
    self, CollectionInventory, LEAST_MARGIN, PlanError, SourceFile, missing_segments,
};
use crate::schema::{SchemaError, SchemaSummary};
use crate::storage::{ObjectMeta, ObjectStore, StoreError};

use super::JobContext;
use super::beyond::Beyond;

/// How often a collection is flushed in all when compactions come between: once, and three
/// times anew.
const FLUSHES: u32 = 4;

/// How long a flush may take to reach the storage.
pub(super) const FLUSH_DEADLINE: Duration = Duration::from_mins(10);

/// Milvus's timestamps move in steps of 50 ms and were seen 36 ms behind the clock.
const TIMESTAMP_LAG: Duration = Duration::from_millis(100);

/// Between two looks at a flush.
pub(super) const FLUSH_POLL: Duration = Duration::from_millis(100);

/// Why a collection could not be gathered.
#[derive(Debug, thiserror::Error)]
pub(super) enum GatherError {
    /// Milvus failed.
    #[error("{0}")]
    Milvus(#[from] MilvusError),
    /// Milvus's storage failed.
    #[error("Milvus's storage cannot be read")]
    Storage(#[from] StoreError),
    /// What was seen is not whole.
    #[error("{0}")]
    Plan(#[from] PlanError),
    /// The schema cannot be read.
    #[error("the schema cannot be read: {0}")]
    Schema(#[from] SchemaError),
    /// Compactions replaced segments faster than we could look.
    #[error(
        "compacting: segments {segments:?} vanished between the flush and the look, {FLUSHES} times"
    )]
    Compacting {
        /// The segments of the last flush that were gone.
        segments: Vec<i64>,
    },
    /// The flush did not end.
    #[error("the flush did not reach the storage within {} s", FLUSH_DEADLINE.as_secs())]
    FlushTimeout,
    /// The server gives no flush timestamp.
    #[error("Milvus gave no flush timestamp, so the backup would have no boundary")]
    NoBoundary,
    /// The collection was dropped and made again meanwhile.
    #[error("the collection was dropped and made again meanwhile")]
    Recreated,
}

impl GatherError {
    /// The kind of failure, if every other collection would meet it too.
    pub(super) fn ends_run(&self) -> Option<ErrorKind> {
        let kind = match self {
            Self::Milvus(error) => error.error_kind(),
            Self::Storage(error) => error.error_kind(),
            Self::Plan(_)
            | Self::Schema(_)
            | Self::Compacting { .. }
            | Self::FlushTimeout
            | Self::NoBoundary
            | Self::Recreated => return None,
        };
        let common = matches!(kind, ErrorKind::Unreachable | ErrorKind::NotAuthorised);
        common.then_some(kind)
    }

    /// In words for a manifest.
    pub(super) fn describe(&self, namespace: &Namespace) -> String {
        match self {
            Self::Milvus(error) if error.kind() == MilvusErrorKind::NotFound => {
                format!("{namespace} was dropped meanwhile ({error})")
            }
            Self::Storage(error) => {
                let cause = std::error::Error::source(error).map(ToString::to_string);
                format!("{self}: {error}: {}", cause.unwrap_or_default())
            }
            Self::Milvus(_)
            | Self::Plan(_)
            | Self::Schema(_)
            | Self::Compacting { .. }
            | Self::FlushTimeout
            | Self::NoBoundary
            | Self::Recreated => self.to_string(),
        }
    }
}

/// A collection right after its flush.
#[derive(Debug)]
pub(super) struct Flushed {
    boundary: Boundary,
    /// What the flush named, as it is stored.
    segments: Vec<SegmentInfo>,
}

/// Flushes a collection and looks at everything that belongs to it.
pub(super) async fn gather(
    context: &JobContext,
    source: &dyn ObjectStore,
    namespace: &Namespace,
    (started, beyond): (Instant, &Beyond<'_>),
) -> Result<CollectionInventory, GatherError> {
    if let Some((boundary, segments)) = beyond.at_cluster_flush(&*context.milvus, namespace).await?
    {
        return look(context, source, namespace, Flushed { boundary, segments }, beyond).await;
    }
    let flushed = flush_whole(context, namespace, started).await?;
    look(context, source, namespace, flushed, beyond).await
}

/// Looks at a collection that was flushed a while ago. Its deletes may lie in the delta logs
/// of another segment if one of those that the flush named has been compacted since.
pub(super) async fn look_after_wait(
    context: &JobContext,
    source: &dyn ObjectStore,
    namespace: &Namespace,
    (flushed, beyond): (Flushed, &Beyond<'_>),
) -> Result<CollectionInventory, GatherError> {
    let present = context.milvus.persistent_segments(namespace).await?;
    let present: BTreeSet<i64> = present.iter().map(|segment| segment.id).collect();
    let ids = flushed.segments.iter().map(|segment| segment.id);
    let segments: Vec<i64> = ids.filter(|id| !present.contains(id)).collect();
    if !segments.is_empty() {
        return Err(GatherError::Compacting { segments });
    }
    look(context, source, namespace, flushed, beyond).await
}

/// Flushes a collection until all segments of the flush are stored.
pub(super) async fn flush_whole(
    context: &JobContext,
    namespace: &Namespace,
    started: Instant,
) -> Result<Flushed, GatherError> {
    let mut missing = Vec::new();
    for _ in 0..FLUSHES {
        let (flush, margin) = flush(context, namespace, started).await?;
        let timestamp = flush_timestamp(&flush).ok_or(GatherError::NoBoundary)?;
        let boundary = Boundary::before(timestamp, margin);
        let persistent = context.milvus.persistent_segments(namespace).await?;
        missing = missing_segments(&flush, &persistent);
        if missing.is_empty() {
            return Ok(Flushed { boundary, segments: of_flush(&flush, persistent) });
        }
        tracing::info!(%namespace, ?missing, "a compaction came between, flushing again");
    }
    Err(GatherError::Compacting { segments: missing })
}

/// The hybrid timestamp of a flush. Where the server tells only the second in which it sealed
/// (2.2), the beginning of that.
fn flush_timestamp(flush: &FlushAnswer) -> Option<u64> {
    let of_seconds = || u64::try_from(flush.seal_time).ok().filter(|seconds| *seconds > 0);
    flush.flush_ts.or_else(|| Some(Boundary::hybrid(of_seconds()? * 1000)))
}

/// How much earlier than the flush its timestamp may be.
fn rounding(flush: &FlushAnswer) -> Duration {
    if flush.flush_ts.is_some() { Duration::ZERO } else { Duration::from_secs(1) }
}

/// Flushes, so long after the run's start that the boundary lies behind the start: what was
/// acknowledged before is always in the backup.
async fn flush(
    context: &JobContext,
    namespace: &Namespace,
    started: Instant,
) -> Result<(FlushAnswer, Duration), GatherError> {
    let (mut margin, mut coarse) = (LEAST_MARGIN, Duration::ZERO);
    let flush = loop {
        sleep_until(earliest(started, margin) + coarse).await;
        let asked = Instant::now();
        let flush = context.milvus.flush(namespace).await?;
        (margin, coarse) = (plan::margin(asked.elapsed()), rounding(&flush));
        if asked >= earliest(started, margin) + coarse {
            break flush;
        }
    };
    let asked = Instant::now();
    while !context.milvus.is_flushed(namespace, &flush).await? {
        if asked.elapsed() > FLUSH_DEADLINE {
            return Err(GatherError::FlushTimeout);
        }
        sleep(FLUSH_POLL).await;
    }
    Ok((flush, margin))
}

/// From when on a boundary that lies so far before a flush lies behind the run's start.
pub(super) fn earliest(started: Instant, margin: Duration) -> Instant {
    started + margin + TIMESTAMP_LAG
}

/// The persistent segments that the flush named; others are newer or compacted away. It never
/// names L0 segments, whose deletes end where the boundary is when they are imported.
fn of_flush(flush: &FlushAnswer, persistent: Vec<SegmentInfo>) -> Vec<SegmentInfo> {
    let named = |segment: &SegmentInfo| {
        let named = flush.sealed.contains(&segment.id) || flush.flushed.contains(&segment.id);
        named || segment.traits.l0
    };
    persistent.into_iter().filter(named).collect()
}

async fn look(
    context: &JobContext,
    source: &dyn ObjectStore,
    namespace: &Namespace,
    Flushed { boundary, mut segments }: Flushed,
    beyond: &Beyond<'_>,
) -> Result<CollectionInventory, GatherError> {
    let milvus = &context.milvus;
    let description = milvus.describe(namespace).await?;
    if segments.iter().any(|segment| segment.collection != description.id) {
        return Err(GatherError::Recreated);
    }
    beyond.keep_files(description.id).await;
    let indexes = milvus.indexes(namespace).await?;
    let logs = beyond.logs(&**milvus, (namespace, description.id), &mut segments).await;
    let files = source_files(source, description.id).await?;
    let partitions = milvus.partitions(namespace).await?;
    let load = milvus.load_state(namespace, &partitions).await?;
    let schema = SchemaSummary::parse(&description.schema)?;
    Ok(CollectionInventory {
        namespace: Namespace::new(&namespace.database, &description.name),
        description,
        partitions,
        indexes,
        load,
        boundary,
        deletes_complete: DeletesComplete::Yes,
        segments,
        fields: schema.stored_field_ids(),
        optional: schema.nullable_field_ids(),
        logs,
        files,
    })
}

/// Everything in a collection's two folders.
async fn source_files(
    source: &dyn ObjectStore,
    collection: i64,
) -> Result<Vec<SourceFile>, StoreError> {
    let mut files = Vec::new();
    for kind in ["insert_log", "delta_log"] {
        let folder = KeyPrefix::root().join(kind).join(collection);
        let mut listing = source.list(&folder);
        while let Some(meta) = listing.try_next().await? {
            if let Some(id) = FileId::parse(meta.key.as_str()) {
                files.push(SourceFile { id, size: meta.size, source: fingerprint(&meta) });
            }
        }
    }
    Ok(files)
}

/// What changes when a file does: the `ETag`, or the time of its last write.
fn fingerprint(meta: &ObjectMeta) -> String {
    match &meta.etag {
        Some(etag) => etag.clone(),
        None => meta.modified.as_nanosecond().to_string(),
    }
}
