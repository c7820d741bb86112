//! Connections with TLS: whom we trust, what shows who we are, and what goes wrong.

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::AsyncBufReadExt;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use url::Url;

use super::fault::Fault;
use crate::config::{ClientCertificate, MilvusAccess};

/// How long a server may think over our certificate: in TLS 1.3 it answers after the
/// handshake. Milvus speaks at once.
const VERDICT: Duration = Duration::from_millis(500);

/// Where a connection with TLS leads.
#[derive(Debug, Clone)]
pub(in crate::milvus) struct Secured {
    host: String,
    port: u16,
    access: MilvusAccess,
}

/// What is spoken over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::milvus) enum Speaks {
    /// gRPC, in which the server speaks first.
    Grpc,
    /// HTTP/1.1, in which it waits for a question.
    Http,
}

impl Secured {
    pub(in crate::milvus) fn of(address: &Url, access: &MilvusAccess) -> Self {
        let host = address.host_str().unwrap_or_default();
        Self {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: address.port_or_known_default().unwrap_or_default(),
            access: access.clone(),
        }
    }

    /// Reads the files anew, which may have been renewed.
    pub(in crate::milvus) async fn connect(
        &self,
        speaks: Speaks,
    ) -> Result<TokioIo<TlsStream<TcpStream>>, Fault> {
        let access = self.access.clone();
        let mut config = match spawn_blocking(move || read(&access)).await {
            Ok(config) => config?,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        config.alpn_protocols = match speaks {
            Speaks::Grpc => vec![b"h2".to_vec()],
            Speaks::Http => vec![b"http/1.1".to_vec()],
        };
        let name = self.access.server_name.as_ref().unwrap_or(&self.host).clone();
        let known = ServerName::try_from(name).map_err(|error| Fault::of_name(&error))?;
        let stream = TcpStream::connect((&*self.host, self.port)).await.map_err(Fault::of_way)?;
        stream.set_nodelay(true).map_err(Fault::of_way)?;
        let connector = TlsConnector::from(Arc::new(config));
        let mut stream = connector.connect(known, stream).await.map_err(Fault::of_tls)?;
        if speaks == Speaks::Http {
            return Ok(TokioIo::new(stream));
        }
        // Without this look the refusal of our certificate may be lost with the connection.
        match timeout(VERDICT, stream.fill_buf()).await {
            Err(_) => {}
            Ok(Ok(heard)) if !heard.is_empty() => {}
            Ok(Ok(_)) => return Err(Fault::of_way(io::ErrorKind::UnexpectedEof.into())),
            Ok(Err(error)) => return Err(Fault::of_tls(error)),
        }
        Ok(TokioIo::new(stream))
    }
}

/// With ring for this connection alone, whatever the rest of the process uses.
fn read(access: &MilvusAccess) -> Result<ClientConfig, Fault> {
    let mut roots = RootCertStore::empty();
    // A host without certificates of its own is fine where `ca_file` has one.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = &access.ca_file {
        for found in certificates("milvus.ca_file", file)? {
            roots.add(found).map_err(|error| unusable("milvus.ca_file", file, &error))?;
        }
    }
    if roots.is_empty() {
        return Err(Fault::no_authority());
    }
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has what the default versions need")
        .with_root_certificates(roots);
    match &access.certificate {
        None => Ok(config.with_no_client_auth()),
        Some(ClientCertificate { cert_file, key_file }) => {
            let chain = certificates("milvus.cert_file", cert_file)?;
            let key = PrivateKeyDer::from_pem_file(key_file);
            let key = key.map_err(|error| unusable("milvus.key_file", key_file, &error))?;
            config.with_client_auth_cert(chain, key).map_err(|error| {
                let no_pair = "is no key of the first certificate in `milvus.cert_file`";
                Fault::of_file("milvus.key_file", &format!("{no_pair}: {error}"))
            })
        }
    }
}

fn certificates(key: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let found =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.map_err(|error| unusable(key, file, &error))?;
    if found.is_empty() {
        return Err(Fault::of_file(key, &format!("holds no certificate: {}", file.display())));
    }
    Ok(found)
}

fn unusable(key: &str, file: &Path, error: &dyn Display) -> Fault {
    Fault::of_file(key, &format!("cannot be used: {}: {error}", file.display()))
}
