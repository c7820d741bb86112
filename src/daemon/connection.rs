//! What the connection to the broker is doing.

use std::fmt;

use crate::broker::BrokerError;

/// What is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BrokerState {
    /// Whether there is one.
    pub(super) link: LinkState,
    /// Why the broker takes no events, although there is one.
    pub(super) blocked: Option<String>,
}

/// Whether there is a connection, and what it is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LinkState {
    /// The first try is at work.
    Connecting,
    /// Messages come and events go.
    Serving,
    /// There is one, and no message is taken, as nobody could see to it.
    Resting(String),
    /// There is none.
    Away(BrokerError),
}

impl Default for BrokerState {
    fn default() -> Self {
        Self { link: LinkState::Connecting, blocked: None }
    }
}

impl BrokerState {
    /// Whether all is as it should be.
    pub(super) fn is_well(&self) -> bool {
        self.link == LinkState::Serving && self.blocked.is_none()
    }

    pub(super) fn log(&self, address: &str) {
        match (&self.link, &self.blocked) {
            (LinkState::Away(error), _) => {
                let hint = error.hint.as_deref().unwrap_or_default();
                tracing::warn!(address, %error, hint, "the broker is away; schedules go on, events wait");
            }
            (_, Some(reason)) => {
                tracing::warn!(address, reason, "the broker takes no events; they wait");
            }
            (LinkState::Connecting, None) => tracing::info!(address, "connecting to the broker"),
            (LinkState::Serving, None) => {
                tracing::info!(address, "connected to the broker, taking messages");
            }
            (LinkState::Resting(why), None) => {
                tracing::warn!(address, why, "no message is taken; they stay in the queue");
            }
        }
    }
}

/// For `systemctl status` and `/readyz`.
impl fmt::Display for BrokerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.link {
            LinkState::Connecting => f.write_str("connecting")?,
            LinkState::Serving => f.write_str("connected")?,
            LinkState::Resting(why) => write!(f, "connected, takes no messages: {why}")?,
            LinkState::Away(error) => {
                write!(f, "away: {error}")?;
                error.hint.iter().try_for_each(|hint| write!(f, " ({hint})"))?;
            }
        }
        match &self.blocked {
            Some(reason) => write!(f, "; it takes no events: {reason}"),
            None => Ok(()),
        }
    }
}
