//! What the imports of one run share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Mutex, OnceCell};

use crate::catalog::Readable;
use crate::metrics::{Metrics, Side};
use crate::milvus::MilvusVersion;
use crate::model::ErrorKind;
use crate::plan::BatchLimit;
use crate::storage::{MeteredStore, ObjectStore};

use super::staging::StagingArea;
use crate::job::{JobContext, JobError};

/// Where a restore puts files for Milvus to read.
#[derive(Debug, Clone)]
pub struct Staging {
    /// The folder, as the agent sees it.
    pub store: Arc<dyn ObjectStore>,
    /// The same folder, as Milvus sees it.
    pub seen_by_milvus: String,
    /// The whole repository as Milvus sees it, where it does: then what lies there as it was
    /// backed up needs no staging.
    pub repository_seen: Option<String>,
}

impl Staging {
    /// The same place, which tells of itself in metrics.
    #[must_use]
    pub fn metered(mut self, metrics: &Metrics) -> Self {
        self.store = Arc::new(MeteredStore::new(self.store, metrics.clone(), Side::Staging));
        self
    }
}

/// Where rows come from, and how they get into Milvus.
pub(in crate::job) struct Filling<'a> {
    pub(in crate::job) context: &'a JobContext,
    /// What is restored.
    pub(in crate::job) backup: Readable,
    pub(in crate::job) version: MilvusVersion,
    pub(in crate::job) staging: StagingArea,
    /// The repository as Milvus should see it, if it does.
    repository_seen: Option<String>,
    /// Set once it has shown that it does not.
    pub(super) repository_unseen: AtomicBool,
    /// Learned from one import to the next, over all collections.
    pub(super) limit: Mutex<BatchLimit>,
    /// Set once Milvus has proved that it reads the staging folder.
    pub(super) readable: OnceCell<()>,
}

impl<'a> Filling<'a> {
    /// Nothing is filled yet. What is staged goes into `folder`.
    pub(in crate::job) fn new(
        context: &'a JobContext,
        (backup, version): (Readable, MilvusVersion),
        (staging, folder): (&Staging, &str),
    ) -> Self {
        Self {
            context,
            backup,
            version,
            staging: StagingArea::new(staging, folder, context),
            repository_seen: staging.repository_seen.clone(),
            repository_unseen: AtomicBool::new(false),
            limit: Mutex::new(BatchLimit::first()),
            readable: OnceCell::new(),
        }
    }

    /// The repository as Milvus sees it, where it does.
    pub(super) fn repository(&self) -> Option<&str> {
        let unseen = self.repository_unseen.load(Ordering::Relaxed);
        self.repository_seen.as_deref().filter(|_| !unseen)
    }
}

/// Whether a failure is not that of one collection alone.
pub(in crate::job) fn ends_run(error: &JobError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Unreachable | ErrorKind::NotAuthorised | ErrorKind::Cancelled | ErrorKind::Usage
    )
}
