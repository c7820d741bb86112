//! Secrets that lie in files of their own.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::keys::{Found, Key, Kind, find};
use super::layers::{Effective, Layer, Written};
use super::origin::Origin;
use super::parse;
use super::table::KEYS;
use crate::model::Diagnostic;

fn secrets() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(|key| key.kind == Kind::Secret)
}

/// Reads `$CREDENTIALS_DIRECTORY`: a file has the dotted path of its key as its name.
pub(crate) fn credentials(folder: Option<&Path>) -> (Layer, Vec<Diagnostic>) {
    let (mut layer, mut problems) = (Layer::new("credentials"), Vec::new());
    for key in secrets().filter(|_| folder.is_some()) {
        let file = folder.unwrap_or(Path::new("")).join(key.path);
        match fs::read_to_string(&file) {
            Ok(text) => layer.set(key, text.trim_end(), Origin::Credential(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                let problem = Diagnostic::new(format!("a credential cannot be read: {error}"));
                problems.push(problem.in_place(file.display().to_string()));
            }
        }
    }
    (layer, problems)
}

/// Puts what the files hold that `<key>_file` names in the place of the values.
pub(crate) fn resolve(values: &mut Effective) -> Vec<Diagnostic> {
    secrets().filter_map(|key| from_file(values, key).err()).collect()
}

fn from_file(values: &mut Effective, key: &Key) -> Result<(), Diagnostic> {
    let path = format!("{}_file", key.path);
    let Found::Key(file_key) = find(&path) else { return Ok(()) };
    let Some(file) = values.get(file_key.path).cloned() else { return Ok(()) };
    // A wrong path is a problem that is found with the others.
    let Ok(named) = parse::path(&file.text) else { return Ok(()) };
    if let Some(value) = values.get(key.path) {
        if value.origin.rank() > file.origin.rank() {
            return Ok(());
        }
        if value.origin.rank() == file.origin.rank() {
            let problem = format!("`{}` and `{path}` are both set", key.path);
            return Err(file.origin.place(Diagnostic::new(problem).hint("remove one of them")));
        }
    }
    let text = fs::read_to_string(&named).map_err(|error| {
        let problem = format!("`{path}` cannot be read: {}: {error}", named.display());
        file.origin.place(Diagnostic::new(problem))
    })?;
    let text = text.trim_end().to_owned();
    values.set(key, Written { text, origin: file.origin });
    Ok(())
}
