//! Where an S3 bucket is and how to speak to it.

use std::path::PathBuf;

use url::Url;

use super::{KeyPrefix, Secret};

/// A prefix of a bucket, and the way there. Nothing in it is shared with another bucket's:
/// the credentials of one side are never used for the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Settings {
    /// The server; without one, AWS.
    pub endpoint: Option<Url>,
    /// The region; without one, what the environment says, and `us-east-1` for a server that
    /// is not AWS.
    pub region: Option<String>,
    /// The bucket, which must exist.
    pub bucket: String,
    /// The folder in the bucket.
    pub prefix: KeyPrefix,
    /// Fixed keys; without them the environment, the profile, the web identity or the instance
    /// role.
    pub keys: Option<S3Keys>,
    /// Whether the bucket is in the path of a request, else in its host name.
    pub path_style: bool,
    /// Certificates in PEM to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether checksums travel with the bytes.
    pub checksums: S3Checksums,
}

impl S3Settings {
    /// A bucket of AWS with everything else left to its default.
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            endpoint: None,
            region: None,
            bucket: bucket.into(),
            prefix: KeyPrefix::root(),
            keys: None,
            path_style: false,
            ca_file: None,
            checksums: S3Checksums::Auto,
        }
    }

    /// Whether the server is AWS itself.
    pub fn is_aws(&self) -> bool {
        let host = self.endpoint.as_ref().map(|endpoint| endpoint.host_str().unwrap_or_default());
        host.is_none_or(|host| {
            host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")
        })
    }

    /// The place as people write it: `s3://bucket/prefix`.
    pub fn place(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix).trim_end_matches('/').to_owned()
    }
}

/// Fixed keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Keys {
    /// The user's name, so to say.
    pub access_key_id: Secret<String>,
    /// The password.
    pub secret_access_key: Secret<String>,
}

/// Whether checksums travel with the bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum S3Checksums {
    /// On AWS as [`Self::WhenSupported`], elsewhere as [`Self::WhenRequired`]: many servers
    /// refuse the checksums that AWS's own clients send since 2025.
    #[default]
    Auto,
    /// Wherever the protocol knows them.
    WhenSupported,
    /// Only where the protocol demands them.
    WhenRequired,
}

#[cfg(test)]
mod tests {
    use super::S3Settings;
    use crate::model::KeyPrefix;

    #[test]
    fn aws_is_known_by_its_name() {
        for (endpoint, aws) in [
            (None, true),
            (Some("https://s3.eu-west-1.amazonaws.com"), true),
            (Some("https://s3.cn-north-1.amazonaws.com.cn/"), true),
            (Some("http://127.0.0.1:9000"), false),
            (Some("https://s3.amazonaws.com.evil.example"), false),
        ] {
            let endpoint = endpoint.map(|text| text.parse().unwrap());
            assert_eq!(S3Settings { endpoint, ..S3Settings::new("b") }.is_aws(), aws);
        }
    }

    #[test]
    fn the_place_has_no_slash_at_its_end() {
        let settings = S3Settings::new("b");
        assert_eq!(settings.place(), "s3://b");
        let prefix = KeyPrefix::new("a/b").unwrap();
        assert_eq!(S3Settings { prefix, ..settings }.place(), "s3://b/a/b");
    }
}
