//! Whom we trust, and what shows who we are.

use std::path::Path;
use std::sync::Arc;

use rustls_connector::rustls::pki_types::pem::PemObject;
use rustls_connector::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls_connector::rustls::{ClientConfig, RootCertStore, crypto};
use rustls_connector::{RustlsConnector, rustls_native_certs};
use tokio::task::spawn_blocking;

use super::faults::our_file;
use crate::broker::{BrokerError, BrokerFault, BrokerResult};
use crate::config::ClientCertificate;

/// Reads the files, which may have been renewed since.
pub(super) async fn connector(
    ca_file: Option<&Path>,
    certificate: Option<&ClientCertificate>,
) -> BrokerResult<RustlsConnector> {
    let (ca_file, certificate) = (ca_file.map(Path::to_owned), certificate.cloned());
    match spawn_blocking(move || read(ca_file.as_deref(), certificate.as_ref())).await {
        Ok(config) => Ok(RustlsConnector::from(Arc::new(config?))),
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

/// With ring for this connection alone, whatever the rest of the process uses.
fn read(
    ca_file: Option<&Path>,
    certificate: Option<&ClientCertificate>,
) -> BrokerResult<ClientConfig> {
    let mut roots = RootCertStore::empty();
    // A host without certificates of its own is fine where `ca_file` has one.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = ca_file {
        for found in certificates("amqp.ca_file", file)? {
            roots.add(found).map_err(|error| wrong("amqp.ca_file", file, &error))?;
        }
    }
    if roots.is_empty() {
        let message = "this host trusts no authority for certificates";
        let error = BrokerError::new(BrokerFault::Unauthorised, message);
        return Err(error.hint("install ca-certificates, or set `amqp.ca_file`"));
    }
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has what the default versions need")
        .with_root_certificates(roots);
    let Some(ClientCertificate { cert_file, key_file }) = certificate else {
        return Ok(config.with_no_client_auth());
    };
    let chain = certificates("amqp.cert_file", cert_file)?;
    let key = PrivateKeyDer::from_pem_file(key_file);
    let key = key.map_err(|error| wrong("amqp.key_file", key_file, &error))?;
    config.with_client_auth_cert(chain, key).map_err(|error| {
        our_file(
            "amqp.key_file",
            &format!("is no key of the first certificate in `amqp.cert_file`: {error}"),
        )
    })
}

fn certificates(key: &str, file: &Path) -> BrokerResult<Vec<CertificateDer<'static>>> {
    let found =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.map_err(|error| wrong(key, file, &error))?;
    if found.is_empty() {
        return Err(our_file(key, &format!("holds no certificate: {}", file.display())));
    }
    Ok(found)
}

fn wrong(key: &str, file: &Path, error: &dyn std::fmt::Display) -> BrokerError {
    our_file(key, &format!("cannot be used: {}: {error}", file.display()))
}
