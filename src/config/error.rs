//! Why there is no configuration.

use std::fmt::Write as _;

use crate::model::{Diagnostic, ErrorKind};

/// Everything that is wrong with the configuration. `Display` renders every problem, with a
/// blank line between two.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", render(.problems))]
pub struct ConfigError {
    problems: Vec<Diagnostic>,
}

impl ConfigError {
    /// Puts the problems in the order of their lines; those without a line come last.
    pub(crate) fn new(mut problems: Vec<Diagnostic>) -> Self {
        problems.sort_by(|left, right| {
            let place = |problem: &Diagnostic| {
                problem.source_line().map(|line| (line.file.clone(), line.position))
            };
            let (left, right) = (place(left), place(right));
            left.is_none().cmp(&right.is_none()).then(left.cmp(&right))
        });
        Self { problems }
    }

    /// The problems, at least one.
    pub fn problems(&self) -> &[Diagnostic] {
        &self.problems
    }

    /// Always [`ErrorKind::Usage`].
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }
}

fn render(problems: &[Diagnostic]) -> String {
    let mut text = String::new();
    for (index, problem) in problems.iter().enumerate() {
        let gap = if index == 0 { "" } else { "\n\n" };
        write!(text, "{gap}{problem}").expect("a String takes any text");
    }
    text
}
