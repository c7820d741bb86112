//! Why there is no connection → who has to do what.

use std::error::Error;
use std::fmt::Display;
use std::io;
use std::iter::successors;

use tokio_rustls::rustls;
use tokio_rustls::rustls::CertificateError;

use crate::milvus::MilvusErrorKind::{self, Misconfigured, NotAuthorised, Unreachable};

const AUTHORITY: &str =
    "set `milvus.ca_file` to the certificate of the authority that signed Milvus's";
const NAME: &str = "set `milvus.server_name` to a name that stands in Milvus's certificate";
const EXPIRED: &str = "renew Milvus's certificate, or set this machine's clock";
const NO_TLS: &str = "for a Milvus without TLS begin `milvus.address` with http://";
const PERHAPS_TLS: &str = "check that Milvus runs, and the port in `milvus.address`; for a Milvus \
                           with TLS begin it with https://";
const OURS: &str = "set `milvus.cert_file` and `milvus.key_file` to a certificate that the \
                    authority of Milvus's `tls.caPemPath` signed";
const OUR_FILE: &str = "the agent's user must be able to read it, and it has to be PEM: \
                        certificates, or one key without a password in PKCS#8, PKCS#1 or SEC1";
const NOBODY: &str = "check that Milvus runs, and `milvus.address` in the configuration";

/// What becomes of a connection without TLS that leads to one with it (measured on 2.3.5), or
/// to what is no Milvus.
const BROKEN: &[&str] =
    &["broken pipe", "connection closed", "connection reset", "frame with invalid size"];

/// What kept us from a connection, and what to do.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(in crate::milvus) struct Fault {
    pub(in crate::milvus) kind: MilvusErrorKind,
    pub(in crate::milvus) message: String,
    pub(in crate::milvus) hint: &'static str,
}

impl Fault {
    fn new(kind: MilvusErrorKind, message: impl Into<String>, hint: &'static str) -> Self {
        Self { kind, message: message.into(), hint }
    }

    /// What a file of ours holds is no good.
    pub(super) fn of_file(key: &str, why: &str) -> Self {
        Self::new(Misconfigured, format!("`{key}` {why}"), OUR_FILE)
    }

    /// Nobody is trusted, so Milvus cannot be.
    pub(super) fn no_authority() -> Self {
        let hint = "install ca-certificates, or set `milvus.ca_file`";
        Self::new(Misconfigured, "this host trusts no authority for certificates", hint)
    }

    /// No certificate can have such a name.
    pub(super) fn of_name(error: &dyn Display) -> Self {
        let message = format!("the host of `milvus.address` is no name for TLS: {error}");
        Self::new(Misconfigured, message, NAME)
    }

    /// There is no way to the server.
    #[expect(clippy::needless_pass_by_value, reason = "for map_err")]
    pub(super) fn of_way(error: io::Error) -> Self {
        Self::new(Unreachable, error.to_string(), NOBODY)
    }

    /// TLS failed, on either side.
    pub(super) fn of_tls(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(inner) => Self::of_handshake(inner),
            None => Self::of_way(error),
        }
    }

    fn of_handshake(error: &rustls::Error) -> Self {
        #[expect(clippy::wildcard_enum_match_arm, reason = "rustls may add variants")]
        let (kind, hint) = match error {
            rustls::Error::InvalidCertificate(why) => (Misconfigured, of_certificate(why)),
            rustls::Error::AlertReceived(_) => (NotAuthorised, OURS),
            rustls::Error::InvalidMessage(_) => (Misconfigured, NO_TLS),
            _ => (Misconfigured, "look into the log of Milvus"),
        };
        Self::new(kind, format!("TLS failed: {error}"), hint)
    }

    /// The same of a failed call: the fault that the connection met, or what became of it on
    /// the way.
    pub(super) fn of_call(status: &tonic::Status) -> Option<Self> {
        let causes = || successors(status.source(), |cause| (*cause).source());
        if let Some(fault) = causes().find_map(|cause| cause.downcast_ref::<Self>()) {
            return Some(fault.clone());
        }
        let said = causes().last()?.to_string();
        if said.contains("received fatal alert") {
            return Some(Self::new(NotAuthorised, format!("TLS failed: {said}"), OURS));
        }
        let broken = BROKEN.iter().any(|words| said.ends_with(words));
        broken.then(|| Self::new(Unreachable, said, PERHAPS_TLS))
    }
}

fn of_certificate(why: &CertificateError) -> &'static str {
    #[expect(clippy::wildcard_enum_match_arm, reason = "rustls may add variants")]
    match why {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => NAME,
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => EXPIRED,
        _ => AUTHORITY,
    }
}
