//! What every workflow works with.

use std::sync::Arc;

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use crate::catalog::{ClusterIdentity, Repository};
use crate::config::{MinFree, Retention, Settle};
use crate::metrics::{Metrics, Side};
use crate::milvus::{GcControl, MeteredGc, MilvusApi, MilvusVersion, Support};
use crate::model::{Clock, ClusterName, ErrorKind};
use crate::storage::{MeteredStore, ObjectStore};
use crate::transfer::{CheckpointPace, Progress, Throttle};

use super::{JobError, JobResult};

/// The outside world of a workflow, and how to treat it.
#[derive(Debug, Clone)]
pub struct JobContext {
    /// The server.
    pub milvus: Arc<dyn MilvusApi>,
    /// Holds its garbage collection back during a backup.
    pub gc: Option<Arc<dyn GcControl>>,
    /// Milvus's own storage, if it is configured; only ever read.
    pub source: Option<Arc<dyn ObjectStore>>,
    /// Where backups live.
    pub repository: Arc<dyn ObjectStore>,
    /// The name under which this Milvus is stored.
    pub cluster: ClusterName,
    /// What tells it from another.
    pub identity: ClusterIdentity,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// Told how far the run is.
    pub progress: Arc<Progress>,
    /// Ends the run.
    pub cancel: CancellationToken,
    /// Copies at once.
    pub concurrency: usize,
    /// How often a copy is tried again that failed for a moment.
    pub retries: u32,
    /// What all copies together may pass in a second, also of runs beside each other.
    pub throttle: Arc<Throttle>,
    /// How often a run writes down what it has copied.
    pub checkpoint: CheckpointPace,
    /// What stays free in a local repository.
    pub min_free: MinFree,
    /// How long what is to be deleted stays.
    pub retention: Retention,
    /// Whether a backup of a server that writes deletes late waits for them.
    pub settle: Settle,
    /// Told of what its stores do not tell.
    pub metrics: Metrics,
}

impl JobContext {
    /// The same world, which tells of itself in metrics.
    #[must_use]
    pub fn metered(mut self, metrics: &Metrics) -> Self {
        let store = |inner, side| -> Arc<dyn ObjectStore> {
            Arc::new(MeteredStore::new(inner, metrics.clone(), side))
        };
        let gc = |inner| -> Arc<dyn GcControl> {
            Arc::new(MeteredGc::new(inner, metrics.clone(), Arc::clone(&self.clock)))
        };
        self.gc = self.gc.take().map(gc);
        self.source = self.source.take().map(|inner| store(inner, Side::Source));
        self.repository = store(self.repository, Side::Repository);
        metrics.cluster(self.cluster.as_str());
        self.metrics = metrics.clone();
        self
    }

    /// The server's version, refused if this agent does not know its line.
    pub(super) async fn supported_version(&self) -> JobResult<MilvusVersion> {
        let version = self.milvus.version().await?;
        match version.support() {
            Support::Live | Support::Fake => Ok(version),
            Support::No => {
                let address = self.milvus.address();
                let message = format!("Milvus {version} at {address} is not supported yet");
                Err(JobError::new(ErrorKind::Refused, message).hint(version.remedy()))
            }
        }
    }

    /// The same for work that relies on it: the log says if it was never run.
    pub(super) async fn told_version(&self) -> JobResult<MilvusVersion> {
        let version = self.supported_version().await?;
        if version.support() == Support::Fake {
            tracing::warn!(
                %version,
                "this agent was never run with this version of Milvus, only with a fake of it: \
                 restore a backup and compare before you rely on one"
            );
        }
        Ok(version)
    }

    /// Milvus's own storage.
    pub(super) fn source(&self) -> JobResult<&Arc<dyn ObjectStore>> {
        self.source.as_ref().ok_or_else(|| {
            JobError::new(ErrorKind::Usage, "where Milvus keeps its files is not configured").hint(
                "set `milvus.config_file` to Milvus's own milvus.yaml, or `milvus.storage.local.path` or `milvus.storage.s3.*`",
            )
        })
    }

    /// The repository, for reading.
    pub(super) async fn open_repository(&self) -> JobResult<Repository> {
        Ok(Repository::open(Arc::clone(&self.repository)).boxed().await?)
    }
}
