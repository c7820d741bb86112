//! One run, watched: it ends by itself, is asked to, or is dropped.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, interval};

use super::record::JobRecord;
use super::state::Stop;
use super::work::{Done, Limits, Scope, Work};
use crate::job::{JobError, JobResult};
use crate::model::ErrorKind;

/// How long a run may go on after it was asked to stop. It writes a checkpoint and gives its
/// leases back; a store that hangs must not make it hang.
pub(super) const STOP_GRACE: Duration = Duration::from_secs(20);

/// The longest time between two looks at the progress.
const LOOK: Duration = Duration::from_secs(5);

/// A look that is so many times later than it should be says that the whole process stood
/// still, or the machine. That is no fault of the run, which learns of it by its lease.
const LATE: u32 = 3;

/// A run and what bounds it.
pub(super) struct Run {
    pub(super) work: Arc<dyn Work>,
    pub(super) job: JobRecord,
    pub(super) limits: Limits,
    pub(super) scope: Scope,
    /// Says that, and why, it is to stop.
    pub(super) stop: watch::Receiver<Option<Stop>>,
}

impl Run {
    /// Runs to the end. `ask` is told that a limit is passed, and whoever is told answers by
    /// `stop`; `false` if nobody could be told, who is asked again.
    pub(super) async fn watched(mut self, ask: impl Fn(Stop) -> bool) -> JobResult<Done> {
        let work = self.work.run(&self.job, &self.scope);
        tokio::pin!(work);
        let begun = Instant::now();
        let mut end = self.limits.timeout.map(|timeout| begun + timeout);
        let mut still = Still::new(begun);
        let period = (self.limits.stall_timeout / 4).clamp(Duration::from_millis(50), LOOK);
        let mut look = interval(period);
        let (mut asked, mut looked) = (false, begun);
        let stop = loop {
            tokio::select! {
                done = &mut work => return done,
                stop = self.stop.wait_for(Option::is_some) => {
                    break stop.map(|stop| *stop).unwrap_or_default();
                }
                _ = look.tick(), if !asked => {
                    let between = looked.elapsed();
                    looked = Instant::now();
                    if between > period * LATE {
                        tracing::info!(seconds = between.as_secs(), "the whole agent stood still");
                        end = end.map(|end| end + between);
                        still = Still { since: looked, ..still };
                    }
                    let still = still.since(self.scope.progress.snapshot().moves);
                    if end.is_some_and(|end| end <= Instant::now()) {
                        asked = ask(Stop::TimedOut);
                    } else if still > self.limits.stall_timeout {
                        asked = ask(Stop::Stalled);
                    }
                }
            }
        };
        let at = self.scope.progress.snapshot();
        self.scope.cancel.cancel();
        let ended = tokio::select! {
            done = &mut work => done,
            () = tokio::time::sleep(STOP_GRACE) => {
                tracing::warn!(policy = %self.job.policy, "a run that was asked to stop did not, and is dropped");
                Err(JobError::cancelled())
            }
        };
        let why = match stop {
            Some(Stop::TimedOut) => {
                format!("it took longer than its timeout of {:#}", pretty(self.limits.timeout))
            }
            Some(Stop::Stalled) => format!(
                "it hung: nothing moved for {:#} (stall_timeout)",
                pretty(Some(self.limits.stall_timeout))
            ),
            Some(Stop::Cancelled | Stop::Replaced | Stop::Draining) | None => return ended,
        };
        ended.map_err(|_| {
            let subject =
                if at.subject.is_empty() { String::new() } else { format!(" {}", at.subject) };
            let message = format!("{why} while {}{subject}", at.stage.as_str());
            JobError::new(ErrorKind::Failed, message)
                .hint("see Milvus's log; if it only was slow, raise that limit in the policy")
        })
    }
}

fn pretty(duration: Option<Duration>) -> jiff::SignedDuration {
    duration.and_then(|it| it.try_into().ok()).unwrap_or_default()
}

/// Since when a counter stands still.
struct Still {
    moves: u64,
    since: Instant,
}

impl Still {
    fn new(now: Instant) -> Self {
        Self { moves: 0, since: now }
    }

    fn since(&mut self, moves: u64) -> Duration {
        if moves != self.moves {
            *self = Self { moves, since: Instant::now() };
        }
        self.since.elapsed()
    }
}
