//! The right time, which goes with tokio's, and what agents take for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use milvus_backup_agent::model::Clock;
use tokio::time::Instant;

/// The clock of every store.
#[derive(Debug, Clone, Copy)]
pub(super) struct TrueClock {
    begun: Instant,
    begin: Timestamp,
}

impl TrueClock {
    pub(super) fn new() -> Self {
        let begin = "2026-11-23T02:00:00Z".parse().expect("a time");
        Self { begun: Instant::now(), begin }
    }
}

impl Clock for TrueClock {
    fn now(&self) -> Timestamp {
        self.begin + self.begun.elapsed()
    }
}

/// The clock of an agent's machine as one job reads it.
#[derive(Debug, Clone)]
pub(super) struct JobClock {
    right: TrueClock,
    hours_off: Arc<AtomicI64>,
    /// The latest time that it told, in seconds.
    told: Arc<AtomicI64>,
}

impl JobClock {
    pub(super) fn new(right: TrueClock, hours_off: Arc<AtomicI64>) -> Self {
        Self { right, hours_off, told: Arc::new(AtomicI64::new(i64::MIN)) }
    }

    /// The latest time that the job may have gone by, rounded up.
    pub(super) fn latest(&self) -> Timestamp {
        let told = self.told.load(Ordering::Relaxed).saturating_add(1);
        Timestamp::from_second(told).unwrap_or(Timestamp::MIN)
    }
}

impl Clock for JobClock {
    fn now(&self) -> Timestamp {
        let now =
            self.right.now() + SignedDuration::from_hours(self.hours_off.load(Ordering::Relaxed));
        self.told.fetch_max(now.as_second(), Ordering::Relaxed);
        now
    }
}
