//! Results on stdout, errors on stderr: the only place that prints.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::json;

use crate::job::JobError;
use crate::model::ByteSize;

use super::args::Format;

/// How wide a terminal is that is none, or does not say.
const USUAL_WIDTH: usize = 80;

/// Where results go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    format: Format,
}

impl Output {
    pub(super) fn new(format: Format) -> Self {
        Self { format }
    }

    /// Prints a value as JSON, or `text` for people.
    pub(super) fn print<T: Serialize>(self, value: &T, text: impl FnOnce() -> String) {
        let text = match self.format {
            Format::Json => serde_json::to_string(value).expect("reports are plain data"),
            Format::Table => text(),
        };
        write_line(io::stdout().lock(), &text);
    }

    /// Prints an error, its causes and what to do.
    pub(super) fn error(self, error: &JobError) {
        let causes = error.causes();
        match self.format {
            Format::Json => {
                let value = json!({"error": {
                    "kind": error.kind().as_str(),
                    "message": error.to_string(),
                    "hint": error.remedy(),
                    "causes": causes,
                }});
                write_line(io::stdout().lock(), &value.to_string());
            }
            Format::Table => {
                let mut text = format!("error: {error}");
                for cause in causes {
                    text.push_str("\n  caused by: ");
                    text.push_str(&cause);
                }
                if let Some(hint) = error.remedy() {
                    text.push_str("\n  hint: ");
                    text.push_str(hint);
                }
                talk(&text);
            }
        }
    }
}

/// How wide what is printed may be.
pub(super) fn width() -> usize {
    let terminal = terminal_size::terminal_size_of(io::stdout());
    terminal.map_or(USUAL_WIDTH, |(width, _)| width.0.into())
}

/// A line for people, beside the data.
pub(super) fn talk(text: &str) {
    write_line(io::stderr().lock(), text);
}

/// A reader that went away (`| head`) is no reason to fail.
fn write_line(mut to: impl Write, text: &str) {
    let written = writeln!(to, "{text}").and_then(|()| to.flush());
    drop(written);
}

/// A table without lines, readable without colour.
pub(super) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().map(|name| name.to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    table.trim_fmt()
}

/// A size with its unit, as people read it.
pub(super) fn size(bytes: u64) -> String {
    ByteSize(bytes).to_string()
}
