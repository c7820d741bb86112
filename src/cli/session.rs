//! From configuration to a [`JobContext`].

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::catalog::{ClusterIdentity, this_process};
use crate::config::Config;
use crate::job::{JobContext, JobError, JobResult, Staging};
use crate::milvus::{GrpcMilvus, HttpManagement, MilvusApi};
use crate::model::{ClusterName, ErrorKind, SystemClock};
use crate::storage::{Access, ObjectStore, StoreError, StoreErrorKind, open_folder};
use crate::transfer::{CheckpointPace, Progress};

/// Builds what a workflow works with.
pub(super) async fn open(
    config: &Config,
    access: Access,
    cancel: CancellationToken,
) -> JobResult<JobContext> {
    let milvus = GrpcMilvus::new(&config.milvus.address)?;
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
            storage: config
                .milvus
                .storage
                .as_ref()
                .map(|storage| storage.path.display().to_string())
                .unwrap_or_default(),
        },
        clock: Arc::new(SystemClock),
        progress: Arc::new(Progress::default()),
        cancel,
        concurrency: usize::try_from(config.transfer.concurrency.get()).unwrap_or(usize::MAX),
        retries: config.transfer.retries,
        max_bytes_per_second: config.transfer.max_bytes_per_second,
        checkpoint: CheckpointPace::default(),
        min_free: config.repository.min_free,
    })
}

/// A repository inside Milvus's folder would be lost together with it, also when a link
/// leads there.
fn refuse_nesting(config: &Config) -> JobResult<()> {
    let Some(storage) = &config.milvus.storage else { return Ok(()) };
    let (repository, source) = (&config.repository.path, &storage.path);
    if !repository.starts_with(source) && !resolved(repository).starts_with(resolved(source)) {
        return Ok(());
    }
    let message = format!(
        "the repository `{}` lies in Milvus's own folder `{}`",
        repository.display(),
        source.display()
    );
    Err(JobError::new(ErrorKind::Usage, message)
        .hint("set `repository.local.path` to a folder elsewhere, best on another disk"))
}

/// The path without links, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    match (fs::canonicalize(path), path.parent(), path.file_name()) {
        (Err(_), Some(parent), Some(name)) => resolved(parent).join(name),
        (found, ..) => found.unwrap_or_else(|_| path.to_owned()),
    }
}

async fn source(config: &Config) -> JobResult<Option<Arc<dyn ObjectStore>>> {
    let Some(storage) = &config.milvus.storage else { return Ok(None) };
    match open_folder(&storage.path, Access::Read).await {
        Ok(store) => Ok(Some(store)),
        Err(error) if error.kind() == StoreErrorKind::NotFound => {
            let message = format!("Milvus's folder `{}` does not exist", storage.path.display());
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
fn unopened(error: StoreError, message: &str, advice: &str) -> JobError {
    match error.kind() {
        StoreErrorKind::NotFound | StoreErrorKind::Other => {
            JobError::store(message, error).of_kind(ErrorKind::Usage).hint(advice)
        }
        StoreErrorKind::AlreadyExists
        | StoreErrorKind::PermissionDenied
        | StoreErrorKind::Full
        | StoreErrorKind::ReadOnly
        | StoreErrorKind::Unsupported
        | StoreErrorKind::Transient => JobError::store(message, error),
    }
}

async fn repository(config: &Config, access: Access) -> JobResult<Arc<dyn ObjectStore>> {
    let path = &config.repository.path;
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
fn cluster_name(config: &Config, access: Access) -> JobResult<ClusterName> {
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

/// Where a restore puts files for Milvus to read.
pub(super) async fn staging(config: &Config, context: &JobContext) -> JobResult<Staging> {
    let folder =
        config.repository.staging.clone().unwrap_or_else(|| {
            config.repository.path.join(context.cluster.as_str()).join("_staging")
        });
    let store = open_folder(&folder, Access::Write).await.map_err(|error| {
        let advice = "set `repository.staging` to a folder that the agent can write";
        unopened(error, "the staging folder cannot be opened", advice)
    })?;
    Ok(Staging { seen_by_milvus: seen_by_milvus(config, &folder).display().to_string(), store })
}

/// A folder below Milvus's own is seen where Milvus sees its own.
fn seen_by_milvus(config: &Config, folder: &Path) -> PathBuf {
    let storage = config.milvus.storage.as_ref();
    storage
        .and_then(|storage| {
            let below = folder.strip_prefix(&storage.path).ok()?;
            Some(storage.milvus_path.join(below))
        })
        .unwrap_or_else(|| folder.to_owned())
}
