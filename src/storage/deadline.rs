//! Until when a call may begin, and how long it may last.

use std::fmt::{Debug, Display};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use jiff::SignedDuration;
use tokio::time::{Instant, sleep_until};

use super::suspended::suspended_since;
use super::{StoreError, StoreErrorKind, StoreOp, StoreResult};

/// The time in which a call has to be made that is wrong at any other.
///
/// A store looks at its clock right before each request or file, so that a process that
/// stood still anywhere before that does nothing when it wakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// No part of the call begins after this moment.
    pub begin_by: Instant,
    /// What has no answer at this moment is given up.
    pub end_by: Instant,
    /// For how long the machine had been suspended ([`super::suspended`]) when the time began. It
    /// is over with the next time, in which no other clock of the process moves.
    pub suspended: SignedDuration,
}

/// Whoever knows the deadline of a call that is made now.
pub trait Deadlines: Debug + Send + Sync {
    /// It moves on for as long as all is well.
    fn deadline(&self) -> Deadline;
}

impl Deadline {
    /// Refuses to begin too late.
    pub fn begin(&self, op: StoreOp, place: impl Display) -> StoreResult<()> {
        if Instant::now() <= self.begin_by && !self.has_slept() {
            return Ok(());
        }
        Err(StoreError::new(op, place, StoreErrorKind::Expired, "it is too late to begin"))
    }

    /// Whether the machine has been suspended since the time began.
    pub fn has_slept(&self) -> bool {
        suspended_since(self.suspended)
    }

    /// Makes a call, or what is left of it after a look at the clock, and gives it up in time.
    pub async fn keep<T>(
        &self,
        op: StoreOp,
        place: impl Display,
        call: impl Future<Output = StoreResult<T>>,
    ) -> StoreResult<T> {
        self.begin(op, &place)?;
        let (mut call, mut end) = (pin!(call), pin!(sleep_until(self.end_by)));
        let kept = poll_fn(|context| {
            // A process that stood still may wake with everything ready at once: time is first.
            if Instant::now() >= self.end_by
                || self.has_slept()
                || end.as_mut().poll(context).is_ready()
            {
                return Poll::Ready(None);
            }
            call.as_mut().poll(context).map(Some)
        });
        kept.await.unwrap_or_else(|| {
            let cause = "no answer came in time, so it may be done or not";
            Err(StoreError::new(op, place, StoreErrorKind::Expired, cause))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;
    use std::time::Duration;

    use jiff::SignedDuration;
    use tokio::time::{Instant, advance};

    use super::Deadline;
    use crate::storage::{StoreErrorKind, StoreOp, StoreResult, suspended};

    fn deadline() -> Deadline {
        let now = Instant::now();
        Deadline {
            begin_by: now + Duration::from_secs(15),
            end_by: now + Duration::from_secs(25),
            suspended: suspended(),
        }
    }

    fn kind<T>(kept: StoreResult<T>) -> Option<StoreErrorKind> {
        kept.err().map(|error| error.kind())
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_begins_too_late() {
        let deadline = deadline();
        advance(Duration::from_secs(15)).await;
        assert_eq!(kind(deadline.keep(StoreOp::Put, "a", ready(Ok(()))).await), None);
        advance(Duration::from_millis(1)).await;
        let unpolled = async { panic!("it began") };
        let late = deadline.keep::<()>(StoreOp::Put, "a", unpolled).await;
        assert_eq!(kind(late), Some(StoreErrorKind::Expired));
    }

    /// As if the machine had been suspended for longer since then than it ever was.
    #[tokio::test(start_paused = true)]
    async fn nothing_begins_after_a_suspend() {
        let suspended = suspended() - SignedDuration::from_secs(2);
        let unpolled = async { panic!("it began") };
        let late = Deadline { suspended, ..deadline() };
        assert_eq!(
            kind(late.keep::<()>(StoreOp::Put, "a", unpolled).await),
            Some(StoreErrorKind::Expired)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_hangs_is_given_up() {
        let (began, deadline) = (Instant::now(), deadline());
        let hanging = deadline.keep::<()>(StoreOp::Delete, "a", pending()).await;
        assert_eq!(kind(hanging), Some(StoreErrorKind::Expired));
        assert_eq!(began.elapsed().as_secs(), 25);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_stood_still_does_not_go_on() {
        let deadline = deadline();
        // As if the process were stopped between two requests of one call.
        let stopped = async {
            tokio::task::yield_now().await;
            panic!("it went on after it was too late");
        };
        let mut kept = pin!(deadline.keep::<()>(StoreOp::Delete, "a", stopped));
        assert!(futures::poll!(kept.as_mut()).is_pending());
        advance(Duration::from_secs(40)).await;
        assert_eq!(kind(kept.await), Some(StoreErrorKind::Expired));
    }
}
