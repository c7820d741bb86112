//! From configuration to a [`JobContext`].

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::catalog::{ClusterIdentity, this_process};
use crate::config::{Config, DEFAULT_FILE, Place, Storage};
use crate::job::{JobContext, JobError, JobResult};
use crate::metrics::Metrics;
use crate::milvus::{GrpcMilvus, HttpManagement, MilvusApi};
use crate::model::{ClusterName, ErrorKind, S3Settings, SystemClock};
use crate::storage::{
    Access, FirstLook, ObjectStore, StoreError, StoreErrorKind, open_folder, open_s3,
};
use crate::transfer::{CheckpointPace, Progress, Throttle};

/// The configuration's file as a command anywhere has to name it; none for the usual one.
pub(super) fn named_file(file: Option<&Path>) -> Option<String> {
    let file = std::path::absolute(file?).ok()?;
    (file != Path::new(DEFAULT_FILE)).then(|| file.display().to_string())
}

/// Builds what a workflow works with.
pub(super) async fn open(
    config: &Config,
    access: Access,
    cancel: CancellationToken,
) -> JobResult<JobContext> {
    let milvus = GrpcMilvus::new(&config.milvus.address, &config.milvus.access)?;
    refuse_nesting(config)?;
    let address = milvus.address().to_owned();
    Ok(JobContext {
        milvus: Arc::new(milvus),
        gc: Some(Arc::new(HttpManagement::new(config.milvus.management_address.clone()))),
        source: source(config).await?,
        repository: repository(config, access).await?,
        cluster: cluster_name(config, access)?,
        identity: ClusterIdentity {
            address,
            storage: match &config.milvus.storage {
                Some(Storage::Local(folder)) => folder.path.display().to_string(),
                Some(Storage::S3(bucket)) => bucket.place.place(),
                None => String::new(),
            },
        },
        clock: Arc::new(SystemClock),
        progress: Arc::new(Progress::default()),
        cancel,
        concurrency: usize::try_from(config.transfer.concurrency.get()).unwrap_or(usize::MAX),
        retries: config.transfer.retries,
        throttle: Arc::new(Throttle::new(config.transfer.max_bytes_per_second)),
        checkpoint: CheckpointPace::default(),
        min_free: config.repository.min_free,
        retention: config.retention,
        settle: config.milvus.settle,
        metrics: Metrics::default(),
    })
}

/// A repository inside Milvus's own place would be lost together with it, also when a link
/// leads there.
fn refuse_nesting(config: &Config) -> JobResult<()> {
    let (inner, outer) = match (&config.repository.place, &config.milvus.storage) {
        (Place::Folder(inner), Some(Storage::Local(outer)))
            if inner.starts_with(&outer.path)
                || resolved(inner).starts_with(resolved(&outer.path)) =>
        {
            (inner.display().to_string(), outer.path.display().to_string())
        }
        (Place::S3(inner), Some(Storage::S3(outer))) if is_within(inner, &outer.place) => {
            (inner.place(), outer.place.place())
        }
        _ => return Ok(()),
    };
    let message = format!("the repository `{inner}` lies in Milvus's own folder `{outer}`");
    Err(JobError::new(ErrorKind::Usage, message)
        .hint("set `repository.local.path` (or `repository.s3.*`) to a place elsewhere, best on another disk or in another bucket"))
}

pub(super) fn is_within(inner: &S3Settings, outer: &S3Settings) -> bool {
    is_one_bucket(inner, outer) && inner.prefix.as_str().starts_with(outer.prefix.as_str())
}

/// Whether both are in one bucket of one server.
pub(super) fn is_one_bucket(one: &S3Settings, other: &S3Settings) -> bool {
    let server = |settings: &S3Settings| settings.endpoint.clone().filter(|_| !settings.is_aws());
    server(one) == server(other) && one.bucket == other.bucket
}

/// The path without links, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    match (fs::canonicalize(path), path.parent(), path.file_name()) {
        (Err(_), Some(parent), Some(name)) => resolved(parent).join(name),
        (found, ..) => found.unwrap_or_else(|_| path.to_owned()),
    }
}

async fn source(config: &Config) -> JobResult<Option<Arc<dyn ObjectStore>>> {
    let folder = match &config.milvus.storage {
        None => return Ok(None),
        Some(Storage::S3(bucket)) => {
            // Backups are listed, verified and restored where Milvus's own bucket is gone.
            let retries = config.transfer.retries;
            return Ok(Some(open_s3(&bucket.place, retries, FirstLook::Later).await?));
        }
        Some(Storage::Local(folder)) => &folder.path,
    };
    match open_folder(folder, Access::Read).await {
        Ok(store) => Ok(Some(store)),
        Err(error) if error.kind() == StoreErrorKind::NotFound => {
            let message = format!("Milvus's folder `{}` does not exist", folder.display());
            Err(JobError::new(ErrorKind::Usage, message).hint(
                "check `milvus.storage.local.path`, or `localStorage.path` in `milvus.config_file`",
            ))
        }
        Err(error) => {
            let message = "Milvus's folder cannot be opened";
            let advice = "set `milvus.storage.local.path` to where this Milvus keeps its files";
            Err(unopened(error, message, advice))
        }
    }
}

/// A path that was configured wrongly, or that the system refuses.
pub(super) fn unopened(error: StoreError, message: &str, advice: &str) -> JobError {
    match error.kind() {
        StoreErrorKind::NotFound | StoreErrorKind::Other => {
            JobError::store(message, error).of_kind(ErrorKind::Usage).hint(advice)
        }
        StoreErrorKind::AlreadyExists
        | StoreErrorKind::PermissionDenied
        | StoreErrorKind::Full
        | StoreErrorKind::ReadOnly
        | StoreErrorKind::Unsupported
        | StoreErrorKind::Misconfigured
        | StoreErrorKind::Expired
        | StoreErrorKind::Transient => JobError::store(message, error),
    }
}

async fn repository(config: &Config, access: Access) -> JobResult<Arc<dyn ObjectStore>> {
    let path = match &config.repository.place {
        Place::S3(bucket) => {
            return Ok(open_s3(bucket, config.transfer.retries, FirstLook::Now).await?);
        }
        Place::Folder(path) => path,
    };
    match open_folder(path, access).await {
        Err(error) if error.kind() == StoreErrorKind::NotFound => {
            let message = format!("there is no repository at `{}`", path.display());
            Err(JobError::new(ErrorKind::NotFound, message).hint(
                "check `repository.local.path` in the configuration; the first backup makes the repository",
            ))
        }
        Err(error) => {
            let message = "the repository cannot be opened";
            let advice =
                "set `repository.local.path` to a folder, or to a path where one can be made";
            Err(unopened(error, message, advice))
        }
        Ok(store) => Ok(store),
    }
}

/// The configured name; else the one fixed at the first run; else the host's, fixed now if
/// the command writes.
pub(super) fn cluster_name(config: &Config, access: Access) -> JobResult<ClusterName> {
    if let Some(name) = &config.milvus.cluster {
        return Ok(name.clone());
    }
    let file = config.state.join("cluster");
    if let Ok(text) = fs::read_to_string(&file) {
        return ClusterName::new(text.trim()).map_err(|error| {
            JobError::new(ErrorKind::Usage, format!("`{}`: {error}", file.display()))
                .hint("set `milvus.cluster`")
        });
    }
    let name = ClusterName::new(this_process().host).map_err(|error| {
        JobError::new(ErrorKind::Usage, format!("the host's name is no cluster name: {error}"))
            .hint("set `milvus.cluster`")
    })?;
    if access == Access::Write {
        fix_name(&config.state, &file, &name)?;
    }
    Ok(name)
}

fn fix_name(state: &Path, file: &Path, name: &ClusterName) -> JobResult<()> {
    let written = fs::create_dir_all(state).and_then(|()| fs::write(file, format!("{name}\n")));
    written.map_err(|error| {
        let message = format!("the cluster's name cannot be kept in `{}`: {error}", file.display());
        JobError::new(ErrorKind::Failed, message)
            .hint("make `state` writable for the agent, or set `milvus.cluster`")
    })
}
