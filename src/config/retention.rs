//! How long what is to be deleted stays.

use jiff::{SignedDuration, Span, SpanRelativeTo};

use super::parse::Invalid;

/// The graces of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// From the tombstone to the deletion: as long, `undelete` works.
    pub delete_grace: SignedDuration,
    /// Between the first and the last look that found a file unreferenced.
    pub orphan_grace: SignedDuration,
    /// How long a run without a backup stays, for those who ask why.
    pub failed_ttl: SignedDuration,
}

/// The longest duration, 100 years: sums with any date of ours stay dates.
const LONGEST: SignedDuration = SignedDuration::from_hours(100 * 365 * 24);

/// A duration as people write it: `48h`, `3d`, `1w 2d`, `90 minutes`. A day has 24 hours.
pub(crate) fn duration(text: &str) -> Result<SignedDuration, Invalid> {
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
