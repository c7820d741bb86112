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
    let targets = match cover {
        Cover::Cluster => vec![GcTarget::Cluster],
        Cover::Collections => Vec::new(),
    };
    let mut keeper = Keeper { control, targets, tickets: Vec::new(), silent: false };
    loop {
        keeper.renew().await;
        answered.send_replace(true);
        if cover == Cover::Cluster && keeper.targets.is_empty() {
            break;
        }
        if keeper.wait(stop, &mut asked).await == Waited::Stopped {
            break;
        }
    }
    for ticket in &keeper.tickets {
        resume(control, ticket).await;
    }
}

/// How a wait for the next renewal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waited {
    /// It is time to renew.
    Due,
    /// The pause is over.
    Stopped,
}

/// What is paused.
struct Keeper<'a> {
    control: &'a dyn GcControl,
    targets: Vec<GcTarget>,
    tickets: Vec<GcTicket>,
    /// The server does not answer: nothing more is asked until the next renewal.
    silent: bool,
}

impl Keeper<'_> {
    async fn renew(&mut self) {
        self.silent = false;
        for target in std::mem::take(&mut self.targets) {
            self.pause(target).await;
        }
    }

    /// Covers what is asked for, until it is time to renew. A question that is under way is
    /// waited for, so that its ticket is known.
    async fn wait(
        &mut self,
        stop: &CancellationToken,
        asked: &mut mpsc::UnboundedReceiver<Wanted>,
    ) -> Waited {
        let renewal = Instant::now() + RENEWAL;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Waited::Stopped,
                Some((collection, done)) = asked.recv() => {
                    let target = GcTarget::Collection(collection);
                    if !self.targets.contains(&target) {
                        self.pause(target).await;
                    }
                    // Who asked may be gone.
                    done.send(()).unwrap_or_default();
                }
                () = sleep_until(renewal) => return Waited::Due,
            }
        }
    }

    /// Pauses once, and keeps the target for the next renewal unless the server has no such call.
    async fn pause(&mut self, target: GcTarget) {
        if self.silent {
            self.targets.push(target);
            return;
        }
        match self.control.pause(target, LEASE).await {
            Ok(ticket) if !self.tickets.contains(&ticket) => self.tickets.push(ticket),
            Ok(_) => {}
            Err(error) if error.kind() == MilvusErrorKind::Unimplemented => {
                tracing::debug!(%error, "garbage collection goes on");
                return;
            }
            Err(error) => {
                refused(&error);
                self.silent = error.kind() == MilvusErrorKind::Unreachable;
            }
        }
        self.targets.push(target);
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
