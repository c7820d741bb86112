//! How many copies run at once: fewer while a store says that it is too much.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Copies that were started together fail together: that is one sign, not many.
const ONE_SIGN: Duration = Duration::from_secs(1);

/// Halved by a sign of too much, one more after each round of successes.
#[derive(Debug)]
struct Limit {
    most: usize,
    now: usize,
    successes: usize,
    halved_at: Option<Instant>,
}

impl Limit {
    fn new(most: usize) -> Self {
        let most = most.max(1);
        Self { most, now: most, successes: 0, halved_at: None }
    }

    fn succeeded(&mut self) {
        self.successes += 1;
        if self.successes >= self.now {
            self.successes = 0;
            self.now = self.most.min(self.now + 1);
        }
    }

    fn too_much(&mut self, at: Instant) {
        let seen = self.halved_at.is_some_and(|halved| at - halved < ONE_SIGN);
        if !seen {
            self.halved_at = Some(at);
            self.successes = 0;
            self.now = (self.now / 2).max(1);
        }
    }
}

#[derive(Debug)]
struct State {
    limit: Limit,
    running: usize,
}

/// Room for copies.
#[derive(Debug)]
pub(super) struct Room {
    state: Mutex<State>,
    freed: Notify,
}

/// A place in the room, given back when dropped.
#[derive(Debug)]
pub(super) struct Place<'a>(&'a Room);

impl Room {
    pub(super) fn new(most: usize) -> Self {
        let state = State { limit: Limit::new(most), running: 0 };
        Self { state: Mutex::new(state), freed: Notify::new() }
    }

    /// Waits for a place.
    pub(super) async fn enter(&self) -> Place<'_> {
        loop {
            {
                let mut state = self.state();
                if state.running < state.limit.now {
                    state.running += 1;
                    return Place(self);
                }
            }
            self.freed.notified().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl Place<'_> {
    /// The copy went well.
    pub(super) fn succeeded(&self) {
        self.0.state().limit.succeeded();
        self.0.freed.notify_one();
    }

    /// The store wants fewer.
    pub(super) fn too_much(&self) {
        self.0.state().limit.too_much(Instant::now());
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.state().running -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Limit, Room};

    #[test]
    fn a_limit_is_halved_once_a_sign_and_grows_by_one_a_round() {
        let begun = Instant::now();
        let mut limit = Limit::new(64);
        for (millis, expected) in [(0, 32), (10, 32), (999, 32), (1000, 16), (2000, 8), (9000, 4)] {
            limit.too_much(begun + Duration::from_millis(millis));
            assert_eq!(limit.now, expected, "after {millis} ms");
        }
        for expected in [4, 4, 4, 5, 5, 5, 5, 5, 6] {
            limit.succeeded();
            assert_eq!(limit.now, expected);
        }
        (0..10_000).for_each(|_| limit.succeeded());
        assert_eq!(limit.now, 64);
        let mut least = Limit::new(0);
        least.too_much(begun);
        assert_eq!(least.now, 1);
    }

    fn seen(room: &Room) -> (usize, usize) {
        let state = room.state();
        (state.running, state.limit.now)
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_place_that_is_free() {
        let room = Room::new(4);
        room.enter().await.too_much();
        let copies = (0..100).map(|_| async {
            let place = room.enter().await;
            let (running, limit) = seen(&room);
            assert!(running <= limit);
            tokio::time::sleep(Duration::from_millis(10)).await;
            place.succeeded();
        });
        futures::future::join_all(copies).await;
        assert_eq!(seen(&room), (0, 4));
    }
}
