//! Milvus's own milvus.yaml → a layer.
//!
//! Where Milvus keeps its files is read, and how often a 2.2 writes deletes down; everything else
//! in the file is Milvus's.

use std::path::Path;

use super::keys::{Found, find};
use super::layers::Layer;
use super::minio::Minio;
use super::origin::Origin;
use super::parse;
use crate::model::{Diagnostic, Position, SourceLine, YamlDocument, YamlValue};

/// Where Milvus keeps its files if its file does not say.
const DEFAULT_LOCAL_PATH: &str = "/var/lib/milvus/data";

/// What the configuration says about Milvus's storage, beside milvus.yaml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// `milvus.storage.local.path` is set, so the storage is local whatever milvus.yaml says.
    Local,
    /// `milvus.storage.s3.bucket` is set, so the storage is a bucket.
    S3,
    /// Nothing.
    Nothing,
}

/// Reads the bytes of `file`. What the configuration knows better is left out: in containers,
/// Milvus's environment outdoes its file.
pub(crate) fn read(file: &Path, bytes: &[u8], known: Known) -> Result<Layer, Diagnostic> {
    let document = YamlDocument::parse(file, bytes)?;
    let mut layer = Layer::new("milvus.yaml");
    match (storage_type(&document)?, known) {
        (StorageType::Local, Known::Local | Known::Nothing) => {
            let (line, text) = local_path(file, &document)?;
            for path in ["milvus.storage.local.path", "milvus.storage.local.milvus_path"] {
                if let Found::Key(key) = find(path) {
                    layer.set(key, &text, Origin::MilvusYaml(line.clone()));
                }
            }
        }
        (StorageType::Remote, Known::S3 | Known::Nothing) => {
            Minio { file, document: &document }.fill(&mut layer)?;
        }
        (StorageType::Local, Known::S3) | (StorageType::Remote, Known::Local) => {}
    }
    sync_period(&document, &mut layer)?;
    Ok(layer)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StorageType {
    Local,
    Remote,
}

/// `common.storageType`; without one, Milvus uses object storage.
fn storage_type(document: &YamlDocument) -> Result<StorageType, Diagnostic> {
    let Some(node) = document.find("common.storageType") else { return Ok(StorageType::Remote) };
    match &node.value {
        YamlValue::Null => Ok(StorageType::Remote),
        YamlValue::Scalar(text) if text == "local" => Ok(StorageType::Local),
        YamlValue::Scalar(text) if text == "remote" || text == "minio" => Ok(StorageType::Remote),
        value @ (YamlValue::Scalar(_) | YamlValue::List(_) | YamlValue::Map(_)) => {
            Err(Diagnostic::new("`common.storageType`: expected local, minio or remote")
                .at(document.line(node.position))
                .label(format!("found {}", value.describe())))
        }
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

/// `dataNode.segment.syncPeriod`, in seconds.
fn sync_period(document: &YamlDocument, layer: &mut Layer) -> Result<(), Diagnostic> {
    let Some(node) = document.find("dataNode.segment.syncPeriod") else { return Ok(()) };
    let line = document.line(node.position);
    let seconds = match &node.value {
        YamlValue::Null => return Ok(()),
        YamlValue::Scalar(text) => text.parse::<u32>().ok(),
        YamlValue::List(_) | YamlValue::Map(_) => None,
    };
    let Some(seconds) = seconds else {
        let problem = "`dataNode.segment.syncPeriod`: expected a number of seconds";
        let found = format!("found {}", node.value.describe());
        return Err(Diagnostic::new(problem).at(line).label(found));
    };
    if let Found::Key(key) = find("milvus.sync_period") {
        layer.set(key, format!("{seconds}s"), Origin::MilvusYaml(line));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Known, read};
    use crate::config::layers::{Effective, Layer};

    const FILE: &str = "/milvus/configs/milvus.yaml";

    fn layer(text: &str, known: Known) -> Result<Layer, String> {
        read(Path::new(FILE), text.as_bytes(), known).map_err(|problem| problem.to_string())
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
            let layer = layer(text, Known::Nothing).unwrap();
            let effective = Effective::of(&[&layer]);
            for key in ["milvus.storage.local.path", "milvus.storage.local.milvus_path"] {
                let written = effective.get(key).unwrap();
                assert_eq!(written.text, expected);
                assert_eq!(written.origin.to_string(), format!("milvus.yaml {FILE}"));
            }
        }
    }

    fn value(layer: &Layer, key: &str) -> Option<String> {
        let effective = Effective::of(&[layer]);
        effective.get(&format!("milvus.storage.{key}")).map(|written| written.text.clone())
    }

    #[test]
    fn object_storage_has_milvus_s_own_defaults() {
        for text in ["common:\n  storageType: minio\n", "common: {storageType: remote}", "", "a: 1"]
        {
            let layer = layer(text, Known::Nothing).unwrap();
            for (key, expected) in [
                ("s3.endpoint", Some("http://localhost:9000")),
                ("s3.bucket", Some("a-bucket")),
                ("s3.prefix", Some("files")),
                ("s3.access_key_id", Some("minioadmin")),
                ("s3.secret_access_key", Some("minioadmin")),
                ("s3.region", None),
                ("s3.path_style", None),
                ("local.path", None),
            ] {
                assert_eq!(value(&layer, key).as_deref(), expected, "{text:?} {key}");
            }
        }
    }

    #[test]
    fn the_section_minio_is_read() {
        let text = "common: {storageType: remote}\nminio:\n  address: s3.example.com\n  \
                    port: 443\n  useSSL: true\n  useIAM: true\n  bucketName: prod\n  rootPath: \
                    /x/y/\n  region: eu-1\n  useVirtualHost: true\n";
        let layer = layer(text, Known::S3).unwrap();
        for (key, expected) in [
            ("s3.endpoint", Some("https://s3.example.com:443")),
            ("s3.bucket", Some("prod")),
            ("s3.prefix", Some("/x/y/")),
            ("s3.access_key_id", None),
            ("s3.region", Some("eu-1")),
            ("s3.path_style", Some("false")),
        ] {
            assert_eq!(value(&layer, key).as_deref(), expected, "{key}");
        }
        let whole = "minio: {address: \"minio:9001\", port: 9000, rootPath: \"\"}";
        let layer = self::layer(whole, Known::Nothing).unwrap();
        assert_eq!(value(&layer, "s3.endpoint").as_deref(), Some("http://minio:9001"));
        assert_eq!(value(&layer, "s3.prefix"), None, "the whole bucket");
    }

    #[test]
    fn the_period_of_deletes_is_read_whatever_the_storage_is() {
        for (value, expected) in
            [("5", Some("5s")), ("600 # ten minutes", Some("600s")), ("", None)]
        {
            let text = format!(
                "common: {{storageType: local}}\ndataNode:\n  segment:\n    syncPeriod: {value}\n"
            );
            for known in [Known::Nothing, Known::S3] {
                let effective = Effective::of(&[&layer(&text, known).unwrap()]);
                let found = effective.get("milvus.sync_period").map(|found| found.text.as_str());
                assert_eq!(found, expected, "{text}");
            }
        }
        let wrong = layer("dataNode: {segment: {syncPeriod: often}}", Known::Local).unwrap_err();
        assert!(wrong.contains("expected a number of seconds"), "{wrong}");
    }

    #[test]
    fn what_is_known_better_is_left_out() {
        for (text, known) in
            [("common: {storageType: local}", Known::S3), ("minio: {}", Known::Local)]
        {
            let layer = layer(text, known).unwrap();
            assert_eq!(value(&layer, "s3.bucket"), None);
            assert_eq!(value(&layer, "local.path"), None);
        }
        for text in ["common: {storageType: gcs}", "common: {storageType: [a]}"] {
            let problem = layer(text, Known::Nothing).unwrap_err();
            assert!(
                problem.starts_with("error: `common.storageType`: expected local"),
                "{problem}"
            );
        }
        let azure = layer("minio: {cloudProvider: azure}", Known::Nothing).unwrap_err();
        assert!(azure.contains("Azure"), "{azure}");
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
        assert_eq!(layer(text, Known::Nothing).unwrap_err(), expected);
    }
}
