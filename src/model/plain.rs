//! Words of others, fit for a line of a log, a header or a terminal.

/// Whether a character is seen for what it is, in its place: it neither ends a line nor turns
/// the direction of writing, and it is not invisible.
pub(super) fn is_seen(c: char) -> bool {
    let hidden = matches!(
        c,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    !c.is_control() && !hidden
}

/// The text in one line of at most `most` bytes, which ends in `…` if there was more.
/// Characters that are not seen are written as escapes, such as `\n` and `\u{202e}`.
pub fn plain(text: &str, most: usize) -> String {
    const MORE: &str = "…";
    let mut plain = String::new();
    let mut end = 0;
    for c in text.chars() {
        if is_seen(c) {
            plain.push(c);
        } else {
            plain.extend(c.escape_default());
        }
        if plain.len() > most {
            plain.truncate(end);
            return plain + MORE;
        }
        if plain.len() + MORE.len() <= most {
            end = plain.len();
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_text_stays_in_its_line_and_its_length() {
        for (text, expected) in [
            ("", ""),
            ("`a` \"b\" \\", "`a` \"b\" \\"),
            ("Zürich 東京 🎉", "Zürich 東京 🎉"),
            ("a\nb\r\t\0", r"a\nb\r\t\u{0}"),
            ("\u{1b}[31m", r"\u{1b}[31m"),
            ("\u{202e}\u{2028}", r"\u{202e}\u{2028}"),
            ("12345678901234567890", "12345678901234567890"),
            ("123456789012345678901", "12345678901234567…"),
            ("üüüüüüüüüüü", "üüüüüüüü…"),
        ] {
            assert_eq!(plain(text, 20), expected);
        }
    }
}
