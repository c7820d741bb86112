//! `config check` and `config show`.

use serde_json::json;

use crate::config::Loaded;
use crate::job::JobResult;

use super::args::ConfigCommand;
use super::output::{Output, table};
use super::{ExitStatus, import};

/// The configuration has been read by now, so it has no problems.
pub(super) fn run(
    command: &ConfigCommand,
    loaded: &Loaded,
    output: Output,
) -> JobResult<ExitStatus> {
    match command {
        ConfigCommand::Check => {
            output.print(&json!({"problems": []}), || "the configuration is good".to_owned());
        }
        ConfigCommand::Show { origin } => show(loaded, *origin, output),
        ConfigCommand::Import { file } => return import::run(file, output),
    }
    Ok(ExitStatus::OK)
}

fn show(loaded: &Loaded, origin: bool, output: Output) {
    let rows = loaded.rows();
    let value: Vec<_> = rows
        .iter()
        .map(|row| {
            let mut value = json!({"key": row.key.path, "value": row.value});
            if origin {
                value["origin"] = row.origin.to_string().into();
            }
            value
        })
        .collect();
    output.print(&value, || {
        let lines = rows.iter().map(|row| {
            let value = row.value.clone().unwrap_or_else(|| row.key.default_text().to_owned());
            let mut line = vec![row.key.path.to_owned(), value];
            if origin {
                line.push(row.origin.to_string());
            }
            line
        });
        let header = ["key", "value", "origin"];
        table(if origin { &header } else { &header[..2] }, lines)
    });
}
