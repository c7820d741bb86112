//! What is shown to people and written to logs and headers.

/// A text that is there, in one line, no longer than `most` bytes, and that cannot pretend to
/// be anything else: no control characters, none that turn the direction of writing, no blanks
/// that are not seen.
pub(crate) fn assert_plain(text: &str, most: usize) {
    assert!(!text.trim().is_empty(), "an empty text");
    assert!(text.len() <= most, "{} bytes instead of {most}: {text:?}", text.len());
    let odd = text.chars().find(|c| is_odd(*c));
    assert!(odd.is_none(), "{odd:?} in {text:?}");
}

fn is_odd(c: char) -> bool {
    let hidden = ['\u{200b}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2060}'..='\u{206f}'];
    c.is_control() || c == '\u{feff}' || hidden.iter().any(|range| range.contains(&c))
}

/// Whether a text is a name: letters, digits and `others`, at most `most`, the first a letter
/// or `digit_first` a digit.
pub(crate) fn is_name(text: &str, most: usize, others: &str, digit_first: bool) -> bool {
    let first = text.chars().next();
    text.len() <= most
        && first.is_some_and(|c| c.is_ascii_alphabetic() || digit_first && c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}
