//! Reads the places and joins them.

use std::io;
use std::path::Path;

use super::environment::{self, Environment};
use super::error::ConfigError;
use super::file;
use super::keys::{Found, Key, Kind, find};
use super::layers::{Effective, Layer, Written};
use super::milvus_yaml::{self, Known};
use super::origin::{Origin, Origins};
use super::parse;
use super::secrets;
use super::settings::{self, Config};
use super::table::KEYS;
use crate::model::Diagnostic;

/// The file that is read if none is named; it need not exist.
pub const DEFAULT_FILE: &str = "/etc/milvus-backup-agent/config.yaml";

/// What is shown of a secret.
const HIDDEN: &str = "(set)";

/// A configuration, and where each value came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Where each value came from.
    pub origins: Origins,
    values: Effective,
}

/// One key, as `config show` prints it.
#[derive(Debug, Clone)]
pub struct Row {
    /// The key; its default text says what holds where there is no value.
    pub key: &'static Key,
    /// The value as written, or `(set)` for a secret.
    pub value: Option<String>,
    /// Where it was written.
    pub origin: Origin,
}

impl Loaded {
    /// Every key, in the order of [`KEYS`].
    pub fn rows(&self) -> Vec<Row> {
        let row = |key: &'static Key| Row {
            key,
            value: self.values.get(key.path).map(|written| {
                if key.kind == Kind::Secret { HIDDEN.to_owned() } else { written.text.clone() }
            }),
            origin: self.origins.of(key.path).clone(),
        };
        KEYS.iter().map(row).collect()
    }
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        std::env::vars_os().collect()
    }
}

/// Reads `file`, or [`DEFAULT_FILE`] if it exists, and the environment.
pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Loaded, ConfigError> {
    match file {
        Some(file) => load_from(file, Presence::Required, environment),
        None => load_from(Path::new(DEFAULT_FILE), Presence::Optional, environment),
    }
}

/// Whether a file must exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Required,
    Optional,
}

/// [`load`] with any file in the place of the default one.
pub(crate) fn load_from(
    file: &Path,
    presence: Presence,
    environment: &Environment,
) -> Result<Loaded, ConfigError> {
    let (file, mut problems) = match std::fs::read(file) {
        Ok(bytes) => file::read(file, &bytes),
        Err(error) if presence == Presence::Optional && error.kind() == io::ErrorKind::NotFound => {
            (Layer::new("file"), Vec::new())
        }
        Err(error) => (Layer::new("file"), vec![unreadable(file, &error)]),
    };
    let (credentials, more) = secrets::credentials(environment.credentials());
    problems.extend(more);
    let (environment, more) = environment::read(environment);
    problems.extend(more);

    let written = Effective::of(&[&file, &environment]);
    let milvus_yaml = milvus_yaml(&written).unwrap_or_else(|problem| {
        problems.push(problem);
        Layer::new("milvus.yaml")
    });
    let mut defaults = Layer::defaults();
    default_milvus_path(&mut defaults, &written);

    let mut values = Effective::of(&[&defaults, &milvus_yaml, &credentials, &file, &environment]);
    problems.extend(secrets::resolve(&mut values));
    let config = settings::read(&values, problems).map_err(ConfigError::new)?;
    Ok(Loaded { config, origins: values.origins(), values })
}

/// Milvus sees its folder where the agent does, unless something says otherwise.
fn default_milvus_path(defaults: &mut Layer, written: &Effective) {
    let path = written.get("milvus.storage.local.path");
    let valid = path.filter(|path| parse::path(&path.text).is_ok());
    if let (Some(path), Found::Key(key)) = (valid, find("milvus.storage.local.milvus_path")) {
        defaults.set(key, path.text.as_str(), Origin::Default);
    }
}

fn unreadable(file: &Path, error: &io::Error) -> Diagnostic {
    Diagnostic::new(format!("cannot read the configuration file: {error}"))
        .in_place(file.display().to_string())
}

/// The layer of the milvus.yaml that `milvus.config_file` names; an empty one if it names
/// none, or no path, which is a problem found later.
fn milvus_yaml(written: &Effective) -> Result<Layer, Diagnostic> {
    let key = written.get("milvus.config_file");
    let named = |key: &Written| Some((key.origin.clone(), parse::path(&key.text).ok()?));
    let Some((origin, file)) = key.and_then(named) else {
        return Ok(Layer::new("milvus.yaml"));
    };
    let local = written.get("milvus.storage.local.path").is_some();
    let s3 = written.get("milvus.storage.s3.bucket").is_some();
    let storage = match (local, s3) {
        (true, _) => Known::Local,
        (false, true) => Known::S3,
        (false, false) => Known::Nothing,
    };
    let bytes = std::fs::read(&file).map_err(|error| {
        let file = file.display();
        let message = format!("`milvus.config_file` cannot be read: {file}: {error}");
        origin.place(Diagnostic::new(message))
    })?;
    milvus_yaml::read(&file, &bytes, storage)
}
