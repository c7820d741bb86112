//! `delete` and `undelete`.

use jiff::Timestamp;
use serde::Serialize;

use crate::catalog::{self, BackupState, Cluster, Lease, PRUNE, Repository};
use crate::manifest::Tombstone;
use crate::metrics::LeaseScope;
use crate::model::{BackupName, ErrorKind};
use crate::plan::{BackupFacts, Found, goes_at};

use super::pin;
use super::survey::look;
use crate::job::{JobContext, JobError, JobResult};

/// How far a delete goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Hidden; the rest goes after the grace.
    Hide,
    /// Without the grace.
    Now,
    /// Only told.
    Plan,
    /// Only told, for [`Self::Now`].
    PlanNow,
}

/// `delete` and `undelete`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeleteReport {
    /// The backup's name.
    pub name: String,
    /// The cluster.
    pub cluster: String,
    /// The state it was found in.
    pub was: BackupState,
    /// The state it is in; none once it is gone.
    pub state: Option<BackupState>,
    /// Whether anything was to be changed, and not only told.
    pub applied: bool,
    /// Until when it can be brought back.
    pub removed_after: Option<String>,
    /// Whether it is pinned now, so that the rules that let it go do not do so again.
    pub pinned: bool,
}

/// The own cluster, checked to be this Milvus's.
pub(in crate::job) async fn own_cluster(context: &JobContext) -> JobResult<(Cluster, Repository)> {
    let repository = context.open_repository().await?;
    let cluster = repository.cluster(&context.cluster);
    if catalog::recognise(&cluster, &context.identity).await?.is_none() {
        let place = repository.store().to_string();
        let cluster = cluster.name.to_string();
        return Err(catalog::CatalogError::NoCluster { cluster, place }.into());
    }
    Ok((cluster, repository))
}

/// The cluster, if it has anything of that name.
pub(super) async fn find(context: &JobContext, name: &BackupName) -> JobResult<Cluster> {
    let (cluster, repository) = match own_cluster(context).await {
        Ok(own) => own,
        Err(error) => {
            // Before the first backup there may be trees of milvus-backup all the same.
            let cluster = context.open_repository().await?.cluster(&context.cluster);
            let record = catalog::read_record(&cluster, name, &*context.clock).await?;
            return record.foreign.map(|_| cluster).ok_or(error);
        }
    };
    let folders = repository.store().list_folders(cluster.layout.root()).await?;
    if folders.iter().any(|folder| folder == name.as_str()) {
        return Ok(cluster);
    }
    let (other, _) = catalog::find(&repository, None, name, &*context.clock).await?;
    let message = format!("cluster `{}` has no backup `{name}`", cluster.name);
    Err(JobError::new(ErrorKind::NotFound, message).hint(format!(
        "cluster `{}` has one: delete it there, with the configuration of that Milvus",
        other.name
    )))
}

/// Hides a backup, and removes it unless it gets its grace.
pub async fn run_delete(
    context: &JobContext,
    name: &BackupName,
    removal: Removal,
) -> JobResult<DeleteReport> {
    let cluster = find(context, name).await?;
    catalog::admit(&cluster.repository).await?;
    let was = catalog::read_record(&cluster, name, &*context.clock).await?.state;
    let facts = look(&cluster, name).await?;
    refuse(&facts, context.clock.now())?;
    if facts.committed().is_some() {
        refuse_another(context, &cluster, (name, was)).await?;
    }
    let mut report = DeleteReport {
        name: name.to_string(),
        cluster: cluster.name.to_string(),
        was,
        state: Some(was),
        applied: false,
        removed_after: None,
        pinned: false,
    };
    let fresh = Tombstone {
        version: 1,
        at: context.clock.now(),
        reason: format!("deleted on {}", catalog::this_process().host),
        policy: None,
    };
    let after = |tombstone: &Tombstone| {
        let at = goes_at(tombstone.at, context.retention.delete_grace);
        facts.manifest.is_there().then(|| at.to_string())
    };
    match removal {
        Removal::Plan | Removal::PlanNow => {
            let tombstone = facts.tombstone.read().unwrap_or(&fresh);
            let hides = removal == Removal::Plan;
            report.removed_after = hides.then(|| after(tombstone)).flatten();
            return Ok(report);
        }
        Removal::Hide => {
            let tombstone = catalog::bury(&cluster, name, (fresh, None)).await?;
            // Whoever pins it looks for a tombstone afterwards, so one of both sees the other.
            let pin = catalog::pin(&cluster, name).await?;
            if pin.read().is_some_and(|pin| pin.holds(context.clock.now())) {
                let message = format!("backup `{name}` was pinned meanwhile");
                return Err(JobError::new(ErrorKind::Refused, message)
                    .hint(format!("it is hidden, and stays; `undelete {name}` brings it back")));
            }
            report.removed_after = after(&tombstone);
            report.state = Some(BackupState::Tombstoned);
        }
        Removal::Now => {
            let lease = Lease::acquire(&cluster, PRUNE).await?;
            let _held = context.holds(LeaseScope::Prune, &lease);
            let removed = remove_now(context, (&cluster, &lease), (name, fresh)).await;
            lease.release().await;
            removed?;
            report.state = None;
        }
    }
    report.applied = true;
    Ok(report)
}

/// Refuses what is another thing than when it was asked for: looking may take a minute.
async fn refuse_another(
    context: &JobContext,
    cluster: &Cluster,
    (name, was): (&BackupName, BackupState),
) -> JobResult<()> {
    let now = catalog::read_record(cluster, name, &*context.clock).await?.state;
    if now == was {
        return Ok(());
    }
    let message = format!("backup `{name}` was {was} when you asked, and is {now} now");
    Err(JobError::new(ErrorKind::Locked, message)
        .hint("look at `list`, then delete it if you still want to"))
}

async fn remove_now(
    context: &JobContext,
    (cluster, lease): (&Cluster, &Lease),
    (name, tombstone): (&BackupName, Tombstone),
) -> JobResult<()> {
    let mut ours = false;
    if !catalog::has_tombstone(cluster, name).await? {
        let stands = catalog::bury(cluster, name, (tombstone.clone(), Some(lease))).await?;
        ours = stands == tombstone;
    }
    // A restore that began meanwhile either saw the tombstone or is seen now.
    if let Err(refused) = refuse(&look(cluster, name).await?, context.clock.now()) {
        if ours {
            catalog::lift(cluster, lease, name).await?;
        }
        return Err(refused);
    }
    let work = catalog::remove_backup(cluster, lease, name);
    let done = context.cancel.run_until_cancelled(work).await;
    done.ok_or_else(JobError::cancelled)??;
    Ok(())
}

fn refuse(facts: &BackupFacts, now: Timestamp) -> JobResult<()> {
    let name = &facts.name;
    if let Some(why) = facts.too_new() {
        return Err(JobError::new(ErrorKind::Refused, why)
            .hint("a newer agent wrote it: delete it with that one"));
    }
    if facts.tree {
        let message = format!("backup `{name}` is a tree of milvus-backup, which is not ours");
        return Err(JobError::new(ErrorKind::Refused, message)
            .hint(format!("`milvus-backup delete -n {name}` deletes it")));
    }
    if let Some(pin) = facts.pin.read().filter(|pin| pin.holds(now)) {
        let message = format!("backup `{name}` is pinned: {}", pin.reason);
        return Err(JobError::new(ErrorKind::Refused, message)
            .hint(format!("`unpin {name}`, then delete it")));
    }
    if facts.is_unfinished() && facts.alive {
        let message = format!("the run of backup `{name}` is at work");
        return Err(JobError::new(ErrorKind::Locked, message).hint("stop it, then run again"));
    }
    if let Some(reader) = facts.readers.first() {
        let message = format!("{reader} reads backup `{name}`");
        return Err(JobError::new(ErrorKind::Locked, message)
            .hint("wait for it to end, or stop it, then run again"));
    }
    Ok(())
}

/// Brings a hidden backup back.
pub async fn run_undelete(context: &JobContext, name: &BackupName) -> JobResult<DeleteReport> {
    let cluster = find(context, name).await?;
    let lease = Lease::acquire(&cluster, PRUNE).await?;
    let _held = context.holds(LeaseScope::Prune, &lease);
    let lifted = lift(context, (&cluster, &lease), name).await;
    lease.release().await;
    lifted?;
    let record = catalog::read_record(&cluster, name, &*context.clock).await?;
    Ok(DeleteReport {
        name: name.to_string(),
        cluster: cluster.name.to_string(),
        was: BackupState::Tombstoned,
        state: Some(record.state),
        applied: true,
        removed_after: None,
        pinned: record.pin.is_some_and(|pin| pin.holds(context.clock.now())),
    })
}

async fn lift(
    context: &JobContext,
    (cluster, lease): (&Cluster, &Lease),
    name: &BackupName,
) -> JobResult<()> {
    let facts = catalog::examine(cluster, name).await?;
    if !facts.manifest.is_there() && facts.tombstone.is_there() {
        let message = format!("backup `{name}` cannot be brought back: its manifest is gone");
        return Err(JobError::new(ErrorKind::Refused, message)
            .hint("`prune --apply` removes the rest of it"));
    }
    match &facts.tombstone {
        Found::Absent => {
            let message = format!("backup `{name}` is not deleted");
            Err(JobError::new(ErrorKind::NothingToDo, message))
        }
        Found::TooNew(why) => Err(JobError::new(ErrorKind::Refused, why)
            .hint("a newer agent deleted it: bring it back with that one")),
        Found::Read(_) | Found::Unreadable(_) => {
            // Else the same rules would let it go again.
            if facts.tombstone.read().is_some_and(|tombstone| tombstone.policy.is_some()) {
                pin::put(context, (cluster, lease), name, ("brought back by undelete", None))
                    .await?;
            }
            Ok(catalog::lift(cluster, lease, name).await?)
        }
    }
}
