//! What shows a server who we are.

use std::path::PathBuf;

use super::parse;
use super::reader::Reader;

/// A certificate of ours and its key, both in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, and those between it and the one that is trusted.
    pub cert_file: PathBuf,
    /// Its key.
    pub key_file: PathBuf,
}

/// Both files of a section, or neither.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    (cert, key): (&str, &str),
    hint: &str,
) -> Option<ClientCertificate> {
    let cert_file = reader.get(cert, parse::path);
    let key_file = reader.get(key, parse::path);
    match (&cert_file, &key_file) {
        (Some(_), None) => reader.needs(cert, key, hint),
        (None, Some(_)) => reader.needs(key, cert, hint),
        (Some(_), Some(_)) | (None, None) => {}
    }
    Some(ClientCertificate { cert_file: cert_file?, key_file: key_file? })
}
