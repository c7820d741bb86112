//! Settings → a client: the way to the server, its credentials and its patience.

use std::fs;
use std::path::Path;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::{RetryConfig, RetryPartition, TokenBucket};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Builder, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};

use uuid::Uuid;

use crate::model::{S3Checksums, S3Keys, S3Settings};
use crate::storage::{StoreError, StoreErrorKind, StoreOp, StoreResult};

use super::S3Limits;

/// Where no region is named and the server is not AWS, most servers expect this one.
const USUAL_REGION: &str = "us-east-1";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What the SDK lets a store retry before successes have paid for more; its own default.
const RETRY_TOKENS: usize = 500;

/// A client of its own for each store: connections, credentials and retries are not shared.
pub(super) async fn connect(settings: &S3Settings, limits: &S3Limits) -> StoreResult<Client> {
    let http = http_client(settings)?;
    let config = match &settings.keys {
        Some(keys) => with_keys(settings, keys, http)?,
        None => from_environment(settings, http).await?,
    };
    let (calculation, validation) = checksums(settings);
    let retry = RetryConfig::standard()
        .with_max_attempts(limits.retries.saturating_add(1))
        .with_initial_backoff(limits.first_backoff);
    let partition = RetryPartition::custom(Uuid::new_v4().to_string())
        .token_bucket(TokenBucket::new(RETRY_TOKENS))
        .build();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(limits.patience)
        .build();
    let config = config
        .force_path_style(settings.path_style)
        .request_checksum_calculation(calculation)
        .response_checksum_validation(validation)
        .retry_config(retry)
        .retry_partition(partition)
        .timeout_config(timeouts)
        // A reader may wait for its writer as long as it likes; `reading` has a time-out for
        // each chunk, and every other call one of its own.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build();
    Ok(Client::from_conf(config))
}

/// Nothing around the process is looked at.
fn with_keys(settings: &S3Settings, keys: &S3Keys, http: SharedHttpClient) -> StoreResult<Builder> {
    let (id, secret) = (keys.access_key_id.reveal(), keys.secret_access_key.reveal());
    let credentials = Credentials::new(id, secret, None, None, "configuration");
    tracing::debug!(place = %settings.place(), "credentials from the configuration");
    let usual = (!settings.is_aws()).then(|| USUAL_REGION.to_owned());
    let region = settings.region.clone().or(usual).ok_or_else(|| no_region(settings))?;
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .credentials_provider(credentials)
        .region(Region::new(region));
    Ok(at_endpoint(config, settings))
}

/// Environment, profile, web identity, container, instance role (`IMDSv2`), in this order.
async fn from_environment(settings: &S3Settings, http: SharedHttpClient) -> StoreResult<Builder> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    } else if !settings.is_aws() {
        loader = loader.region(Region::new(USUAL_REGION));
    }
    let shared = loader.load().await;
    tracing::debug!(place = %settings.place(), "credentials from around the process");
    if shared.region().is_none() {
        return Err(no_region(settings));
    }
    Ok(at_endpoint(Builder::from(&shared), settings))
}

fn at_endpoint(config: Builder, settings: &S3Settings) -> Builder {
    match &settings.endpoint {
        Some(endpoint) => config.endpoint_url(endpoint.as_str().trim_end_matches('/')),
        None => config,
    }
}

fn checksums(settings: &S3Settings) -> (RequestChecksumCalculation, ResponseChecksumValidation) {
    if sends_checksums(settings) {
        (RequestChecksumCalculation::WhenSupported, ResponseChecksumValidation::WhenSupported)
    } else {
        (RequestChecksumCalculation::WhenRequired, ResponseChecksumValidation::WhenRequired)
    }
}

/// Whether checksums travel with the bytes.
pub(super) fn sends_checksums(settings: &S3Settings) -> bool {
    match settings.checksums {
        S3Checksums::Auto => settings.is_aws(),
        S3Checksums::WhenSupported => true,
        S3Checksums::WhenRequired => false,
    }
}

fn http_client(settings: &S3Settings) -> StoreResult<SharedHttpClient> {
    let builder =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    let Some(file) = &settings.ca_file else {
        return Ok(builder.build_https());
    };
    let trust = TrustStore::default().with_pem_certificate(certificates(file)?);
    let context = TlsContext::builder().with_trust_store(trust).build();
    let context = context.map_err(|error| misconfigured(file.display(), error.to_string()))?;
    Ok(builder.tls_context(context).build_https())
}

/// The SDK would panic at what is no certificate, so the file is looked at before.
fn certificates(file: &Path) -> StoreResult<Vec<u8>> {
    let pem = fs::read(file).map_err(|error| misconfigured(file.display(), error))?;
    let text = String::from_utf8_lossy(&pem);
    if text.contains("-----BEGIN CERTIFICATE-----") && text.contains("-----END CERTIFICATE-----") {
        Ok(pem)
    } else {
        Err(misconfigured(file.display(), "the file has no certificate in PEM"))
    }
}

fn no_region(settings: &S3Settings) -> StoreError {
    misconfigured(settings.place(), "no region is set")
        .with_hint(Some("set `region` beside the bucket, or AWS_REGION in the environment"))
}

fn misconfigured(
    place: impl std::fmt::Display,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::new(StoreOp::Open, place, StoreErrorKind::Misconfigured, cause)
}
