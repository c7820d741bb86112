//! The text of a value → its type, for the kinds that every file of ours knows.

use jiff::{SignedDuration, Span, SpanRelativeTo};

use super::{Diagnostic, nearest};

/// The words of yes and no.
pub const SWITCH: &[&str] = &["true", "false"];

/// The longest duration, 100 years: sums with any date of ours stay dates.
const LONGEST: SignedDuration = SignedDuration::from_hours(100 * 365 * 24);

/// Why a text is not a value of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// What is wrong, to be read after the name of the key and a colon.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Invalid {
    /// The one message that fits most values.
    pub fn expected(expected: &str, found: &str) -> Self {
        Self::new(format!("expected {expected}, found `{found}`"))
    }

    /// A message of its own.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The problem with the value of the key `path`.
    pub fn of(self, path: &str) -> Diagnostic {
        let problem = Diagnostic::new(format!("`{path}`: {}", self.message));
        match self.hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }
}

/// The place of `text` among the `words` of a key.
pub fn word(words: &[&str], text: &str) -> Result<usize, Invalid> {
    words.iter().position(|word| *word == text).ok_or_else(|| {
        let invalid = Invalid::expected(&format!("one of {}", words.join(", ")), text);
        match nearest(text, words.iter().copied()) {
            Some(meant) => invalid.hint(format!("did you mean `{meant}`?")),
            None => invalid,
        }
    })
}

/// A duration as people write it: `48h`, `3d`, `1w 2d`, `90 minutes`. A day has 24 hours.
pub fn duration(text: &str) -> Result<SignedDuration, Invalid> {
    let invalid = || Invalid::expected("a duration such as 48h or 3d", text);
    let days = SpanRelativeTo::days_are_24_hours();
    let span: Span = text.parse().map_err(|_| {
        let bare = text.bytes().all(|byte| byte.is_ascii_digit());
        if bare { invalid().hint(format!("write {text}h for hours")) } else { invalid() }
    })?;
    let found = span.to_duration(days).map_err(|_| {
        invalid().hint("months and years differ in length; use days (d) or weeks (w)")
    })?;
    if found.is_negative() || found > LONGEST {
        return Err(Invalid::expected("a duration from 0s to 100 years", text));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::duration;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, hours) in
            [("48h", 48), ("3d", 72), ("1w 2d", 216), ("0s", 0), ("120 minutes", 2), ("P1D", 24)]
        {
            assert_eq!(duration(text), Ok(SignedDuration::from_hours(hours)), "{text}");
        }
        for text in ["", "48", "-1h", "1h ago", "2 months", "1y", "soon", "1000000d"] {
            assert!(duration(text).is_err(), "{text:?} was accepted");
        }
        assert!(format!("{:?}", duration("48")).contains("write 48h"));
    }
}
