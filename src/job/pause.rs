//! Garbage collection in Milvus is held back while a backup runs, where the server can.
//!
//! One task pauses, renews and resumes, so that no renewal is under way when the pause ends:
//! Milvus is never left paused by an answer that came late. Every ticket that was given is
//! given back. Dropping the guard has the same effect as [`GcPause::end`], without waiting; and
//! should the process die, the pause ends by itself after its lease.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::milvus::{GcControl, GcTarget, GcTicket, MilvusError, MilvusErrorKind};

/// How long Milvus stays paused if it does not hear of us again.
const LEASE: Duration = Duration::from_mins(15);

/// Between two renewals.
const RENEWAL: Duration = Duration::from_mins(5);

/// Tries of giving back one ticket.
const TRIES: u32 = 3;

/// Between two of them.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// A pause that lasts as long as this is held.
#[derive(Debug)]
pub(super) struct GcPause {
    task: TaskTracker,
    first: watch::Receiver<bool>,
    wanted: Option<mpsc::UnboundedSender<Wanted>>,
    stop: DropGuard,
}

/// A collection to be covered, and who waits for it.
type Wanted = (i64, oneshot::Sender<()>);

/// How much a pause covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cover {
    /// The whole cluster, from the start.
    Cluster,
    /// Each collection from the moment when it is asked for.
    Collections,
}

impl GcPause {
    /// Starts to pause. Without a control there is nothing to do.
    pub(super) fn begin(control: Option<Arc<dyn GcControl>>, cover: Cover) -> Self {
        let (task, stop) = (TaskTracker::new(), CancellationToken::new());
        let (answered, first) = watch::channel(control.is_none() || cover == Cover::Collections);
        let (ask, asked) = mpsc::unbounded_channel();
        let wanted = (control.is_some() && cover == Cover::Collections).then_some(ask);
        if let Some(control) = control {
            let stop = stop.clone();
            task.spawn(async move { keep(&*control, cover, &stop, (&answered, asked)).await });
        }
        task.close();
        Self { task, first, wanted, stop: stop.drop_guard() }
    }

    /// Waits until Milvus is paused, or has said that it will not be.
    pub(super) async fn settled(&self) {
        let mut first = self.first.clone();
        // The sender is gone only after it has told.
        first.wait_for(|answered| *answered).await.map(drop).unwrap_or_default();
    }

    /// Covers a collection too, where that is not done already, and waits for the answer.
    pub(super) async fn cover(&self, collection: i64) {
        let Some(wanted) = &self.wanted else { return };
        let (done, answered) = oneshot::channel();
        if wanted.send((collection, done)).is_ok() {
            // The task ends only when the pause does.
            answered.await.unwrap_or_default();
        }
    }

    /// Resumes garbage collection, and waits for it.
    pub(super) async fn end(self) {
        let Self { task, stop, .. } = self;
        drop(stop);
        task.wait().await;
    }
}

async fn keep(
    control: &dyn GcControl,
    cover: Cover,
    stop: &CancellationToken,
    (answered, mut asked): (&watch::Sender<bool>, mpsc::UnboundedReceiver<Wanted>),
) {
    let mut targets = match cover {
        Cover::Cluster => vec![GcTarget::Cluster],
        Cover::Collections => Vec::new(),
    };
    let mut tickets = Vec::new();
    loop {
        let mut kept = Vec::new();
        for target in targets {
            if pause(control, target, &mut tickets).await {
                kept.push(target);
            }
        }
        targets = kept;
        answered.send_replace(true);
        if cover == Cover::Cluster && targets.is_empty() {
            break;
        }
        let renewal = Instant::now() + RENEWAL;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    for ticket in &tickets {
                        resume(control, ticket).await;
                    }
                    return;
                }
                Some((collection, done)) = asked.recv() => {
                    let target = GcTarget::Collection(collection);
                    if !targets.contains(&target) && pause(control, target, &mut tickets).await {
                        targets.push(target);
                    }
                    // Who asked may be gone.
                    done.send(()).unwrap_or_default();
                }
                () = sleep_until(renewal) => break,
            }
        }
    }
}

/// Pauses once; `false` where the server has no such call.
async fn pause(control: &dyn GcControl, target: GcTarget, tickets: &mut Vec<GcTicket>) -> bool {
    match control.pause(target, LEASE).await {
        Ok(ticket) => {
            if !tickets.contains(&ticket) {
                tickets.push(ticket);
            }
        }
        Err(error) if error.kind() == MilvusErrorKind::Unimplemented => {
            tracing::debug!(%error, "garbage collection goes on");
            return false;
        }
        Err(error) => refused(&error),
    }
    true
}

fn refused(error: &MilvusError) {
    tracing::warn!(
        %error,
        "garbage collection is not paused; collections whose files vanish are planned again"
    );
}

async fn resume(control: &dyn GcControl, ticket: &GcTicket) {
    for number in 1..=TRIES {
        match control.resume(ticket).await {
            Ok(()) => return,
            Err(error) if number == TRIES => {
                let minutes = LEASE.as_secs() / 60;
                tracing::warn!(%error, minutes, "garbage collection goes on only after its pause");
            }
            Err(_) => sleep(TRY_AGAIN).await,
        }
    }
}
