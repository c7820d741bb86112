//! JSON as Go's `encoding/json` writes it.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// The text of a document: one line, without a line feed.
pub(super) fn go_json<T: Serialize>(document: &T) -> Vec<u8> {
    let mut text = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut text, Go);
    document.serialize(&mut serializer).expect("documents are plain data with text keys");
    text
}

/// What Go escapes beyond what JSON asks for.
struct Go;

impl Formatter for Go {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (plain, special) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut characters = special.chars();
            if let Some(character) = characters.next() {
                write!(writer, "\\u{:04x}", u32::from(character))?;
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::go_json;

    #[test]
    fn text_is_escaped_as_go_escapes_it() {
        let text = go_json(&"a<b>&\u{2028}\u{2029}\"\\/\u{8}\u{c}\n\r\t\u{1}\u{7f}é<");
        let expected = concat!(
            r#""a\u003cb\u003e\u0026\u2028\u2029\"\\/\b\f\n\r\t\u0001"#,
            "\u{7f}é",
            r#"\u003c""#
        );
        assert_eq!(String::from_utf8_lossy(&text), expected);
    }
}
