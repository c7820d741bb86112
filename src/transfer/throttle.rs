//! Keeps all streams together below a rate.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use tokio::time::{Instant, sleep_until};

use crate::storage::ByteStream;

/// How long a pause may be made up for by going faster.
const BURST: Duration = Duration::from_millis(100);

/// Bytes in turn: each says when it may pass, and moves the next one's time.
#[derive(Debug)]
struct Bucket {
    bytes_per_second: NonZeroU64,
    next: Instant,
}

impl Bucket {
    /// When these bytes may pass, if they are here now.
    fn admit(&mut self, bytes: u64, now: Instant) -> Instant {
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let at = self.next.max(earliest);
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second.get());
        self.next = at + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 4));
        at
    }
}

/// The rate limit of an agent.
#[derive(Debug)]
pub struct Throttle(Option<Mutex<Bucket>>);

impl Throttle {
    /// Lets so many bytes pass in a second; without a number, any.
    pub fn new(bytes_per_second: Option<NonZeroU64>) -> Self {
        let bucket = |bytes_per_second| Bucket { bytes_per_second, next: Instant::now() };
        Self(bytes_per_second.map(bucket).map(Mutex::new))
    }

    /// The same bytes, no faster than the rate.
    pub fn slow(self: &Arc<Self>, body: ByteStream) -> ByteStream {
        if self.0.is_none() {
            return body;
        }
        let throttle = Arc::clone(self);
        let passed = body.and_then(move |chunk| {
            let throttle = Arc::clone(&throttle);
            async move {
                throttle.pass(chunk.len() as u64).await;
                Ok(chunk)
            }
        });
        passed.boxed()
    }

    /// Waits until these bytes may pass.
    async fn pass(&self, bytes: u64) {
        let Some(bucket) = &self.0 else { return };
        let at = {
            let mut bucket = bucket.lock().expect("no holder of this lock panics");
            bucket.admit(bytes, Instant::now())
        };
        sleep_until(at).await;
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;
    use std::time::Duration;

    use futures::future::join_all;
    use tokio::time::{Instant, sleep};

    use super::{Bucket, Throttle};

    fn rate(bytes_per_second: u64) -> Option<NonZeroU64> {
        NonZeroU64::new(bytes_per_second)
    }

    #[test]
    fn bytes_pass_one_after_the_other_and_a_pause_is_hardly_made_up_for() {
        let begun = Instant::now() + Duration::from_mins(1);
        let after = |millis| begun + Duration::from_millis(millis);
        let mut bucket = Bucket { bytes_per_second: rate(1000).unwrap(), next: begun };
        for (bytes, now, expected) in [
            (500, 0, after(0)),
            (500, 0, after(500)),
            (0, 0, after(1000)),
            (100, 1000, after(1000)),
            (100, 60_000, after(59_900)),
            (100, 60_000, after(60_000)),
            (100, 60_000, after(60_100)),
        ] {
            assert_eq!(bucket.admit(bytes, after(now)), expected, "{bytes} at {now}");
        }
        assert!(bucket.admit(u64::MAX, after(0)) < bucket.admit(1, after(0)));
    }

    #[tokio::test(start_paused = true)]
    async fn all_streams_together_keep_the_rate() {
        let throttle = Throttle::new(rate(1000));
        let begun = Instant::now();
        let stream = async || {
            for _ in 0..10 {
                throttle.pass(100).await;
            }
        };
        join_all((0..8).map(|_| stream())).await;
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(7900 - 100) && took < Duration::from_secs(8));
        sleep(Duration::from_secs(1)).await;
        let begun = Instant::now();
        Throttle::new(None).pass(u64::MAX).await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
