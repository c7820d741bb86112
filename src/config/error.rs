//! Why there is no configuration.

use crate::model::{Diagnostic, Diagnostics, ErrorKind};

/// Everything that is wrong with the configuration. `Display` renders every problem, with a
/// blank line between two.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct ConfigError(Diagnostics);

impl ConfigError {
    /// Puts the problems in the order of their lines; those without a line come last.
    pub(crate) fn new(problems: Vec<Diagnostic>) -> Self {
        Self(Diagnostics::new(problems))
    }

    /// The problems, at least one.
    pub fn problems(&self) -> &[Diagnostic] {
        self.0.as_slice()
    }

    /// Always [`ErrorKind::Usage`].
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }
}
