//! An authority and what it signs, by openssl.

use std::path::{Path, PathBuf};
use std::process::Command;

/// An authority for certificates in a folder.
#[derive(Debug)]
pub(crate) struct Authority<'f> {
    folder: &'f Path,
    name: String,
}

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) file: PathBuf,
    pub(crate) key: PathBuf,
}

impl<'f> Authority<'f> {
    pub(crate) fn new(folder: &'f Path, name: &str) -> Self {
        let authority = Self { folder, name: name.to_owned() };
        authority.openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 2 \
             -subj /CN={name} -addext basicConstraints=critical,CA:TRUE \
             -keyout {name}.key -out {name}.pem"
        ));
        authority
    }

    /// Its own certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join(format!("{}.pem", self.name))
    }

    /// Signs a new certificate for a host of this name, good for two days from now on.
    pub(crate) fn signs(&self, name: &str) -> Certificate {
        self.signs_for(name, "2")
    }

    /// The same for other days; -1 has been over since yesterday.
    pub(crate) fn signs_for(&self, name: &str, days: &str) -> Certificate {
        let ca = &self.name;
        let file = format!("{ca}-{name}{days}");
        let extensions = self.folder.join(format!("{file}.ext"));
        let usage = "extendedKeyUsage=serverAuth,clientAuth";
        std::fs::write(extensions, format!("subjectAltName=DNS:{name}\n{usage}\n")).unwrap();
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -subj /CN={name} \
             -keyout {file}.key -out {file}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -in {file}.csr -CA {ca}.pem -CAkey {ca}.key -CAcreateserial -days {days} \
             -extfile {file}.ext -out {file}.pem"
        ));
        let path = |end| self.folder.join(format!("{file}.{end}"));
        Certificate { file: path("pem"), key: path("key") }
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        let output = command.args(arguments.split_whitespace()).current_dir(self.folder).output();
        let output = output.expect("openssl is there");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments}: {said}");
    }
}
