//! A YAML document as written: text, with the position of every key and value.
//!
//! Nothing is interpreted: `1.10`, `0123` and `on` are the text in the file. Aliases stand
//! for what they name. Merge keys (`<<`) are keys like any other.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_saphyr::granit_parser::{Event, Marker, Options, Parser, ScalarStyle, ScanError, Span};

use super::diagnostic::lines;
use super::{Diagnostic, Position, SourceLine, masking};

/// A parsed file.
#[derive(Debug, Clone)]
pub struct YamlDocument {
    file: PathBuf,
    /// The text, with stars for secrets.
    shown: String,
    root: Option<Arc<YamlNode>>,
}

/// A value and where it starts.
#[derive(Debug, Clone)]
pub struct YamlNode {
    /// Where it starts; for an alias, where the value that it names starts.
    pub position: Position,
    /// What it is.
    pub value: YamlValue,
}

/// The three shapes of a value, and none.
#[derive(Debug, Clone)]
pub enum YamlValue {
    /// Nothing, `~` or `null`.
    Null,
    /// Text, without its quotes.
    Scalar(String),
    /// A list.
    List(Vec<Arc<YamlNode>>),
    /// Keys in the order written; a duplicate is there twice.
    Map(Vec<YamlEntry>),
}

impl YamlValue {
    /// The shape in words, with the text of a scalar.
    pub fn describe(&self) -> String {
        match self {
            Self::Null => "nothing".to_owned(),
            Self::Scalar(text) if text.is_empty() => "an empty text".to_owned(),
            Self::Scalar(text) => format!("`{text}`"),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "a section".to_owned(),
        }
    }
}

/// One key of a map and its value.
#[derive(Debug, Clone)]
pub struct YamlEntry {
    /// The key.
    pub key: String,
    /// Where the key starts.
    pub position: Position,
    /// The value.
    pub value: Arc<YamlNode>,
}

impl YamlDocument {
    /// Parses the bytes of `file`. YAML that cannot be read ends in one diagnostic, because
    /// what follows the first error has no certain meaning.
    pub fn parse(file: &Path, bytes: &[u8]) -> Result<Self, Diagnostic> {
        let text = decode(file, bytes)?;
        let root = Builder::new(text).document().map_err(|error| {
            let position = position(error.marker());
            let line = SourceLine::new(file, &masking::mask_lines(text), position);
            let raw = lines(text).nth(position.line.saturating_sub(1)).unwrap_or_default();
            let indent: &str = &raw[..raw.len() - raw.trim_start().len()];
            let problem = Diagnostic::new(format!("not valid YAML: {}", error.info())).at(line);
            if indent.contains('\t') {
                problem.hint("indent with spaces; YAML does not allow tabs there")
            } else {
                problem
            }
        })?;
        let shown = root.as_ref().map_or_else(|| text.to_owned(), |root| masking::mask(text, root));
        Ok(Self { file: file.to_owned(), shown, root })
    }

    /// The value of the whole document; none if the file has only comments.
    pub fn root(&self) -> Option<&YamlNode> {
        self.root.as_deref()
    }

    /// The line at `position`, to show in a diagnostic or to remember. The values of keys that
    /// sound like secrets are stars in it.
    pub fn line(&self, position: Position) -> SourceLine {
        SourceLine::new(&self.file, &self.shown, position)
    }

    /// The value at a dotted path, if maps lead there. Of duplicates, the first.
    pub fn find(&self, path: &str) -> Option<&YamlNode> {
        path.split('.').try_fold(self.root()?, |node, key| match &node.value {
            YamlValue::Map(entries) => {
                entries.iter().find(|entry| entry.key == key).map(|entry| &*entry.value)
            }
            YamlValue::Null | YamlValue::Scalar(_) | YamlValue::List(_) => None,
        })
    }
}

fn decode<'b>(file: &Path, bytes: &'b [u8]) -> Result<&'b str, Diagnostic> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let position = Position::of_offset(&valid, valid.len());
        Diagnostic::new("the file is not UTF-8")
            .at(SourceLine::new(file, &String::from_utf8_lossy(bytes), position))
            .label(format!("byte 0x{:02x}", bytes[error.valid_up_to()]))
            .hint("save the file as UTF-8")
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn position(marker: &Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

/// Turns the parser's events into nodes.
struct Builder<'t> {
    events: Parser<'t, serde_saphyr::granit_parser::StrInput<'t>>,
    anchors: HashMap<usize, Arc<YamlNode>>,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str) -> Self {
        let mut options = Options::default();
        // Comments are dropped, and Milvus's file has more of them than the parser holds.
        options.emit_comments = false;
        Self { events: Parser::new_from_str_with_options(text, options), anchors: HashMap::new() }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), ScanError> {
        let end = || ScanError::new(Marker::new(0, 1, 0), "unexpected end of the file");
        self.events.next().unwrap_or_else(|| Err(end()))
    }

    /// The one document of the file.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the parser may add events")]
    fn document(&mut self) -> Result<Option<Arc<YamlNode>>, ScanError> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root),
                Event::DocumentStart(..) if root.is_some() => {
                    return Err(ScanError::new(span.start, "a second document starts here"));
                }
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                content => root = Some(self.node(content, span)?),
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the parser may add events")]
    fn node(&mut self, event: Event<'t>, span: Span) -> Result<Arc<YamlNode>, ScanError> {
        let (value, anchor) = match event {
            Event::Alias(anchor) => {
                let unfinished = || ScanError::new(span.start, "an alias inside what it names");
                return self.anchors.get(&anchor).map(Arc::clone).ok_or_else(unfinished);
            }
            Event::Scalar(text, style, anchor, _) => (scalar(text.into_owned(), style), anchor),
            Event::SequenceStart(_, anchor, _) => (YamlValue::List(self.list()?), anchor),
            Event::MappingStart(_, anchor, _) => (YamlValue::Map(self.map()?), anchor),
            other => {
                let message = format!("unexpected {other:?}");
                return Err(ScanError::new(span.start, message));
            }
        };
        let node = Arc::new(YamlNode { position: position(&span.start), value });
        if anchor != 0 {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        Ok(node)
    }

    fn list(&mut self) -> Result<Vec<Arc<YamlNode>>, ScanError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, span)?),
            }
        }
    }

    fn map(&mut self) -> Result<Vec<YamlEntry>, ScanError> {
        let mut entries = Vec::new();
        loop {
            let (event, key_span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(entries);
            }
            let key = self.node(event, key_span)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span)?;
            let key = match &key.value {
                YamlValue::Scalar(text) => text.clone(),
                YamlValue::Null => "null".to_owned(),
                YamlValue::List(_) | YamlValue::Map(_) => {
                    return Err(ScanError::new(key_span.start, "a key must be one word"));
                }
            };
            entries.push(YamlEntry { key, position: position(&key_span.start), value });
        }
    }
}

fn scalar(text: String, style: ScalarStyle) -> YamlValue {
    let null = matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL");
    if null && style == ScalarStyle::Plain { YamlValue::Null } else { YamlValue::Scalar(text) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{YamlDocument, YamlValue};

    fn parse(text: &str) -> Result<YamlDocument, String> {
        YamlDocument::parse(Path::new("f.yaml"), text.as_bytes()).map_err(|e| e.to_string())
    }

    fn text_at(document: &YamlDocument, path: &str) -> Option<(String, String)> {
        let node = document.find(path)?;
        Some((node.value.describe(), node.position.to_string()))
    }

    #[test]
    fn values_are_the_text_as_written() {
        let document = parse(
            "a: 1.10\nb: {c: 0123, d: 'on'}\ne: \"x\\ty\"\nf: ~\ng: ''\nh: [1]\ni: &x {j: yes}\nk: *x\n",
        )
        .unwrap();
        for (path, value, position) in [
            ("a", "`1.10`", "1:4"),
            ("b", "a section", "2:4"),
            ("b.c", "`0123`", "2:8"),
            ("b.d", "`on`", "2:17"),
            ("e", "`x\ty`", "3:4"),
            ("f", "nothing", "4:4"),
            ("g", "an empty text", "5:4"),
            ("h", "a list", "6:4"),
            ("k.j", "`yes`", "7:11"),
        ] {
            let expected = Some((value.to_owned(), position.to_owned()));
            assert_eq!(text_at(&document, path), expected, "{path}");
        }
        assert!(document.find("a.b").is_none());
        assert!(document.find("z").is_none());
    }

    #[test]
    fn nothing_but_comments_is_no_value() {
        for text in ["", "\n\n", "# a\n# b\n", "\u{feff}", "---\n"] {
            let document = parse(text).unwrap();
            assert!(
                document.root().is_none_or(|root| matches!(root.value, YamlValue::Null)),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_byte_order_mark_and_crlf_are_fine() {
        let document = parse("\u{feff}a: b\r\nc: d\r\n").unwrap();
        assert_eq!(text_at(&document, "c"), Some(("`d`".to_owned(), "2:4".to_owned())));
    }

    #[test]
    fn many_comments_and_repeated_aliases_stay_cheap() {
        assert!(parse(&("# line\n".repeat(5000) + "a: b\n")).is_ok());
        let level = |level: usize| {
            let items = vec![format!("*a{}", level - 1); 9].join(", ");
            format!("a{level}: &a{level} [{items}]\n")
        };
        let levels: Vec<_> = (1..30).map(level).collect();
        let bomb = "a0: &a0 [x, x, x]\n".to_owned() + &levels.concat();
        assert!(parse(&bomb).is_ok());
    }

    #[test]
    fn what_is_not_yaml_says_where() {
        for (text, start, end) in [
            ("a: [1\n", "error: not valid YAML: ", ""),
            ("a:\n\tb: 1\n", "error: not valid YAML: tabs", "hint: indent with spaces"),
            ("a: 1\n---\nb: 2\n", "error: not valid YAML: a second document", "^"),
            ("? [a]\n: b\n", "error: not valid YAML: a key must be one word", "^"),
            ("a: *b\n", "error: not valid YAML: ", "^"),
            ("a: &b [*b]\n", "error: not valid YAML: an alias inside what it names", "^"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(start) && error.contains(end), "{text:?}: {error}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_found() {
        let error = YamlDocument::parse(Path::new("f.yaml"), b"a: 1\nb: \xff\n").unwrap_err();
        let expected = "\
error: the file is not UTF-8
 --> f.yaml:2:4
  |
2 | b: \u{fffd}
  |    ^ byte 0xff
  = hint: save the file as UTF-8";
        assert_eq!(error.to_string(), expected);
    }
}
