//! Buckets of moto, as Milvus, the agent and the tests see them.

use std::collections::BTreeMap;

use milvus_backup_agent::model::{KeyPrefix, S3Keys, S3Settings, Secret};
use milvus_backup_agent::storage::{ObjectMeta, ObjectStoreExt, S3Limits, S3Store};

use super::moto;

/// A prefix of a bucket, and as whom it is spoken to. moto lets everybody in.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    name: &'static str,
    prefix: String,
    key: &'static str,
}

impl Bucket {
    pub(crate) fn new(name: &'static str, prefix: impl Into<String>) -> Self {
        assert!(moto::BUCKETS.contains(&name), "{name} is not made");
        Self { name, prefix: prefix.into(), key: "lab" }
    }

    /// The same place, by a credential that no server-side copy shares.
    pub(crate) fn under_another_key(self) -> Self {
        Self { key: "other", ..self }
    }

    /// As a value of the agent's configuration.
    pub(crate) fn yaml(&self) -> String {
        let Self { name, prefix, key } = self;
        let endpoint = moto::address();
        format!(
            "{{bucket: {name}, prefix: {prefix}, endpoint: \"{endpoint}\", \
             access_key_id: {key}, secret_access_key: secret}}"
        )
    }

    /// As settings of Milvus.
    pub(crate) fn milvus(&self) -> Vec<String> {
        let address = moto::address().trim_start_matches("http://");
        let (host, port) = address.rsplit_once(':').unwrap();
        [
            ("common.storageType", "minio"),
            ("minio.address", host),
            ("minio.port", port),
            ("minio.accessKeyID", self.key),
            ("minio.secretAccessKey", "secret"),
            ("minio.useSSL", "false"),
            ("minio.bucketName", self.name),
            ("minio.rootPath", &self.prefix),
        ]
        .map(|(key, value)| format!("{key}={value}"))
        .into()
    }

    /// Everything in the whole bucket, by its key.
    pub(crate) fn objects(&self) -> BTreeMap<String, ObjectMeta> {
        let keys = S3Keys {
            access_key_id: Secret::new(self.key.to_owned()),
            secret_access_key: Secret::new("secret".to_owned()),
        };
        let settings = S3Settings {
            endpoint: Some(moto::address().parse().unwrap()),
            region: Some("us-east-1".to_owned()),
            keys: Some(keys),
            path_style: true,
            ..S3Settings::new(self.name)
        };
        let listing = async move {
            let store = S3Store::open(&settings, S3Limits::default()).await.unwrap();
            store.list_all(&KeyPrefix::root()).await.unwrap()
        };
        // Also from a test that is asynchronous itself.
        let list = || tokio::runtime::Runtime::new().unwrap().block_on(listing);
        let objects = std::thread::scope(|scope| scope.spawn(list).join().unwrap());
        objects.into_iter().map(|meta| (meta.key.to_string(), meta)).collect()
    }

    /// What lies in its prefix, by what follows that.
    pub(crate) fn below(&self) -> BTreeMap<String, ObjectMeta> {
        let prefix = format!("{}/", self.prefix);
        let objects = self.objects().into_iter();
        objects
            .filter_map(|(key, meta)| Some((key.strip_prefix(&prefix)?.to_owned(), meta)))
            .collect()
    }
}
