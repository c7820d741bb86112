//! Rust's text, read as far as the rules of [`crate::architecture`] need it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A file of `src`.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to `src`, with `/`.
    pub(crate) path: String,
    pub(crate) lines: usize,
    /// Without comments and texts.
    pub(crate) unfiltered: String,
    /// Without `#[cfg(test)] mod … { … }`, too.
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let unfiltered = without_texts(text);
        let code = without_tests(&unfiltered);
        Self { path: path.to_owned(), lines: text.lines().count(), unfiltered, code }
    }

    /// Identifiers and where they start.
    pub(crate) fn words(&self) -> impl Iterator<Item = (usize, &str)> {
        let code = self.code.as_str();
        let starts = code
            .char_indices()
            .filter(move |(at, letter)| is_ident(*letter) && !code[..*at].ends_with(is_ident));
        starts.map(move |(at, _)| {
            let rest = &code[at..];
            (at, &rest[..rest.find(|letter| !is_ident(letter)).unwrap_or(rest.len())])
        })
    }

    /// The first names of `root::name` and `root::{name, name::{…}}`.
    pub(crate) fn named_after(&self, root: &str) -> BTreeSet<String> {
        let paths = self.words().filter(|(_, word)| *word == root).filter_map(|(at, _)| {
            self.code[at + root.len()..].trim_start().strip_prefix("::").map(str::trim_start)
        });
        paths.flat_map(first_names).collect()
    }

    /// Whether a path starts with the name, and the name is not a module's of ours.
    pub(crate) fn names_crate(&self, name: &str) -> bool {
        let ours = self.named_with_self(name);
        self.words().filter(|(_, word)| *word == name).any(|(at, _)| {
            let before = self.code[..at].trim_end();
            let after = self.code[at + name.len()..].trim_start();
            let imported =
                before.ends_with("use") && (after.starts_with(';') || after.starts_with("as "));
            let Some(parent) = before.strip_suffix("::") else {
                return imported || (after.starts_with("::") && !ours);
            };
            !parent.trim_end().ends_with(|letter| is_ident(letter) || letter == '>')
        })
    }

    fn named_with_self(&self, name: &str) -> bool {
        let dense: String = self.code.split_whitespace().collect();
        [format!("::{name}::{{self"), format!("::{name};"), format!("mod{name};")]
            .iter()
            .any(|form| dense.contains(form))
    }
}

/// `a::b` names `a`; `{a::b, c::{d, e}}` names `a` and `c`.
fn first_names(path: &str) -> Vec<String> {
    let ident =
        |text: &str| text.chars().take_while(|letter| is_ident(*letter)).collect::<String>();
    let Some(group) = path.strip_prefix('{') else { return vec![ident(path)] };
    let (mut depth, mut names, mut start) = (0_usize, Vec::new(), 0);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(ident(group[start..at].trim_start()));
                start = at + 1;
                if letter == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

pub(crate) fn is_ident(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Blanks comments, string and character literals; newlines stay.
fn without_texts(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let length = match letter {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => quoted(rest, '"'),
            'r' if !out.ends_with(is_ident) && raw(rest).is_some() => raw(rest).unwrap_or(1),
            '\'' if rest[1..].starts_with('\\') || rest.chars().nth(2) == Some('\'') => {
                quoted(rest, '\'')
            }
            _ => {
                out.push(letter);
                rest = &rest[letter.len_utf8()..];
                continue;
            }
        };
        out.extend(rest[..length].matches('\n'));
        rest = &rest[length..];
    }
    out
}

/// The length of a literal that starts here and ends at the next unescaped quote.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of `r"…"` or `r#"…"#`, if one starts here.
fn raw(text: &str) -> Option<usize> {
    let body = text[1..].trim_start_matches('#');
    let hashes = text.len() - 1 - body.len();
    let end = format!("\"{}", "#".repeat(hashes));
    let inner = body.strip_prefix('"')?;
    Some(1 + hashes + 1 + inner.find(&end)? + end.len())
}

/// Drops the items under `#[cfg(test)]`; `mod x;` goes here and its file in [`sources`].
fn without_tests(code: &str) -> String {
    let mut out = String::new();
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let mut depth = 0_usize;
        let end = rest.char_indices().find(|(_, letter)| {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            depth == 0 && matches!(letter, '}' | ';')
        });
        rest = end.map_or("", |(at, _)| &rest[at + 1..]);
    }
    out + rest
}

pub(crate) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    read(&root, &root, &mut found);
    found
}

/// Every file under a folder but those of `#[cfg(test)] mod x;`.
fn read(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    let entries = fs::read_dir(folder).expect("src is readable");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    let essay = fs::read_to_string(folder.join("mod.rs")).unwrap_or_default();
    let for_tests = |path: &Path| {
        let stem = path.file_stem().expect("a file has a name").to_string_lossy();
        essay.contains(&format!("#[cfg(test)]\nmod {stem};"))
    };
    for path in paths.iter().filter(|path| !for_tests(path)) {
        if path.is_dir() {
            read(root, path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(path).expect("src is readable");
            let relative = path.strip_prefix(root).expect("it lies under src");
            found.push(Source::new(&relative.to_string_lossy(), &text));
        }
    }
}
