//! What lies between one process and its stores: it can be killed or stopped at any call.

use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::op::{Fate, Fault};
use super::random::Random;

/// What happened at all gates of a world.
#[derive(Debug, Default)]
pub(super) struct Events {
    pub(super) calls: AtomicU64,
    pub(super) stalls: AtomicU64,
    pub(super) faults: AtomicU64,
    /// Rings at deaths and stalls.
    pub(super) changed: Notify,
}

/// All calls of one process pass here.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
    events: Arc<Events>,
}

#[derive(Debug)]
struct State {
    calls: u32,
    /// What comes, and at which call.
    fate: Fate,
    fate_at: u32,
    dead: bool,
    stalled: Option<CancellationToken>,
    /// The longest that a call takes, in milliseconds.
    pace: u32,
    random: Random,
}

impl Gate {
    pub(super) fn new(events: Arc<Events>, random: Random) -> Self {
        let state = State {
            calls: 0,
            fate: Fate::Lives,
            fate_at: 0,
            dead: false,
            stalled: None,
            pace: 0,
            random,
        };
        Self { state: Mutex::new(state), events }
    }

    /// From now on.
    pub(super) fn set(&self, fate: Fate, pace: u16) {
        let mut state = self.state();
        let at = match fate {
            Fate::Lives => 0,
            Fate::Dies { at } | Fate::Stalls { at } | Fate::Meets { at, .. } => at,
        };
        (state.fate, state.fate_at) = (fate, state.calls + u32::from(at));
        state.pace = u32::from(pace);
    }

    /// Nothing passes any more.
    pub(super) fn kill(&self) {
        self.state().dead = true;
    }

    pub(super) fn is_dead(&self) -> bool {
        self.state().dead
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.state().stalled.is_some()
    }

    /// Ends a stall, if there is one.
    pub(super) fn wake(&self) -> bool {
        match self.state().stalled.take() {
            Some(token) => {
                token.cancel();
                true
            }
            None => false,
        }
    }

    /// Lets a call through, in its time, or tells how it fails.
    pub(super) async fn pass(&self) -> Option<Fault> {
        let (fault, delay) = self.enter();
        if !delay.is_zero() {
            sleep(delay).await;
        }
        loop {
            let token = {
                let state = self.state();
                match &state.stalled {
                    _ if state.dead => None,
                    Some(token) => Some(token.clone()),
                    None => return fault,
                }
            };
            match token {
                Some(token) => token.cancelled().await,
                None => pending().await,
            }
        }
    }

    fn enter(&self) -> (Option<Fault>, Duration) {
        let mut state = self.state();
        self.events.calls.fetch_add(1, Ordering::Relaxed);
        let number = state.calls;
        state.calls += 1;
        let due = number >= state.fate_at;
        let mut fault = None;
        match state.fate {
            Fate::Dies { .. } if due => {
                state.dead = true;
                self.events.changed.notify_one();
            }
            Fate::Stalls { .. } if due => {
                (state.fate, state.stalled) = (Fate::Lives, Some(CancellationToken::new()));
                self.events.stalls.fetch_add(1, Ordering::Relaxed);
                self.events.changed.notify_one();
            }
            Fate::Meets { times, fault: how, .. } if due => {
                if number >= state.fate_at + u32::from(times) {
                    state.fate = Fate::Lives;
                } else {
                    self.events.faults.fetch_add(1, Ordering::Relaxed);
                    fault = Some(how);
                }
            }
            Fate::Lives | Fate::Dies { .. } | Fate::Stalls { .. } | Fate::Meets { .. } => {}
        }
        let pace = state.pace;
        let delay = if pace == 0 { 0 } else { state.random.below(pace) };
        (fault, Duration::from_millis(delay.into()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}
