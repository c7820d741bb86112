//! How long this machine has been suspended: its monotonic clock stands still meanwhile.

use jiff::SignedDuration;
use rustix::time::{ClockId, clock_gettime};

/// The clocks are read one after the other, and each a little late.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(1);

/// The time for which the machine has been suspended since it was started, see `CLOCK_BOOTTIME`
/// in `clock_gettime(2)`.
pub fn suspended() -> SignedDuration {
    loop {
        let before = since_start(ClockId::Monotonic);
        let all = since_start(ClockId::Boottime);
        let after = since_start(ClockId::Monotonic);
        // Else this thread had to wait in between, for longer than is tolerated later.
        if after - before < TOLERANCE / 4 {
            return all - before;
        }
    }
}

/// Whether it has been suspended since it was so for `before` in all.
pub(super) fn suspended_since(before: SignedDuration) -> bool {
    suspended() > before + TOLERANCE
}

fn since_start(clock: ClockId) -> SignedDuration {
    let time = clock_gettime(clock);
    let nanos = i32::try_from(time.tv_nsec).expect("less than a second");
    SignedDuration::new(time.tv_sec, nanos)
}

#[cfg(test)]
mod tests {
    use super::{TOLERANCE, suspended, suspended_since};

    #[test]
    fn a_suspend_is_told_by_two_clocks() {
        let before = suspended();
        assert!(!suspended_since(before));
        assert!(suspended_since(before - TOLERANCE * 2));
    }
}
