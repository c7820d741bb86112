//! Where a value was written.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::model::{Diagnostic, SourceLine};

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: the default.
    Default,
    /// In Milvus's own file, on this line.
    MilvusYaml(SourceLine),
    /// In this file of `$CREDENTIALS_DIRECTORY`.
    Credential(PathBuf),
    /// In the configuration file, on this line.
    File(SourceLine),
    /// In this environment variable.
    Environment(String),
}

impl Origin {
    /// The place of its layer; a higher one wins.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::MilvusYaml(_) => 1,
            Self::Credential(_) => 2,
            Self::File(_) => 3,
            Self::Environment(_) => 4,
        }
    }

    /// Puts a problem where the value was written.
    #[must_use]
    pub fn place(&self, problem: Diagnostic) -> Diagnostic {
        match self {
            Self::MilvusYaml(line) | Self::File(line) => problem.at(line.clone()),
            Self::Default | Self::Credential(_) | Self::Environment(_) => {
                problem.in_place(self.to_string())
            }
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::MilvusYaml(line) => write!(f, "milvus.yaml {}", line.file.display()),
            Self::Credential(file) => write!(f, "credential {}", file.display()),
            Self::File(line) => write!(f, "{line}"),
            Self::Environment(variable) => write!(f, "environment {variable}"),
        }
    }
}

/// The origin of each key.
#[derive(Debug, Clone, Default)]
pub struct Origins(pub(crate) BTreeMap<&'static str, Origin>);

impl Origins {
    /// Where the value of the key with this dotted path was written.
    pub fn of(&self, path: &str) -> &Origin {
        self.0.get(path).unwrap_or(&Origin::Default)
    }
}
