//! Values → types, with every problem kept.

use std::num::NonZeroU32;
use std::path::Path;

use jiff::SignedDuration;

use super::document::{Document, Text};
use super::keys::{Fallback, PolicyKind, Special, key};
use crate::model::{Diagnostic, Invalid, duration, word};

/// No value has a reason to be longer.
const LONGEST_VALUE: usize = 1000;

/// Parses the values of a file and collects what is wrong with them.
pub(super) struct Reader<'d> {
    pub(super) file: &'d Path,
    pub(super) document: Document,
}

impl Reader<'_> {
    /// Whether a key was written.
    pub(super) fn has(&self, path: &str) -> bool {
        self.document.values.contains_key(path)
    }

    /// Whether something in a section, or about a key, was wrong, so that more would only
    /// confuse.
    pub(super) fn is_spoiled(&self, path: &str) -> bool {
        self.document.spoiled.iter().any(|spoiled| spoiled.is_empty() || spoiled.starts_with(path))
    }

    /// The value of a key, or its default; none if it has neither, or a wrong one, which is
    /// then a problem.
    pub(super) fn get<T>(
        &mut self,
        path: &str,
        parse: impl Fn(&str) -> Result<T, Invalid>,
    ) -> Option<T> {
        let Some(written) = self.document.values.get(path) else {
            return match key(path).fallback {
                Fallback::Value(text) => Some(parse(text).expect("a default is a value")),
                Fallback::Described(_) => None,
            };
        };
        let text = written.texts.first()?.clone();
        self.parse(path, &text, parse)
    }

    /// The items of a list; none if the key was not written.
    pub(super) fn list<T>(
        &mut self,
        path: &str,
        parse: impl Fn(&str) -> Result<T, Invalid>,
    ) -> Option<Vec<T>> {
        let texts = self.document.values.get(path)?.texts.clone();
        Some(texts.iter().filter_map(|text| self.parse(path, text, &parse)).collect())
    }

    fn parse<T>(
        &mut self,
        path: &str,
        text: &Text,
        parse: impl Fn(&str) -> Result<T, Invalid>,
    ) -> Option<T> {
        let parsed = match text.text.len() {
            0 => Err(Invalid::new("the value is empty").hint("to use the default, remove it")),
            1..=LONGEST_VALUE => parse(&text.text),
            size => Err(Invalid::new(format!("it has {size} bytes, and may have {LONGEST_VALUE}"))),
        };
        parsed.map_err(|invalid| self.document.problem(text.position, invalid.of(path))).ok()
    }

    /// A duration, as the table wants it.
    pub(super) fn duration(&mut self, path: &str) -> Option<SignedDuration> {
        self.get(path, |text| {
            let found = duration(text)?;
            if found.is_zero() {
                refuse_zero(path, text)?;
            }
            Ok(found)
        })
    }

    /// A number, as the table wants it.
    pub(super) fn count(&mut self, path: &str) -> Option<u32> {
        let PolicyKind::Count(least, most) = key(path).kind else { return None };
        self.get(path, |text| {
            let expected = || Invalid::expected(&format!("a number from {least} to {most}"), text);
            let found: u32 = text.parse().map_err(|_| expected())?;
            if found == 0 {
                refuse_zero(path, text)?;
            }
            if (least..=most).contains(&found) { Ok(found) } else { Err(expected()) }
        })
    }

    /// A number that is not zero.
    pub(super) fn nonzero(&mut self, path: &str) -> Option<NonZeroU32> {
        self.count(path).and_then(NonZeroU32::new)
    }

    /// One of the words of the table, whose types are `all`.
    pub(super) fn word<T: Copy>(&mut self, path: &str, all: &[T]) -> Option<T> {
        let PolicyKind::Word(words) = key(path).kind else { return None };
        self.get(path, |text| word(words, text).map(|index| all[index]))
    }

    /// Yes or no.
    pub(super) fn switch(&mut self, path: &str) -> Option<bool> {
        self.word(path, &[true, false])
    }

    /// Adds a problem at a key, a section, or the file.
    pub(super) fn refuse(&mut self, path: &str, problem: Diagnostic) {
        let key = self.document.values.get(path).map(|written| written.key);
        match key.or_else(|| self.document.sections.get(path).copied()) {
            Some(position) => self.document.problem(position, problem),
            None => self.document.problem_of(self.file, problem),
        }
    }
}

/// Zero, where it is not what was meant.
fn refuse_zero(path: &str, text: &str) -> Result<(), Invalid> {
    let hint = match key(path).special {
        Special::No => return Ok(()),
        Special::NoZero(hint) => hint,
        Special::OrNone => "write `none`",
    };
    let least = if text == "0" { "must be at least 1" } else { "must be longer than nothing" };
    Err(Invalid::new(format!("{least}, found `{text}`")).hint(hint))
}
