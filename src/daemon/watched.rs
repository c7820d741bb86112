//! A run with limits, and its progress.

use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::time::{Instant, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::job::{JobContext, JobError, JobResult};
use crate::metrics::RunProgress;
use crate::model::{ErrorKind, RunKind};
use crate::policy::Policy;
use crate::transfer::ProgressSnapshot;

/// How often its progress is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a run that is to stop may take for that, as it drops what it made.
const LAST_MOMENTS: Duration = Duration::from_mins(3);

/// The same when the agent stops.
const LAST_OF_AGENT: Duration = Duration::from_secs(20);

/// What a run may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// In all.
    pub(super) timeout: Option<Duration>,
    /// Without any progress.
    pub(super) stall_timeout: Option<Duration>,
}

impl Limits {
    /// Those of a policy. A verification ends by itself when its next slot comes; the progress
    /// of a drill is Milvus's.
    pub(super) fn of(policy: &Policy, kind: RunKind, longest: Duration) -> Self {
        if kind == RunKind::Drill {
            let timeout = Some(policy.timeout.unwrap_or(longest));
            return Self { timeout, stall_timeout: None };
        }
        Self { timeout: None, stall_timeout: Some(policy.stall_timeout) }
    }
}

/// Does some work within its limits. What passes one is told to stop, and has failed.
pub(super) async fn watched<T>(
    mut work: BoxFuture<'_, JobResult<T>>,
    (context, limits, stop): (&JobContext, Limits, &CancellationToken),
    tell: impl Fn(RunProgress),
) -> JobResult<T> {
    let begun = Instant::now();
    let (mut moves, mut since, mut moved_at) = (0, begun, context.clock.now());
    let mut looks = interval(LOOK_EVERY);
    let why = loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            _ = looks.tick() => {}
        }
        let found = context.progress.snapshot();
        if found.moves != moves {
            (moves, since, moved_at) = (found.moves, Instant::now(), context.clock.now());
        }
        tell(progress(&found, moved_at));
        let over = |since: Instant, limit: Option<Duration>| {
            limit.is_some_and(|limit| since.elapsed() >= limit)
        };
        if over(begun, limits.timeout) {
            break "it took longer than it may";
        }
        if over(since, limits.stall_timeout) {
            break "it made no progress for as long as `stall_timeout`";
        }
    };
    context.cancel.cancel();
    let agent_stops = async {
        stop.cancelled().await;
        sleep(LAST_OF_AGENT).await;
    };
    let done = tokio::select! {
        biased;
        done = work => Some(done),
        () = sleep(LAST_MOMENTS) => None,
        () = agent_stops => None,
    };
    match done {
        Some(Err(error)) if error.kind() != ErrorKind::Cancelled => Err(error),
        Some(Ok(done)) => Ok(done),
        Some(Err(_)) | None => {
            Err(JobError::new(ErrorKind::Failed, format!("{why}, and was stopped")))
        }
    }
}

fn progress(found: &ProgressSnapshot, moved_at: Timestamp) -> RunProgress {
    RunProgress {
        done_bytes: found.done_bytes,
        expected_bytes: (found.total_bytes > 0).then_some(found.total_bytes),
        moved_at,
    }
}
