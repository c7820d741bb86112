//! Garbage collection in Milvus is held back while a backup runs, where the server can.
//!
//! One task pauses, renews and resumes, so that no renewal is under way when the pause ends:
//! Milvus is never left paused by an answer that came late. Every ticket that was given is
//! given back. Dropping the guard has the same effect as [`GcPause::end`], without waiting; and
//! should the process die, the pause ends by itself after its lease.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::milvus::{GcControl, GcTicket, MilvusError, MilvusErrorKind};

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
    stop: DropGuard,
}

impl GcPause {
    /// Starts to pause. Without a control there is nothing to do.
    pub(super) fn begin(control: Option<Arc<dyn GcControl>>) -> Self {
        let (task, stop) = (TaskTracker::new(), CancellationToken::new());
        let (answered, first) = watch::channel(control.is_none());
        if let Some(control) = control {
            let stop = stop.clone();
            task.spawn(async move { keep(&*control, &stop, &answered).await });
        }
        task.close();
        Self { task, first, stop: stop.drop_guard() }
    }

    /// Waits until Milvus is paused, or has said that it will not be.
    pub(super) async fn settled(&self) {
        let mut first = self.first.clone();
        // The sender is gone only after it has told.
        first.wait_for(|answered| *answered).await.map(drop).unwrap_or_default();
    }

    /// Resumes garbage collection, and waits for it.
    pub(super) async fn end(self) {
        let Self { task, stop, .. } = self;
        drop(stop);
        task.wait().await;
    }
}

async fn keep(control: &dyn GcControl, stop: &CancellationToken, answered: &watch::Sender<bool>) {
    let mut tickets = Vec::new();
    loop {
        match control.pause(LEASE).await {
            Ok(ticket) => {
                if !tickets.contains(&ticket) {
                    tickets.push(ticket);
                }
            }
            Err(error) if error.kind() == MilvusErrorKind::Unimplemented => {
                tracing::debug!(%error, "garbage collection goes on");
                answered.send_replace(true);
                break;
            }
            Err(error) => refused(&error),
        }
        answered.send_replace(true);
        if stop.run_until_cancelled(sleep(RENEWAL)).await.is_none() {
            break;
        }
    }
    for ticket in &tickets {
        resume(control, ticket).await;
    }
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
