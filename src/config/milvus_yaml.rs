//! Milvus's own milvus.yaml → a layer.
//!
//! Only where Milvus keeps its files is read; everything else in the file is Milvus's.

use std::path::Path;

use super::keys::{Found, find};
use super::layers::Layer;
use super::origin::Origin;
use super::parse;
use crate::model::{Diagnostic, Position, SourceLine, YamlDocument, YamlValue};

/// Where Milvus keeps its files if its file does not say.
const DEFAULT_LOCAL_PATH: &str = "/var/lib/milvus/data";

/// What the configuration says about Milvus's storage, beside milvus.yaml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// `milvus.storage.local.path` is set, so the storage is local whatever milvus.yaml says.
    KnownToBeLocal,
    /// Nothing.
    Unknown,
}

/// Reads the bytes of `file`. A storage that is not local is a problem only where nothing
/// else says that it is: in containers, Milvus's environment outdoes its file.
pub(crate) fn read(file: &Path, bytes: &[u8], storage: Storage) -> Result<Layer, Diagnostic> {
    let document = YamlDocument::parse(file, bytes)?;
    let mut layer = Layer::new("milvus.yaml");
    if let Err(problem) = check_storage_type(file, &document) {
        return match storage {
            Storage::KnownToBeLocal => Ok(layer),
            Storage::Unknown => Err(problem),
        };
    }
    let (line, text) = local_path(file, &document)?;
    for path in ["milvus.storage.local.path", "milvus.storage.local.milvus_path"] {
        if let Found::Key(key) = find(path) {
            layer.set(key, &text, Origin::MilvusYaml(line.clone()));
        }
    }
    Ok(layer)
}

fn check_storage_type(file: &Path, document: &YamlDocument) -> Result<(), Diagnostic> {
    let problem = Diagnostic::new("this Milvus keeps its files in object storage").hint(
        "object storage arrives with a later version; set `milvus.storage.local.path` only if \
         this Milvus does use local storage, such as with COMMON_STORAGETYPE=local in its \
         environment",
    );
    let Some(node) = document.find("common.storageType") else {
        return Err(problem
            .in_place(file.display().to_string())
            .label("`common.storageType` is not set, which means remote"));
    };
    match &node.value {
        YamlValue::Scalar(text) if text == "local" => Ok(()),
        YamlValue::Null => Err(problem
            .at(document.line(node.position))
            .label("`common.storageType` is empty, which means remote")),
        value @ (YamlValue::Scalar(_) | YamlValue::List(_) | YamlValue::Map(_)) => Err(problem
            .at(document.line(node.position))
            .label(format!("`common.storageType` is {}", value.describe()))),
    }
}

/// `localStorage.path`, and its line.
fn local_path(file: &Path, document: &YamlDocument) -> Result<(SourceLine, String), Diagnostic> {
    let start = Position { line: 1, column: 1 };
    let default = || (SourceLine::new(file, "", start), DEFAULT_LOCAL_PATH.to_owned());
    let Some(node) = document.find("localStorage.path") else {
        return Ok(default());
    };
    let line = document.line(node.position);
    match &node.value {
        YamlValue::Null => Ok(default()),
        YamlValue::Scalar(text) => match parse::path(text) {
            Ok(_) => Ok((line, text.clone())),
            Err(invalid) => Err(invalid.of("localStorage.path").at(line)),
        },
        value @ (YamlValue::List(_) | YamlValue::Map(_)) => {
            Err(Diagnostic::new("`localStorage.path`: expected a path")
                .at(line)
                .label(format!("found {}", value.describe())))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Storage, read};
    use crate::config::layers::{Effective, Layer};

    const FILE: &str = "/milvus/configs/milvus.yaml";

    fn layer(text: &str, storage: Storage) -> Result<Layer, String> {
        read(Path::new(FILE), text.as_bytes(), storage).map_err(|problem| problem.to_string())
    }

    #[test]
    fn the_local_path_is_taken_for_both_views() {
        for (text, expected) in [
            (
                "common:\n  storageType: local\nlocalStorage:\n  path: /data/milvus/\n",
                "/data/milvus/",
            ),
            ("common: {storageType: local}\nx: &a [1]\ny: *a\n", "/var/lib/milvus/data"),
            ("common: {storageType: local}\nlocalStorage: {path: }\n", "/var/lib/milvus/data"),
        ] {
            let layer = layer(text, Storage::Unknown).unwrap();
            let effective = Effective::of(&[&layer]);
            for key in ["milvus.storage.local.path", "milvus.storage.local.milvus_path"] {
                let written = effective.get(key).unwrap();
                assert_eq!(written.text, expected);
                assert_eq!(written.origin.to_string(), format!("milvus.yaml {FILE}"));
            }
        }
    }

    #[test]
    fn object_storage_is_refused_unless_known_to_be_local() {
        for (text, label) in [
            ("common:\n  storageType: minio\n", "`common.storageType` is `minio`"),
            ("common:\n  storageType: remote # x\n", "`common.storageType` is `remote`"),
            ("common:\n  storageType:\n", "`common.storageType` is empty, which means remote"),
            ("etcd: {}\n", "`common.storageType` is not set, which means remote"),
            ("", "`common.storageType` is not set, which means remote"),
        ] {
            let problem = layer(text, Storage::Unknown).unwrap_err();
            assert!(problem.contains(label), "{text:?}: {problem}");
            let silent = layer(text, Storage::KnownToBeLocal).unwrap();
            assert!(Effective::of(&[&silent]).get("milvus.storage.local.path").is_none());
        }
    }

    #[test]
    fn a_problem_shows_its_line() {
        let expected = "\
error: `localStorage.path`: expected a path
 --> /milvus/configs/milvus.yaml:2:22
  |
2 | localStorage: {path: [a]}
  |                      ^ found a list";
        let text = "common: {storageType: local}\nlocalStorage: {path: [a]}\n";
        assert_eq!(layer(text, Storage::Unknown).unwrap_err(), expected);
    }
}
