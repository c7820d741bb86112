//! moto's server, started once for all tests and gone with this process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// The server's buckets.
pub(crate) const BUCKETS: [&str; 5] = ["one", "two", "milvus", "target", "backups"];

/// The address of the server. Tests work in prefixes of their own.
pub(crate) fn address() -> &'static str {
    static SERVER: OnceLock<(Child, String)> = OnceLock::new();
    let (_, address) = SERVER.get_or_init(|| start(&[]));
    address
}

/// A server with TLS, whose authority's certificate lies in `folder` as `ca.pem`.
pub(crate) fn with_tls(folder: &Path) -> (Child, String) {
    start(&["--tls", folder.to_str().expect("a plain name")])
}

fn start(options: &[&str]) -> (Child, String) {
    let lab = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/lab");
    let setup = Command::new(lab.join("setup.sh")).arg("s3").output().expect("the lab is set up");
    let python = String::from_utf8(setup.stdout).expect("the lab prints text");
    // It ends with its standard input, so with this process, however that ends.
    let mut server = Command::new(python.trim())
        .arg(lab.join("s3_server.py"))
        .args(options)
        .args(BUCKETS)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("moto is started");
    let output = server.stdout.take().expect("its output is ours");
    let mut address = String::new();
    BufReader::new(output).read_line(&mut address).expect("moto prints its address");
    let address = address.trim().to_owned();
    assert!(address.starts_with("http"), "moto did not start");
    (server, address)
}

/// What was asked of the server so far about keys that hold `part`, in order: the method, `COPY`
/// where the server copies by itself, and the path.
pub(crate) fn asked(part: &str) -> Vec<String> {
    let host = address().trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).expect("moto listens");
    let request =
        format!("GET /_lab/requests HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("moto reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("moto answers in text");
    let (_, body) = answer.split_once("\r\n\r\n").expect("an answer has a body");
    body.lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
}

/// A request without credentials, which moto does not check.
pub(crate) async fn ask(method: &str, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let host = address().trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(host).await.expect("moto listens");
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("moto reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("moto answers in text");
    answer
}
