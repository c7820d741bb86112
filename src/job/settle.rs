//! Deletes that reach the storage later than the flush: all collections wait for them together.
//!
//! A Milvus 2.2 keeps deletes of flushed rows in memory and writes them down once in
//! `dataNode.segment.syncPeriod`, counted from the last time that it wrote the segment (measured
//! on 2.2.16: 600.0 s after that with a period of 600, whenever the delete came). So a run
//! flushes everything, waits once for all of it, and only then lists delta logs. Where a
//! compaction came between, deletes have moved on with the rows, and rows that were deleted after
//! the flush are gone: such a collection is flushed, waited for and looked at anew, together with
//! all others that met one. The new segments with the old boundary would not do (tried on 2.2.16
//! under inserts and deletes: not one of 500 rows came back).

use std::time::Duration;

use futures::{FutureExt, StreamExt, stream};
use jiff::SignedDuration;
use tokio::time::{Instant, sleep};

use crate::config::Settle;
use crate::manifest::DeletesComplete;
use crate::milvus::MilvusVersion;
use crate::model::Namespace;
use crate::plan::{self, BackupPlan, CollectionPlan};

use super::gather::{Flushed, GatherError, flush_whole, look_after_wait};
use super::survey::{GATHERERS, LOOKS, Survey, failed, give_up, plan_inventory};
use super::{JobContext, JobResult};

/// How often a waiting run shows that it is alive.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// What a run does about deletes that come late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settling {
    /// Nothing: a flush writes them all.
    Needless,
    /// It waits so long after the last flush.
    Wait(Duration),
    /// Nothing, though some may be missing.
    Skipped,
}

impl Settling {
    pub(super) fn of(version: &MilvusVersion, settle: Settle) -> Self {
        match settle {
            _ if !version.writes_deletes_late() => Self::Needless,
            Settle::Auto(period) => Self::Wait(plan::settle_time(period)),
            Settle::Skip => Self::Skipped,
        }
    }

    /// What `check` says of it.
    pub(super) fn describe(self) -> String {
        match self {
            Self::Needless => String::new(),
            Self::Wait(wait) => format!("; a backup waits {} for its deletes", pretty(wait)),
            Self::Skipped => "; a backup does not wait for its latest deletes".to_owned(),
        }
    }

    /// Says what is given up, if anything is.
    pub(super) fn tell(self) {
        if self == Self::Skipped {
            tracing::warn!(
                "the latest deletes may be missing: Milvus writes them down later, and `milvus.settle: none` skips the wait"
            );
        }
    }

    /// What the manifest says of it.
    pub(super) fn deletes_complete(self) -> DeletesComplete {
        match self {
            Self::Needless | Self::Wait(_) => DeletesComplete::Yes,
            Self::Skipped => DeletesComplete::Unknown,
        }
    }
}

/// What a look after the wait found.
enum Looked {
    Planned(Box<CollectionPlan>),
    Failed(String),
    /// It has to be flushed and waited for anew, for this reason.
    Again(String),
}

/// Flushes all collections, waits, looks at all of them; those that changed meanwhile anew.
pub(super) async fn plan_settled(
    survey: &Survey<'_>,
    selected: Vec<Namespace>,
    wait: Duration,
    plan: &mut BackupPlan,
) -> JobResult<()> {
    let progress = &survey.context.progress;
    let mut pending: Vec<(Namespace, String)> =
        selected.into_iter().map(|namespace| (namespace, String::new())).collect();
    for _ in 0..LOOKS {
        let flushed = flush_all(survey, std::mem::take(&mut pending), plan).await?;
        if flushed.is_empty() {
            return Ok(());
        }
        rest(survey.context, wait).await;
        let mut looking = stream::iter(flushed)
            .map(|(namespace, flushed)| {
                async move {
                    let looked = look(survey, &namespace, flushed).await;
                    (namespace, looked)
                }
                .boxed()
            })
            .buffered(GATHERERS);
        while let Some((namespace, looked)) = looking.next().await {
            progress.subject(&namespace.to_string());
            match looked? {
                Looked::Planned(collection) => plan.collections.push(*collection),
                Looked::Failed(why) => plan.failed.push(failed(&namespace, why)),
                Looked::Again(why) => {
                    tracing::info!(%namespace, why, "the collection changed during the wait");
                    pending.push((namespace, why));
                }
            }
        }
    }
    plan.failed.extend(pending.into_iter().map(|(namespace, why)| failed(&namespace, why)));
    Ok(())
}

/// Flushes collections; what fails goes into the plan.
async fn flush_all(
    survey: &Survey<'_>,
    collections: Vec<(Namespace, String)>,
    plan: &mut BackupPlan,
) -> JobResult<Vec<(Namespace, Flushed)>> {
    let (context, started) = (survey.context, survey.started);
    let mut flushing = stream::iter(collections)
        .map(|(namespace, _)| {
            async move {
                let flushed = flush_whole(context, &namespace, started).await;
                (namespace, flushed)
            }
            .boxed()
        })
        .buffered(GATHERERS);
    let mut all = Vec::new();
    while let Some((namespace, flushed)) = flushing.next().await {
        context.progress.subject(&namespace.to_string());
        match flushed {
            Ok(flushed) => all.push((namespace, flushed)),
            Err(error) => plan.failed.push(failed(&namespace, give_up(error, &namespace)?)),
        }
    }
    Ok(all)
}

/// Waits, and shows that it does.
async fn rest(context: &JobContext, wait: Duration) {
    tracing::info!(
        seconds = wait.as_secs(),
        "waiting until Milvus has written its deletes down (milvus.settle)"
    );
    let end = Instant::now() + wait;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        let shown = pretty(left);
        context.progress.subject(&format!("(waiting {shown} for Milvus to write deletes down)"));
        sleep(left.min(SIGN_OF_LIFE)).await;
    }
}

/// In whole seconds.
fn pretty(duration: Duration) -> String {
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    format!("{:#}", SignedDuration::from_secs(seconds))
}

async fn look(survey: &Survey<'_>, namespace: &Namespace, flushed: Flushed) -> JobResult<Looked> {
    let source = &**survey.context.source()?;
    let inventory =
        match look_after_wait(survey.context, source, namespace, (flushed, survey.beyond)).await {
            Ok(inventory) => inventory,
            Err(error @ (GatherError::Recreated | GatherError::Compacting { .. })) => {
                return Ok(Looked::Again(error.to_string()));
            }
            Err(error) => return Ok(Looked::Failed(give_up(error, namespace)?)),
        };
    Ok(match plan_inventory(survey, inventory).await? {
        Ok(planned) => Looked::Planned(Box::new(planned)),
        Err(error) => Looked::Again(error.to_string()),
    })
}
