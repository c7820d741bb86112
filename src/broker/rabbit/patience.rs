//! How long a broker may say nothing.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::faults;
use super::setup::Setup;
use crate::broker::BrokerResult;

/// How long an answer may take on a link.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A moment until which something must be done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Until {
    pub(super) whole: Duration,
    pub(super) moment: Instant,
}

impl Until {
    pub(super) fn now_and(whole: Duration) -> Self {
        Self { whole, moment: Instant::now() + whole }
    }

    /// A moment before, for the first of several things that have to be done until then. The
    /// share is counted from now, when the first one is asked for.
    pub(super) fn share(self, among: usize) -> Self {
        let left = self.moment.saturating_duration_since(Instant::now());
        let among = u32::try_from(among.max(1)).unwrap_or(u32::MAX);
        Self { whole: self.whole, moment: Instant::now() + left / among }
    }

    /// Waits for the work; `late` is what is said if it does not end.
    pub(super) async fn wait<T>(
        self,
        setup: &Setup,
        late: &str,
        work: impl Future<Output = T>,
    ) -> BrokerResult<T> {
        let done = timeout_at(self.moment, work).await;
        done.map_err(|_| faults::late(setup, late, self.whole))
    }
}

/// Waits for the work for as long as [`PATIENCE`], where only time counts in which the broker
/// takes what is published. None if it took too long.
pub(super) async fn while_open<T>(
    mut blocked: watch::Receiver<Option<String>>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = std::pin::pin!(work);
    let mut left = PATIENCE;
    loop {
        let open = blocked.borrow_and_update().is_none();
        let since = Instant::now();
        tokio::select! {
            biased;
            done = &mut work => return Some(done),
            Ok(()) = blocked.changed() => {}
            () = sleep(left), if open => return None,
        }
        if open {
            left = left.saturating_sub(since.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use tokio::sync::watch;
    use tokio::time::{Instant, sleep};

    use super::{PATIENCE, while_open};

    #[tokio::test(start_paused = true)]
    async fn time_counts_while_the_broker_takes_something() {
        let (told, hears) = watch::channel(None);
        let start = Instant::now();
        assert_eq!(while_open(hears.clone(), async { 1 }).await, Some(1));
        assert_eq!(while_open(hears.clone(), pending::<()>()).await, None);
        assert_eq!(start.elapsed(), PATIENCE);

        let start = Instant::now();
        let hour = Duration::from_hours(1);
        let blocking = async {
            sleep(Duration::from_secs(10)).await;
            told.send_replace(Some("disk".to_owned()));
            sleep(hour).await;
            told.send_replace(None);
            pending::<()>().await;
        };
        tokio::select! {
            () = blocking => {}
            done = while_open(hears, pending::<()>()) => assert_eq!(done, None),
        }
        assert_eq!(start.elapsed(), PATIENCE + hour);
    }
}
