//! Patience with what may pass.

use std::time::Duration;

use tokio::time::sleep;

use crate::storage::{StoreErrorKind, StoreResult};

/// The first pause before something is tried again; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// How long to wait after so many tries.
pub(super) fn pause(tries: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1))).min(LONGEST_PAUSE)
}

/// Does something again, up to `retries` times, while its failure may pass.
pub async fn retrying<T, F>(retries: u32, mut work: impl FnMut() -> F) -> StoreResult<T>
where
    F: Future<Output = StoreResult<T>>,
{
    let mut tries = 0;
    loop {
        match work().await {
            Err(error) if error.kind() == StoreErrorKind::Transient && tries < retries => {
                tries += 1;
                tracing::debug!(%error, tries, "tried again");
                sleep(pause(tries)).await;
            }
            ended => return ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::pause;

    #[test]
    fn pauses_grow_up_to_a_limit() {
        let pauses = [1, 2, 3, 8, 40].map(|tries| pause(tries).as_millis());
        assert_eq!(pauses, [200, 400, 800, 20_000, 20_000]);
    }
}
