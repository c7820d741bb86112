//! The deeds that verdicts ask for, under the lease `prune`.

use std::sync::Arc;

use futures::FutureExt;

use crate::catalog::{self, Cluster, Lease};
use crate::manifest::{Attempt, Tombstone};
use crate::model::{ErrorKind, KeyPrefix, ObjectKey};
use crate::plan::{BackupFacts, Judgement, PruneFacts, Subject};
use crate::storage::{ObjectStore, ObjectStoreExt};

use super::report::StagingRoot;
use crate::job::drill::{Cleaned, clean};
use crate::job::{JobContext, JobError, JobResult};

/// Keys deleted at once.
const BATCH: usize = 1000;

/// What came of one.
pub(super) enum Deleted {
    /// Files and their bytes.
    Files(u64, u64),
    /// A backup is hidden.
    Hidden,
    /// A backup is gone for good, with files of its own and their bytes.
    Backup(u64, u64),
    /// Nothing, for this reason.
    No(String),
}

/// Does what a verdict asks for.
pub(super) async fn delete(
    context: &JobContext,
    (cluster, lease): (&Cluster, &Lease),
    staging: Option<&StagingRoot>,
    (facts, judgement): (&PruneFacts, &Judgement),
) -> JobResult<Deleted> {
    match &judgement.subject {
        Subject::Backup(name) => {
            let found = facts.backups.iter().find(|backup| backup.name == *name);
            let Some(found) = found else { return Ok(Deleted::Files(0, 0)) };
            let reason = judgement.reasons.first().cloned().unwrap_or_default();
            match found.committed() {
                Some(manifest) => {
                    let policy = Some(manifest.policy.clone());
                    hide(context, (cluster, lease), found, (reason, policy)).await
                }
                None => remove(context, (cluster, lease), found, reason).await,
            }
        }
        Subject::Lease(name) => {
            catalog::remove_lease(cluster, lease, name).boxed().await?;
            Ok(Deleted::Files(0, 0))
        }
        Subject::Staging(folder) => match staging {
            Some(root) => clear(lease, &root.store, folder).boxed().await,
            None => Ok(Deleted::Files(0, 0)),
        },
        Subject::Drill(id) => {
            let store = staging.map(|root| &root.store);
            let cleaned = clean(context, (cluster, id), store).boxed().await;
            // The lease that it lost is that drill's, and no reason to end the prune.
            let lost = |error: &JobError| error.kind() == ErrorKind::Locked;
            let told = |error| if lost(&error) { error.of_kind(ErrorKind::Failed) } else { error };
            Ok(match cleaned.map_err(told)? {
                Cleaned::Done { files: (files, bytes), dropped } => {
                    tracing::info!(drill = id, ?dropped, "cleaned up after an interrupted drill");
                    Deleted::Files(files, bytes)
                }
                Cleaned::Gone => Deleted::Files(0, 0),
                Cleaned::AtWork => Deleted::No("it is at work after all".to_owned()),
                Cleaned::Elsewhere(target) => Deleted::No(format!("it is of {target}")),
            })
        }
        Subject::Restore(_) => Ok(Deleted::No("ledgers are for a restore to remove".to_owned())),
    }
}

/// Hides a backup that no rule keeps. Whoever pins it looks for a tombstone afterwards, so one
/// of both sees the other.
async fn hide(
    context: &JobContext,
    (cluster, lease): (&Cluster, &Lease),
    found: &BackupFacts,
    (reason, policy): (String, Option<String>),
) -> JobResult<Deleted> {
    let name = &found.name;
    let tombstone = Tombstone { version: 1, at: context.clock.now(), reason, policy };
    catalog::bury(cluster, name, (tombstone, Some(lease))).await?;
    if catalog::pin(cluster, name).await? != found.pin {
        catalog::lift(cluster, lease, name).await?;
        return Ok(Deleted::No("it was pinned meanwhile".to_owned()));
    }
    Ok(Deleted::Hidden)
}

/// Takes away what is hidden and due, or an attempt that came to nothing.
async fn remove(
    context: &JobContext,
    (cluster, lease): (&Cluster, &Lease),
    found: &BackupFacts,
    reason: String,
) -> JobResult<Deleted> {
    let name = &found.name;
    if !found.tombstone.is_there() {
        let (version, at) = (1, context.clock.now());
        let tombstone = Tombstone { version, at, reason, policy: None };
        catalog::bury(cluster, name, (tombstone, Some(lease))).await?;
        // A run that was suspended may have woken and committed just before that.
        if catalog::has_manifest(cluster, name).await? {
            catalog::lift(cluster, lease, name).await?;
            return Ok(Deleted::No("its run has come to its end after all".to_owned()));
        }
        let now = catalog::read_record(cluster, name, &*context.clock).await?.attempt;
        let run = |attempt: Option<&Attempt>| attempt.map(|attempt| attempt.run.clone());
        if now.is_some() && run(now.as_ref()) != run(found.attempt.read()) {
            catalog::lift(cluster, lease, name).await?;
            return Ok(Deleted::No("another run has taken its place".to_owned()));
        }
    }
    let (files, bytes) = catalog::remove_backup(cluster, lease, name).boxed().await?;
    let run = found.attempt.read();
    if let Some(attempt) = run.filter(|attempt| attempt.lease.starts_with("run-")) {
        catalog::remove_lease(cluster, lease, &attempt.lease).await?;
    }
    let was_backup = found.manifest.is_there();
    Ok(if was_backup { Deleted::Backup(files, bytes) } else { Deleted::Files(files, bytes) })
}

async fn clear(lease: &Lease, store: &Arc<dyn ObjectStore>, folder: &str) -> JobResult<Deleted> {
    let Ok(prefix) = KeyPrefix::new(folder) else {
        return Ok(Deleted::No("its name is no key".to_owned()));
    };
    let files = store.list_all(&prefix).await?;
    let bytes = files.iter().map(|meta| meta.size).sum();
    let keys: Vec<ObjectKey> = files.into_iter().map(|meta| meta.key).collect();
    for batch in keys.chunks(BATCH) {
        if let Some((_, error)) = lease.delete_in(store, batch).await?.failed.into_iter().next() {
            return Err(error.into());
        }
    }
    Ok(Deleted::Files(keys.len() as u64, bytes))
}
