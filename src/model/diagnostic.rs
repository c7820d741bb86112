//! One problem in what a person wrote, shown where it was written.

use std::fmt;
use std::path::{Path, PathBuf};

use super::plain::{is_seen, plain};

/// How long the words of a problem may be, each: what it quotes may be long.
const LONGEST: usize = 1000;

/// How much of a line is shown on each side of the place that it is about.
const AROUND: usize = 100;

/// A place in a text: line and column from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
}

impl Position {
    /// The position of the byte `offset` of `text`.
    pub fn of_offset(text: &str, offset: usize) -> Self {
        let before = lines(text.get(..offset).unwrap_or(text));
        let (line, last) = before.enumerate().last().unwrap_or_default();
        Self { line: line + 1, column: last.chars().count() + 1 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The lines of a text as YAML counts them: a `\r` alone ends one, too.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = text.find(['\n', '\r']).unwrap_or(text.len());
        let (line, from) = text.split_at(end);
        rest = from.strip_prefix("\r\n").or_else(|| from.get(1..));
        Some(line)
    })
}

/// A position in a file, with the line as it reads there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// The file, as it was named.
    pub file: PathBuf,
    /// Where in the file.
    pub position: Position,
    /// The text of that line; of a long one, what is around the position.
    pub text: String,
    /// How many characters of it are before the position.
    before: usize,
}

impl SourceLine {
    /// Takes the line at `position` out of the `text` of `file`.
    pub fn new(file: &Path, text: &str, position: Position) -> Self {
        let line = lines(text).nth(position.line.saturating_sub(1)).unwrap_or_default();
        let before = position.column.saturating_sub(1);
        let from = before.saturating_sub(AROUND);
        // A tab or another character that is not seen as one blank keeps the caret in its column.
        let seen = line.chars().map(|c| if is_seen(c) { c } else { ' ' });
        let mut text: String = seen.skip(from).take(2 * AROUND).collect();
        if from > 0 {
            text.insert(0, '…');
        }
        if line.chars().nth(from + 2 * AROUND).is_some() {
            text.push('…');
        }
        let before = before - from + usize::from(from > 0);
        Self { file: file.to_owned(), position, text, before }
    }
}

impl fmt::Display for SourceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.position)
    }
}

/// Where a problem was written.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Nowhere,
    Named(String),
    Line(Box<SourceLine>),
}

/// A problem, its place and the way out. `Display` renders it over several lines, without
/// a newline at the end:
///
/// ```text
/// error: unknown key `retentoin`
///   --> /etc/milvus-backup-agent/config.yaml:12:3
///    |
/// 12 |   retentoin: 3
///    |   ^ did you mean `retention`?
///    = hint: …
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    message: String,
    place: Place,
    label: Option<String>,
    hint: Option<String>,
}

impl Diagnostic {
    /// A problem without a place.
    pub fn new(message: impl Into<String>) -> Self {
        let message = plain(&message.into(), LONGEST);
        Self { message, place: Place::Nowhere, label: None, hint: None }
    }

    /// Points at a line of a file.
    #[must_use]
    pub fn at(mut self, line: SourceLine) -> Self {
        self.place = Place::Line(Box::new(line));
        self
    }

    /// Names a place that has no lines: a file as a whole, a variable.
    #[must_use]
    pub fn in_place(mut self, name: impl Into<String>) -> Self {
        self.place = Place::Named(name.into());
        self
    }

    /// Says something beside the caret, or in the hint's place where there is no caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(plain(&label.into(), LONGEST));
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(plain(&hint.into(), LONGEST));
        self
    }

    /// What is wrong, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The line of a file that the problem is about.
    pub fn source_line(&self) -> Option<&SourceLine> {
        match &self.place {
            Place::Line(line) => Some(line),
            Place::Nowhere | Place::Named(_) => None,
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        let number = self.source_line().map_or(0, |line| line.position.line).to_string();
        let gutter = " ".repeat(number.len());
        match &self.place {
            Place::Nowhere => {}
            Place::Named(name) => write!(f, "\n{gutter}--> {name}")?,
            Place::Line(line) => {
                write!(f, "\n{gutter}--> {line}\n{gutter} |\n{number} | {}", line.text)?;
                let indent = " ".repeat(line.before);
                write!(f, "\n{gutter} | {indent}^")?;
            }
        }
        if let Some(label) = &self.label {
            let lead = if self.source_line().is_some() { " " } else { "\n  = " };
            write!(f, "{lead}{label}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n{gutter} = hint: {hint}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Diagnostic, Position, SourceLine};

    fn line(text: &str, line: usize, column: usize) -> SourceLine {
        SourceLine::new(Path::new("/etc/a.yaml"), text, Position { line, column })
    }

    #[test]
    fn a_problem_is_drawn_under_its_line() {
        let text = "\n".repeat(11) + "  retentoin: 3";
        let problem = Diagnostic::new("unknown key `retentoin`")
            .at(line(&text, 12, 3))
            .label("did you mean `retention`?")
            .hint("see the table of keys");
        let expected = "\
error: unknown key `retentoin`
  --> /etc/a.yaml:12:3
   |
12 |   retentoin: 3
   |   ^ did you mean `retention`?
   = hint: see the table of keys";
        assert_eq!(problem.to_string(), expected);
    }

    #[test]
    fn a_problem_without_a_line_names_its_place() {
        let problem = Diagnostic::new("unknown variable")
            .in_place("environment MBA__X")
            .label("did you mean `MBA__Y`?");
        let expected = "\
error: unknown variable
 --> environment MBA__X
  = did you mean `MBA__Y`?";
        assert_eq!(problem.to_string(), expected);
    }

    #[test]
    fn a_tab_takes_one_column() {
        let problem = Diagnostic::new("tab").at(line("a:\n\tb: 1\n", 2, 2));
        assert_eq!(problem.to_string(), "error: tab\n --> /etc/a.yaml:2:2\n  |\n2 |  b: 1\n  |  ^");
    }

    #[test]
    fn a_long_line_is_shown_around_its_place() {
        let text = format!("{}x{}", "a".repeat(5000), "b".repeat(5000));
        let problem = Diagnostic::new("long").at(line(&text, 1, 5001)).to_string();
        let (a, b) = ("a".repeat(100), "b".repeat(99));
        let (excerpt, indent) = (format!("1 | …{a}x{b}…"), " ".repeat(101));
        let expected =
            format!("error: long\n --> /etc/a.yaml:1:5001\n  |\n{excerpt}\n  | {indent}^");
        assert_eq!(problem, expected);
    }

    #[test]
    fn what_is_quoted_is_neither_long_nor_a_line_of_its_own() {
        let quoted = format!("`a\n{}\u{1b}`", "x".repeat(2000));
        let problem = Diagnostic::new(&quoted).label(&quoted).hint(&quoted);
        let cut = format!("`a\\n{}…", "x".repeat(993));
        assert_eq!(problem.message(), cut);
        assert_eq!(problem.to_string(), format!("error: {cut}\n  = {cut}\n  = hint: {cut}"));
    }

    #[test]
    fn a_carriage_return_ends_a_line_as_it_does_in_yaml() {
        let text = "a: 1\rb: 2\r\n\rc: 3";
        for (at, (number, expected)) in [('b', (2, "b: 2")), ('c', (4, "c: 3"))] {
            let position = Position::of_offset(text, text.find(at).unwrap());
            assert_eq!(position, Position { line: number, column: 1 });
            assert_eq!(line(text, number, 1).text, expected);
        }
    }

    #[test]
    fn columns_count_characters() {
        let text = "a: 1\nä: é€x";
        let at = text.find('x').unwrap();
        assert_eq!(Position::of_offset(text, at), Position { line: 2, column: 6 });
        assert_eq!(Position::of_offset(text, 0), Position { line: 1, column: 1 });
        assert_eq!(Position::of_offset(text, 5), Position { line: 2, column: 1 });
    }
}
