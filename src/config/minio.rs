//! The section `minio` of milvus.yaml → keys of `milvus.storage.s3`.

use std::path::Path;

use super::keys::{Found, find};
use super::layers::Layer;
use super::origin::Origin;
use crate::model::{Diagnostic, Position, SourceLine, YamlDocument, YamlValue};

/// The section, with Milvus's own defaults for what it does not say.
pub(crate) struct Minio<'d> {
    pub(crate) file: &'d Path,
    pub(crate) document: &'d YamlDocument,
}

impl Minio<'_> {
    /// Sets what the section says.
    pub(crate) fn fill(&self, layer: &mut Layer) -> Result<(), Diagnostic> {
        self.check_provider()?;
        let mut set = |word: &str, (line, text): (SourceLine, String)| {
            if let Found::Key(key) = find(&format!("milvus.storage.s3.{word}")) {
                layer.set(key, text, Origin::MilvusYaml(line));
            }
        };
        set("endpoint", self.endpoint()?);
        set("bucket", self.text("bucketName", "a-bucket")?);
        for (word, name, default) in [("prefix", "rootPath", "files"), ("region", "region", "")] {
            let (line, text) = self.text(name, default)?;
            if !text.trim_matches('/').is_empty() {
                set(word, (line, text));
            }
        }
        if self.text("useVirtualHost", "false")?.1 == "true" {
            set("path_style", (self.text("useVirtualHost", "")?.0, "false".to_owned()));
        }
        if self.text("useIAM", "false")?.1 != "true" {
            set("access_key_id", self.text("accessKeyID", "minioadmin")?);
            set("secret_access_key", self.text("secretAccessKey", "minioadmin")?);
        }
        Ok(())
    }

    /// `address`, with a port or without, `port` and `useSSL` as one address.
    fn endpoint(&self) -> Result<(SourceLine, String), Diagnostic> {
        let (line, address) = self.text("address", "localhost")?;
        let scheme = if self.text("useSSL", "false")?.1 == "true" { "https" } else { "http" };
        let has_port =
            address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let port = self.text("port", "9000")?.1;
        let host = if has_port { address } else { format!("{address}:{port}") };
        Ok((line, format!("{scheme}://{host}")))
    }

    fn check_provider(&self) -> Result<(), Diagnostic> {
        let (line, provider) = self.text("cloudProvider", "aws")?;
        if provider != "azure" {
            return Ok(());
        }
        Err(Diagnostic::new("this Milvus keeps its files in Azure Blob Storage")
            .at(line)
            .hint("the agent reads folders and S3; Azure is not supported yet"))
    }

    /// The value of a key, and its line; the file's first where it says nothing.
    fn text(&self, name: &str, default: &str) -> Result<(SourceLine, String), Diagnostic> {
        let path = format!("minio.{name}");
        let start = SourceLine::new(self.file, "", Position { line: 1, column: 1 });
        let Some(node) = self.document.find(&path) else { return Ok((start, default.to_owned())) };
        let line = self.document.line(node.position);
        match &node.value {
            YamlValue::Null => Ok((line, default.to_owned())),
            YamlValue::Scalar(text) => Ok((line, text.clone())),
            value @ (YamlValue::List(_) | YamlValue::Map(_)) => {
                Err(Diagnostic::new(format!("`{path}`: expected one value"))
                    .at(line)
                    .label(format!("found {}", value.describe())))
            }
        }
    }
}
