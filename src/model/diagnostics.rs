//! Everything that is wrong with what a person wrote, at once.

use std::fmt;

use super::Diagnostic;

/// Problems, at least one. `Display` renders every one, with a blank line between two.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Puts the problems in the order of their files and lines; those without a line come last.
    pub fn new(mut problems: Vec<Diagnostic>) -> Self {
        problems.sort_by(|left, right| {
            let place = |problem: &Diagnostic| {
                problem.source_line().map(|line| (line.file.clone(), line.position))
            };
            let (left, right) = (place(left), place(right));
            left.is_none().cmp(&right.is_none()).then(left.cmp(&right))
        });
        Self(problems)
    }

    /// The problems.
    pub fn as_slice(&self) -> &[Diagnostic] {
        &self.0
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(problem: Diagnostic) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{problem}")?;
        }
        Ok(())
    }
}
