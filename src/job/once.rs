//! A backup that several agents want to make under one name, made by one of them.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::time::sleep;

use crate::catalog::{self, CatalogError, Cluster, Liveness, Repository, Unfinished};
use crate::manifest::{Attempt, Manifest, ManifestOutcome};
use crate::model::{BackupName, ErrorKind, PolicyName};
use crate::storage::ObjectStoreExt;
use crate::transfer::Stage;

use super::backup::begin;
use super::{BackupReport, BackupRequest, JobContext, JobError, JobResult};

/// Between two looks at a name that another run holds. Each that the store answers is a move.
const LOOK: Duration = Duration::from_secs(1);

/// Runs that may lose their lease or their place before their job fails.
const LOSSES: u32 = 3;

/// Who made a backup.
#[derive(Debug)]
pub enum Made {
    /// This run.
    Now(Box<BackupReport>),
    /// A run of the same job that was ended right after it.
    Before(ManifestOutcome),
    /// Another job, mostly that of another agent on this host.
    Elsewhere {
        /// The host.
        host: String,
    },
}

/// Sees to it that there is a backup of this name. Where another run is making it, waits for
/// that: until the backup is there, or the run has ended without one or is dead; then takes its
/// place. A run whose place was taken, as it stood still for too long, looks in the same way.
pub async fn make_once(
    context: &JobContext,
    name: &BackupName,
    request: BackupRequest,
) -> JobResult<Made> {
    let request = BackupRequest { name: Some(name.clone()), ..request };
    let look = Look { context, name, request: &request };
    let mut losses = 0;
    loop {
        let dead = match look.patiently().boxed().await? {
            Seen::Made(made) => return Ok(made),
            Seen::Free { dead } => dead,
        };
        let error = match begin(context, &request, Unfinished::Inherit(dead)).boxed().await? {
            Ok(begun) => match begun.finish().boxed().await {
                Ok(report) => return Ok(Made::Now(Box::new(report))),
                Err(error) => error,
            },
            // Another run was faster.
            Err(CatalogError::NameHeld { .. }) => {
                look.unless_cancelled(sleep(LOOK).map(Ok)).await?;
                continue;
            }
            Err(error) => error.into(),
        };
        if error.kind() == ErrorKind::Cancelled {
            return Err(error);
        }
        if let Ok(Some(made)) = look.for_backup().boxed().await {
            return Ok(made);
        }
        losses += 1;
        if error.kind() != ErrorKind::Locked || losses >= LOSSES {
            return Err(error);
        }
        tracing::warn!(backup = %name, error = %error.chain(), "the run lost its place; looking again");
    }
}

/// What becomes of a name.
enum Seen {
    /// It has a backup.
    Made(Made),
    /// No run is known to be at work on it.
    Free {
        /// The run that left it, and was seen to be dead.
        dead: Option<String>,
    },
}

/// A look at a name on behalf of a job.
struct Look<'a> {
    context: &'a JobContext,
    name: &'a BackupName,
    request: &'a BackupRequest,
}

impl Look<'_> {
    /// Looks until nobody is at work under the name.
    async fn patiently(&self) -> JobResult<Seen> {
        self.unless_cancelled(self.until_settled()).await
    }

    /// Whether there is a backup now.
    async fn for_backup(&self) -> JobResult<Option<Made>> {
        let Some(cluster) = self.cluster().await? else { return Ok(None) };
        match self.once(&cluster).await? {
            Glance::Made(made) => Ok(Some(made)),
            Glance::Free | Glance::Held(_) => Ok(None),
        }
    }

    /// Nothing that is given up here needs to be tidied up.
    async fn unless_cancelled<T>(&self, work: impl Future<Output = JobResult<T>>) -> JobResult<T> {
        let done = self.context.cancel.run_until_cancelled(work).await;
        done.unwrap_or_else(|| Err(JobError::cancelled()))
    }

    async fn cluster(&self) -> JobResult<Option<Cluster>> {
        match Repository::open(Arc::clone(&self.context.repository)).await {
            Ok(repository) => Ok(Some(repository.cluster(&self.context.cluster))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn until_settled(&self) -> JobResult<Seen> {
        let Some(cluster) = self.cluster().await? else { return Ok(Seen::Free { dead: None }) };
        let (mut watched, mut dead) = (None, None);
        loop {
            let attempt = match self.once(&cluster).await? {
                Glance::Made(made) => return Ok(Seen::Made(made)),
                Glance::Free => return Ok(Seen::Free { dead: None }),
                Glance::Held(attempt) => attempt,
            };
            // Its lease is gone, too, when it has just made the backup: hence this second look.
            if dead.as_ref() == Some(&attempt.run) {
                return Ok(Seen::Free { dead });
            }
            if watched.replace(attempt.run.clone()).as_ref() != Some(&attempt.run) {
                self.say_who(&attempt);
            }
            dead = self.watch(&cluster, &attempt).await?.then_some(attempt.run);
        }
    }

    fn say_who(&self, attempt: &Attempt) {
        let (name, host) = (self.name, &attempt.host);
        tracing::info!(backup = %name, %host, run = attempt.run, "waiting for the run that makes this backup");
        self.context.progress.enter(Stage::Gather, 0);
        self.context.progress.subject(&format!("(waiting for a run on {host})"));
    }

    /// Watches a run until it shows that it lives, or there is a manifest, or it is dead.
    async fn watch(&self, cluster: &Cluster, attempt: &Attempt) -> JobResult<bool> {
        let mut watching = pin!(catalog::observe(cluster, &attempt.lease));
        let manifest = cluster.layout.backup(self.name).manifest();
        loop {
            tokio::select! {
                seen = &mut watching => return Ok(seen? == Liveness::Dead),
                () = sleep(LOOK) => {
                    if self.context.repository.find_bytes(&manifest).await?.is_some() {
                        return Ok(false);
                    }
                    self.context.progress.touch();
                }
            }
        }
    }

    async fn once(&self, cluster: &Cluster) -> JobResult<Glance> {
        let record = catalog::read_record(cluster, self.name, &*self.context.clock).await?;
        self.context.progress.touch();
        // Made, and hidden since by the rules: an agent that stood still comes late.
        let hidden = record.tombstone.is_some();
        let committed = record.is_committed();
        Ok(match (record.attempt, record.manifest) {
            (Some(attempt), Some(manifest))
                if committed || hidden && attempt.run == manifest.run =>
            {
                let job = &self.request.job;
                Glance::Made(if job.is_some() && attempt.job == *job {
                    Made::Before(manifest.outcome)
                } else {
                    self.compare(&attempt.host, &manifest)?;
                    Made::Elsewhere { host: attempt.host }
                })
            }
            (Some(attempt), None) if attempt.end.is_none() && !hidden => {
                Glance::Held(Box::new(attempt))
            }
            (Some(_) | None, Some(_) | None) => Glance::Free,
        })
    }

    /// Another job's backup stands for this one's only if it is of the same policy, and if that
    /// selects the same collections there. Older agents did not write down what it selects.
    fn compare(&self, host: &str, manifest: &Manifest) -> JobResult<()> {
        let (name, ours) = (self.name, &self.request.policy);
        let policy = ours.as_ref().map_or("", PolicyName::as_str);
        if manifest.policy != policy {
            let of = match manifest.policy.as_str() {
                "" => "no policy".to_owned(),
                other => format!("policy `{other}`"),
            };
            let message = format!("the name `{name}` is taken by a backup of {of}, made on {host}");
            return Err(JobError::new(ErrorKind::Refused, message)
                .hint("no two policies may have names that become one where `-` is written `_`, and no backup by hand the name of a slot"));
        }
        let (there, here) = (&manifest.selection, self.request.selector.globs());
        if ours.is_some() && !there.is_empty() && *there != here {
            let message = format!(
                "the agent on {host} backs up other collections by policy `{policy}`: [{}] there, [{}] here",
                there.join(", "),
                here.join(", ")
            );
            return Err(JobError::new(ErrorKind::Failed, message)
                .hint("make the policy's file the same on both, then reload the agents"));
        }
        if self.request.rbac && manifest.rbac.is_none() {
            let message =
                format!("the agent on {host} makes backups of policy `{policy}` without `rbac`");
            return Err(JobError::new(ErrorKind::Failed, message)
                .hint("make the policy's file the same on both, then reload the agents"));
        }
        Ok(())
    }
}

/// What one look at a name shows.
enum Glance {
    Made(Made),
    /// A run has it that has not ended, although it may be dead.
    Held(Box<Attempt>),
    Free,
}
