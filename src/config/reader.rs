//! Values → types, with every problem kept.

use super::layers::Effective;
use super::parse::Invalid;
use crate::model::Diagnostic;

/// Parses values and collects what is wrong with them.
pub(crate) struct Reader<'v> {
    pub(crate) values: &'v Effective,
    pub(crate) problems: Vec<Diagnostic>,
}

impl Reader<'_> {
    /// The value of a key; none if it has no value, or a wrong one, which is then a problem.
    pub(crate) fn get<T>(
        &mut self,
        path: &str,
        parse: impl Fn(&str) -> Result<T, Invalid>,
    ) -> Option<T> {
        let written = self.values.get(path)?;
        let parsed = if written.text.is_empty() {
            Err(Invalid::new("the value is empty").hint("to use the default, remove it"))
        } else {
            parse(&written.text)
        };
        let invalid = match parsed {
            Ok(value) => return Some(value),
            Err(invalid) => invalid,
        };
        self.problems.push(written.origin.place(invalid.of(path)));
        None
    }

    /// Reports a key that means nothing without another one, unless something else may be
    /// the reason.
    pub(crate) fn needs(&mut self, path: &str, other: &str, hint: &str) {
        let Some(written) = self.values.get(path).filter(|_| self.problems.is_empty()) else {
            return;
        };
        let problem =
            Diagnostic::new(format!("`{path}` means nothing without `{other}`")).hint(hint);
        self.problems.push(written.origin.place(problem));
    }

    /// Reports two keys of which only one can hold, if both were written.
    pub(crate) fn only_one(&mut self, path: &str, other: &str) {
        self.excludes(path, other, "remove one of the two sections");
    }

    /// The same, with a hint of its own.
    pub(crate) fn excludes(&mut self, path: &str, other: &str, hint: &str) {
        let (one, two) = (self.values.written(path), self.values.written(other));
        if let (Some(one), Some(_)) = (one, two) {
            let problem = Diagnostic::new(format!("`{path}` and `{other}` are both set"));
            self.problems.push(one.origin.place(problem.hint(hint)));
        }
    }
}
