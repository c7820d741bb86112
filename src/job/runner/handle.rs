//! What others may ask of a runner.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::journal::JournalError;
use super::record::{JobId, JobRecord, JobRequest};
use super::state::Stop;
use crate::transfer::Progress;

/// What to do where the policy has a job that is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    /// That one does for both.
    Join,
    /// There will be none for this moment of the schedule.
    Skip,
    /// One more follows, unless one is queued already.
    Queue,
    /// The other one is stopped.
    Replace,
    /// One that has not begun yet does for both, else one more follows: who asks now wants what
    /// is there now.
    Follow,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submitted {
    /// It is in the journal and will be run.
    Accepted(JobId),
    /// This job does for it.
    Joined(JobId),
    /// This job is in its way.
    Skipped(JobId),
}

impl Submitted {
    /// The job.
    pub fn job(self) -> JobId {
        match self {
            Self::Accepted(job) | Self::Joined(job) | Self::Skipped(job) => job,
        }
    }
}

/// Why a request was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// It could not be written down.
    #[error("the job could not be accepted")]
    Journal(#[from] JournalError),
    /// The agent is about to end.
    #[error("the agent is stopping")]
    Stopping,
}

/// A job that is at work.
#[derive(Debug, Clone)]
pub struct Active {
    /// The job.
    pub job: JobRecord,
    /// How far its run is.
    pub progress: Arc<Progress>,
}

/// To the runner.
#[derive(Debug)]
pub(super) enum Message {
    Submit(JobRequest, Busy, oneshot::Sender<Result<Submitted, SubmitError>>),
    /// Of a request that is known and not to be done.
    Decline(JobRequest, String, oneshot::Sender<Result<Submitted, SubmitError>>),
    /// Of a run that passed a limit, or of someone who cancels.
    Stop(JobId, Stop, Option<oneshot::Sender<bool>>),
    /// No run begins any more, and those at work are to stop.
    Drain,
}

/// The way to a runner.
#[derive(Debug, Clone)]
pub struct RunnerHandle {
    pub(super) messages: mpsc::Sender<Message>,
    pub(super) active: watch::Receiver<Arc<[Active]>>,
    pub(super) beat: watch::Receiver<Instant>,
}

impl RunnerHandle {
    /// Hands a request over. When this returns, it is on disk.
    pub async fn submit(&self, request: JobRequest, busy: Busy) -> Result<Submitted, SubmitError> {
        self.ask(|answer| Message::Submit(request, busy, answer)).await
    }

    /// Hands a request over that is not to be done, for this reason: it is skipped, and those
    /// who asked are told.
    pub async fn decline(
        &self,
        request: JobRequest,
        why: String,
    ) -> Result<Submitted, SubmitError> {
        self.ask(|answer| Message::Decline(request, why, answer)).await
    }

    async fn ask(
        &self,
        message: impl FnOnce(oneshot::Sender<Result<Submitted, SubmitError>>) -> Message,
    ) -> Result<Submitted, SubmitError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.messages.send(message(answer)).await;
        sent.map_err(|_| SubmitError::Stopping)?;
        answered.await.unwrap_or(Err(SubmitError::Stopping))
    }

    /// Cancels a job. `false` if it is over, or not known.
    pub async fn cancel(&self, job: JobId) -> bool {
        let (answer, answered) = oneshot::channel();
        let message = Message::Stop(job, Stop::Cancelled, Some(answer));
        self.messages.send(message).await.is_ok() && answered.await.unwrap_or_default()
    }

    /// Lets no run begin any more and asks those at work to stop. Their jobs go on when the
    /// next agent opens the journal.
    pub async fn drain(&self) {
        // A runner that is gone has drained.
        drop(self.messages.send(Message::Drain).await);
    }

    /// What is at work now.
    pub fn active(&self) -> Arc<[Active]> {
        Arc::clone(&self.active.borrow())
    }

    /// When the runner last went round its loop.
    pub fn last_beat(&self) -> Instant {
        *self.beat.borrow()
    }
}
