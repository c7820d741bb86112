//! How much memory a backup takes whose bytes pass from one S3 server to another.
//!
//! Both are `s3s-fs` in this process, the agent is another. The files are made up, as in
//! [`super::memory`]; each begins with a MiB that is not zero.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::lab::{milvus, say};
use crate::memory::{LIMIT, MIB, Noise, peak_of, segment_folder};

const FILES: usize = 16;
const EACH: u64 = 512 * MIB;

#[tokio::test(flavor = "multi_thread")]
async fn eight_gibibytes_are_streamed_from_s3_to_s3_in_150_mebibytes() {
    let server = milvus();
    let name = "default.streaming";
    let fill = ["--scenario", "segments", "--rows", "100", "--segments", "1", "--collection", name];
    server.data_py("fill", &fill);
    make_files(&server.data, &segment_folder(&server, "streaming").await);

    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let repository = folder.path().join("s3/backups");
    fs::create_dir_all(&repository).unwrap();
    let (source, _source) = serve(server.data.parent().unwrap()).await;
    let (destination, _destination) = serve(repository.parent().unwrap()).await;
    let bucket = |bucket: &str, endpoint: &str| {
        format!(
            "{{s3: {{bucket: {bucket}, endpoint: \"{endpoint}\", access_key_id: key, \
             secret_access_key: secret}}}}"
        )
    };
    let config = format!(
        "milvus:\n  address: {}\n  cluster: streaming\n  storage: {}\nrepository: {}\nstate: {}\n",
        server.address,
        bucket("data", &source),
        bucket("backups", &destination),
        folder.path().join("state").display(),
    );
    fs::write(folder.path().join("config.yaml"), config).unwrap();

    let begun = Instant::now();
    let backup = start(folder.path(), &["backup", "--name", "large", "--collections", name]);
    let peak = tokio::task::spawn_blocking(|| peak_of(backup)).await.unwrap();
    let took = begun.elapsed().as_secs_f64();
    let copied = bytes_in(&repository.join("streaming/_segments"));
    say(&format!(
        "backup of {copied} bytes from S3 to S3: peak {} MiB resident, {took:.1} s",
        peak / MIB
    ));
    assert!(copied > FILES as u64 * EACH);
    assert!(peak < LIMIT, "{peak} bytes");
    server.data_py("drop", &["--collection", name]);
}

fn start(folder: &Path, arguments: &[&str]) -> Child {
    let mut agent = Command::new(env!("CARGO_BIN_EXE_milvus-backup-agent"));
    agent.current_dir(folder).args(["--config", "config.yaml", "--output", "json"]);
    agent.args(arguments).stdin(Stdio::null()).spawn().unwrap()
}

/// Puts the files into the fields' folders of a segment.
fn make_files(data: &Path, segment: &Path) {
    let fields: Vec<PathBuf> =
        fs::read_dir(segment).unwrap().map(|entry| entry.unwrap().path()).collect();
    let mut noise = Noise::default();
    // Each field has as many files, the last ones small.
    let files = FILES.next_multiple_of(fields.len());
    for (number, field) in fields.iter().cycle().take(files).enumerate() {
        let path = field.join((900_000_000_000_000_000 + number).to_string());
        let mut file = File::create(&path).unwrap();
        noise.write(&mut file, MIB);
        file.set_len(if number < FILES { EACH } else { MIB }).unwrap();
        remember_etag(data, path.strip_prefix(data).unwrap().to_str().unwrap(), number);
    }
}

/// Else `s3s-fs` reads a whole file before it answers with the first of its bytes.
fn remember_etag(data: &Path, key: &str, number: usize) {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let name = format!(".bucket-{}.object-{}.internal.json", encode("data"), encode(key));
    let info = format!("{{\"e_tag\": \"{number:032x}\"}}");
    fs::write(data.with_file_name(name), info).unwrap();
}

/// A server whose buckets are the folders in `root`; its address and its life.
async fn serve(root: &Path) -> (String, JoinSet<()>) {
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
    builder.set_auth(SimpleAuth::from_single("key", "secret"));
    let service = builder.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((socket, _)) = listener.accept().await {
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service.clone());
            connections.spawn(connection);
        }
    });
    (address, tasks)
}

fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let bytes = entries.map(|entry| {
        let path = entry.path();
        if path.is_dir() { bytes_in(&path) } else { entry.metadata().unwrap().len() }
    });
    bytes.sum()
}
