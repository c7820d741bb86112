//! Why the broker is of no use.

/// What is the matter with a broker, as whoever has to act would put it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BrokerFault {
    /// There is no connection, or there is none any more. It may pass.
    Unreachable,
    /// It does not let us in, or not do what we need. Someone has to act.
    Unauthorised,
    /// A queue or an exchange is not there, or not as it has to be. Someone has to act.
    Topology,
    /// It did not take a letter, as a queue behind it is full. The link is as good as before.
    Full,
    /// It did something that we do not understand.
    Protocol,
}

/// An operation that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BrokerError {
    /// What is the matter.
    pub fault: BrokerFault,
    /// The same in words, with the place.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl BrokerError {
    /// An error without a remedy.
    pub fn new(fault: BrokerFault, message: impl Into<String>) -> Self {
        Self { fault, message: message.into(), hint: None }
    }

    /// The same with a remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The answer of a broker.
pub type BrokerResult<T> = Result<T, BrokerError>;
