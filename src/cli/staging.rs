//! Where a restore puts files for Milvus to read: a folder, or a prefix of Milvus's bucket.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{Config, Place, Storage};
use crate::job::{JobContext, JobError, JobResult, Staging, StagingRoot};
use crate::model::{ErrorKind, S3Settings};
use crate::storage::{Access, FirstLook, ObjectStore, StoreErrorKind, open_folder, open_s3};

use super::session::{is_one_bucket, is_within, unopened};

/// A place that Milvus reads.
enum Chosen {
    /// A folder.
    Folder(PathBuf),
    /// A prefix of Milvus's own bucket.
    Bucket(Box<S3Settings>),
}

/// Opens it for a restore, or to test it.
pub(super) async fn staging(config: &Config, context: &JobContext) -> JobResult<Staging> {
    let chosen = choose(config, context)?;
    let repository_seen = repository_seen(config, &chosen);
    match chosen {
        Chosen::Folder(folder) => {
            let seen_by_milvus = seen_by_milvus(config, &folder).display().to_string();
            let store = open_folder(&folder, Access::Write).await.map_err(|error| {
                let advice = "set `repository.staging` to a folder that the agent can write";
                unopened(error, "the staging folder cannot be opened", advice)
            })?;
            Ok(Staging { store, seen_by_milvus, repository_seen })
        }
        Chosen::Bucket(place) => {
            let store = open_bucket(config, &place, FirstLook::Now).await?;
            Ok(Staging { store, seen_by_milvus: place.prefix.to_string(), repository_seen })
        }
    }
}

/// The repository as Milvus sees it, if both are in one bucket. On a disk, hard links cost no
/// copy either; and there Milvus passes over a folder that it may not read, without a word.
fn repository_seen(config: &Config, staging: &Chosen) -> Option<String> {
    match (staging, &config.repository.place) {
        (Chosen::Bucket(staging), Place::S3(repository)) if is_one_bucket(staging, repository) => {
            Some(repository.prefix.to_string())
        }
        (Chosen::Folder(_) | Chosen::Bucket(_), Place::Folder(_) | Place::S3(_)) => None,
    }
}

/// Opens it to clean up after dead restores; none if no restore ever made it.
pub(super) async fn staging_root(
    config: &Config,
    context: &JobContext,
    access: Access,
) -> JobResult<Option<StagingRoot>> {
    let Ok(chosen) = choose(config, context) else { return Ok(None) };
    let folder = match chosen {
        Chosen::Folder(folder) => folder,
        Chosen::Bucket(place) => {
            // Restores by agents of other repositories stage in the same prefix.
            let store = open_bucket(config, &place, FirstLook::Later).await?;
            return Ok(Some(StagingRoot { store, shared: true }));
        }
    };
    match open_folder(&folder, access).await {
        Ok(store) => Ok(Some(StagingRoot { store, shared: config.repository.staging.is_some() })),
        Err(error) if error.kind() == StoreErrorKind::NotFound => Ok(None),
        Err(error) => {
            let advice = "set `repository.staging` to a folder that the agent can write";
            Err(unopened(error, "the staging folder cannot be opened", advice))
        }
    }
}

async fn open_bucket(
    config: &Config,
    place: &S3Settings,
    look: FirstLook,
) -> JobResult<Arc<dyn ObjectStore>> {
    Ok(open_s3(place, config.transfer.retries, look).await?)
}

fn choose(config: &Config, context: &JobContext) -> JobResult<Chosen> {
    if let Some(Storage::S3(bucket)) = &config.milvus.storage {
        let place = S3Settings { prefix: bucket.staging.clone(), ..bucket.place.clone() };
        return apart(config, context, &place).map(|()| Chosen::Bucket(Box::new(place)));
    }
    match (&config.repository.staging, &config.repository.place) {
        (Some(folder), _) => Ok(Chosen::Folder(folder.clone())),
        (None, Place::Folder(path)) => {
            Ok(Chosen::Folder(path.join(context.cluster.as_str()).join("_staging")))
        }
        (None, Place::S3(bucket)) => {
            let message = format!("Milvus cannot read files from `{}`", bucket.place());
            Err(JobError::new(ErrorKind::Usage, message)
                .hint("set `repository.staging` to a folder that Milvus can read"))
        }
    }
}

/// A staging folder among backups would be taken for a cluster of theirs. Where the repository is a
/// whole bucket (milvus-backup's root path often lies in Milvus's own), all is within it:
/// there only the cluster's folder is taken.
fn apart(config: &Config, context: &JobContext, staging: &S3Settings) -> JobResult<()> {
    let beside = |repository: &S3Settings| {
        let (whole, staging) = (repository.prefix.as_str().is_empty(), staging.prefix.as_str());
        whole && staging.split('/').next() != Some(context.cluster.as_str())
    };
    match &config.repository.place {
        Place::S3(repository)
            if (is_within(staging, repository) && !beside(repository))
                || is_within(repository, staging) =>
        {
            let (staging, repository) = (staging.place(), repository.place());
            let message =
                format!("files would be staged in `{staging}`, where backups lie (`{repository}`)");
            Err(JobError::new(ErrorKind::Usage, message)
                .hint("set `milvus.staging_prefix` to a folder of its own"))
        }
        Place::S3(_) | Place::Folder(_) => Ok(()),
    }
}

/// A folder below Milvus's own is seen where Milvus sees its own.
fn seen_by_milvus(config: &Config, folder: &Path) -> PathBuf {
    let Some(Storage::Local(storage)) = &config.milvus.storage else { return folder.to_owned() };
    match folder.strip_prefix(&storage.path) {
        Ok(below) => storage.milvus_path.join(below),
        Err(_) => folder.to_owned(),
    }
}
