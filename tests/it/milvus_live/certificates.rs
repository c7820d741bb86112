//! Certificates that are no good, theirs and ours, against servers of openssl's.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use milvus_backup_agent::config::{ClientCertificate, MilvusAccess};
use milvus_backup_agent::milvus::MilvusErrorKind::{Misconfigured, NotAuthorised, Unreachable};
use milvus_backup_agent::milvus::{GrpcMilvus, MilvusApi, MilvusError};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::lab::{Authority, Certificate};

/// openssl with a certificate, in the place of a Milvus.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    async fn start(certificate: &Certificate, more: &[&str]) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new("openssl");
        command.args(["s_server", "-quiet", "-alpn", "h2", "-accept", &free.to_string()]);
        command.arg("-cert").arg(&certificate.file).arg("-key").arg(&certificate.key);
        command.args(more).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("openssl is there");
        while TcpStream::connect(free).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self { process, address: format!("https://{free}") }
    }

    async fn refuses(&self, access: &MilvusAccess) -> MilvusError {
        refused(&self.address, access).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

async fn refused(address: &str, access: &MilvusAccess) -> MilvusError {
    let client = GrpcMilvus::new(&address.parse().unwrap(), access).unwrap();
    client.version().await.expect_err("it is no Milvus")
}

fn trusting(ca: PathBuf, name: &str) -> MilvusAccess {
    let server_name = Some(name.to_owned());
    MilvusAccess { ca_file: Some(ca), server_name, ..MilvusAccess::default() }
}

#[track_caller]
fn assert_told(error: &MilvusError, said: &str, hint: &str) {
    assert!(error.to_string().contains(said), "{error}");
    assert!(error.hint().unwrap_or_default().contains(hint), "{:?}", error.hint());
}

#[tokio::test]
async fn a_server_is_trusted_for_its_authority_its_name_and_its_dates() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::new(folder.path(), "authority");
    let stranger = Authority::new(folder.path(), "stranger");
    let server = Server::start(&authority.signs("milvus.lab"), &[]).await;
    let error = server.refuses(&trusting(stranger.file(), "milvus.lab")).await;
    assert_eq!(error.kind(), Misconfigured, "{error}");
    assert_told(&error, "UnknownIssuer", "set `milvus.ca_file`");
    let error = server.refuses(&trusting(authority.file(), "other.lab")).await;
    assert_eq!(error.kind(), Misconfigured, "{error}");
    assert_told(&error, "not valid for name \"other.lab\"", "set `milvus.server_name`");
    let nameless = MilvusAccess { server_name: None, ..trusting(authority.file(), "") };
    let error = server.refuses(&nameless).await;
    assert_told(&error, "not valid for name \"127.0.0.1\"", "set `milvus.server_name`");
    let error = server.refuses(&trusting(authority.file(), "milvus.lab")).await;
    assert_ne!(error.kind(), Misconfigured, "it is trusted, and no Milvus: {error}");

    let expired = Server::start(&authority.signs_for("milvus.lab", "-1"), &[]).await;
    let error = expired.refuses(&trusting(authority.file(), "milvus.lab")).await;
    assert_eq!(error.kind(), Misconfigured, "{error}");
    assert_told(&error, "Expired", "renew Milvus's certificate");
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_of_ours_says_so() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::new(folder.path(), "authority");
    let ca = authority.file();
    let verify = ["-Verify", "1", "-verify_return_error", "-CAfile", ca.to_str().unwrap()];
    let theirs = authority.signs("milvus.lab");
    for version in ["-tls1_2", "-tls1_3"] {
        let server = Server::start(&theirs, &[&verify[..], &[version]].concat()).await;
        let mut access = trusting(authority.file(), "milvus.lab");
        let error = server.refuses(&access).await;
        assert_eq!(error.kind(), NotAuthorised, "{version}: {error}");
        assert_told(&error, "received fatal alert", "set `milvus.cert_file`");
        let stranger = Authority::new(folder.path(), "stranger").signs("agent");
        access.certificate = Some(pair(&stranger.file, &stranger.key));
        let error = server.refuses(&access).await;
        assert_eq!(error.kind(), NotAuthorised, "{version}: {error}");
        assert_told(&error, "received fatal alert", "set `milvus.cert_file`");
        let ours = authority.signs("agent");
        access.certificate = Some(pair(&ours.file, &ours.key));
        let error = server.refuses(&access).await;
        assert_ne!(error.kind(), NotAuthorised, "{version}: it lets us in: {error}");
    }
}

fn pair(cert_file: &Path, key_file: &Path) -> ClientCertificate {
    ClientCertificate { cert_file: cert_file.to_owned(), key_file: key_file.to_owned() }
}

#[tokio::test]
async fn a_file_of_ours_that_is_no_good_is_named_by_its_key() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::new(folder.path(), "authority");
    let (one, two) = (authority.signs("one"), authority.signs("two"));
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("empty.pem"), "none\n").unwrap();
    let (ca, absent) = (authority.file(), path("absent.pem"));
    let form = "it has to be PEM";
    for (ca, cert, key, said) in [
        (&absent, &one.file, &one.key, "`milvus.ca_file` cannot be used"),
        (&path("empty.pem"), &one.file, &one.key, "`milvus.ca_file` holds no certificate"),
        (&ca, &path("empty.pem"), &one.key, "`milvus.cert_file` holds no certificate"),
        (&ca, &one.file, &absent, "`milvus.key_file` cannot be used"),
        (&ca, &one.file, &two.key, "`milvus.key_file` is no key of the first certificate"),
    ] {
        let mut access = trusting(ca.clone(), "milvus.lab");
        access.certificate = Some(pair(cert, key));
        let error = refused("https://127.0.0.1:1", &access).await;
        assert_eq!(error.kind(), Misconfigured, "{error}");
        assert_told(&error, said, form);
    }
}

#[tokio::test]
async fn tls_with_a_server_that_has_none_and_the_other_way_round_is_told() {
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}", plain.local_addr().unwrap());
    let speaks_http = async {
        loop {
            let (mut stream, _) = plain.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        }
    };
    let access = MilvusAccess::default();
    let asks = refused(&address, &access);
    let error = tokio::select! { error = asks => error, () = speaks_http => unreachable!() };
    assert_eq!(error.kind(), Misconfigured, "{error}");
    assert_told(&error, "TLS failed", "begin `milvus.address` with http://");

    let folder = TempDir::new().unwrap();
    let authority = Authority::new(folder.path(), "authority");
    let server = Server::start(&authority.signs("milvus.lab"), &[]).await;
    let plain = server.address.replace("https", "http");
    let error = refused(&plain, &access).await;
    assert_eq!(error.kind(), Unreachable, "{error}");
    assert_told(&error, &plain, "for a Milvus with TLS begin it with https://");
}
