//! One piece of work of one agent, from its start to what it says at its end.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use milvus_backup_agent::catalog::ClusterIdentity;
use milvus_backup_agent::config::{MinFree, Retention, Settle};
use milvus_backup_agent::job::{
    BackupReport, BackupRequest, DeleteReport, JobContext, JobResult, LostReinserts, PinReport,
    PruneReport, Removal, RestoreOptions, RestoreReport, Staging, StagingRoot, VerifyReport,
    Wanted, run_backup, run_delete, run_pin, run_prune, run_restore, run_undelete, run_unpin,
    run_verify,
};
use milvus_backup_agent::metrics::Metrics;
use milvus_backup_agent::milvus::MilvusApi;
use milvus_backup_agent::milvus::testing::FakeMilvus;
use milvus_backup_agent::model::{BackupName, ClusterName, Layout};
use milvus_backup_agent::plan::{RestoreRequest, VerifyDepth};
use milvus_backup_agent::policy::CollectionSelector;
use milvus_backup_agent::storage::ObjectStore;
use milvus_backup_agent::transfer::{CheckpointPace, Progress, Throttle};
use tokio_util::sync::CancellationToken;

use super::book::{CLUSTER, JobId};
use super::clock::JobClock;
use super::gate::Gate;
use super::gated::GatedStore;
use super::milvus::{Milvus, SEEN_REPOSITORY, SEEN_STAGING};
use super::op::{Keeps, Work};
use super::policies;
use super::rules::{DELETE_GRACE, FAILED_TTL, ORPHAN_GRACE};

/// What a job says at its end.
#[derive(Debug)]
pub(super) enum Said {
    Backup(JobResult<BackupReport>),
    Deleted(JobResult<DeleteReport>),
    Undeleted(JobResult<DeleteReport>),
    Pruned(JobResult<PruneReport>),
    Restored(JobResult<RestoreReport>),
    Verified(JobResult<VerifyReport>),
    Pinned(JobResult<PinReport>),
}

/// The backup that a job is about, when the job began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Was {
    pub(super) listed: bool,
    pub(super) complete: bool,
    pub(super) pinned: bool,
}

/// A job that is at work, or was.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: JobId,
    pub(super) agent: usize,
    pub(super) work: Work,
    pub(super) name: BackupName,
    /// Nothing else is at work beside it and nothing happens to it.
    pub(super) calm: bool,
    pub(super) was: Was,
    pub(super) began: tokio::time::Instant,
    pub(super) handle: tokio::task::AbortHandle,
}

/// The world as one job sees it.
#[derive(Debug, Clone)]
pub(super) struct Outside {
    pub(super) gate: Arc<Gate>,
    pub(super) milvus: Milvus,
    pub(super) repository: Arc<dyn ObjectStore>,
    pub(super) staging: Arc<dyn ObjectStore>,
    pub(super) clock: JobClock,
    pub(super) in_place: bool,
}

impl Outside {
    fn context(&self) -> JobContext {
        let source = GatedStore::new(&self.gate, Arc::new(self.milvus.storage.clone()));
        JobContext {
            milvus: Arc::<FakeMilvus>::clone(&self.milvus.api),
            gc: None,
            source: Some(Arc::new(source)),
            repository: Arc::new(GatedStore::new(&self.gate, Arc::clone(&self.repository))),
            cluster: ClusterName::new(CLUSTER).expect("a name"),
            identity: ClusterIdentity {
                address: self.milvus.api.address().to_owned(),
                storage: "memory".to_owned(),
            },
            clock: Arc::new(self.clock.clone()),
            progress: Arc::new(Progress::default()),
            cancel: CancellationToken::new(),
            concurrency: 2,
            retries: 2,
            throttle: Arc::new(Throttle::new(None)),
            settle: Settle::Auto(Duration::from_mins(10)),
            metrics: Metrics::default(),
            checkpoint: CheckpointPace { files: 3, interval: Duration::from_secs(5) },
            min_free: MinFree::Bytes(0),
            retention: Retention {
                delete_grace: DELETE_GRACE,
                orphan_grace: ORPHAN_GRACE,
                failed_ttl: FAILED_TTL,
                max_delete_percent: 50,
            },
        }
    }

    fn staging(&self) -> Arc<dyn ObjectStore> {
        Arc::new(GatedStore::new(&self.gate, Arc::clone(&self.staging)))
    }

    /// Does the work.
    pub(super) async fn run(self, work: Work, id: JobId, name: BackupName) -> (JobId, Said) {
        let context = self.context();
        let said = match work {
            Work::Backup(_) | Work::Again(_) => {
                let keeps = if let Work::Backup(keeps) = work { keeps } else { Keeps::Days };
                Said::Backup(run_backup(&context, request(name, keeps)).boxed_local().await)
            }
            Work::Pin(_) => {
                let why = ("it is wanted", None);
                Said::Pinned(run_pin(&context, &name, why).boxed_local().await)
            }
            Work::Unpin(_) => Said::Pinned(run_unpin(&context, &name).boxed_local().await),
            Work::Hide(_) => {
                Said::Deleted(run_delete(&context, &name, Removal::Hide).boxed_local().await)
            }
            Work::Remove(_) => {
                Said::Deleted(run_delete(&context, &name, Removal::Now).boxed_local().await)
            }
            Work::Undelete(_) => Said::Undeleted(run_undelete(&context, &name).boxed_local().await),
            Work::Prune | Work::Force | Work::Preview => {
                let staging = StagingRoot { store: self.staging(), shared: true };
                let request = policies::request(work);
                Said::Pruned(run_prune(&context, Some(&staging), request).boxed_local().await)
            }
            Work::Restore(_) => {
                let staging = Staging {
                    store: self.staging(),
                    seen_by_milvus: SEEN_STAGING.to_owned(),
                    repository_seen: self.in_place.then(|| SEEN_REPOSITORY.to_owned()),
                };
                let options = restore(name, id);
                Said::Restored(run_restore(&context, &staging, &options).boxed_local().await)
            }
            Work::Verify(_) => Said::Verified(
                run_verify(&context, None, &name, VerifyDepth::Content).boxed_local().await,
            ),
        };
        (id, said)
    }
}

fn request(name: BackupName, keeps: Keeps) -> BackupRequest {
    BackupRequest {
        name: Some(name),
        policy: policies::policy(keeps),
        job: None,
        selector: CollectionSelector::parse(["default.c?"]).expect("a pattern"),
        layout: Layout::Incremental,
        rbac: false,
        trigger: "model".to_owned(),
    }
}

/// What the collections that a restore makes are called after their names.
pub(super) fn suffix(id: JobId) -> String {
    format!("_r{id}")
}

fn restore(backup: BackupName, id: JobId) -> RestoreOptions {
    RestoreOptions {
        backup,
        cluster: None,
        request: RestoreRequest {
            selector: CollectionSelector::all(),
            suffix: Some(suffix(id)),
            renames: Vec::new(),
            drop_existing: false,
        },
        indexes: Wanted::Yes,
        load: Wanted::Yes,
        rbac: Wanted::No,
        lost_reinserts: LostReinserts::Refuse,
    }
}
