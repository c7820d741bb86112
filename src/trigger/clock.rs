//! A tick a second.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// Every second, in the six fields that the scheduler wants.
const EVERY_SECOND: &str = "* * * * * *";

/// How long a tick is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why there is no clock.
#[derive(Debug, thiserror::Error)]
#[error("the clock of the schedules cannot be started")]
pub struct ClockError(#[from] JobSchedulerError);

/// The seconds, as they pass.
pub struct Seconds {
    scheduler: JobScheduler,
    passed: Arc<Notify>,
}

impl std::fmt::Debug for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seconds").finish_non_exhaustive()
    }
}

impl Seconds {
    /// Starts the clock.
    pub async fn start() -> Result<Self, ClockError> {
        let passed = Arc::new(Notify::new());
        let scheduler = JobScheduler::new().await?;
        let tick = Arc::clone(&passed);
        scheduler.add(Job::new(EVERY_SECOND, move |_, _| tick.notify_one())?).await?;
        scheduler.start().await?;
        Ok(Self { scheduler, passed })
    }

    /// Waits for the next one.
    pub async fn next(&self) {
        tokio::select! {
            () = self.passed.notified() => {}
            () = sleep(PATIENCE) => {}
        }
    }

    /// Stops the clock.
    pub async fn stop(mut self) {
        if let Err(error) = self.scheduler.shutdown().await {
            tracing::debug!(%error, "the clock of the schedules did not stop");
        }
    }
}
