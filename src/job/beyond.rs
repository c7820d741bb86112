//! What a backup asks of servers since 2.4 beside what it asks of all.
//!
//! # One flush of everything
//!
//! A backup of all collections of a 2.6.11 flushes once and not collection by collection. That
//! flush names no segments, so the persistent ones are listed before it and after it: a
//! collection is taken at the flush only if none of its segments went in between and none of
//! the new ones has been rewritten since ([`plan::untouched`]), for a rewritten one lacks rows
//! that were deleted after the flush. Every other collection is flushed by itself, and so is one
//! of whose channels the flush did not tell the end.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::time::{Instant, sleep, sleep_until};

use crate::manifest::Boundary;
use crate::milvus::{Dialect, MilvusApi, MilvusError, MilvusErrorKind, MilvusResult};
use crate::model::{ClusterFlush, DatabaseDescription, Namespace, SegmentInfo, SegmentLogs};
use crate::plan;

use super::JobContext;
use super::gather::{FLUSH_DEADLINE, FLUSH_POLL, earliest};
use super::pause::GcPause;

/// Segments that one question for files names.
const SEGMENTS_ASKED: usize = 100;

/// Collections that are listed at once.
const LISTERS: usize = 4;

/// What is asked of one server in one run.
#[derive(Debug)]
pub(super) struct Beyond<'a> {
    dialect: Dialect,
    pause: Option<&'a GcPause>,
    /// Off once the server has refused to name files.
    names_files: AtomicBool,
    flushed: Option<Flushed>,
}

/// One flush of the cluster.
#[derive(Debug)]
struct Flushed {
    flush: ClusterFlush,
    /// How far before it the boundaries lie.
    margin: Duration,
    /// The segments at the flush, of collections that can be taken there; each is used once.
    segments: Mutex<BTreeMap<Namespace, Vec<SegmentInfo>>>,
}

impl<'a> Beyond<'a> {
    /// Nothing is asked yet.
    pub(super) fn new(dialect: Dialect, pause: Option<&'a GcPause>) -> Self {
        Self { dialect, pause, names_files: AtomicBool::new(dialect.segment_logs), flushed: None }
    }

    /// Flushes everything at once, if all collections are wanted and the server can.
    pub(super) async fn flush_all(
        &mut self,
        context: &JobContext,
        (wanted, left_out): (&[Namespace], u64),
        started: Instant,
    ) -> MilvusResult<()> {
        if !self.dialect.cluster_flush || left_out > 0 {
            return Ok(());
        }
        let milvus = &*context.milvus;
        let before = persistent(milvus, wanted).await;
        let mut margin = plan::LEAST_MARGIN;
        let flush = loop {
            sleep_until(earliest(started, margin)).await;
            let asked = Instant::now();
            let flush = match milvus.flush_all().await {
                Ok(flush) => flush,
                Err(error) if no_flush_of_all(&error) => {
                    tracing::info!(%error, "each collection is flushed by itself");
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            margin = plan::margin(asked.elapsed());
            if asked >= earliest(started, margin) {
                break flush;
            }
        };
        let asked = Instant::now();
        while !milvus.is_all_flushed(&flush).await? {
            if asked.elapsed() > FLUSH_DEADLINE {
                tracing::warn!(
                    "the flush of all collections does not end, each is flushed by itself"
                );
                return Ok(());
            }
            sleep(FLUSH_POLL).await;
        }
        let mut after = persistent(milvus, wanted).await;
        after.retain(|namespace, segments| {
            before.get(namespace).is_some_and(|before| plan::untouched(before, segments))
        });
        self.flushed = Some(Flushed { flush, margin, segments: Mutex::new(after) });
        Ok(())
    }

    /// The collection at the flush of the cluster, if it can be taken there and was not before.
    pub(super) async fn at_cluster_flush(
        &self,
        milvus: &dyn MilvusApi,
        namespace: &Namespace,
    ) -> MilvusResult<Option<(Boundary, Vec<SegmentInfo>)>> {
        let Some(flushed) = &self.flushed else { return Ok(None) };
        let segments = {
            let mut left = flushed.segments.lock().expect("no holder of this lock panics");
            left.remove(namespace)
        };
        let Some(segments) = segments else { return Ok(None) };
        let origin = milvus.describe(namespace).await?.origin;
        let tick = flushed.flush.tick(&origin.physical_channels);
        let tick = tick.filter(|tick| *tick > origin.created_timestamp);
        Ok(tick.map(|tick| (Boundary::before(tick, flushed.margin), segments)))
    }

    /// Keeps a collection's files from now on, where that is done collection by collection.
    pub(super) async fn keep_files(&self, collection: i64) {
        if let Some(pause) = self.pause {
            pause.cover(collection).await;
        }
    }

    /// The files of segments as the server names them, and with them the segments' channels.
    /// Where it does not, what is listed counts: nothing is named, for all segments.
    pub(super) async fn logs(
        &self,
        milvus: &dyn MilvusApi,
        (namespace, collection): (&Namespace, i64),
        segments: &mut [SegmentInfo],
    ) -> BTreeMap<i64, SegmentLogs> {
        if !self.names_files.load(Ordering::Relaxed) {
            return BTreeMap::new();
        }
        let ids: Vec<i64> = segments.iter().map(|segment| segment.id).collect();
        let mut named = BTreeMap::new();
        for some in ids.chunks(SEGMENTS_ASKED) {
            match milvus.segment_logs(&namespace.database, collection, some).await {
                Ok(logs) => named.extend(logs.into_iter().map(|logs| (logs.segment, logs))),
                // One of them has gone since; the next collection may be asked for again.
                Err(error) if error.kind() == MilvusErrorKind::NotFound => {
                    tracing::info!(%namespace, %error, "all files in its segments' folders count");
                    return BTreeMap::new();
                }
                Err(error) => {
                    if self.names_files.swap(false, Ordering::Relaxed) {
                        tracing::warn!(%error, "all files in the folders of segments count");
                    }
                    return BTreeMap::new();
                }
            }
        }
        for segment in segments {
            if let Some(logs) = named.get(&segment.id) {
                segment.traits.channel.clone_from(&logs.channel);
            }
        }
        named
    }

    /// What the server tells of databases.
    pub(super) async fn databases(
        &self,
        milvus: &dyn MilvusApi,
        names: impl IntoIterator<Item = String>,
    ) -> MilvusResult<Vec<DatabaseDescription>> {
        let mut told = Vec::new();
        if !self.dialect.database_properties {
            return Ok(told);
        }
        for name in names {
            match milvus.describe_database(&name).await {
                Ok(database) => told.push(DatabaseDescription { name, ..database }),
                Err(error) => match error.kind() {
                    MilvusErrorKind::Unimplemented => break,
                    // It was dropped meanwhile.
                    MilvusErrorKind::NotFound => {}
                    MilvusErrorKind::NotAuthorised => {
                        tracing::warn!(%error, "the backup lacks the properties of this database");
                    }
                    MilvusErrorKind::Unreachable
                    | MilvusErrorKind::Misconfigured
                    | MilvusErrorKind::AlreadyExists
                    | MilvusErrorKind::Transient
                    | MilvusErrorKind::Other => return Err(error),
                },
            }
        }
        Ok(told)
    }
}

/// Whether single collections may be flushed all the same.
fn no_flush_of_all(error: &MilvusError) -> bool {
    matches!(error.kind(), MilvusErrorKind::Unimplemented | MilvusErrorKind::NotAuthorised)
}

/// The persistent segments of each collection that can be listed.
async fn persistent(
    milvus: &dyn MilvusApi,
    wanted: &[Namespace],
) -> BTreeMap<Namespace, Vec<SegmentInfo>> {
    let listed = stream::iter(wanted.to_vec()).map(|namespace| async move {
        let segments = milvus.persistent_segments(&namespace).await;
        segments.ok().map(|segments| (namespace, segments))
    });
    listed.buffered(LISTERS).filter_map(std::future::ready).collect().await
}
