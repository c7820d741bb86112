//! A folder with a configuration, and an environment.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::config::environment::Environment;
use crate::config::load::{Loaded, Presence, load_from};
use crate::model::ErrorKind;

/// A folder with a `config.yaml`.
pub(super) struct Fixture {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Fixture {
    pub(super) fn new(config: impl AsRef<[u8]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.yaml"), config).unwrap();
        Self { folder, variables: Vec::new() }
    }

    pub(super) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(super) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The configuration, or the rendered problems with the folder's name taken out.
    pub(super) fn load(&self) -> Result<Loaded, String> {
        let file = self.folder.path().join("config.yaml");
        let environment: Environment = self.variables.clone().into_iter().collect();
        load_from(&file, Presence::Required, &environment).map_err(|error| {
            assert_eq!(error.kind(), ErrorKind::Usage);
            self.anonymous(&error.to_string())
        })
    }

    fn anonymous(&self, text: &str) -> String {
        text.replace(self.folder.path().to_str().unwrap(), "/etc")
    }

    pub(super) fn problems(&self) -> String {
        self.load().unwrap_err()
    }

    /// The value of a key and its origin, as `config show` has them.
    pub(super) fn row(&self, path: &str) -> (Option<String>, String) {
        let rows = self.load().unwrap().rows();
        let row = rows.into_iter().find(|row| row.key.path == path).unwrap();
        (row.value, self.anonymous(&row.origin.to_string()))
    }
}
