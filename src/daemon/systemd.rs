//! Words to systemd; outside of it, nobody hears them.

use std::sync::Mutex;

use sd_notify::NotifyState;

/// The service manager.
#[derive(Debug, Default)]
pub(super) struct Systemd {
    status: Mutex<String>,
}

impl Systemd {
    /// The start is over.
    pub(super) fn ready(&self) {
        say(&[NotifyState::Ready]);
    }

    /// The end has begun.
    pub(super) fn stopping(&self) {
        say(&[NotifyState::Stopping]);
    }

    /// The agent works.
    pub(super) fn alive(&self) {
        say(&[NotifyState::Watchdog]);
    }

    /// What it is doing, if that has changed.
    pub(super) fn status(&self, line: &str) {
        let mut known = self.status.lock().expect("no holder of this lock panics");
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
