//! Words to systemd; outside of it, nobody hears them.

use std::sync::Mutex;

use sd_notify::NotifyState;

/// The start is over.
pub(super) fn ready() {
    say(&[NotifyState::Ready]);
}

/// The end has begun.
pub(super) fn stopping() {
    say(&[NotifyState::Stopping]);
}

/// The agent works.
pub(super) fn alive() {
    say(&[NotifyState::Watchdog]);
}

/// What `systemctl status` shows.
#[derive(Debug, Default)]
pub(super) struct Status(Mutex<String>);

impl Status {
    /// What the agent is doing, if that has changed.
    pub(super) fn is(&self, line: &str) {
        let mut known = self.0.lock().expect("no holder of this lock panics");
        if *known != line {
            line.clone_into(&mut known);
            say(&[NotifyState::Status(line)]);
        }
    }
}

fn say(words: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(words) {
        tracing::debug!(%error, "systemd cannot be told");
    }
}
