//! The configuration in types.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use url::Url;

use super::amqp::{self, Amqp};
use super::api::{self, Api, MetricsOutput};
use super::connection::{self, MilvusAccess};
use super::layers::Effective;
use super::log::{LogFormat, LogLevel};
use super::min_free::MinFree;
use super::parse;
use super::reader::Reader;
use super::retention::Retention;
use super::s3;
use super::settle::{self, Settle};
use crate::model::{ClusterName, Diagnostic, KeyPrefix, S3Settings};

/// Milvus's `METRICS_PORT`.
const MANAGEMENT_PORT: u16 = 9091;

/// The whole configuration, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `milvus`: the server and its files.
    pub milvus: Milvus,
    /// `repository`: where backups go.
    pub repository: Repository,
    /// `policies`: the folder of the policies.
    pub policies: PathBuf,
    /// `state`: the folder of the agent's journal.
    pub state: PathBuf,
    /// `amqp`: the message broker, if there is one.
    pub amqp: Option<Amqp>,
    /// `amqp` is there and says no URL, so there is no broker.
    pub unnamed_broker: bool,
    /// `api`: where the agent answers, and whom.
    pub api: Api,
    /// `metrics`: where metrics go besides.
    pub metrics: MetricsOutput,
    /// `transfer`: how files are copied.
    pub transfer: Transfer,
    /// `retention`: how long what is to be deleted stays.
    pub retention: Retention,
    /// `log`: what is logged, and how.
    pub log: Log,
}

/// The server and its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Milvus {
    /// Where it answers gRPC: a host and a port.
    pub address: Url,
    /// Whom we trust there, and who we are.
    pub access: MilvusAccess,
    /// Where it answers HTTP: a host and a port.
    pub management_address: Url,
    /// The name under which everything is stored; without one, the host name at the first run.
    pub cluster: Option<ClusterName>,
    /// Milvus's own milvus.yaml.
    pub config_file: Option<PathBuf>,
    /// What is done about deletes that a 2.2 has not written yet.
    pub settle: Settle,
    /// Where it keeps its files. Without this, there is nothing to back up from; set
    /// `milvus.config_file` or `milvus.storage.local.path`.
    pub storage: Option<Storage>,
}

/// Where Milvus keeps its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In a folder.
    Local(LocalStorage),
    /// In a bucket.
    S3(Box<S3Storage>),
}

/// A bucket in which Milvus keeps its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Storage {
    /// The bucket as the agent reaches it.
    pub place: S3Settings,
    /// The same server as Milvus sees it, where that differs.
    pub milvus_endpoint: Option<Url>,
    /// The folder of the bucket in which a restore puts files for Milvus to import.
    pub staging: KeyPrefix,
}

/// A folder in which Milvus keeps its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalStorage {
    /// The folder as the agent sees it.
    pub path: PathBuf,
    /// The same folder as Milvus sees it.
    pub milvus_path: PathBuf,
}

/// Where backups go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// What holds the backups of all clusters.
    pub place: Place,
    /// The free space that no backup may use, in a folder.
    pub min_free: MinFree,
    /// A folder that Milvus can read; without one, `<cluster>/_staging` in the repository.
    pub staging: Option<PathBuf>,
}

/// What holds backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder.
    Folder(PathBuf),
    /// A prefix of a bucket.
    S3(Box<S3Settings>),
}

/// How files are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// How many at once, at most 1024.
    pub concurrency: NonZeroU32,
    /// What all of them together may pass in a second.
    pub max_bytes_per_second: Option<NonZeroU64>,
    /// How often a request or a copy that failed for a moment is sent again, at most 100.
    pub retries: u32,
}

/// What is logged, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// The least severe event.
    pub level: LogLevel,
    /// The shape of a line.
    pub format: LogFormat,
}

/// Gives the values their types. `problems` are those found before; all are returned.
pub(crate) fn read(
    values: &Effective,
    problems: Vec<Diagnostic>,
) -> Result<Config, Vec<Diagnostic>> {
    let mut reader = Reader { values, problems };
    let milvus = milvus(&mut reader);
    let repository = repository(&mut reader);
    let policies = reader.get("policies", parse::path);
    let state = reader.get("state", parse::path);
    let amqp = amqp::read(&mut reader);
    let unnamed_broker = amqp::is_unnamed(&reader);
    let api = api::read(&mut reader);
    let metrics = api::read_metrics(&mut reader, api.as_ref());
    let transfer = transfer(&mut reader);
    let retention = retention(&mut reader);
    let level = reader.get("log.level", str::parse);
    let format = reader.get("log.format", str::parse);
    let config = || {
        Some(Config {
            milvus: milvus?,
            repository: repository?,
            policies: policies?,
            state: state?,
            amqp,
            unnamed_broker,
            api: api?,
            metrics,
            transfer: transfer?,
            retention: retention?,
            log: Log { level: level?, format: format? },
        })
    };
    match config() {
        Some(config) if reader.problems.is_empty() => Ok(config),
        _ => Err(reader.problems),
    }
}

fn milvus(reader: &mut Reader<'_>) -> Option<Milvus> {
    let address = reader.get("milvus.address", parse::address);
    let access = connection::read(reader, address.as_ref());
    let management = reader.get("milvus.management_address", parse::management);
    let cluster = reader.get("milvus.cluster", parse::cluster);
    let config_file = reader.get("milvus.config_file", parse::path);
    let settle = settle::read(reader);
    let path = reader.get("milvus.storage.local.path", parse::path);
    let milvus_path = reader.get("milvus.storage.local.milvus_path", parse::path);
    if path.is_none() && milvus_path.is_some() {
        reader.needs(
            "milvus.storage.local.milvus_path",
            "milvus.storage.local.path",
            "set `milvus.storage.local.path` to the same folder as the agent sees it",
        );
    }
    reader.only_one("milvus.storage.s3.bucket", "milvus.storage.local.path");
    let milvus_endpoint = reader.get("milvus.storage.s3.milvus_endpoint", parse::endpoint);
    let bucket = s3::read(reader, "milvus.storage.s3");
    let staging = s3::staging(reader, bucket.as_ref());
    let folder = path.zip(milvus_path);
    let folder = folder.map(|(path, milvus_path)| LocalStorage { path, milvus_path });
    let storage = match bucket.zip(staging) {
        Some((place, staging)) => {
            Some(Storage::S3(Box::new(S3Storage { place, milvus_endpoint, staging })))
        }
        None => folder.map(Storage::Local),
    };
    let address = address?;
    let management_address = management.unwrap_or_else(|| beside(&address));
    let settle = settle?;
    Some(Milvus { address, access, management_address, cluster, config_file, settle, storage })
}

/// Milvus's own default: the same host, another port, which never has TLS.
fn beside(address: &Url) -> Url {
    let mut management = address.clone();
    management.set_scheme("http").expect("https is as special as http");
    management.set_port(Some(MANAGEMENT_PORT)).expect("an address has a host");
    management
}

fn repository(reader: &mut Reader<'_>) -> Option<Repository> {
    let path = reader.get("repository.local.path", parse::path);
    let min_free = reader.get("repository.local.min_free", str::parse).unwrap_or_default();
    let staging = reader.get("repository.staging", parse::path);
    reader.only_one("repository.s3.bucket", "repository.local.path");
    let bucket = s3::read(reader, "repository.s3");
    let place = bucket.map(|bucket| Place::S3(Box::new(bucket))).or(path.map(Place::Folder))?;
    Some(Repository { place, min_free, staging })
}

fn retention(reader: &mut Reader<'_>) -> Option<Retention> {
    let delete_grace = reader.get("retention.delete_grace", parse::duration);
    let orphan_grace = reader.get("retention.orphan_grace", parse::duration);
    let failed_ttl = reader.get("retention.failed_ttl", parse::duration);
    let max_delete = reader.get("retention.max_delete", parse::percent);
    Some(Retention {
        delete_grace: delete_grace?,
        orphan_grace: orphan_grace?,
        failed_ttl: failed_ttl?,
        max_delete_percent: max_delete?,
    })
}

fn transfer(reader: &mut Reader<'_>) -> Option<Transfer> {
    let concurrency = reader.get("transfer.concurrency", parse::concurrency);
    let rate = reader.get("transfer.max_bytes_per_second", parse::rate);
    let retries = reader.get("transfer.retries", parse::retries);
    Some(Transfer { concurrency: concurrency?, max_bytes_per_second: rate?, retries: retries? })
}
